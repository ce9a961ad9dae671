//! Lets credits that a wallet got before a month was closed pay the invoice of that month.

use super::wallets::Issued;
use crate::domain::audit::Actor;
use crate::domain::invoices::InvoiceStatus;
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::postings::tax_posting;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::services::posting::{self, NewPosting, credits};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::accounts::StoredAccount;
use crate::storage::wallets::history::Span;

/// Lets credits that came in after the month's end and before its close pay the new invoices.
///
/// # Errors
/// Those of the database.
pub async fn pay_at_once(
    billing: &Billing,
    conn: &mut Conn<'_>,
    ends_at: Timestamp,
    made: &[Issued],
    now: Timestamp,
) -> Result<()> {
    for Issued { wallet, header, .. } in made {
        let last = (wallet.last.0, wallet.last.1);
        let (InvoiceStatus::Sent, (last_seq, Some(last_sid))) = (header.status, last) else { continue };
        if wallet.updated_at < ends_at {
            continue;
        }
        let span = Span::between(conn, wallet.id, (last_seq, last_sid), Some(ends_at), None).await?;
        pay_with_earlier_credits(billing, conn, &wallet.business, span.first_seq - 1, now).await?;
    }
    Ok(())
}

/// Lets credits after the entry `since_seq`, as far as they have not paid invoices yet, pay the open ones, the oldest
/// credit first: for a month close that has just issued an invoice. The transaction is the caller's.
///
/// # Errors
/// Those of the database.
pub async fn pay_with_earlier_credits(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    since_seq: i64,
    now: Timestamp,
) -> Result<Vec<PaidInvoice>> {
    let stored =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(Vec::new()) };
    let actor = Actor::scheduled();
    let (mut paid, mut events) = (Vec::new(), Vec::new());
    let credits = storage::invoices::payments::credits_since(conn, wallet_id, since_seq).await?;
    for credit in credits.into_iter().filter(|credit| credit.left > Money::ZERO) {
        let paying = credits::pay(conn, wallet_id, account.currency, credit.left, None).await?;
        if paying.parts.is_empty() {
            break;
        }
        let tax = paying.tax;
        let posting = tax_posting(credit.sid, &paying.numbers());
        let settled = credits::write(conn, paying, credit.sid, billing.rules.calendar.day_of(now), now).await?;
        paid.extend(settled.paid);
        events.extend(settled.events);
        if !tax.is_zero() {
            let amount = Money::ZERO.checked_sub(tax)?;
            let new = NewPosting { amount, posting, actor: &actor, events: Vec::new() };
            posting::enter(billing, conn, business, new, now).await?;
        }
    }
    let consequences = Consequences { events, ..Consequences::of(wallet_id, &account, account.watch) };
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    Ok(paid)
}
