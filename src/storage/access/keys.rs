//! Stores API keys, as hashes, with their rotation, revocation and last use.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::FromRow;

use crate::domain::access::keys::{ApiKey, PresentedKey, PublicId, SecretHash};
use crate::domain::access::rights::{KeyMode, Role};
use crate::domain::values::paging::{Cursor, Limit};
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::businesses::is_suspended;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::{BulkConn, Conn, on};

/// A stored key with all that authentication needs.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub id: i64,
    pub sid: KeySid,
    pub mode: KeyMode,
    pub role: Role,
    pub business: Option<BusinessSid>,
    pub is_suspended: bool,
    pub is_resold: bool,
    /// The businesses the key is limited to; `None`: all.
    pub listed: Option<Arc<HashSet<BusinessSid>>>,
    pub secret_hash: SecretHash,
    /// The secret before the last rotation, and until when it still works.
    pub previous: Option<(SecretHash, Timestamp)>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

pub const FIND_BY_PUBLIC_ID: &str = concat!(
    "SELECT k.id, k.uid, k.mode, k.role, b.sid AS business_sid, ",
    is_suspended!(),
    " AS is_suspended, b.parent_id IS NOT NULL AS is_resold, k.is_limited, k.secret_hash, k.previous_secret_hash, \
     k.previous_expires_at, k.expires_at, k.revoked_at FROM api_keys k LEFT JOIN businesses b ON b.id = k.business_id \
     WHERE k.public_id = $1"
);

pub const LISTED: &str = "SELECT b.sid FROM api_key_businesses l JOIN businesses b ON b.id = l.business_id \
     WHERE l.api_key_id = $1 ORDER BY b.sid";

macro_rules! select_key {
    ($condition:literal) => {
        concat!(
            "SELECT k.id, k.uid, k.public_id, k.mode, k.name, k.role, b.sid AS business_sid, k.is_limited, k.created_by, ",
            "k.created_at, k.rotated_at, k.previous_expires_at, k.expires_at, k.last_used_at, k.revoked_at ",
            "FROM api_keys k LEFT JOIN businesses b ON b.id = k.business_id ",
            $condition
        )
    };
}

pub const FIND: &str = select_key!("WHERE k.uid = $1");

/// Newest first.
pub const PAGE: &str = select_key!("WHERE k.id < $1 ORDER BY k.id DESC LIMIT $2");

pub const PAGE_OF_BUSINESS: &str = select_key!(
    "WHERE k.business_id = (SELECT id FROM businesses WHERE sid = $1) AND k.id < $2 ORDER BY k.id DESC LIMIT $3"
);

pub const COUNT_LIVE: &str = "SELECT count(*) FROM api_keys \
     WHERE business_id = (SELECT id FROM businesses WHERE sid = $1) AND revoked_at IS NULL";

pub const INSERT: &str = "INSERT INTO api_keys (uid, public_id, mode, name, role, business_id, is_limited, secret_hash, \
     created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, (SELECT id FROM businesses WHERE sid = $6), $7, $8, \
     $9, $10, $11) RETURNING id";

pub const INSERT_LISTED: &str =
    "INSERT INTO api_key_businesses (api_key_id, business_id) SELECT $1, id FROM businesses WHERE sid = $2";

pub const ROTATE: &str = "UPDATE api_keys SET previous_secret_hash = CASE WHEN CAST($3 AS BIGINT) IS NULL \
     THEN NULL ELSE secret_hash END, previous_expires_at = $3, secret_hash = $2, rotated_at = $4 WHERE uid = $1";

pub const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2 WHERE uid = $1 AND revoked_at IS NULL";

given! {
    pub struct GivenUses(used: &'v [(i64, Timestamp)]) for (id, at) in used {
        id: BIGINT = *id,
        used_at: BIGINT = at.micros(),
    }
}

/// Sets when keys were last used, if that is later than the stored time.
pub static TOUCH: Bulk<GivenUses> = Bulk::new(Action::Update {
    table: "api_keys",
    set: "last_used_at = given.used_at",
    by: "api_keys.id = given.id AND COALESCE(api_keys.last_used_at, 0) < given.used_at",
});

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: KeySid,
    mode: KeyMode,
    role: Role,
    business_sid: Option<BusinessSid>,
    is_suspended: bool,
    is_resold: bool,
    is_limited: bool,
    secret_hash: Vec<u8>,
    previous_secret_hash: Option<Vec<u8>>,
    previous_expires_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

/// The key with this public id, with all that authentication needs.
pub async fn find_by_public_id(conn: &mut Conn<'_>, public_id: &PublicId) -> Result<Option<StoredKey>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND_BY_PUBLIC_ID)
        .bind(public_id.as_str())
        .fetch_optional(c)
        .await)?;
    let Some(row) = row else { return Ok(None) };
    let listed = if row.is_limited { Some(listed(conn, row.id).await?.into_iter().collect()) } else { None };
    let hash = |bytes: &[u8]| {
        SecretHash::try_from(bytes).map_err(|_| Error::Corrupt("the hash of a key is not one".to_owned()))
    };
    let previous = row.previous_secret_hash.as_deref().map(hash).transpose()?;
    Ok(Some(StoredKey {
        id: row.id,
        sid: row.uid,
        mode: row.mode,
        role: row.role,
        business: row.business_sid,
        is_suspended: row.is_suspended,
        is_resold: row.is_resold,
        listed: listed.map(Arc::new),
        secret_hash: hash(&row.secret_hash)?,
        previous: previous.zip(row.previous_expires_at),
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }))
}

async fn listed(conn: &mut Conn<'_>, key_id: i64) -> Result<Vec<BusinessSid>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, BusinessSid>(LISTED).bind(key_id).fetch_all(c).await)?)
}

#[derive(FromRow)]
struct KeyRow {
    id: i64,
    uid: KeySid,
    public_id: String,
    mode: KeyMode,
    name: String,
    role: Role,
    business_sid: Option<BusinessSid>,
    is_limited: bool,
    created_by: String,
    created_at: Timestamp,
    rotated_at: Option<Timestamp>,
    previous_expires_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

/// A key and its position in the list.
pub type PlacedKey = (i64, ApiKey);

async fn with_listed(conn: &mut Conn<'_>, rows: Vec<KeyRow>) -> Result<Vec<PlacedKey>> {
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let businesses = if row.is_limited { Some(listed(conn, row.id).await?) } else { None };
        let key = ApiKey {
            sid: row.uid,
            public_id: row.public_id.parse().map_err(Error::Corrupt)?,
            mode: row.mode,
            name: row.name,
            role: row.role,
            business: row.business_sid,
            businesses,
            created_by: row.created_by,
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            previous_expires_at: row.previous_expires_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        };
        keys.push((row.id, key));
    }
    Ok(keys)
}

pub async fn find(conn: &mut Conn<'_>, sid: KeySid) -> Result<Option<ApiKey>> {
    let row = on!(conn, c => sqlx::query_as::<_, KeyRow>(FIND).bind(sid).fetch_optional(c).await)?;
    let found = with_listed(conn, row.into_iter().collect()).await?;
    Ok(found.into_iter().next().map(|(_, key)| key))
}

/// A page of keys, newest first, with one row more than it shows: all keys, or those of one business.
pub async fn page(
    conn: &mut Conn<'_>,
    business: Option<&BusinessSid>,
    cursor: Cursor,
    limit: Limit,
) -> Result<Vec<PlacedKey>> {
    let rows = match business {
        None => on!(conn, c => sqlx::query_as::<_, KeyRow>(PAGE)
            .bind(cursor.position())
            .bind(limit.with_lookahead())
            .fetch_all(c)
            .await)?,
        Some(business) => on!(conn, c => sqlx::query_as::<_, KeyRow>(PAGE_OF_BUSINESS)
            .bind(business.as_str())
            .bind(cursor.position())
            .bind(limit.with_lookahead())
            .fetch_all(c)
            .await)?,
    };
    with_listed(conn, rows).await
}

/// The number of a business's keys that are not revoked.
pub async fn count_live(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(COUNT_LIVE).bind(business.as_str()).fetch_one(c).await)?)
}

/// Inserts a new key, whose businesses must exist.
pub async fn insert(conn: &mut Conn<'_>, key: &ApiKey, secret: &PresentedKey) -> Result<()> {
    let hash = secret.hash();
    let id = on!(conn, c => sqlx::query_scalar::<_, i64>(INSERT)
        .bind(key.sid)
        .bind(key.public_id.as_str())
        .bind(key.mode)
        .bind(key.name.as_str())
        .bind(key.role)
        .bind(key.business.as_ref().map(BusinessSid::as_str))
        .bind(key.businesses.is_some())
        .bind(&hash.as_bytes()[..])
        .bind(key.created_by.as_str())
        .bind(key.created_at)
        .bind(key.expires_at)
        .fetch_one(c)
        .await)?;
    for business in key.businesses.iter().flatten() {
        on!(conn, c => sqlx::query(INSERT_LISTED).bind(id).bind(business.as_str()).execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

/// Sets another secret for a key. The old one works until `previous_until`, if that is given.
pub async fn rotate(
    conn: &mut Conn<'_>,
    sid: KeySid,
    secret: &PresentedKey,
    previous_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    let hash = secret.hash();
    on!(conn, c => sqlx::query(ROTATE)
        .bind(sid)
        .bind(&hash.as_bytes()[..])
        .bind(previous_until)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Revokes a key; returns whether it was valid before.
pub async fn revoke(conn: &mut Conn<'_>, sid: KeySid, now: Timestamp) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(REVOKE)
        .bind(sid)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Sets when keys were last used: each key's row id, and the time.
pub async fn touch(conn: &mut BulkConn<'_>, used: &[(i64, Timestamp)]) -> Result<()> {
    TOUCH.execute(conn, GivenUses::of(used)).await?;
    Ok(())
}
