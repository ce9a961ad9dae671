//! Lists, creates, changes and deletes rate cards.

use chrono::NaiveDate;
use serde_json::Value;

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::prices::rate_card_terms::{PriceDays, RateCardChanges, RateCardTerms};
use crate::domain::prices::rate_cards::{RateCard, RateCardFilter};
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Seen;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;

const NOT_FOUND: Error = Error::NotFound { code: "rate_card_not_found", sentence: "There is no such rate card." };

/// The cards in force on a day (today unless given), one per destination and currency.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing, filter: &RateCardFilter, as_of: Option<NaiveDate>) -> Result<Vec<RateCard>> {
    let day = as_of.unwrap_or_else(|| billing.today());
    storage::prices::rate_cards::list_in_force(&mut billing.db.read().await?.conn(), filter, day).await
}

/// A page of the rate cards, past and future ones too.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn page(billing: &Billing, request: &ListRequest) -> Result<ListPage<RateCard>> {
    storage::prices::rate_cards::page(&mut billing.db.read().await?.conn(), request).await
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: RateCardSid) -> Result<RateCard> {
    storage::prices::rate_cards::find(&mut billing.db.read().await?.conn(), sid).await?.ok_or(NOT_FOUND)
}

/// Adds a rate card.
///
/// # Errors
/// [`Error::InvalidFields`], also where it would begin in the past of a destination that has prices already;
/// [`Error::Exists`] where the destination has a card of that currency and day; and those of the database.
pub async fn create(billing: &Billing, terms: RateCardTerms, author: &Author) -> Result<RateCard> {
    let now = billing.clock.now();
    let wrong = terms.check();
    if !wrong.is_empty() {
        return Err(Error::InvalidFields(wrong));
    }
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::db::deployment::lock_prices(&mut conn).await?;
    let card = terms.clone().into_card(RateCardSid::new(billing.clock.new_id()));
    let has_rows = storage::prices::rate_cards::has_rows(&mut conn, &terms.destination()).await?;
    if !storage::prices::rate_cards::insert(&mut conn, &card, now).await? {
        tx.roll_back().await?;
        let problem =
            "has a row of that destination and currency already; rows are not replaced, so choose another day";
        return Err(Error::exists("effective_from", problem));
    }
    if let Some(error) = PriceDays::at(now, billing.rules.calendar).check_start(card.effective_from, has_rows) {
        tx.roll_back().await?;
        return Err(Error::InvalidFields(vec![error]));
    }
    let entry = AuditEntry::created(AuditAction::RateCardCreated, card.sid.to_string(), json(&card)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(card)
}

/// Changes a rate card that is not yet in force, if it is still as its author saw it. A change of nothing is not
/// recorded.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::Impossible`] where it may be in force, [`Error::InvalidFields`],
/// and those of the database.
pub async fn change(
    billing: &Billing,
    sid: RateCardSid,
    seen: &Seen,
    changes: RateCardChanges,
    author: &Author,
) -> Result<RateCard> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    PriceDays::at(now, billing.rules.calendar).check_untouched(before.effective_from)?;
    let terms = changes.apply_to(before.terms()).map_err(Error::InvalidFields)?;
    if terms == before.terms() {
        tx.roll_back().await?;
        return Ok(before);
    }
    let after = terms.into_card(sid);
    storage::prices::rate_cards::update(&mut conn, &after).await?;
    let entry = AuditEntry::changed(AuditAction::RateCardChanged, sid.to_string(), json(&before)?, json(&after)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(after)
}

/// Deletes a rate card that is not yet in force, if it is still as its author saw it.
///
/// # Errors
/// As [`change`].
pub async fn delete(billing: &Billing, sid: RateCardSid, seen: &Seen, author: &Author) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    PriceDays::at(now, billing.rules.calendar).check_untouched(before.effective_from)?;
    storage::prices::rate_cards::delete(&mut conn, sid).await?;
    let entry = AuditEntry::deleted(AuditAction::RateCardDeleted, sid.to_string(), json(&before)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(())
}

/// The card, if it is as the author saw it, locked until the transaction ends.
async fn lock(conn: &mut Conn<'_>, sid: RateCardSid, seen: &Seen) -> Result<RateCard> {
    storage::db::deployment::lock_prices(conn).await?;
    let card = storage::prices::rate_cards::lock(conn, sid).await?.ok_or(NOT_FOUND)?;
    if seen.includes(card.version()) { Ok(card) } else { Err(Error::Changed) }
}

fn json(card: &RateCard) -> Result<Value> {
    serde_json::to_value(card.terms()).map_err(|error| Error::Corrupt(format!("a card that is no JSON: {error}")))
}

async fn note(conn: &mut Conn<'_>, entry: AuditEntry, author: &Author, now: Timestamp) -> Result<()> {
    storage::audit::append(&mut conn.bulk(), &entry.by(author), &author.actor, now).await
}
