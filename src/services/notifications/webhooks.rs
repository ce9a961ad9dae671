//! Creates, changes and deletes webhook endpoints, and rotates their secrets.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::webhook_secrets::WebhookSecret;
use crate::domain::notifications::webhooks::{
    OVERLAP_HOURS_MAX, WEBHOOKS_MAX, Webhook, WebhookStatus, WebhookUrl, event_names, parse_events,
};
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::sid::{BusinessSid, WebhookSid};
use crate::domain::values::text::LongText;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage::db::Conn;
use crate::storage::notifications::webhooks::StoredWebhook;
use crate::storage::wallets::Opening;
use crate::{random, storage};

const NOT_FOUND: Error = Error::NotFound {
    code: "webhook_not_found",
    sentence: "There is no such webhook, or it is none of this business's.",
};

/// An endpoint to create.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub url: String,
    pub events: Vec<String>,
    pub description: LongText,
    pub enabled: bool,
}

/// Changes to an endpoint. Fields left out stay as they are.
#[derive(Clone, Debug, Default)]
pub struct WebhookChanges {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub description: Option<LongText>,
    pub enabled: Option<bool>,
}

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

fn status_of(enabled: bool) -> WebhookStatus {
    if enabled { WebhookStatus::Enabled } else { WebhookStatus::Disabled }
}

fn url_of(billing: &Billing, text: &str) -> Result<WebhookUrl> {
    let url = WebhookUrl::parse(text, billing.outbound.allows_private());
    url.map_err(|problem| Error::invalid("url", problem))
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
    let webhook = Webhook {
        sid: WebhookSid::new(billing.clock.new_id()),
        business: tenant.sid().clone(),
        url: url_of(billing, &new.url)?,
        description: new.description,
        events: parse_events(&new.events).map_err(|problem| Error::invalid("events", problem))?,
        status: status_of(new.enabled),
        previous_until: None,
        failing_since: None,
        created_at: now,
        updated_at: now,
    };
    let input = InputHash::of(&[
        webhook.url.as_str(),
        webhook.description.as_str(),
        &webhook.events.bits().to_string(),
        webhook.status.as_str(),
    ]);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    if let Some(scope) = &idempotency
        && let Some(earlier) = find_again(billing, &mut conn, tenant.sid(), scope, &input, now).await?
    {
        tx.roll_back().await?;
        return Ok(OnceAnswer { value: earlier, replayed: true });
    }
    let opening =
        Opening { business: tenant.sid(), terms: &billing.terms, wallet_id: billing.clock.new_id(), now, actor };
    let wallet = storage::wallets::lock_or_open(&mut conn, &opening).await?;
    if storage::notifications::webhooks::count(&mut conn, tenant.sid()).await? >= WEBHOOKS_MAX {
        let sentence = format!("The business has {WEBHOOKS_MAX} webhooks already; delete one that it does not use.");
        return Err(Error::Impossible { code: "too_many_webhooks", sentence });
    }
    let secret = WebhookSecret::from_random(random::bytes()?);
    let sealed = seal(billing, webhook.sid, &secret)?;
    storage::notifications::webhooks::insert(&mut conn, &webhook, &sealed).await?;
    storage::notifications::webhooks::tell_wallet(&mut conn, wallet.id).await?;
    let entry = AuditEntry::created(AuditAction::WebhookCreated, webhook.sid.to_string(), described(&webhook));
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    remember(&mut conn, idempotency.as_ref(), &input, Remembered { webhook: webhook.sid, sealed }, now).await?;
    tx.commit().await?;
    Ok(OnceAnswer { value: IssuedWebhook { webhook, secret }, replayed: false })
}

fn seal(billing: &Billing, sid: WebhookSid, secret: &WebhookSecret) -> Result<String> {
    let sealed = billing.sealer.seal(&sid.to_string(), &secret.reveal(), random::bytes()?);
    sealed.ok_or_else(|| Error::Corrupt("a secret that cannot be sealed".to_owned()))
}

async fn find_again(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    scope: &KeyScope,
    input: &InputHash,
    now: Timestamp,
) -> Result<Option<IssuedWebhook>> {
    storage::db::idempotency::take_turn(conn, scope).await?;
    let Some(Remembered { webhook, sealed }) = storage::db::idempotency::find(conn, scope, input, now).await? else {
        return Ok(None);
    };
    let secret = billing.sealer.open(&webhook.to_string(), &sealed);
    let stored = storage::notifications::webhooks::find(conn, business, webhook).await?.ok_or(NOT_FOUND)?;
    let secret = secret.as_deref().and_then(WebhookSecret::parse).ok_or_else(|| Error::Impossible {
        code: "secret_not_shown_again",
        sentence: "That was done, but the secret can no longer be shown (SECRET_KEY is another now): rotate it."
            .to_owned(),
    })?;
    Ok(Some(IssuedWebhook { webhook: stored.webhook, secret }))
}

async fn remember(
    conn: &mut Conn<'_>,
    idempotency: Option<&KeyScope>,
    input: &InputHash,
    answer: Remembered,
    now: Timestamp,
) -> Result<()> {
    let Some(scope) = idempotency else { return Ok(()) };
    storage::db::idempotency::remember(conn, scope, input, &answer, now).await
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
    let url = changes.url.map(|text| url_of(billing, &text)).transpose()?;
    let events = changes.events.map(|names| parse_events(&names)).transpose();
    let events = events.map_err(|problem| Error::invalid("events", problem))?;
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let (wallet_id, StoredWebhook { id, webhook: before, .. }) = hold(&mut conn, tenant.sid(), sid).await?;
    let mut after = before.clone();
    after.url = url.unwrap_or(after.url);
    after.events = events.unwrap_or(after.events);
    after.description = changes.description.unwrap_or(after.description);
    after.status = match changes.enabled {
        // Disabled by the server stays so until it is enabled.
        Some(false) if before.status != WebhookStatus::Enabled => before.status,
        Some(enabled) => status_of(enabled),
        None => before.status,
    };
    let is_enabled_now = after.status == WebhookStatus::Enabled && before.status != WebhookStatus::Enabled;
    if is_enabled_now || after.url != before.url {
        after.failing_since = None;
    }
    if after == before {
        tx.roll_back().await?;
        return Ok(before);
    }
    after.updated_at = now;
    storage::notifications::webhooks::update(&mut conn, id, &after).await?;
    storage::notifications::webhooks::tell_wallet(&mut conn, wallet_id).await?;
    let (was, is) = (described(&before), described(&after));
    let entry = AuditEntry::changed(AuditAction::WebhookChanged, sid.to_string(), was, is);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    if is_enabled_now {
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
    if !(0..=OVERLAP_HOURS_MAX).contains(&overlap_hours) {
        let problem = format!("must be a whole number from 0 to {OVERLAP_HOURS_MAX}");
        return Err(Error::invalid("overlap_hours", problem));
    }
    let now = billing.clock.now();
    let input = InputHash::of(&[&sid.to_string(), &overlap_hours.to_string()]);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    if let Some(scope) = &idempotency
        && let Some(earlier) = find_again(billing, &mut conn, tenant.sid(), scope, &input, now).await?
    {
        tx.roll_back().await?;
        return Ok(OnceAnswer { value: earlier, replayed: true });
    }
    let stored = storage::notifications::webhooks::lock(&mut conn, tenant.sid(), sid).await?.ok_or(NOT_FOUND)?;
    let secret = WebhookSecret::from_random(random::bytes()?);
    let sealed = seal(billing, sid, &secret)?;
    let until = (overlap_hours > 0).then(|| now.plus_seconds(overlap_hours * 3_600));
    storage::notifications::webhooks::set_secret(&mut conn, stored.id, &sealed, until, now).await?;
    let webhook = Webhook { previous_until: until, updated_at: now, ..stored.webhook };
    let entry = AuditEntry::changed(
        AuditAction::WebhookSecretRotated,
        sid.to_string(),
        json!({}),
        json!({"previous_secret_expires_at": until}),
    );
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    remember(&mut conn, idempotency.as_ref(), &input, Remembered { webhook: sid, sealed }, now).await?;
    tx.commit().await?;
    Ok(OnceAnswer { value: IssuedWebhook { webhook, secret }, replayed: false })
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
