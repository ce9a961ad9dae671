//! Stores the sessions of logged-in users.

use sqlx::FromRow;

use crate::domain::access::keys::SecretHash;
use crate::domain::access::rights::Role;
use crate::domain::access::users::UserStatus;
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::businesses::is_suspended;
use crate::storage::db::{Conn, on};

/// A stored session with its user, as authentication needs it.
#[derive(Clone, Debug)]
pub struct StoredSession {
    pub id: i64,
    pub user: UserSid,
    pub role: Role,
    pub status: UserStatus,
    pub business: Option<BusinessSid>,
    pub is_suspended: bool,
    pub is_resold: bool,
    pub expires_at: Timestamp,
}

pub const FIND: &str = concat!(
    "SELECT s.id, u.uid, u.role, u.status, b.sid AS business_sid, ",
    is_suspended!(),
    " AS is_suspended, b.parent_id IS NOT NULL AS is_resold, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
     LEFT JOIN businesses b ON b.id = u.business_id WHERE s.token_hash = $1"
);

pub const INSERT: &str =
    "INSERT INTO sessions (token_hash, user_id, address, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";

/// The row id alone would not do: it is reused once this session is gone.
pub const DELETE: &str = "DELETE FROM sessions WHERE id = $1 AND user_id = (SELECT id FROM users WHERE uid = $2)";

pub const DELETE_OF_USER: &str =
    "DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE uid = $1) AND id <> $2";

/// A small portion at a time: more than are added, and nobody waits for a long deletion.
pub const FORGET_SOME: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 \
     ORDER BY expires_at, id LIMIT 4)";

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: UserSid,
    role: Role,
    status: UserStatus,
    business_sid: Option<BusinessSid>,
    is_suspended: bool,
    is_resold: bool,
    expires_at: Timestamp,
}

pub async fn find(conn: &mut Conn<'_>, token_hash: &SecretHash) -> Result<Option<StoredSession>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND)
        .bind(&token_hash.as_bytes()[..])
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| StoredSession {
        id: row.id,
        user: row.uid,
        role: row.role,
        status: row.status,
        business: row.business_sid,
        is_suspended: row.is_suspended,
        is_resold: row.is_resold,
        expires_at: row.expires_at,
    }))
}

/// Inserts a session of a user, from a client address.
pub async fn insert(
    conn: &mut Conn<'_>,
    token_hash: &SecretHash,
    user_id: i64,
    address: Option<&str>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(&token_hash.as_bytes()[..])
        .bind(user_id)
        .bind(address)
        .bind(now)
        .bind(expires_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, user: UserSid, id: i64) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(id).bind(user).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Deletes every session of a user, except the one to keep; returns how many.
pub async fn delete_of(conn: &mut Conn<'_>, user: UserSid, keep: Option<i64>) -> Result<u64> {
    // No session has the number 0.
    Ok(on!(conn, c => sqlx::query(DELETE_OF_USER)
        .bind(user)
        .bind(keep.unwrap_or(0))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Deletes some expired sessions; returns how many.
pub async fn forget_some(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(on!(conn, c => sqlx::query(FORGET_SOME).bind(now).execute(c).await.map(|done| done.rows_affected()))?)
}
