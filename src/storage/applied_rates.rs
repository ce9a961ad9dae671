//! The rates that messages were charged at: each stored once, named by a number.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sqlx::FromRow;
use sqlx::types::Json;

use super::bulk::{Action, Bulk, Column};
use super::db::{Conn, on};
use crate::domain::rating::AppliedRate;
use crate::error::{Error, Result};

pub const INSERT: &str = "INSERT INTO applied_rates (digest, country_code, operator, unit_price, explanation) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING";

pub const FIND: &str = "SELECT id FROM applied_rates WHERE digest = $1";

pub static LOAD: Bulk = Bulk::new(
    &[("id", "BIGINT")],
    Action::With("SELECT r.id, r.explanation FROM given JOIN applied_rates r ON r.id = given.id"),
);

/// The numbers of rates, each stored if this is its first use. Two servers that meet new rates at the same time wait for
/// one another, so all take them in one order: else they would wait in a circle.
pub async fn intern(conn: &mut Conn<'_>, rates: Vec<Arc<AppliedRate>>) -> Result<Vec<(Arc<AppliedRate>, i64)>> {
    let mut digested = Vec::with_capacity(rates.len());
    for rate in rates {
        let text = serde_json::to_string(&*rate).map_err(|error| Error::Corrupt(format!("a rate: {error}")))?;
        digested.push((Sha256::digest(text.as_bytes()).to_vec(), rate));
    }
    digested.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut interned = Vec::with_capacity(digested.len());
    for (digest, rate) in digested {
        let id = intern_one(conn, &digest, &rate).await?;
        interned.push((rate, id));
    }
    Ok(interned)
}

async fn intern_one(conn: &mut Conn<'_>, digest: &[u8], rate: &AppliedRate) -> Result<i64> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(digest)
        .bind(rate.destination.country)
        .bind(&*rate.destination.operator)
        .bind(rate.unit_price)
        .bind(Json(rate))
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(FIND).bind(digest).fetch_one(c).await)?)
}

#[derive(FromRow)]
struct Row {
    id: i64,
    explanation: Json<AppliedRate>,
}

/// The rates of these numbers, in any order.
pub async fn load(conn: &mut Conn<'_>, ids: impl IntoIterator<Item = i64>) -> Result<Vec<(i64, Arc<AppliedRate>)>> {
    let rows = LOAD.fetch::<Row>(conn, vec![Column::integers(ids)]).await?;
    Ok(rows.into_iter().map(|row| (row.id, Arc::new(row.explanation.0))).collect())
}
