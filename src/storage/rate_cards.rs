//! Rate cards.

use chrono::NaiveDate;
use sqlx::FromRow;
use sqlx::types::Json;

use super::db::{Conn, on};
use crate::domain::countries::CountryCode;
use crate::domain::currency::Currency;
use crate::domain::money::Money;
use crate::domain::rate_cards::{Network, RateCard, RateCardFilter};
use crate::domain::sid::RateCardSid;
use crate::domain::text::OperatorName;
use crate::domain::time::Timestamp;
use crate::error::Result;

/// Of each destination and currency the newest row that is in force on a day. An empty filter matches everything.
pub const LIST_IN_FORCE: &str = "SELECT r.uid, r.country_code, r.operator, r.networks, r.price_per_sms, r.currency, r.effective_from, r.notes \
     FROM rate_cards r \
     WHERE r.effective_from <= $1 AND ($2 = '' OR r.country_code = $2) AND ($3 = '' OR r.operator_key = $3) \
     AND NOT EXISTS (SELECT 1 FROM rate_cards newer WHERE newer.country_code = r.country_code \
         AND newer.operator_key = r.operator_key AND newer.currency = r.currency \
         AND newer.effective_from > r.effective_from AND newer.effective_from <= $1) \
     ORDER BY r.country_code, r.operator_key, r.currency";

/// Every row, those of the past and of the future too.
pub const LIST: &str = "SELECT uid, country_code, operator, networks, price_per_sms, currency, effective_from, notes \
     FROM rate_cards ORDER BY id";

pub const INSERT: &str = "INSERT INTO rate_cards (uid, country_code, operator, operator_key, networks, price_per_sms, \
     currency, effective_from, notes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (country_code, operator_key, currency, effective_from) DO NOTHING";

#[derive(FromRow)]
struct Row {
    uid: RateCardSid,
    country_code: CountryCode,
    operator: String,
    networks: Json<Vec<Network>>,
    price_per_sms: Money,
    currency: Currency,
    effective_from: NaiveDate,
    notes: String,
}

impl From<Row> for RateCard {
    fn from(row: Row) -> RateCard {
        RateCard {
            sid: row.uid,
            country: row.country_code,
            operator: row.operator,
            networks: row.networks.0,
            price_per_sms: row.price_per_sms,
            currency: row.currency,
            effective_from: row.effective_from,
            notes: row.notes,
        }
    }
}

pub async fn list_in_force(conn: &mut Conn<'_>, filter: &RateCardFilter, on_day: NaiveDate) -> Result<Vec<RateCard>> {
    let country = filter.country.map_or("", CountryCode::as_str);
    let operator_key = filter.operator.as_ref().map(|name| OperatorName::key(name.as_str())).unwrap_or_default();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(LIST_IN_FORCE)
        .bind(on_day)
        .bind(country)
        .bind(operator_key)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(RateCard::from).collect())
}

pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<RateCard>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(LIST).fetch_all(c).await)?;
    Ok(rows.into_iter().map(RateCard::from).collect())
}

/// Whether the row was new: one for the same destination, currency and day stays as it is.
pub async fn insert(conn: &mut Conn<'_>, card: &RateCard, now: Timestamp) -> Result<bool> {
    let inserted = on!(conn, c => sqlx::query(INSERT)
        .bind(card.sid)
        .bind(card.country)
        .bind(card.operator.as_str())
        .bind(card.operator_key())
        .bind(Json(&card.networks))
        .bind(card.price_per_sms)
        .bind(card.currency)
        .bind(card.effective_from)
        .bind(card.notes.as_str())
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}
