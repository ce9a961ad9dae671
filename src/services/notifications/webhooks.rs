//! Creates, changes and deletes webhook endpoints, and rotates their secrets.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::webhook_secrets::WebhookSecret;
use crate::domain::notifications::webhooks::{
    NewWebhook, Webhook, WebhookChanges, check_room, event_names, overlap_until,
};
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::sid::{BusinessSid, WebhookSid};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::{Codec, KeyTurn, Once, from_kept, kept_json};
use crate::storage::db::Conn;
use crate::storage::notifications::webhooks::StoredWebhook;
use crate::storage::wallets::Opening;
use crate::{random, storage};

const NOT_FOUND: Error = Error::NotFound {
    code: "webhook_not_found",
    sentence: "There is no such webhook, or it is none of this business's.",
};

/// An endpoint and its secret, for its owner.
#[derive(Clone, Debug)]
pub struct IssuedWebhook {
    pub webhook: Webhook,
    pub secret: WebhookSecret,
}

/// A secret as an idempotent answer keeps it for 30 days: encrypted.
#[derive(Serialize, Deserialize)]
struct Remembered {
    webhook: WebhookSid,
    sealed: String,
}

/// An endpoint in the audit log: without the part of its URL that may hold a token.
fn described(webhook: &Webhook) -> Value {
    json!({
        "business_sid": webhook.business, "url": webhook.url.origin(), "description": webhook.description,
        "events": event_names(webhook.events), "status": webhook.status,
    })
}

/// Creates an endpoint. Its secret is in the answer and stored nowhere in clear; the same request again with the same
/// idempotency key returns it again.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Impossible`] where there are too many; [`Error::IdempotencyConflict`]; those of the
/// database.
pub async fn create(
    billing: &Billing,
    tenant: &Tenant,
    new: NewWebhook,
    actor: &Actor,
    idempotency: Option<KeyScope>,
) -> Result<OnceAnswer<IssuedWebhook>> {
    let now = billing.clock.now();
    let sid = WebhookSid::new(billing.clock.new_id());
    let webhook = Webhook::new(sid, tenant.sid().clone(), new, billing.live.outbound.allows_private(), now)?;
    let once = Once { billing, key: idempotency.as_ref(), input: webhook.hash(), now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        let opening = Opening {
            business: tenant.sid(),
            terms: &billing.rules.terms,
            wallet_id: billing.clock.new_id(),
            now,
            actor,
        };
        let wallet = storage::wallets::lock_or_open(conn, &opening).await?;
        check_room(storage::notifications::webhooks::count(conn, tenant.sid()).await?)?;
        let secret = WebhookSecret::from_random(random::bytes()?);
        let sealed = seal(billing, webhook.sid, &secret)?;
        storage::notifications::webhooks::insert(conn, &webhook, &sealed).await?;
        storage::notifications::webhooks::tell_wallet(conn, wallet.id).await?;
        let entry = AuditEntry::created(AuditAction::WebhookCreated, webhook.sid.to_string(), described(&webhook));
        storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
        Ok(IssuedWebhook { webhook, secret })
    };
    once.run(KeyTurn, SealedWebhook { billing, business: tenant.sid() }, work).await
}

fn seal(billing: &Billing, sid: WebhookSid, secret: &WebhookSecret) -> Result<String> {
    let sealed = billing.live.sealer.seal(&sid.to_string(), &secret.reveal(), random::bytes()?);
    sealed.ok_or_else(|| Error::Corrupt("a secret that cannot be sealed".to_owned()))
}

/// Stores the SID of an endpoint and its encrypted secret, and reads the rest from its row.
struct SealedWebhook<'a> {
    billing: &'a Billing,
    business: &'a BusinessSid,
}

impl Codec<IssuedWebhook> for SealedWebhook<'_> {
    fn encode(&self, IssuedWebhook { webhook, secret }: &IssuedWebhook) -> Result<Box<RawValue>> {
        kept_json(&Remembered { webhook: webhook.sid, sealed: seal(self.billing, webhook.sid, secret)? })
    }

    async fn decode(&self, conn: &mut Conn<'_>, kept: &RawValue) -> Result<IssuedWebhook> {
        let Remembered { webhook, sealed } = from_kept(kept)?;
        let secret = self.billing.live.sealer.open(&webhook.to_string(), &sealed);
        let stored = storage::notifications::webhooks::find(conn, self.business, webhook).await?.ok_or(NOT_FOUND)?;
        let secret = secret.as_deref().and_then(WebhookSecret::parse).ok_or_else(|| Error::Impossible {
            code: "secret_not_shown_again",
            sentence: "That was done, but the secret can no longer be shown (SECRET_KEY is another now): rotate it."
                .to_owned(),
        })?;
        Ok(IssuedWebhook { webhook: stored.webhook, secret })
    }
}

/// All endpoints of a business, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing, tenant: &Tenant) -> Result<Vec<Webhook>> {
    let stored = storage::notifications::webhooks::list(&mut billing.db.read().await?.conn(), tenant.sid()).await?;
    Ok(stored.into_iter().map(|stored| stored.webhook).collect())
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant, sid: WebhookSid) -> Result<Webhook> {
    let found = storage::notifications::webhooks::find(&mut billing.db.read().await?.conn(), tenant.sid(), sid).await?;
    Ok(found.ok_or(NOT_FOUND)?.webhook)
}

/// Changes an endpoint. Enabled again, it gets the deliveries that still wait; events while it was disabled were never
/// written for it. A change of nothing is not recorded.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`], and those of the database.
pub async fn change(
    billing: &Billing,
    tenant: &Tenant,
    sid: WebhookSid,
    changes: WebhookChanges,
    actor: &Actor,
) -> Result<Webhook> {
    let now = billing.clock.now();
    let changes = changes.check(billing.live.outbound.allows_private())?;
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let (wallet_id, StoredWebhook { id, webhook: before, .. }) = hold(&mut conn, tenant.sid(), sid).await?;
    let after = changes.apply_to(&before, now);
    if after == before {
        tx.roll_back().await?;
        return Ok(before);
    }
    storage::notifications::webhooks::update(&mut conn, id, &after).await?;
    storage::notifications::webhooks::tell_wallet(&mut conn, wallet_id).await?;
    let (was, is) = (described(&before), described(&after));
    let entry = AuditEntry::changed(AuditAction::WebhookChanged, sid.to_string(), was, is);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    if after.is_enabled_since(&before) {
        let job = NewJob { kind: JobKind::Webhooks, subject: id.to_string(), run_at: now };
        storage::jobs::schedule(&mut conn.bulk(), &[job], now).await?;
    }
    tx.commit().await?;
    Ok(after)
}

/// The endpoint and its business's wallet, both locked: the wallet first, as everywhere.
async fn hold(conn: &mut Conn<'_>, business: &BusinessSid, sid: WebhookSid) -> Result<(i64, StoredWebhook)> {
    // Where there is an endpoint there is a wallet: making the one opens the other.
    let wallet = storage::wallets::lock(conn, business).await?.ok_or(NOT_FOUND)?;
    let stored = storage::notifications::webhooks::lock(conn, business, sid).await?.ok_or(NOT_FOUND)?;
    Ok((wallet.id, stored))
}

/// Sets a new secret for an endpoint. The old one signs too for the given hours.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`], [`Error::IdempotencyConflict`], and those of the database.
pub async fn rotate(
    billing: &Billing,
    tenant: &Tenant,
    sid: WebhookSid,
    overlap_hours: i64,
    actor: &Actor,
    idempotency: Option<KeyScope>,
) -> Result<OnceAnswer<IssuedWebhook>> {
    let now = billing.clock.now();
    let until = overlap_until(overlap_hours, now)?;
    let input = InputHash::of(&[&sid.to_string(), &overlap_hours.to_string()]);
    let once = Once { billing, key: idempotency.as_ref(), input, now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        let stored = storage::notifications::webhooks::lock(conn, tenant.sid(), sid).await?.ok_or(NOT_FOUND)?;
        let secret = WebhookSecret::from_random(random::bytes()?);
        let sealed = seal(billing, sid, &secret)?;
        storage::notifications::webhooks::set_secret(conn, stored.id, &sealed, until, now).await?;
        let webhook = Webhook { previous_until: until, updated_at: now, ..stored.webhook };
        let entry = AuditEntry::changed(
            AuditAction::WebhookSecretRotated,
            sid.to_string(),
            json!({}),
            json!({"previous_secret_expires_at": until}),
        );
        storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
        Ok(IssuedWebhook { webhook, secret })
    };
    once.run(KeyTurn, SealedWebhook { billing, business: tenant.sid() }, work).await
}

/// Deletes an endpoint with all its deliveries.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn delete(billing: &Billing, tenant: &Tenant, sid: WebhookSid, actor: &Actor) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let (wallet_id, stored) = hold(&mut conn, tenant.sid(), sid).await?;
    storage::notifications::webhooks::delete(&mut conn, stored.id).await?;
    storage::notifications::webhooks::tell_wallet(&mut conn, wallet_id).await?;
    let entry = AuditEntry::deleted(AuditAction::WebhookDeleted, sid.to_string(), described(&stored.webhook));
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await
}
