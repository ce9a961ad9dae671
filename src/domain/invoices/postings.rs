//! Builds the postings that invoices make in the ledger: payments, credit notes, taxes and fees.

use super::LineCategory;
use crate::domain::values::json::JsonObject;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::text::{LongText, Reason, Reference};
use crate::domain::wallets::transactions::{Posting, TransactionType};

/// The posting of a payment of invoices. When it is entered, the amount before tax and the tax are noted in it.
pub fn invoice_payment_posting(invoice: Option<&str>, reference: Reference) -> Posting {
    let details = invoice.map(|number| JsonObject::default().with("invoice", &number)).unwrap_or_default();
    Posting { transaction_type: TransactionType::InvoicePayment, reference, details, metadata: JsonObject::default() }
}

/// The posting of the amount that a credit note gives back.
pub fn credit_note_posting(credit_note: &str, invoice: &str, reason: &str) -> Posting {
    let details = serde_json::json!({"credit_note": credit_note, "invoice": invoice, "reason": reason});
    Posting {
        transaction_type: TransactionType::CreditAdjustment,
        reference: credit_note.parse().unwrap_or_default(),
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// The posting that takes the tax of a payment out of the wallet again: that part is not the wallet's money.
pub fn tax_posting(credit: TransactionSid, invoices: &[&str]) -> Posting {
    let details = serde_json::json!({"tax_of_invoices": invoices, "transaction": credit});
    Posting {
        transaction_type: TransactionType::Fee,
        reference: invoices.first().and_then(|number| number.parse().ok()).unwrap_or_default(),
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// The posting of a fee, or a credit, on the current month's invoice.
pub fn fee_posting(category: LineCategory, description: &LongText, reason: &Reason, reference: Reference) -> Posting {
    let details = serde_json::json!({"category": category, "description": description, "reason": reason});
    Posting {
        transaction_type: TransactionType::Fee,
        reference,
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}
