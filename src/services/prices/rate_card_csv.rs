//! Exports rate cards as CSV, and imports an edited CSV.

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::prices::rate_card_csv::{self, COLUMNS, RateCardImport};
use crate::domain::prices::rate_card_terms::{PriceDays, RateCardTerms};
use crate::domain::prices::rate_cards::RateCard;
use crate::domain::values::csv;
use crate::domain::values::listing::ListRequest;
use crate::domain::values::sid::RateCardSid;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;

/// Exports all cards that match the request.
///
/// # Errors
/// [`Error::Invalid`] where the sort is invalid, and those of the database.
pub async fn export(billing: &Billing, request: &ListRequest) -> Result<String> {
    let cards = storage::prices::rate_cards::all(&mut billing.db.read().await?.conn(), request).await?;
    Ok(rate_card_csv::write(&cards))
}

/// Returns the changes that an import would make. Nothing is stored.
///
/// # Errors
/// [`Error::MalformedCsv`], and those of the database.
pub async fn try_import(billing: &Billing, file: &[u8]) -> Result<RateCardImport> {
    let rows = csv::read(file, COLUMNS).map_err(Error::MalformedCsv)?;
    let known = storage::prices::rate_cards::list(&mut billing.db.read().await?.conn()).await?;
    Ok(rate_card_csv::compare(rows, &known, PriceDays::at(billing.clock.now(), billing.rules.calendar)))
}

/// Imports a CSV: adds its new cards, all of them or none.
///
/// # Errors
/// [`Error::MalformedCsv`], [`Error::LinesRefused`], and those of the database.
pub async fn import(billing: &Billing, file: &[u8], author: &Author) -> Result<RateCardImport> {
    let rows = csv::read(file, COLUMNS).map_err(Error::MalformedCsv)?;
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::db::deployment::lock_prices(&mut conn).await?;
    let known = storage::prices::rate_cards::list(&mut conn).await?;
    let mut import = rate_card_csv::compare(rows, &known, PriceDays::at(now, billing.rules.calendar));
    if !import.refused.is_empty() {
        tx.roll_back().await?;
        return Err(Error::LinesRefused(std::mem::take(&mut import.refused)));
    }
    if import.added.is_empty() {
        tx.roll_back().await?;
        return Ok(import);
    }
    let card = |terms: &RateCardTerms| terms.clone().into_card(RateCardSid::new(billing.clock.new_id()));
    let cards: Vec<RateCard> = import.added.iter().map(|added| card(&added.terms)).collect();
    storage::prices::rate_cards::insert_many(&mut conn.bulk(), &cards, now).await?;
    let entries = cards.iter().map(|card| {
        let after = serde_json::to_value(card.terms());
        let after = after.map_err(|error| Error::Corrupt(format!("a card that is no JSON: {error}")))?;
        Ok(AuditEntry::created(AuditAction::RateCardCreated, card.sid.to_string(), after).by(author))
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    storage::audit::append_many(&mut conn.bulk(), &entries, &author.actor, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(import)
}
