//! Reconciles a database: reads its whole ledger, recomputes what is derived from it, and compares.

use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::operations::reconcile::invoices::Invoices;
use crate::domain::operations::reconcile::refunds::RefundWalk;
use crate::domain::operations::reconcile::usage::{RateBook, Usage};
use crate::domain::operations::reconcile::wallets::Tallies;
use crate::domain::operations::reconcile::{Check, Report};
use crate::domain::values::time::BillingCalendar;
use crate::error::{Error, Result};
use crate::storage;
use crate::storage::db::{Conn, Db};
use crate::storage::operations::reconcile::{self as stored, Spanned, Spans};

/// How many entries are read between two reports of progress.
const TELL_EVERY: u64 = 1_000_000;

/// Takes reports of progress.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Runs all checks on one snapshot, while the server may go on; nothing is changed. Takes memory for a count per wallet
/// and per row of usage, and not for entries.
///
/// # Errors
/// Those of the database. A failed check is no error: it is in the report.
pub async fn reconcile(db: &Db, zone_of_new: Tz, progress: Progress<'_>) -> Result<Report> {
    let mut snapshot = db.snapshot().await?;
    let mut conn = snapshot.conn();
    stored::take_time(&mut conn).await?;
    // The days of a database are those of the zone it was first used with, whatever the settings say now.
    let zone = match storage::db::deployment::timezone(&mut conn).await? {
        Some(name) => name.parse().map_err(|_| Error::Corrupt(format!("the time zone {name}")))?,
        None => zone_of_new,
    };
    let mut report = Report::default();
    let mut walk = Walk {
        usage: Usage::new(BillingCalendar::new(zone), rates(&mut conn, &mut report).await?),
        tallies: Tallies::default(),
        progress,
    };
    walk.ledger(&mut conn, &mut report).await?;
    walk.messages(&mut conn, &mut report).await?;
    walk.refunds(&mut conn, &mut report).await?;
    walk.reports(&mut conn, &mut report).await?;
    walk.invoice_items(&mut conn, &mut report).await?;
    walk.wallets(&mut conn, &mut report).await?;
    walk.usage(&mut conn, &mut report).await?;
    invoices(&mut conn, &mut report, progress).await?;
    Ok(report)
}

/// Checks finalised invoices against the usage of their months, their numbers and their payments.
async fn invoices(conn: &mut Conn<'_>, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    progress("invoices");
    let (mut all, mut after) = (Invoices::default(), 0);
    loop {
        let (page, last) = stored::invoices::page(conn, after).await?;
        let Some(last) = last else { break };
        after = last;
        for check in [Check::Invoices, Check::Numbers, Check::Payments] {
            report.checked(check, page.len() as u64);
        }
        for invoice in &page {
            all.check(invoice, report);
        }
    }
    all.check_numbers(stored::invoices::counters(conn).await?, report);
    for (business, number, sid) in stored::invoices::stray_payments(conn).await? {
        report.problem(Check::Payments, || match number {
            Some(number) => format!("{number} of {business} was paid by {sid}, which is no credit of its wallet"),
            None => format!("a draft of {business} was paid by {sid}, and nothing is due on a draft"),
        });
    }
    Ok(())
}

async fn rates(conn: &mut Conn<'_>, report: &mut Report) -> Result<RateBook> {
    let mut book = RateBook::default();
    let mut after = 0;
    loop {
        let rates = stored::usage::rates(conn, after).await?;
        let Some(last) = rates.last() else { return Ok(book) };
        after = last.id;
        report.checked(Check::Rates, rates.len() as u64);
        for rate in rates {
            book.add(rate, report);
        }
    }
}

struct Walk<'a> {
    usage: Usage,
    tallies: Tallies,
    progress: Progress<'a>,
}

impl Walk<'_> {
    /// Checks the ledger span by span: each entry against the one before it, marks, debits against their rates.
    async fn ledger(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("the ledger");
        let mut spans = Spans::of(conn, Spanned::Ledger).await?;
        let (mut entries, mut debits, mut told) = (0, 0, 0);
        while let Some(span) = spans.next(conn).await? {
            for (wallet_id, tally) in stored::wallets::tallies(conn, span).await? {
                entries += tally.entries.unsigned_abs();
                self.tallies.add(wallet_id, tally);
            }
            for link in stored::entries::broken_links(conn, span).await? {
                link.check(report);
            }
            for mark in stored::entries::unmarked(conn, span).await? {
                mark.check(report);
            }
            for group in stored::usage::debit_groups(conn, span).await? {
                debits += group.messages.unsigned_abs();
                self.usage.add_group(group);
            }
            for debit in stored::entries::bad_debits(conn, span).await? {
                self.usage.check_debit(&debit, report);
            }
            for debit in stored::entries::debits_of_parts(conn, span).await? {
                debits += 1;
                self.usage.check_debit(&debit, report);
                self.usage.add_debit(&debit);
            }
            for (business, sid, kind) in stored::entries::strays(conn, span).await? {
                report.problem(Check::Refunds, || format!("{sid} of {business} is a {kind} of no debit"));
            }
            if entries / TELL_EVERY > told {
                told = entries / TELL_EVERY;
                (self.progress)(&format!("the ledger: {entries} entries so far"));
            }
        }
        report.checked(Check::Chain, entries);
        report.checked(Check::Debits, debits);
        report.checked(Check::Messages, debits);
        (self.progress)("marks");
        let (count, strays) = stored::entries::marks(conn).await?;
        report.checked(Check::Marks, count.unsigned_abs());
        for mark in strays {
            mark.check(report);
        }
        Ok(())
    }

    async fn messages(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("messages");
        for (business, message, charges) in stored::entries::doubles(conn).await? {
            report.problem(Check::Messages, || format!("{business} was charged {charges} times for {message}"));
        }
        Ok(())
    }

    async fn refunds(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("refunds");
        let mut walk = RefundWalk::default();
        let mut place = (Uuid::nil(), 0);
        loop {
            let (refunds, last) = stored::refunds::refunds(conn, place).await?;
            let Some(last) = last else { return Ok(()) };
            place = last;
            report.checked(Check::Refunds, refunds.len() as u64);
            for refund in &refunds {
                walk.check(refund, &mut self.usage, report);
            }
        }
    }

    async fn reports(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("delivery reports");
        let mut spans = Spans::of(conn, Spanned::Reports).await?;
        while let Some(span) = spans.next(conn).await? {
            for (debits, has_failed) in stored::usage::report_groups(conn, span).await? {
                report.checked(Check::Deliveries, debits.messages.unsigned_abs());
                self.usage.add_reports(debits, has_failed);
            }
            for sid in stored::usage::stray_reports(conn, span).await? {
                report.checked(Check::Deliveries, 1);
                report.problem(Check::Deliveries, || format!("there is a report of {sid}, which is no debit"));
            }
        }
        Ok(())
    }

    async fn invoice_items(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        let mut after = Uuid::nil();
        loop {
            let items = stored::refunds::items(conn, after).await?;
            let Some(last) = items.last() else { return Ok(()) };
            after = last.sid.uuid();
            report.checked(Check::InvoiceItems, items.len() as u64);
            for item in &items {
                item.check(report);
            }
        }
    }

    async fn wallets(&mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("wallets");
        let tiers = self.usage.tiers();
        let mut after = 0;
        loop {
            let wallets = stored::wallets::wallets(conn, after).await?;
            let Some(last) = wallets.last() else { break };
            after = last.id;
            report.checked(Check::Wallets, wallets.len() as u64);
            report.checked(Check::Tiers, wallets.len() as u64);
            for wallet in &wallets {
                self.tallies.check(wallet, report);
                tiers.check(wallet, report);
            }
        }
        std::mem::take(&mut self.tallies).check_rest(report);
        Ok(())
    }

    async fn usage(mut self, conn: &mut Conn<'_>, report: &mut Report) -> Result<()> {
        (self.progress)("usage");
        let mut after = 0;
        loop {
            let (rows, last) = stored::usage::usage(conn, after).await?;
            let Some(last) = last else { break };
            after = last;
            report.checked(Check::Usage, rows.len() as u64);
            for row in &rows {
                self.usage.check(row, report);
            }
        }
        self.usage.check_rest(report);
        Ok(())
    }
}
