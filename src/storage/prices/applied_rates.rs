//! Stores the rates that messages were charged at: each once, referenced by a number.

use std::sync::Arc;

use foldhash::HashMap;
use sha2::{Digest, Sha256};

use crate::domain::prices::rating::AppliedRate;
use crate::error::{Error, Result};
use crate::storage::db::BulkConn;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};

given! {
    /// Rates with their digests and their JSON.
    pub struct GivenRates(explained: &'v [(Vec<u8>, String, Arc<AppliedRate>)]) for (digest, text, rate) in explained {
        digest: BYTEA = digest.as_slice(),
        country_code: TEXT = rate.destination.country.as_str(),
        operator: TEXT = &*rate.destination.operator,
        unit_price: BIGINT = rate.unit_price.micros(),
        explanation: JSONB = text.as_str(),
    }
}

/// Rates are inserted in the order of their digests: two servers that insert new rates at the same time wait for one
/// another, and would deadlock otherwise.
pub static INSERT: Bulk<GivenRates> = Bulk::new(Action::Insert {
    into: "applied_rates (digest, country_code, operator, unit_price, explanation)",
    values: "given.digest, given.country_code, given.operator, given.unit_price, given.explanation",
    unless: "ON CONFLICT (digest) DO NOTHING",
});

given! {
    pub struct GivenDigests(explained: &'v [(Vec<u8>, String, Arc<AppliedRate>)]) for (digest, ..) in explained {
        digest: BYTEA = digest.as_slice(),
    }
}

pub static FIND: Bulk<GivenDigests> =
    Bulk::new(Action::With("SELECT r.id, r.digest FROM given JOIN applied_rates r ON r.digest = given.digest"));

given! {
    pub struct GivenIds(ids: impl IntoIterator<Item = i64>) for id in ids {
        id: BIGINT = id,
    }
}

pub static LOAD: Bulk<GivenIds> = Bulk::new(Action::With(
    "SELECT r.id, CAST(r.explanation AS TEXT) FROM given JOIN applied_rates r ON r.id = given.id",
));

struct Number {
    id: i64,
    digest: Vec<u8>,
}

impl FromRow for Number {
    fn from_row(mut row: Row<'_>) -> Result<Number> {
        Ok(Number { id: row.take()?, digest: row.take()? })
    }
}

/// The row ids of rates, which are inserted at their first use.
pub async fn intern(conn: &mut BulkConn<'_>, rates: Vec<Arc<AppliedRate>>) -> Result<Vec<(Arc<AppliedRate>, i64)>> {
    let mut explained = Vec::with_capacity(rates.len());
    for rate in rates {
        let text = serde_json::to_string(&*rate).map_err(|error| Error::Corrupt(format!("a rate: {error}")))?;
        explained.push((Sha256::digest(text.as_bytes()).to_vec(), text, rate));
    }
    explained.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    INSERT.execute(conn, GivenRates::of(&explained)).await?;
    let numbers = FIND.fetch::<Number>(conn, GivenDigests::of(&explained)).await?;
    let mut rates: HashMap<Vec<u8>, Arc<AppliedRate>> =
        explained.into_iter().map(|(digest, _, rate)| (digest, rate)).collect();
    Ok(numbers.into_iter().filter_map(|found| Some((rates.remove(&found.digest)?, found.id))).collect())
}

struct Explanation {
    id: i64,
    text: String,
}

impl FromRow for Explanation {
    fn from_row(mut row: Row<'_>) -> Result<Explanation> {
        Ok(Explanation { id: row.take()?, text: row.take()? })
    }
}

/// The rates with these row ids, in any order.
pub async fn load(conn: &mut BulkConn<'_>, ids: impl IntoIterator<Item = i64>) -> Result<Vec<(i64, Arc<AppliedRate>)>> {
    let rows = LOAD.fetch::<Explanation>(conn, GivenIds::of(ids)).await?;
    let read = |row: Explanation| {
        let rate = serde_json::from_str(&row.text);
        Ok((row.id, Arc::new(rate.map_err(|error| Error::Corrupt(format!("the rate {}: {error}", row.id)))?)))
    };
    rows.into_iter().map(read).collect()
}
