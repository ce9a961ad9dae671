//! Delivers the waiting events of a webhook endpoint, at least once.
//! If the server dies between sending and recording, it sends again under the same id.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::webhook_attempts::Sent;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::jobs::Job;
use crate::domain::notifications::alerts::{AlertDraft, AlertSeverity, AlertType};
use crate::domain::notifications::webhook_messages::{
    Attempt, DeliveryError, FAILING_DAYS_MAX, Health, Message, judge, retry_not_before,
};
use crate::domain::notifications::webhook_secrets::{WebhookSecret, signatures};
use crate::domain::notifications::webhooks::{Webhook, WebhookStatus};
use crate::domain::values::money::Money;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::outbound::OutboundAnswer;
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::storage::notifications::webhook_messages::Tried;
use crate::storage::notifications::webhooks::StoredWebhook;
use crate::storage::wallets::accounts::StoredAccount;
use crate::{random, storage};

/// How many deliveries to an endpoint run at once.
const AT_ONCE: usize = 8;

/// How many are sent before they are recorded and other endpoints have their turn.
const MOST_IN_A_TURN: i64 = 100;

/// The longest such turn.
const LONGEST_TURN: Duration = Duration::from_secs(10);

/// Sends the due deliveries of an endpoint, whose row id is the job's subject; [`super::webhook_attempts`] records the
/// attempts. A turn also ends when every attempt fails: a receiver that is slow or gone does not keep others waiting.
///
/// # Errors
/// Those of the database. A failed delivery is no error: it has a time for its next attempt.
pub async fn deliver(billing: &Billing, job: &Job) -> Result<Sent> {
    let endpoint_id =
        job.subject.parse::<i64>().map_err(|_| Error::Corrupt(format!("the endpoint {}", job.subject)))?;
    let mut sent = Sent { endpoint_id, tried: Vec::new() };
    let (stored, due) = {
        let mut reader = billing.db.read().await?;
        let mut conn = reader.conn();
        let stored = storage::notifications::webhooks::find_by_id(&mut conn, endpoint_id).await?;
        let now = billing.clock.now();
        (stored, storage::notifications::webhook_messages::due(&mut conn, endpoint_id, now, MOST_IN_A_TURN).await?)
    };
    let Some(stored) = stored.filter(|stored| stored.webhook.status == WebhookStatus::Enabled) else {
        return Ok(sent);
    };
    let begun = Instant::now();
    let mut due = due.into_iter().peekable();
    while due.peek().is_some() && begun.elapsed() < LONGEST_TURN {
        let together = due.by_ref().take(AT_ONCE);
        let tried = join_all(together.map(|message| send(billing, &stored, message))).await;
        let tried = tried.into_iter().collect::<Result<Vec<_>>>()?;
        let came_through = tried.iter().any(|one| one.attempt.error.is_none());
        sent.tried.extend(tried);
        if !came_through {
            break;
        }
    }
    let (health, now) = (sent.health(), billing.clock.now());
    let failing_since = health.failing_since(stored.webhook.failing_since, now);
    if !sent.tried.is_empty() && health.ends_as(failing_since, now).is_some() {
        disable(billing, &stored.webhook, endpoint_id, health).await?;
    }
    Ok(sent)
}

/// Makes one attempt, and returns what to record of it.
async fn send(billing: &Billing, stored: &StoredWebhook, message: Message) -> Result<Tried> {
    let now = billing.clock.now();
    let secrets = secrets(billing, stored, now);
    let (answer, duration) = if secrets.is_empty() {
        (Err(DeliveryError::SecretUnreadable), Duration::ZERO)
    } else {
        let headers = headers(&secrets, &message, now);
        let called = billing.live.outbound.post(&stored.webhook.url, headers, message.payload.clone()).await;
        (called.answer, called.duration)
    };
    let (status, retry_after) = match answer {
        Ok(OutboundAnswer { status, retry_after }) => (Ok(status), retry_after),
        Err(error) => (Err(error), None),
    };
    let error = status.map_or_else(Some, judge);
    let attempt = Attempt {
        number: message.attempts + 1,
        status_code: status.ok().map(i64::from),
        error,
        duration_micros: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        attempted_at: now,
    };
    let after = {
        let now = billing.clock.now();
        let not_before = retry_after.and_then(|asked| retry_not_before(&asked, now));
        message.after(error, not_before, now, u16::from_le_bytes(random::bytes()?))
    };
    Ok(Tried { message, attempt, after })
}

/// The secrets that sign now. Empty where the current one cannot be decrypted, because `SECRET_KEY` has changed.
fn secrets(billing: &Billing, stored: &StoredWebhook, now: Timestamp) -> Vec<WebhookSecret> {
    let open = |sealed: &String| {
        let opened = billing.live.sealer.open(&stored.webhook.sid.to_string(), sealed);
        opened.as_deref().and_then(WebhookSecret::parse)
    };
    let Some(current) = open(&stored.secret) else { return Vec::new() };
    let signs_too = stored.webhook.previous_until.is_some_and(|until| now < until);
    let previous = stored.previous_secret.as_ref().filter(|_| signs_too).and_then(open);
    std::iter::once(current).chain(previous).collect()
}

/// The headers of Standard Webhooks.
fn headers(secrets: &[WebhookSecret], message: &Message, now: Timestamp) -> HeaderMap {
    let (id, seconds) = (message.sid.to_string(), now.unix_seconds());
    let signature = signatures(secrets, &id, seconds, &message.payload);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
    {
        // All of them are printable ASCII.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Disables an endpoint that is gone or has failed for days, and alerts its owner; unless the owner has repaired it
/// just now.
async fn disable(billing: &Billing, webhook: &Webhook, id: i64, health: Health) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let business = std::slice::from_ref(&webhook.business);
    let account = storage::wallets::accounts::load_and_lock(&mut conn.bulk(), business).await?.pop();
    let stored = storage::notifications::webhooks::lock_by_id(&mut conn, id).await?;
    let is_same =
        |stored: &StoredWebhook| stored.webhook.status == WebhookStatus::Enabled && stored.webhook.url == webhook.url;
    let ending = stored.filter(is_same).and_then(|stored| {
        let status = health.ends_as(stored.webhook.failing_since, now)?;
        Some((stored, status))
    });
    let (Some(StoredAccount { wallet_id, account }), Some((stored, status))) = (account, ending) else {
        return tx.roll_back().await;
    };
    let after = Webhook { status, updated_at: now, ..stored.webhook.clone() };
    storage::notifications::webhooks::update(&mut conn, id, &after).await?;
    let mut watch = account.watch;
    watch.events = storage::notifications::webhooks::tell_wallet(&mut conn, wallet_id).await?;
    let entry = AuditEntry {
        reason: Some(reason(health)),
        ..AuditEntry::changed(
            AuditAction::WebhookDisabled,
            webhook.sid.to_string(),
            serde_json::json!({"status": stored.webhook.status}),
            serde_json::json!({"status": status}),
        )
    };
    storage::audit::append(&mut conn.bulk(), &entry, &Actor::scheduled(), now).await?;
    let consequences =
        Consequences { alerts: vec![alert(webhook, health)], watch, ..Consequences::of(wallet_id, &account, watch) };
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    tx.commit().await
}

fn reason(health: Health) -> String {
    if health.is_gone {
        "its receiver answered that it is gone (410)".to_owned()
    } else {
        format!("nothing came through for {FAILING_DAYS_MAX} days")
    }
}

fn alert(webhook: &Webhook, health: Health) -> AlertDraft {
    AlertDraft {
        alert_type: AlertType::BillingAlert,
        severity: AlertSeverity::Warning,
        message: format!(
            "The webhook {} to {} was disabled: {}. Enable it again once its receiver works.",
            webhook.sid,
            webhook.url.origin(),
            reason(health),
        ),
        threshold: Money::ZERO,
        current_value: Money::ZERO,
    }
}
