//! Rate cards.

use chrono::NaiveDate;
use sqlx::FromRow;
use sqlx::types::Json;

use super::db::{Conn, on};
use super::listing::{Filter, Listing, Sort};
use crate::domain::countries::CountryCode;
use crate::domain::currency::Currency;
use crate::domain::listing::{ListPage, ListRequest, ValueKind};
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

/// Rows of the past and of the future too. Sorted by destination, each destination's prices stand in the order of time.
pub static LISTING: Listing = Listing {
    select: "r.uid, r.country_code, r.operator, r.networks, r.price_per_sms, r.currency, r.effective_from, r.notes",
    from: "rate_cards r",
    id: "r.id",
    search: &["r.country_code", "r.operator", "r.currency", "r.notes"],
    filters: &[
        Filter { name: "country_code", kind: ValueKind::Text, condition: "r.country_code = {}" },
        Filter { name: "operator", kind: ValueKind::Text, condition: "r.operator_key = {}" },
        Filter { name: "currency", kind: ValueKind::Text, condition: "r.currency = {}" },
        Filter { name: "from", kind: ValueKind::Day, condition: "r.effective_from >= {}" },
        Filter { name: "to", kind: ValueKind::Day, condition: "r.effective_from <= {}" },
        Filter {
            name: "as_of",
            kind: ValueKind::Day,
            condition: "r.effective_from <= {} AND NOT EXISTS (SELECT 1 FROM rate_cards newer \
                        WHERE newer.country_code = r.country_code AND newer.operator_key = r.operator_key \
                        AND newer.currency = r.currency AND newer.effective_from > r.effective_from \
                        AND newer.effective_from <= {})",
        },
    ],
    sorts: &[
        Sort {
            name: "destination",
            column: "(r.country_code || ' ' || r.operator_key || ' ' || r.currency || ' ' || CAST(r.effective_from AS TEXT))",
            kind: ValueKind::Text,
            is_unique: true,
        },
        Sort { name: "country_code", column: "r.country_code", kind: ValueKind::Text, is_unique: false },
        Sort { name: "operator", column: "r.operator_key", kind: ValueKind::Text, is_unique: false },
        Sort { name: "currency", column: "r.currency", kind: ValueKind::Text, is_unique: false },
        Sort { name: "price_per_sms", column: "r.price_per_sms", kind: ValueKind::Integer, is_unique: false },
        Sort { name: "effective_from", column: "r.effective_from", kind: ValueKind::Day, is_unique: false },
        Sort { name: "created_at", column: "r.created_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "destination",
};

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

/// The rows that are asked for.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<RateCard>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(RateCard::from))
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
