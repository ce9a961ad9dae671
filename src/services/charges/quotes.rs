//! Quotes messages and campaigns: rates them like charges, debits and stores nothing.

use crate::domain::access::rights::Tenant;
use crate::domain::charges::Refusal;
use crate::domain::charges::campaigns::Campaign;
use crate::domain::charges::charging::Rules;
use crate::domain::charges::quotes::{Estimate, Quote};
use crate::domain::prices::messages::OfferedMessage;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::account::Account;
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// How many messages are rated before other tasks get their turn: well under a millisecond's work.
const CHUNK: usize = 500;

/// Quotes one message.
///
/// # Errors
/// [`crate::error::Error::Invalid`] where the message is invalid; [`crate::error::Error::Refused`] where it has no
/// price; those of the database.
pub async fn message(billing: &Billing, tenant: &Tenant, message: &OfferedMessage) -> Result<Quote> {
    let now = billing.clock.now();
    let account = account(billing, tenant, now).await?;
    let book = billing.live.prices.book_with(account.plan.into_iter()).await?;
    let offered = message.resolve(&book, now)?;
    let rules = Rules { book: &book, calendar: billing.rules.calendar, watch: billing.rules.watch };
    let mut estimate = Estimate::new(rules, &account, offered.size, message.submitted_at, now);
    let rating = estimate.add_message(offered.destination).map_err(Refusal::from)?;
    let quote = estimate.finish(message.body.as_deref()).map_err(Refusal::from)?;
    Ok(Quote { rating: Some(rating), ..quote })
}

/// Quotes a campaign, as if its messages were charged one after the other.
///
/// # Errors
/// [`crate::error::Error::Invalid`] where the text is invalid, and those of the database. Recipients without a price
/// are part of the quote.
pub async fn campaign(billing: &Billing, tenant: &Tenant, campaign: &Campaign) -> Result<Quote> {
    let now = billing.clock.now();
    let Campaign { recipients, message } = campaign;
    let size = message.measure(now)?;
    let account = account(billing, tenant, now).await?;
    let book = billing.live.prices.book_with(account.plan.into_iter()).await?;
    let rules = Rules { book: &book, calendar: billing.rules.calendar, watch: billing.rules.watch };
    let mut estimate = Estimate::new(rules, &account, size, message.submitted_at, now);
    for chunk in recipients.chunks(CHUNK) {
        for recipient in chunk {
            estimate.add_recipient(recipient);
        }
        tokio::task::yield_now().await;
    }
    Ok(estimate.finish(message.body.as_deref()).map_err(Refusal::from)?)
}

/// The business's wallet, or the one it would get; none is opened.
async fn account(billing: &Billing, tenant: &Tenant, now: Timestamp) -> Result<Account> {
    let business = tenant.sid();
    let mut reader = billing.db.read().await?;
    let stored =
        storage::wallets::accounts::load(&mut reader.conn().bulk(), std::slice::from_ref(business)).await?.pop();
    if let Some(stored) = stored {
        return Ok(stored.account);
    }
    let known = storage::wallets::accounts::load_unopened(&mut reader.conn().bulk(), &[business]).await?.pop();
    let known = known.map(|known| (known.is_suspended, known.currency));
    Ok(Account::unopened(business, known, &billing.rules.terms, &billing.live.prices.book(), now))
}
