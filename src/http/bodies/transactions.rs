//! Shapes transactions and payments as rows of a history.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::payments::Payment;
use crate::domain::reports::history::{History, HistoryRow};
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{OwnedTransaction, Transaction, TransactionStatus, TransactionType};

/// A transaction of a wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingTransaction)]
pub struct TransactionBody {
    sid: TransactionSid,
    business_sid: BusinessSid,
    #[serde(rename = "type")]
    transaction_type: TransactionType,
    /// Positive for credits to the wallet, negative for debits.
    amount: Money,
    currency: Currency,
    /// The caller's reference, or the `message_sid` of a message; may be empty.
    reference: Reference,
    status: TransactionStatus,
    /// Depends on the type; an `SMS_DEBIT` has `messages`, `segments`, `price_per_sms`, `country_code`, `operator` and
    /// the masked number.
    #[schema(value_type = Object)]
    details: JsonObject,
    #[schema(value_type = Object)]
    metadata: JsonObject,
    /// The balance after this entry; missing on a payment that is open or has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_after: Option<Money>,
    /// The position in the wallet's ledger: 1, 2, 3 … without gaps; missing on a payment that is open or has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    seq: Option<i64>,
    created_at: Timestamp,
}

impl TransactionBody {
    pub fn new(business_sid: BusinessSid, currency: Currency, transaction: Transaction) -> TransactionBody {
        let Transaction { entry, posting } = transaction;
        TransactionBody {
            sid: entry.sid,
            business_sid,
            transaction_type: posting.transaction_type,
            amount: entry.amount,
            currency,
            reference: posting.reference,
            status: TransactionStatus::Completed,
            details: posting.details,
            metadata: posting.metadata,
            balance_after: Some(entry.balance_after),
            seq: Some(entry.seq),
            created_at: entry.created_at,
        }
    }

    pub fn list(history: History) -> Vec<TransactionBody> {
        let (business_sid, currency) = (history.business_sid, history.currency);
        let body = |row| match row {
            HistoryRow::Entry(transaction) => TransactionBody::new(business_sid.clone(), currency, transaction),
            HistoryRow::Payment(payment) => payment.into(),
        };
        history.page.items.into_iter().map(body).collect()
    }
}

/// A payment beside the ledger, without a position in it.
impl From<Payment> for TransactionBody {
    fn from(payment: Payment) -> TransactionBody {
        let posting = payment.posting();
        TransactionBody {
            sid: TransactionSid::new(payment.sid.uuid()),
            business_sid: payment.business_sid,
            transaction_type: posting.transaction_type,
            amount: payment.amount,
            currency: payment.currency,
            reference: posting.reference,
            status: payment.status.into(),
            details: posting.details,
            metadata: posting.metadata,
            balance_after: None,
            seq: None,
            created_at: payment.created_at,
        }
    }
}

impl From<OwnedTransaction> for TransactionBody {
    fn from(row: OwnedTransaction) -> TransactionBody {
        TransactionBody::new(row.business_sid, row.currency, row.transaction)
    }
}
