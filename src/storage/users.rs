//! Users.

use sqlx::FromRow;

use super::db::{Conn, on};
use crate::domain::access::Role;
use crate::domain::businesses::BusinessSid;
use crate::domain::sid::UserSid;
use crate::domain::time::Timestamp;
use crate::domain::users::{Email, User, UserStatus};
use crate::error::Result;

macro_rules! select_user {
    ($condition:literal) => {
        concat!(
            "SELECT u.id, u.uid, u.email, u.name, u.role, b.sid AS business_sid, u.status, u.password_hash, ",
            "u.password_changed_at, u.last_login_at, u.created_at, u.updated_at ",
            "FROM users u LEFT JOIN businesses b ON b.id = u.business_id WHERE ",
            $condition
        )
    };
}

pub const FIND: &str = select_user!("u.uid = $1");

pub const FIND_BY_EMAIL: &str = select_user!("u.email = $1");

pub const INSERT: &str = "INSERT INTO users (uid, email, name, role, business_id, status, password_hash, \
     password_changed_at, created_at, updated_at) VALUES ($1, $2, $3, $4, (SELECT id FROM businesses WHERE sid = $5), $6, \
     $7, $8, $8, $8) ON CONFLICT (email) DO NOTHING";

pub const SET_PASSWORD: &str =
    "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3 WHERE uid = $1";

pub const SET_LAST_LOGIN: &str = "UPDATE users SET last_login_at = $2 WHERE id = $1";

/// A user with what proves who they are.
#[derive(Clone)]
pub struct StoredUser {
    pub id: i64,
    pub user: User,
    /// In the PHC string format.
    pub password_hash: String,
}

impl std::fmt::Debug for StoredUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredUser").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: UserSid,
    email: Email,
    name: String,
    role: Role,
    business_sid: Option<BusinessSid>,
    status: UserStatus,
    password_hash: String,
    password_changed_at: Timestamp,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for StoredUser {
    fn from(row: Row) -> StoredUser {
        let user = User {
            sid: row.uid,
            email: row.email,
            name: row.name,
            role: row.role,
            business: row.business_sid,
            status: row.status,
            password_changed_at: row.password_changed_at,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        StoredUser { id: row.id, user, password_hash: row.password_hash }
    }
}

pub async fn find(conn: &mut Conn<'_>, sid: UserSid) -> Result<Option<StoredUser>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(StoredUser::from))
}

pub async fn find_by_email(conn: &mut Conn<'_>, email: &Email) -> Result<Option<StoredUser>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND_BY_EMAIL).bind(email.as_str()).fetch_optional(c).await)?;
    Ok(row.map(StoredUser::from))
}

/// Whether the user was new: one of the same address stays as they are.
pub async fn insert(conn: &mut Conn<'_>, user: &User, password_hash: &str) -> Result<bool> {
    let inserted = on!(conn, c => sqlx::query(INSERT)
        .bind(user.sid)
        .bind(user.email.as_str())
        .bind(user.name.as_str())
        .bind(user.role)
        .bind(user.business.as_ref().map(BusinessSid::as_str))
        .bind(user.status)
        .bind(password_hash)
        .bind(user.created_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}

pub async fn set_password(conn: &mut Conn<'_>, sid: UserSid, password_hash: &str, now: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(SET_PASSWORD)
        .bind(sid)
        .bind(password_hash)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn set_last_login(conn: &mut Conn<'_>, id: i64, now: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(SET_LAST_LOGIN).bind(id).bind(now).execute(c).await.map(|_| ()))?;
    Ok(())
}
