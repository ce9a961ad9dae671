//! Lists webhook deliveries and their attempts, sends one again, and sends test events.

use serde::Serialize;
use serde_json::json;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::notifications::webhook_messages::{Attempt, Message, MessageStatus};
use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::domain::values::sid::{BusinessSid, MessageEventSid, WebhookSid};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::notifications::webhooks::StoredWebhook;

const NO_WEBHOOK: Error = Error::NotFound {
    code: "webhook_not_found",
    sentence: "There is no such webhook, or it is none of this business's.",
};

const NO_MESSAGE: Error = Error::NotFound {
    code: "delivery_not_found",
    sentence: "This webhook was sent no such message, or it is too long ago.",
};

/// A delivery, with its attempts.
#[derive(Clone, Debug)]
pub struct LoggedMessage {
    pub message: Message,
    pub attempts: Vec<Attempt>,
}

/// A page of an endpoint's deliveries, newest first.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn list(
    billing: &Billing,
    tenant: &Tenant,
    sid: WebhookSid,
    status: Option<MessageStatus>,
    cursor: Cursor,
    limit: Limit,
) -> Result<Page<LoggedMessage>> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let stored = storage::notifications::webhooks::find(&mut conn, tenant.sid(), sid).await?.ok_or(NO_WEBHOOK)?;
    let rows = storage::notifications::webhook_messages::page(&mut conn, stored.id, status, cursor, limit).await?;
    let page = Page::from_lookahead(rows, limit, |message| message.id);
    Ok(Page { items: with_attempts(&mut conn, page.items).await?, next: page.next })
}

async fn with_attempts(conn: &mut Conn<'_>, messages: Vec<Message>) -> Result<Vec<LoggedMessage>> {
    let all = storage::notifications::webhook_messages::attempts(conn, &messages).await?;
    let of = |message: &Message| {
        let (id, mine) = (message.id, all.partition_point(|(other, _)| *other < message.id));
        all[mine..].iter().take_while(|(other, _)| *other == id).map(|(_, attempt)| attempt.clone()).collect()
    };
    Ok(messages.into_iter().map(|message| LoggedMessage { attempts: of(&message), message }).collect())
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(
    billing: &Billing,
    tenant: &Tenant,
    sid: WebhookSid,
    message: MessageEventSid,
) -> Result<LoggedMessage> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let stored = storage::notifications::webhooks::find(&mut conn, tenant.sid(), sid).await?.ok_or(NO_WEBHOOK)?;
    find(&mut conn, stored.id, message).await
}

async fn find(conn: &mut Conn<'_>, endpoint_id: i64, sid: MessageEventSid) -> Result<LoggedMessage> {
    let message = storage::notifications::webhook_messages::find(conn, endpoint_id, sid).await?.ok_or(NO_MESSAGE)?;
    with_attempts(conn, vec![message]).await?.pop().ok_or(NO_MESSAGE)
}

/// Sends a delivery again, at once and with retries as if it were new; its id stays.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Impossible`] where the endpoint is disabled; those of the database.
pub async fn send_again(
    billing: &Billing,
    tenant: &Tenant,
    sid: WebhookSid,
    message: MessageEventSid,
    actor: &Actor,
) -> Result<LoggedMessage> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let stored = lock_enabled(&mut conn, tenant.sid(), sid).await?;
    let found =
        storage::notifications::webhook_messages::find(&mut conn, stored.id, message).await?.ok_or(NO_MESSAGE)?;
    storage::notifications::webhook_messages::send_again(&mut conn, found.id, now).await?;
    let (before, after) = (json!({"status": found.status}), json!({"status": MessageStatus::Pending}));
    let entry = AuditEntry::changed(AuditAction::WebhookResent, message.to_string(), before, after);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    schedule(&mut conn, &stored, now).await?;
    let logged = find(&mut conn, stored.id, message).await?;
    tx.commit().await?;
    Ok(logged)
}

/// The body of a test event.
#[derive(Serialize)]
struct TestEventBody<'a> {
    webhook_sid: WebhookSid,
    business_sid: &'a BusinessSid,
    message: &'static str,
}

/// Sends the event `webhook.test`, in the same way as all others.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Impossible`] where the endpoint is disabled; those of the database.
pub async fn test(billing: &Billing, tenant: &Tenant, sid: WebhookSid, actor: &Actor) -> Result<LoggedMessage> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let stored = lock_enabled(&mut conn, tenant.sid(), sid).await?;
    let message = MessageEventSid::new(billing.clock.new_id());
    let told = TestEventBody {
        webhook_sid: sid,
        business_sid: tenant.sid(),
        message: "This is a test: somebody asked for it.",
    };
    let event = Event::new(EventType::Test, now, told);
    storage::notifications::webhook_messages::insert(
        &mut conn,
        stored.id,
        message,
        event.event_type,
        &event.body(),
        now,
    )
    .await?;
    let after = json!({"delivery_sid": message});
    let entry = AuditEntry::created(AuditAction::WebhookTested, sid.to_string(), after);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    schedule(&mut conn, &stored, now).await?;
    let logged = find(&mut conn, stored.id, message).await?;
    tx.commit().await?;
    Ok(logged)
}

async fn lock_enabled(conn: &mut Conn<'_>, business: &BusinessSid, sid: WebhookSid) -> Result<StoredWebhook> {
    let stored = storage::notifications::webhooks::lock(conn, business, sid).await?.ok_or(NO_WEBHOOK)?;
    stored.webhook.check_enabled()?;
    Ok(stored)
}

async fn schedule(conn: &mut Conn<'_>, stored: &StoredWebhook, now: Timestamp) -> Result<()> {
    let job = NewJob { kind: JobKind::Webhooks, subject: stored.id.to_string(), run_at: now };
    storage::jobs::schedule(&mut conn.bulk(), &[job], now).await
}
