//! Creates, lists, rotates and revokes API keys.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::presented::Handle;
use crate::domain::access::key_rules::{KeyKeeper, NewKey, check_overlap, check_room};
use crate::domain::access::keys::{ApiKey, PresentedKey, PublicId};
use crate::domain::access::rights::{Reach, Tenant};
use crate::domain::access::user_rules::check_business;
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::domain::values::sid::KeySid;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::{Codec, KeyTurn, Lock, Once, from_kept, kept_json};
use crate::storage::db::Conn;
use crate::{random, storage};

const NOT_FOUND: Error =
    Error::NotFound { code: "key_not_found", sentence: "There is no such key, or it is none of yours." };

/// A key and its secret, for its holder. `Debug` does not show the secret.
pub struct IssuedKey {
    pub key: ApiKey,
    /// The whole key, as callers send it.
    pub secret: String,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// An issued key as an idempotent answer keeps it for 30 days: its secret encrypted.
#[derive(Serialize, Deserialize)]
struct Remembered {
    key: KeySid,
    sealed: String,
}

/// Stores the SID of an issued key and its encrypted secret, and reads the rest from its row.
struct SealedKey<'a>(&'a Billing);

impl Codec<IssuedKey> for SealedKey<'_> {
    fn encode(&self, IssuedKey { key, secret }: &IssuedKey) -> Result<Box<RawValue>> {
        let sealed = self.0.live.sealer.seal(&key.sid.to_string(), secret, random::bytes()?);
        let sealed = sealed.ok_or_else(|| Error::Corrupt("a secret that cannot be sealed".to_owned()))?;
        kept_json(&Remembered { key: key.sid, sealed })
    }

    async fn decode(&self, conn: &mut Conn<'_>, kept: &RawValue) -> Result<IssuedKey> {
        let Remembered { key, sealed } = from_kept(kept)?;
        let secret = self.0.live.sealer.open(&key.to_string(), &sealed);
        let key = storage::access::keys::find(conn, key).await?;
        match (key, secret) {
            (Some(key), Some(secret)) => Ok(IssuedKey { key, secret }),
            _ => Err(Error::Impossible {
                code: "secret_not_shown_again",
                sentence: "That key was made, but its secret can no longer be shown (SECRET_KEY is another now): \
                           rotate it."
                    .to_owned(),
            }),
        }
    }
}

/// Creates a key. Its secret is in the answer and stored nowhere in clear; the same request again with the same
/// idempotency key returns it again.
///
/// # Errors
/// [`Error::Forbidden`] above the author's own role; [`Error::Invalid`]; [`Error::IdempotencyConflict`]; those of the
/// database.
pub async fn create(
    billing: &Billing,
    new: NewKey,
    keeper: &KeyKeeper,
    idempotency: Option<KeyScope>,
) -> Result<OnceAnswer<IssuedKey>> {
    let now = billing.clock.now();
    let new = new.tidied(keeper);
    new.check(keeper, now)?;
    let once = Once { billing, key: idempotency.as_ref(), input: new.hash(), now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        check_businesses(conn, &new).await?;
        if let Some(tenant) = &new.business {
            check_room(storage::access::keys::count_live(conn, tenant.sid()).await?)?;
        }
        let secret = PresentedKey::from_random(new.mode, random::bytes()?, random::bytes()?);
        let key = ApiKey {
            sid: KeySid::new(billing.clock.new_id()),
            public_id: secret.public_id.clone(),
            mode: new.mode,
            name: new.name.as_str().to_owned(),
            role: new.role,
            business: new.business.map(Tenant::into_sid),
            businesses: new.businesses,
            created_by: keeper.actor.name.to_string(),
            created_at: now,
            rotated_at: None,
            previous_expires_at: None,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        storage::access::keys::insert(conn, &key, &secret).await?;
        let entry = AuditEntry::created(AuditAction::KeyCreated, key.sid.to_string(), described(&key));
        storage::audit::append(&mut conn.bulk(), &entry, &keeper.actor, now).await?;
        Ok(IssuedKey { key, secret: secret.reveal() })
    };
    once.run(KeyTurn, SealedKey(billing), work).await
}

/// Checks that the businesses a key names exist, and are of the kind its role needs.
async fn check_businesses(conn: &mut Conn<'_>, new: &NewKey) -> Result<()> {
    if let Some(tenant) = &new.business {
        check_business(new.role, storage::businesses::hold_kind(conn, tenant.sid()).await?)?;
    }
    for business in new.businesses.iter().flatten() {
        if storage::businesses::hold_kind(conn, business).await?.is_none() {
            return Err(Error::invalid("businesses", format!("names {business}, which does not exist")));
        }
    }
    Ok(())
}

/// A key in the audit log.
fn described(key: &ApiKey) -> Value {
    json!({
        "name": key.name, "mode": key.mode, "role": key.role, "public_id": key.public_id.as_str(),
        "business_sid": key.business, "businesses": key.businesses, "expires_at": key.expires_at,
    })
}

/// A page of keys, newest first: those of one business, or all.
///
/// # Errors
/// Those of the database.
pub async fn list(
    billing: &Billing,
    business: Option<&Tenant>,
    keeper: &KeyKeeper,
    cursor: Cursor,
    limit: Limit,
) -> Result<Page<ApiKey>> {
    let mut reader = billing.db.read().await?;
    let rows = storage::access::keys::page(&mut reader.conn(), business.map(Tenant::sid), cursor, limit).await?;
    let page = Page::from_lookahead(rows, limit, |(position, _)| *position);
    let is_shown = |key: &ApiKey| keeper.role.may_grant(key.role);
    Ok(Page { items: page.items.into_iter().map(|(_, key)| key).filter(is_shown).collect(), next: page.next })
}

/// Shows one key.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: KeySid, keeper: &KeyKeeper) -> Result<ApiKey> {
    let mut reader = billing.db.read().await?;
    find(&mut reader.conn(), sid, keeper).await
}

async fn find(conn: &mut Conn<'_>, sid: KeySid, keeper: &KeyKeeper) -> Result<ApiKey> {
    let key = storage::access::keys::find(conn, sid).await?.ok_or(NOT_FOUND)?;
    if may_touch(conn, keeper, &key).await? { Ok(key) } else { Err(NOT_FOUND) }
}

/// Whether the author may see and change a key. Not one above their own role: by rotating it they would obtain it.
async fn may_touch(conn: &mut Conn<'_>, keeper: &KeyKeeper, key: &ApiKey) -> Result<bool> {
    if !keeper.role.may_grant(key.role) {
        return Ok(false);
    }
    let Some(business) = &key.business else { return Ok(keeper.reach == Reach::All) };
    match (keeper.reach.includes(business), &keeper.reach) {
        (Some(is_included), _) => Ok(is_included),
        (None, Reach::OwnAndBelow(reseller)) => storage::businesses::is_below(conn, business, reseller).await,
        (None, _) => Ok(false),
    }
}

/// Sets a new secret for a key. The old one works for `overlap_seconds` more, or stops at once without any.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Impossible`] for a revoked key; [`Error::Invalid`]; those of the database.
pub async fn rotate(
    billing: &Billing,
    sid: KeySid,
    overlap_seconds: i64,
    keeper: &KeyKeeper,
    idempotency: Option<KeyScope>,
) -> Result<OnceAnswer<IssuedKey>> {
    check_overlap(overlap_seconds)?;
    let now = billing.clock.now();
    let input = InputHash::of(&[&sid.to_string(), &overlap_seconds.to_string()]);
    let once = Once { billing, key: idempotency.as_ref(), input, now };
    let work = async |conn: &mut Conn<'_>, key: ApiKey| {
        key.check_rotatable()?;
        let until = (overlap_seconds > 0).then(|| now.plus_seconds(overlap_seconds));
        let secret = PresentedKey::with_secret(key.mode, key.public_id.clone(), random::bytes()?);
        storage::access::keys::rotate(conn, sid, &secret, until, now).await?;
        let entry = AuditEntry {
            action: AuditAction::KeyRotated,
            subject: sid.to_string(),
            before: Some(json!({"rotated_at": key.rotated_at})),
            after: Some(json!({"rotated_at": now, "previous_expires_at": until})),
            reason: None,
        };
        storage::audit::append(&mut conn.bulk(), &entry, &keeper.actor, now).await?;
        let key = ApiKey { rotated_at: Some(now), previous_expires_at: until, ..key };
        Ok(IssuedKey { key, secret: secret.reveal() })
    };
    let issued = once.run(KeyToRotate { sid, keeper }, SealedKey(billing), work).await?;
    if !issued.replayed {
        let public_id = &issued.value.key.public_id;
        forget(billing, public_id);
        // Cached at once, so that the key counts as known.
        billing.live.credentials.find(&Handle::Key(public_id.clone())).await?;
    }
    Ok(issued)
}

/// Locks the idempotency key, then finds the API key to rotate: a keeper who may not touch it gets no earlier answer.
struct KeyToRotate<'a> {
    sid: KeySid,
    keeper: &'a KeyKeeper,
}

impl Lock for KeyToRotate<'_> {
    type Held = ApiKey;

    async fn take(&self, conn: &mut Conn<'_>, key: Option<&KeyScope>) -> Result<ApiKey> {
        KeyTurn.take(conn, key).await?;
        find(conn, self.sid, self.keeper).await
    }

    async fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> Result<()> {
        KeyTurn.wait(conn, key).await
    }
}

/// Revokes a key, on every server within a second. Revoking it again changes nothing.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn revoke(billing: &Billing, sid: KeySid, keeper: &KeyKeeper) -> Result<ApiKey> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let key = find(&mut conn, sid, keeper).await?;
    if !storage::access::keys::revoke(&mut conn, sid, now).await? {
        tx.roll_back().await?;
        return Ok(key);
    }
    let entry = AuditEntry {
        action: AuditAction::KeyRevoked,
        subject: sid.to_string(),
        before: Some(json!({"revoked_at": null})),
        after: Some(json!({"revoked_at": now})),
        reason: None,
    };
    storage::audit::append(&mut conn.bulk(), &entry, &keeper.actor, now).await?;
    tx.commit().await?;
    forget(billing, &key.public_id);
    Ok(ApiKey { revoked_at: Some(now), ..key })
}

fn forget(billing: &Billing, public_id: &PublicId) {
    billing.live.credentials.forget(&Handle::Key(public_id.clone()));
}
