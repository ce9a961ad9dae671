//! Records which items of the sample data were loaded, so that each is loaded once.

use super::{Conn, on};
use crate::domain::values::time::Timestamp;
use crate::error::Result;

pub const CLAIM: &str = "INSERT INTO seeded_items (item, created_at) VALUES ($1, $2) ON CONFLICT (item) DO NOTHING";

/// Records an item as loaded; returns whether it is the first time.
pub async fn claim(conn: &mut Conn<'_>, item: &str, now: Timestamp) -> Result<bool> {
    let claimed = on!(conn, c => sqlx::query(CLAIM)
        .bind(item)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(claimed == 1)
}
