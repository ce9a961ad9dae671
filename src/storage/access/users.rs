//! Stores users: finds, lists, inserts, updates and deletes them.

use sqlx::FromRow;

use crate::domain::access::rights::Role;
use crate::domain::access::users::{User, UserStatus};
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::Email;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{Conn, on};

macro_rules! user_columns {
    () => {
        "u.uid, u.email, u.name, u.role, b.sid AS business_sid, u.status, u.password_changed_at, u.last_login_at, \
         u.created_at, u.updated_at"
    };
}

macro_rules! with_business {
    () => {
        "users u LEFT JOIN businesses b ON b.id = u.business_id"
    };
}

macro_rules! select_user {
    ($condition:literal) => {
        concat!("SELECT u.id, u.password_hash, ", user_columns!(), " FROM ", with_business!(), " WHERE ", $condition)
    };
}

pub const FIND: &str = select_user!("u.uid = $1");

pub const FIND_BY_EMAIL: &str = select_user!("u.email = $1");

pub static LISTING: Listing = Listing {
    select: user_columns!(),
    from: with_business!(),
    id: "u.id",
    search: &["u.email", "u.name"],
    filters: &[
        Filter { name: "role", kind: ValueKind::Text, condition: "u.role = {}" },
        Filter { name: "status", kind: ValueKind::Text, condition: "u.status = {}" },
        Filter {
            name: "business_sid",
            kind: ValueKind::Text,
            condition: "u.business_id = (SELECT id FROM businesses WHERE sid = {})",
        },
    ],
    sorts: &[
        Sort { name: "email", column: "u.email", kind: ValueKind::Text, is_unique: true },
        Sort { name: "created_at", column: "u.created_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "email",
};

/// Admins are the users without a business; an index has them together.
pub const ANOTHER_ADMIN: &str =
    "SELECT u.id FROM users u WHERE u.business_id IS NULL AND u.status = 'ACTIVE' AND u.uid <> $1 LIMIT 1";

pub const INSERT: &str = "INSERT INTO users (uid, email, name, role, business_id, status, password_hash, \
     password_changed_at, created_at, updated_at) VALUES ($1, $2, $3, $4, (SELECT id FROM businesses WHERE sid = $5), $6, \
     $7, $8, $8, $8) ON CONFLICT (email) DO NOTHING";

pub const SET_PASSWORD: &str =
    "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3 WHERE uid = $1";

/// Only if the password is still the one that was verified, and the user may still log in.
pub const REPLACE_PASSWORD: &str = "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3 \
     WHERE id = $1 AND password_hash = $4 AND status = 'ACTIVE'";

/// Only if the password is still the one that was verified, and the user may still log in.
pub const SET_LAST_LOGIN: &str =
    "UPDATE users SET last_login_at = $2 WHERE id = $1 AND password_hash = $3 AND status = 'ACTIVE'";

pub const UPDATE: &str = "UPDATE users SET name = $2, role = $3, \
     business_id = (SELECT id FROM businesses WHERE sid = $4), status = $5, updated_at = $6 WHERE uid = $1";

/// Deletes the user's sessions too.
pub const DELETE: &str = "DELETE FROM users WHERE uid = $1";

/// A stored user with the password's hash.
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
struct StoredRow {
    id: i64,
    password_hash: String,
    #[sqlx(flatten)]
    user: Row,
}

#[derive(FromRow)]
struct Row {
    uid: UserSid,
    email: Email,
    name: String,
    role: Role,
    business_sid: Option<BusinessSid>,
    status: UserStatus,
    password_changed_at: Timestamp,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for User {
    fn from(row: Row) -> User {
        User {
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
        }
    }
}

impl From<StoredRow> for StoredUser {
    fn from(row: StoredRow) -> StoredUser {
        StoredUser { id: row.id, user: row.user.into(), password_hash: row.password_hash }
    }
}

/// A page of users.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<User>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(User::from))
}

pub async fn find(conn: &mut Conn<'_>, sid: UserSid) -> Result<Option<StoredUser>> {
    let row = on!(conn, c => sqlx::query_as::<_, StoredRow>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(StoredUser::from))
}

pub async fn find_by_email(conn: &mut Conn<'_>, email: &Email) -> Result<Option<StoredUser>> {
    let row =
        on!(conn, c => sqlx::query_as::<_, StoredRow>(FIND_BY_EMAIL).bind(email.as_str()).fetch_optional(c).await)?;
    Ok(row.map(StoredUser::from))
}

/// Inserts a user; returns false, and changes nothing, where one with this address exists.
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

/// Sets a user's password; returns whether the user exists.
pub async fn set_password(conn: &mut Conn<'_>, sid: UserSid, password_hash: &str, now: Timestamp) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(SET_PASSWORD)
        .bind(sid)
        .bind(password_hash)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Replaces the password that was verified; returns whether it was still that one.
pub async fn replace_password(
    conn: &mut Conn<'_>,
    stored: &StoredUser,
    password_hash: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(REPLACE_PASSWORD)
        .bind(stored.id)
        .bind(password_hash)
        .bind(now)
        .bind(stored.password_hash.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Records a login with the password of that hash; returns whether the user may still log in. If so, the row is locked:
/// nobody changes the password or disables the user until this transaction ends.
pub async fn set_last_login(conn: &mut Conn<'_>, stored: &StoredUser, now: Timestamp) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(SET_LAST_LOGIN)
        .bind(stored.id)
        .bind(now)
        .bind(stored.password_hash.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Whether another admin than this user can log in.
pub async fn has_other_admin(conn: &mut Conn<'_>, than: UserSid) -> Result<bool> {
    let other = on!(conn, c => sqlx::query_scalar::<_, i64>(ANOTHER_ADMIN).bind(than).fetch_optional(c).await)?;
    Ok(other.is_some())
}

/// Updates a user, whose business must exist.
pub async fn update(conn: &mut Conn<'_>, user: &User) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE)
        .bind(user.sid)
        .bind(user.name.as_str())
        .bind(user.role)
        .bind(user.business.as_ref().map(BusinessSid::as_str))
        .bind(user.status)
        .bind(user.updated_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, sid: UserSid) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(sid).execute(c).await.map(|_| ()))?;
    Ok(())
}
