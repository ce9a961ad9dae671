//! Serialises decisions that depend on many rows: advisory locks on Postgres, nothing on SQLite.

use super::Conn;
use crate::error::Result;

/// What is decided by one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Who stands below whom. Of two moves at once each could be fine by itself, and both together a circle.
    Hierarchy,
    /// Who is an admin. Of two admins, each could take the role from the other.
    Admins,
}

/// Two numbers, so that none is ever the hash of a key of idempotency.
pub const TAKE_ON_POSTGRES: &str = "SELECT pg_advisory_xact_lock(7, $1)";

/// Waits for the turn and holds it until the transaction ends; each statement after it sees what the one before has left.
/// Whoever takes one takes it first, and only one, so that nobody waits in a circle. SQLite needs no such word: its one
/// writer is alone already.
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
