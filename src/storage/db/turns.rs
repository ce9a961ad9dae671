//! Serialises decisions that depend on many rows: advisory locks on Postgres, nothing on SQLite.

use super::Conn;
use crate::error::Result;

/// A decision that only one transaction may make at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The hierarchy of businesses. Two moves at once could each be allowed, and together make a circle.
    Hierarchy,
    /// The admins. Two admins could each take the role from the other.
    Admins,
}

/// Two-number locks, so that none is ever the hash of an idempotency key.
pub const TAKE_ON_POSTGRES: &str = "SELECT pg_advisory_xact_lock(7, $1)";

/// Waits for the turn and holds it until the transaction ends; each statement after it sees the state that the turn
/// before left. A transaction takes at most one, and takes it first, so that there is no deadlock. SQLite needs no
/// lock: its one writer is alone already.
pub async fn take(conn: &mut Conn<'_>, turn: Turn) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        let number = match turn {
            Turn::Hierarchy => 1_i32,
            Turn::Admins => 2,
        };
        sqlx::query(TAKE_ON_POSTGRES).bind(number).execute(&mut **c).await?;
    }
    Ok(())
}
