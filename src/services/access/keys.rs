//! Creates, lists, rotates and revokes API keys.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::presented::Handle;
use crate::domain::access::keys::{ApiKey, OVERLAP_SECONDS_MAX, PresentedKey, PublicId};
use crate::domain::access::rights::{KeyMode, Reach, Role, Tenant};
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::BusinessKind;
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::text::Title;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage::db::Conn;
use crate::{random, storage};

const NOT_FOUND: Error =
    Error::NotFound { code: "key_not_found", sentence: "There is no such key, or it is none of yours." };

/// The author of a change to keys, with their role and the businesses whose keys they may manage.
#[derive(Clone, Debug)]
pub struct KeyKeeper {
    pub role: Role,
    pub reach: Reach,
    pub actor: Actor,
    /// When the author's own key expires, if it does.
    pub expires_at: Option<Timestamp>,
}

/// The most keys of a business that are not revoked: enough for every program it runs, and none to spread requests
/// over.
const LIVE_KEYS_MAX: i64 = 100;

impl KeyKeeper {
    /// The operator who runs a subcommand on the server's own machine, with the rights of an admin.
    pub fn command_line() -> KeyKeeper {
        KeyKeeper { role: Role::Admin, reach: Reach::All, actor: Actor::command_line(), expires_at: None }
    }

    /// Whether they may see and change a key. Not one above their own role: by rotating it they would obtain it.
    async fn may_touch(&self, conn: &mut Conn<'_>, key: &ApiKey) -> Result<bool> {
        if !self.role.may_grant(key.role) {
            return Ok(false);
        }
        let Some(business) = &key.business else { return Ok(self.reach == Reach::All) };
        match (self.reach.includes(business), &self.reach) {
            (Some(is_included), _) => Ok(is_included),
            (None, Reach::OwnAndBelow(reseller)) => storage::businesses::is_below(conn, business, reseller).await,
            (None, _) => Ok(false),
        }
    }
}

/// A key to create.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: Title,
    pub mode: KeyMode,
    pub role: Role,
    /// The business it is to belong to: for clients and resellers only.
    pub business: Option<Tenant>,
    /// The businesses that a gateway's key is limited to; `None`: all.
    pub businesses: Option<Vec<BusinessSid>>,
    pub expires_at: Option<Timestamp>,
}

/// The most businesses that a gateway's key may list.
const LISTED_MAX: usize = 1_000;

impl NewKey {
    /// Sorts the businesses and removes duplicates; a key created with another key expires no later than that one.
    fn tidied(mut self, keeper: &KeyKeeper) -> NewKey {
        if let Some(businesses) = &mut self.businesses {
            businesses.sort_unstable();
            businesses.dedup();
        }
        self.expires_at = self.expires_at.or(keeper.expires_at);
        self
    }

    fn check(&self, keeper: &KeyKeeper, now: Timestamp) -> Result<()> {
        if !keeper.role.may_grant(self.role) {
            let sentence = format!("The role {} cannot make a key of the role {}.", keeper.role, self.role);
            return Err(Error::Forbidden(sentence));
        }
        match (&self.business, self.role.has_business()) {
            (None, true) => {
                return Err(Error::invalid("business_sid", format!("is missing: a {} key belongs to one", self.role)));
            }
            (Some(_), false) => {
                return Err(Error::invalid(
                    "business_sid",
                    format!("must be left out: a {} key belongs to none", self.role),
                ));
            }
            _ => {}
        }
        match &self.businesses {
            Some(_) if self.role != Role::Gateway => {
                return Err(Error::invalid("businesses", "must be left out: only a gateway key lists businesses"));
            }
            Some(listed) if listed.is_empty() || listed.len() > LISTED_MAX => {
                let problem = format!("must name 1 to {LISTED_MAX} businesses; leave it out for all");
                return Err(Error::invalid("businesses", problem));
            }
            _ => {}
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("expires_at", "must lie in the future; leave it out for a key without an end"));
        }
        if let (Some(end), Some(keepers)) = (self.expires_at, keeper.expires_at)
            && end > keepers
        {
            return Err(Error::invalid("expires_at", "must not be later than the end of the key that makes it"));
        }
        Ok(())
    }

    fn hash(&self) -> InputHash {
        let listed = self.businesses.iter().flatten().map(BusinessSid::as_str).collect::<Vec<_>>().join(" ");
        InputHash::of(&[
            self.name.as_str(),
            self.mode.as_str(),
            self.role.as_str(),
            self.business.as_ref().map_or("", |tenant| tenant.sid().as_str()),
            if self.businesses.is_some() { "listed" } else { "all" },
            &listed,
            &self.expires_at.map(|end| end.micros().to_string()).unwrap_or_default(),
        ])
    }
}

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
    let input = new.hash();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    if let Some(scope) = &idempotency
        && let Some(earlier) = find_again(billing, &mut conn, scope, &input, now).await?
    {
        tx.roll_back().await?;
        return Ok(OnceAnswer { value: earlier, replayed: true });
    }
    check_businesses(&mut conn, &new).await?;
    if let Some(tenant) = &new.business
        && storage::access::keys::count_live(&mut conn, tenant.sid()).await? >= LIVE_KEYS_MAX
    {
        let sentence = format!("The business has {LIVE_KEYS_MAX} keys already; revoke one that it does not use.");
        return Err(Error::Impossible { code: "too_many_keys", sentence });
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
    storage::access::keys::insert(&mut conn, &key, &secret).await?;
    let entry = AuditEntry::created(AuditAction::KeyCreated, key.sid.to_string(), described(&key));
    storage::audit::append(&mut conn.bulk(), &entry, &keeper.actor, now).await?;
    remember(billing, &mut conn, idempotency.as_ref(), &input, (&key, &secret), now).await?;
    tx.commit().await?;
    Ok(OnceAnswer { value: IssuedKey { key, secret: secret.reveal() }, replayed: false })
}

/// Checks that the businesses a key names exist, and are of the kind its role needs.
async fn check_businesses(conn: &mut Conn<'_>, new: &NewKey) -> Result<()> {
    if let Some(tenant) = &new.business {
        match storage::businesses::hold_kind(conn, tenant.sid()).await? {
            None => return Err(Error::invalid("business_sid", "names no business that exists")),
            Some(BusinessKind::Client) if new.role == Role::Reseller => {
                return Err(Error::invalid("role", "must be client: the business is no reseller"));
            }
            Some(_) => {}
        }
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

async fn find_again(
    billing: &Billing,
    conn: &mut Conn<'_>,
    scope: &KeyScope,
    input: &InputHash,
    now: Timestamp,
) -> Result<Option<IssuedKey>> {
    storage::db::idempotency::take_turn(conn, scope).await?;
    let Some(Remembered { key, sealed }) = storage::db::idempotency::find(conn, scope, input, now).await? else {
        return Ok(None);
    };
    let secret = billing.sealer.open(&key.to_string(), &sealed);
    let key = storage::access::keys::find(conn, key).await?;
    match (key, secret) {
        (Some(key), Some(secret)) => Ok(Some(IssuedKey { key, secret })),
        _ => Err(Error::Impossible {
            code: "secret_not_shown_again",
            sentence:
                "That key was made, but its secret can no longer be shown (SECRET_KEY is another now): rotate it."
                    .to_owned(),
        }),
    }
}

async fn remember(
    billing: &Billing,
    conn: &mut Conn<'_>,
    idempotency: Option<&KeyScope>,
    input: &InputHash,
    (key, secret): (&ApiKey, &PresentedKey),
    now: Timestamp,
) -> Result<()> {
    let Some(scope) = idempotency else { return Ok(()) };
    let sealed = billing.sealer.seal(&key.sid.to_string(), &secret.reveal(), random::bytes()?);
    let sealed = sealed.ok_or_else(|| Error::Corrupt("a secret that cannot be sealed".to_owned()))?;
    storage::db::idempotency::remember(conn, scope, input, &Remembered { key: key.sid, sealed }, now).await
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
    if keeper.may_touch(conn, &key).await? { Ok(key) } else { Err(NOT_FOUND) }
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
    if !(0..=OVERLAP_SECONDS_MAX).contains(&overlap_seconds) {
        let problem = format!("must be a whole number from 0 to {OVERLAP_SECONDS_MAX} (a week)");
        return Err(Error::invalid("overlap_seconds", problem));
    }
    let now = billing.clock.now();
    let input = InputHash::of(&[&sid.to_string(), &overlap_seconds.to_string()]);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let key = find(&mut conn, sid, keeper).await?;
    if let Some(scope) = &idempotency
        && let Some(earlier) = find_again(billing, &mut conn, scope, &input, now).await?
    {
        tx.roll_back().await?;
        return Ok(OnceAnswer { value: earlier, replayed: true });
    }
    if key.revoked_at.is_some() {
        let sentence = "A revoked key stays revoked; make a new one.".to_owned();
        return Err(Error::Impossible { code: "key_revoked", sentence });
    }
    let until = (overlap_seconds > 0).then(|| now.plus_seconds(overlap_seconds));
    let secret = PresentedKey::with_secret(key.mode, key.public_id.clone(), random::bytes()?);
    storage::access::keys::rotate(&mut conn, sid, &secret, until, now).await?;
    let after = ApiKey { rotated_at: Some(now), previous_expires_at: until, ..key.clone() };
    let entry = AuditEntry {
        action: AuditAction::KeyRotated,
        subject: sid.to_string(),
        before: Some(json!({"rotated_at": key.rotated_at})),
        after: Some(json!({"rotated_at": now, "previous_expires_at": until})),
        reason: None,
    };
    storage::audit::append(&mut conn.bulk(), &entry, &keeper.actor, now).await?;
    remember(billing, &mut conn, idempotency.as_ref(), &input, (&after, &secret), now).await?;
    tx.commit().await?;
    forget(billing, &after.public_id);
    // So that it stays one that is known.
    billing.credentials.find(&Handle::Key(after.public_id.clone())).await?;
    Ok(OnceAnswer { value: IssuedKey { key: after, secret: secret.reveal() }, replayed: false })
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
    billing.credentials.forget(&Handle::Key(public_id.clone()));
}
