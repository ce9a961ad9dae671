//! Defines the rows and columns of the CSV exports: transactions, charges and usage.

use chrono::NaiveDate;

use crate::domain::charges::DeliveryStatus;
use crate::domain::charges::usage::{UsageCounts, operator_name};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::csv::CsvWriter;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{Transaction, TransactionStatus, TransactionType};

/// A row of a CSV export.
pub trait CsvLine {
    const COLUMNS: &'static [&'static str];

    /// Writes a cell for every column.
    fn write(&self, currency: Currency, writer: &mut CsvWriter);
}

/// A piece of a CSV export: rows, after the header where they are the first.
pub fn piece<L: CsvLine>(lines: &[L], currency: Currency, with_header: bool) -> Vec<u8> {
    let mut writer = CsvWriter::new();
    if with_header {
        writer.header(L::COLUMNS);
    }
    for line in lines {
        line.write(currency, &mut writer);
        writer.end_line();
    }
    writer.into_bytes()
}

/// The file name of an export. A business's SID is fit for one as it is.
pub fn file_name(what: &str, business: &BusinessSid, today: NaiveDate) -> String {
    format!("{what}-{business}-{today}.csv")
}

/// A row of the transactions export.
#[derive(Clone, Debug)]
pub struct TransactionLine {
    pub sid: TransactionSid,
    pub seq: i64,
    pub created_at: Timestamp,
    pub transaction_type: TransactionType,
    pub amount: Money,
    pub balance_after: Money,
    pub reference: String,
    pub debit: Option<DebitLine>,
}

/// For entries that are no debits.
impl From<Transaction> for TransactionLine {
    fn from(row: Transaction) -> TransactionLine {
        TransactionLine {
            sid: row.entry.sid,
            seq: row.entry.seq,
            created_at: row.entry.created_at,
            transaction_type: row.posting.transaction_type,
            amount: row.entry.amount,
            balance_after: row.entry.balance_after,
            reference: row.posting.reference.as_str().to_owned(),
            debit: None,
        }
    }
}

/// The columns that only the debit of a message fills.
#[derive(Clone, Debug)]
pub struct DebitLine {
    pub message_sid: String,
    pub segments: i64,
    pub country_code: String,
    /// Empty where the operator was unknown.
    pub operator: String,
    /// The number, masked; empty where none was given.
    pub to: String,
}

impl CsvLine for TransactionLine {
    const COLUMNS: &'static [&'static str] = &[
        "sid",
        "seq",
        "created_at",
        "type",
        "amount",
        "balance_after",
        "currency",
        "reference",
        "status",
        "messages",
        "segments",
        "price_per_sms",
        "country_code",
        "operator",
        "to",
        "message_sid",
    ];

    fn write(&self, currency: Currency, writer: &mut CsvWriter) {
        writer.plain(self.sid);
        writer.plain(self.seq);
        writer.plain(self.created_at);
        writer.plain(self.transaction_type);
        writer.plain(self.amount);
        writer.plain(self.balance_after);
        writer.plain(currency);
        writer.text(&self.reference);
        writer.plain(TransactionStatus::Completed);
        let Some(debit) = &self.debit else { return writer.blank(7) };
        writer.plain(1);
        writer.plain(debit.segments);
        writer.plain(mean_price(self.amount, debit.segments));
        writer.text(&debit.country_code);
        writer.text(&debit.operator);
        writer.text(&debit.to);
        writer.text(&debit.message_sid);
    }
}

/// The average price of a segment. (A debit is never so low that its cost could not be told.)
fn mean_price(amount: Money, segments: i64) -> Money {
    Money::ZERO.checked_sub(amount).unwrap_or_default().mean_over(segments)
}

/// A row of the charges export: a charged message with its delivery report and refunds.
#[derive(Clone, Debug)]
pub struct ChargeLine {
    pub sid: TransactionSid,
    pub message_sid: String,
    pub created_at: Timestamp,
    /// The number, masked; empty where none was given.
    pub to: String,
    pub country_code: String,
    /// Empty where the operator was unknown.
    pub operator: String,
    pub segments: i64,
    pub encoding: Option<String>,
    /// The amount of the debit, so zero or below.
    pub amount: Money,
    pub delivery: Option<DeliveryLine>,
    /// The sum of its refunds.
    pub refunded: Money,
}

/// The delivery report of a message.
#[derive(Clone, Debug)]
pub struct DeliveryLine {
    pub status: DeliveryStatus,
    pub error_code: Option<String>,
    pub reported_at: Timestamp,
}

impl CsvLine for ChargeLine {
    const COLUMNS: &'static [&'static str] = &[
        "sid",
        "message_sid",
        "created_at",
        "to",
        "country_code",
        "operator",
        "segments",
        "encoding",
        "price_per_sms",
        "amount",
        "currency",
        "delivery_status",
        "error_code",
        "reported_at",
        "refunded",
    ];

    fn write(&self, currency: Currency, writer: &mut CsvWriter) {
        writer.plain(self.sid);
        writer.text(&self.message_sid);
        writer.plain(self.created_at);
        writer.text(&self.to);
        writer.text(&self.country_code);
        writer.text(&self.operator);
        writer.plain(self.segments);
        writer.plain_or_blank(self.encoding.as_deref());
        writer.plain(mean_price(self.amount, self.segments));
        writer.plain(self.amount);
        writer.plain(currency);
        match &self.delivery {
            Some(delivery) => {
                writer.plain(delivery.status);
                writer.text(delivery.error_code.as_deref().unwrap_or_default());
                writer.plain(delivery.reported_at);
            }
            None => writer.blank(3),
        }
        writer.plain(self.refunded);
    }
}

/// A row of the usage export: one day, operator and price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    pub day: NaiveDate,
    pub country: CountryCode,
    /// Empty where the operator was unknown.
    pub operator: String,
    pub unit_price: Money,
    pub counts: UsageCounts,
}

impl CsvLine for UsageLine {
    const COLUMNS: &'static [&'static str] = &[
        "day",
        "country_code",
        "country_name",
        "operator",
        "unit_price",
        "messages_sent",
        "delivered",
        "failed",
        "segments",
        "cost",
        "currency",
    ];

    fn write(&self, currency: Currency, writer: &mut CsvWriter) {
        writer.plain(self.day);
        writer.text(self.country.as_str());
        writer.text(self.country.name());
        writer.text(operator_name(&self.operator));
        writer.plain(self.unit_price);
        writer.plain(self.counts.messages_sent);
        writer.plain(self.counts.messages_delivered);
        writer.plain(self.counts.messages_failed);
        writer.plain(self.counts.segments);
        writer.plain(self.counts.cost);
        writer.plain(currency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<L: CsvLine>(line: &L) -> String {
        let currency = "KES".parse().expect("a currency");
        String::from_utf8(piece(std::slice::from_ref(line), currency, true)).expect("UTF-8")
    }

    fn cells<L: CsvLine>(line: &L) -> Vec<(&'static str, String)> {
        let written = text(line);
        let lines: Vec<&str> = written.split_terminator("\r\n").collect();
        assert_eq!((lines.len(), lines[0]), (2, &*L::COLUMNS.join(",")));
        let cells: Vec<&str> = lines[1].split(',').collect();
        assert_eq!(cells.len(), L::COLUMNS.len());
        L::COLUMNS.iter().copied().zip(cells.into_iter().map(str::to_owned)).collect()
    }

    fn told<L: CsvLine>(line: &L, column: &str) -> String {
        cells(line).into_iter().find(|(name, _)| *name == column).expect("a column").1
    }

    fn transaction() -> TransactionLine {
        TransactionLine {
            sid: TransactionSid::new(uuid::Uuid::nil()),
            seq: 7,
            created_at: "2026-03-18T10:00:00Z".parse().expect("a time"),
            transaction_type: TransactionType::SmsDebit,
            amount: Money::from_micros(-40_000),
            balance_after: Money::from_micros(-1),
            reference: "-m".to_owned(),
            debit: Some(DebitLine {
                message_sid: "-m".to_owned(),
                segments: 3,
                country_code: "KE".to_owned(),
                operator: "=Safaricom".to_owned(),
                to: "+25471****678".to_owned(),
            }),
        }
    }

    #[test]
    fn numbers_are_numbers_and_texts_no_formulas() {
        let line = transaction();
        for (column, cell) in [
            ("amount", "-0.04"),
            ("balance_after", "-0.000001"),
            ("price_per_sms", "0.013333"),
            ("reference", "'-m"),
            ("message_sid", "'-m"),
            ("operator", "'=Safaricom"),
            ("to", "'+25471****678"),
            ("created_at", "2026-03-18T10:00:00.000000Z"),
        ] {
            assert_eq!(told(&line, column), cell, "{column}");
        }
        let topup = TransactionLine { debit: None, transaction_type: TransactionType::Topup, ..transaction() };
        assert_eq!((told(&topup, "segments"), told(&topup, "status")), (String::new(), "COMPLETED".to_owned()));
    }

    #[test]
    fn files_are_named_by_business_and_day() {
        let (business, day) = ("biz_test_001".parse().expect("a SID"), "2026-03-18".parse().expect("a date"));
        assert_eq!(file_name("transactions", &business, day), "transactions-biz_test_001-2026-03-18.csv");
    }
}
