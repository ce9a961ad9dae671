//! Stores rate cards, lists them and finds those in force.

use chrono::NaiveDate;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::domain::prices::rate_card_terms::PricedDestination;
use crate::domain::prices::rate_cards::{Network, RateCard, RateCardFilter};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{BulkConn, Conn, on};

/// The newest card of each destination and currency that is in force on a day. An empty filter matches everything.
pub const LIST_IN_FORCE: &str = "SELECT r.uid, r.country_code, r.operator, r.networks, r.price_per_sms, r.currency, r.effective_from, r.notes \
     FROM rate_cards r \
     WHERE r.effective_from <= $1 AND ($2 = '' OR r.country_code = $2) AND ($3 = '' OR r.operator_key = $3) \
     AND NOT EXISTS (SELECT 1 FROM rate_cards newer WHERE newer.country_code = r.country_code \
         AND newer.operator_key = r.operator_key AND newer.currency = r.currency \
         AND newer.effective_from > r.effective_from AND newer.effective_from <= $1) \
     ORDER BY r.country_code, r.operator_key, r.currency";

/// Past and future cards too. Sorted by destination, a destination's cards are in the order of time.
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

macro_rules! select_card {
    ($end:literal) => {
        concat!(
            "SELECT uid, country_code, operator, networks, price_per_sms, currency, effective_from, notes ",
            "FROM rate_cards ",
            $end
        )
    };
}

/// Every card, past and future ones too.
pub const LIST: &str = select_card!("ORDER BY id");

pub const FIND: &str = select_card!("WHERE uid = $1");

/// Locks the row until the transaction ends. SQLite needs no lock: its one writer is alone already.
pub const FIND_AND_LOCK_ON_POSTGRES: &str = select_card!("WHERE uid = $1 FOR UPDATE");

pub const A_ROW_OF: &str =
    "SELECT id FROM rate_cards WHERE country_code = $1 AND operator_key = $2 AND currency = $3 LIMIT 1";

/// Destination, currency and day never change.
pub const UPDATE: &str = "UPDATE rate_cards SET networks = $2, price_per_sms = $3, notes = $4 WHERE uid = $1";

pub const DELETE: &str = "DELETE FROM rate_cards WHERE uid = $1";

given! {
    /// Cards with their networks as JSON and the keys of their operators.
    pub struct GivenCards(
        cards: &'v [(&'v RateCard, String, String)],
        now: Timestamp,
    ) for (card, networks, operator_key) in cards {
        uid: UUID = card.sid.uuid(),
        country_code: TEXT = card.country.as_str(),
        operator: TEXT = card.operator.as_str(),
        operator_key: TEXT = operator_key.as_str(),
        networks: JSONB = networks.as_str(),
        price_per_sms: BIGINT = card.price_per_sms.micros(),
        currency: TEXT = card.currency.code(),
        effective_from: DATE = card.effective_from,
        notes: TEXT = card.notes.as_str(),
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT_MANY: Bulk<GivenCards> = Bulk::new(Action::InsertInto("rate_cards"));

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

/// A page of rate cards.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<RateCard>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(RateCard::from))
}

/// All cards that match the request, whatever its page.
pub async fn all(conn: &mut Conn<'_>, request: &ListRequest) -> Result<Vec<RateCard>> {
    Ok(LISTING.all::<Row>(conn, request).await?.into_iter().map(RateCard::from).collect())
}

pub async fn find(conn: &mut Conn<'_>, sid: RateCardSid) -> Result<Option<RateCard>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(RateCard::from))
}

/// The card, locked until this transaction ends.
pub async fn lock(conn: &mut Conn<'_>, sid: RateCardSid) -> Result<Option<RateCard>> {
    let sql = conn.choose(FIND, FIND_AND_LOCK_ON_POSTGRES);
    let row = on!(conn, c => sqlx::query_as::<_, Row>(sql).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(RateCard::from))
}

/// Whether a destination has any card, past or future.
pub async fn has_rows(conn: &mut Conn<'_>, destination: &PricedDestination) -> Result<bool> {
    let row = on!(conn, c => sqlx::query_scalar::<_, i64>(A_ROW_OF)
        .bind(destination.country)
        .bind(destination.operator_key.as_str())
        .bind(destination.currency)
        .fetch_optional(c)
        .await)?;
    Ok(row.is_some())
}

/// Updates a card.
pub async fn update(conn: &mut Conn<'_>, card: &RateCard) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE)
        .bind(card.sid)
        .bind(Json(&card.networks))
        .bind(card.price_per_sms)
        .bind(card.notes.as_str())
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, sid: RateCardSid) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(sid).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Inserts cards, none of which exists yet.
pub async fn insert_many(conn: &mut BulkConn<'_>, cards: &[RateCard], now: Timestamp) -> Result<()> {
    let as_rows = cards.iter().map(|card| Ok((card, serde_json::to_string(&card.networks)?, card.operator_key())));
    let cards = as_rows.collect::<serde_json::Result<Vec<_>>>();
    let cards = cards.map_err(|error| Error::Corrupt(format!("networks that are no JSON: {error}")))?;
    INSERT_MANY.execute(conn, GivenCards::of(&cards, now)).await?;
    Ok(())
}

/// Inserts a card; returns false, and changes nothing, where one for the same destination, currency and day exists.
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
