//! Tests webhooks: events sent, signed, retried and given up, and the log their owner sees.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::{Reach, Tenant};
use wecall_billing::domain::audit::Actor;
use wecall_billing::domain::jobs::{Job, JobKind};
use wecall_billing::domain::notifications::webhooks::NewWebhook;
use wecall_billing::domain::values::time::Timestamp;
use wecall_billing::services;
use wecall_billing::services::operations::jobs::{Ended, JobOutcome, Room};
use wecall_billing::worker;

use crate::support::receiver::{Arrived, Receiver};
use crate::support::{Database, START, Server, answer};

/// A webhook and a message of nobody's.
pub const NOBODYS: (&str, &str) = ("wh_00000000000000000000000000000000", "msg_00000000000000000000000000000000");

/// A webhook of a business and a message for it, made where there is none.
pub async fn with_message(server: &Server, business: &str) -> (String, String) {
    let tenant = Tenant::admit(&Reach::All, business.parse().unwrap(), false).unwrap();
    let (billing, actor) = (&server.billing, Actor::command_line());
    let webhook = match services::notifications::webhooks::list(billing, &tenant).await.unwrap().first() {
        Some(webhook) => webhook.sid,
        None => {
            let new = NewWebhook {
                url: "https://example.com/".to_owned(),
                events: vec!["*".to_owned()],
                description: Default::default(),
                enabled: true,
            };
            services::notifications::webhooks::create(billing, &tenant, new, &actor, None)
                .await
                .unwrap()
                .value
                .webhook
                .sid
        }
    };
    let logged = services::notifications::webhook_log::test(billing, &tenant, webhook, &actor).await.unwrap();
    (webhook.to_string(), logged.message.sid.to_string())
}

/// Runs tests against a server that may call this machine, and somebody who listens there.
macro_rules! delivered {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident, $receiver:ident) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all that its module imports")]
            use super::*;

            async fn on(database: Database) {
                let server = Server::start(database, &["--webhooks-allow-private"]).await;
                told(&server, &Receiver::start().await).await;
            }

            async fn told($server: &Server, $receiver: &Receiver) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::support::postgres::is_available() {
                    on(Database::Postgres).await;
                }
            }
        }
    )+};
}

const BUSINESS: &str = "biz_test_001";

fn path(end: &str) -> String {
    format!("/api/billing/webhooks/{BUSINESS}/{end}")
}

async fn send(server: &Server, method: Method, end: &str, body: Value) -> (StatusCode, Value) {
    let request = server.as_admin(method.clone(), &path(end)).await;
    answer(if method == Method::GET { request } else { request.json(&body) }).await
}

/// A webhook to a receiver: its SID and its secret.
async fn webhook(server: &Server, receiver: &Receiver, events: Value) -> (String, String) {
    let (status, made) = send(server, Method::POST, "", json!({"url": receiver.url, "events": events})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    (made["sid"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// Sends the test event; the SID of the message.
async fn test_event(server: &Server, webhook: &str) -> String {
    let (status, message) = send(server, Method::POST, &format!("{webhook}/test/"), json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{message}");
    message["sid"].as_str().unwrap().to_owned()
}

async fn show(server: &Server, webhook: &str) -> Value {
    send(server, Method::GET, &format!("{webhook}/"), json!({})).await.1
}

async fn delivery(server: &Server, webhook: &str, message: &str) -> Value {
    let (status, delivery) = send(server, Method::GET, &format!("{webhook}/deliveries/{message}/"), json!({})).await;
    assert_eq!(status, StatusCode::OK, "{delivery}");
    delivery
}

/// Claims what is to be delivered to an endpoint, as a worker does.
async fn claim(server: &Server) -> Job {
    let claimed =
        services::operations::jobs::turn(&server.billing, Arc::from([]), vec![(JobKind::Webhooks, 1)]).await.unwrap();
    claimed.into_iter().next().unwrap()
}

async fn run(server: &Server) {
    worker::run_due(&server.billing).await.unwrap();
}

/// A message that is charged and then fails: its refund is an event.
async fn refund(server: &Server, message: &str) {
    server
        .charge(json!({"business_sid": BUSINESS, "message_sid": message, "to": "+254712345678", "segments": 1}))
        .await;
    let path = format!("/api/billing/charges/{BUSINESS}/{message}/delivery/");
    let (status, report) = server.post(&path, r#"{"status": "failed"}"#).await;
    assert_eq!(status, StatusCode::OK, "{report}");
}

/// How many minutes after the start it is, by the server's clock.
fn set_minutes(server: &Server, minutes: i64) {
    server.billing.clock.set(START.parse::<Timestamp>().unwrap().plus_seconds(minutes * 60));
}

const JOBS: &str = "SELECT count(*) FROM jobs WHERE kind = 'webhooks'";

delivered! {
    /// An event is told of, signed as the standard says, once.
    async fn a_refund_arrives(server, receiver) {
        let (sid, secret) = webhook(server, receiver, json!(["charge.refunded"])).await;
        refund(server, "m1").await;
        run(server).await;
        let arrived = receiver.take();
        let [message] = arrived.as_slice() else { panic!("{arrived:?}") };
        assert!(message.is_signed_with(&secret), "{message:?}");
        assert_eq!(message.header("webhook-signature").split(' ').count(), 1);
        assert_eq!(message.header("webhook-timestamp"), "1773828000");
        assert_eq!(message.header("content-type"), "application/json");
        assert!(message.header("user-agent").starts_with("wecall-billing/"));
        assert_eq!(message.path, "/hook");
        let body = message.json();
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("charge.refunded"), &json!("2026-03-18T10:00:00.000000Z")));
        assert_eq!((&body["data"]["message_sid"], &body["data"]["amount"]), (&json!("m1"), &json!(0.02)));
        assert!(message.body.starts_with(r#"{"type":"charge.refunded","#), "as it was written: {}", message.body);

        let log = send(server, Method::GET, &format!("{sid}/deliveries/"), json!({})).await.1;
        assert_eq!((&log[0]["sid"], &log[0]["status"]), (&json!(message.id()), &json!("DELIVERED")));
        assert_eq!((&log[0]["attempts"][0]["status_code"], &log[0]["attempts"][0]["number"]), (&json!(200), &json!(1)));
        assert!(log[0]["attempts"][0].get("error").is_none() && log[0].get("next_attempt_at").is_none(), "{log}");
        assert_eq!(delivery(server, &sid, message.id()).await["payload"], body);
        run(server).await;
        assert!(receiver.take().is_empty(), "once");
        assert_eq!(server.number(JOBS).await, 0);
    }

    /// Messages are written with the money they tell of, or not at all; and each crossing is told once.
    async fn as_the_money_moves(server, receiver) {
        webhook(server, receiver, json!(["*"])).await;
        let charge = async |message: &str, segments: u32| {
            let body = json!({"business_sid": BUSINESS, "message_sid": message, "country_code": "US", "operator": "Verizon",
                              "segments": segments});
            server.post("/api/billing/charges/", &body.to_string()).await.0
        };
        let adjust = format!("/api/admin/wallets/{BUSINESS}/adjustments/");
        let (status, told) = server.post_as_admin(&adjust, r#"{"amount": -989.9, "reason": "test"}"#).await;
        assert!(status.is_success(), "{told}");
        run(server).await;
        assert!(receiver.take().is_empty(), "10.1 is not low yet");
        for number in 0..12 {
            assert_eq!(charge(&format!("m{number}"), 10).await, StatusCode::CREATED);
        }
        run(server).await;
        let events: Vec<String> = receiver.take().iter().map(Arrived::event).collect();
        assert_eq!(events, ["alert.created", "wallet.low_balance"], "once, however many messages cross it");
        let mut larger = 0;
        while charge(&format!("large{larger}"), 255).await == StatusCode::CREATED {
            larger += 1;
        }
        assert_eq!(charge("too_large", 255).await, StatusCode::PAYMENT_REQUIRED);
        let (status, _) = server.post_as_admin(&adjust, r#"{"amount": -1e300, "reason": "test"}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        run(server).await;
        assert!(receiver.take().is_empty());
        assert_eq!(server.number("SELECT count(*) FROM webhook_messages").await, 2);
        // An endpoint hears only of what it asks for.
        let (other, _) = webhook(server, receiver, json!(["invoice.overdue"])).await;
        refund(server, "m13").await;
        run(server).await;
        assert_eq!(receiver.take().len(), 1);
        assert_eq!(send(server, Method::GET, &format!("{other}/deliveries/"), json!({})).await.1, json!([]));
    }

    /// A business gets its wallet with its first webhook, which then hears of its first message.
    async fn of_a_new_business(server, receiver) {
        let body = json!({"url": receiver.url, "events": ["charge.refunded"]});
        let request = server.as_admin(Method::POST, "/api/billing/webhooks/new_one/").await.json(&body);
        assert_eq!(answer(request).await.0, StatusCode::CREATED);
        server.top_up("new_one", "5").await;
        server.charge(json!({"business_sid": "new_one", "message_sid": "m", "to": "+254712345678", "segments": 1})).await;
        server.post("/api/billing/charges/new_one/m/delivery/", r#"{"status": "failed"}"#).await;
        run(server).await;
        assert_eq!(receiver.take().len(), 1);
    }

    /// While the receiver changes over, it may check with either secret.
    async fn secrets_are_rotated(server, receiver) {
        let (sid, old) = webhook(server, receiver, json!(["*"])).await;
        let rotate = async |body: Value| {
            let (status, issued) = send(server, Method::POST, &format!("{sid}/rotate-secret/"), body).await;
            assert_eq!(status, StatusCode::OK, "{issued}");
            issued
        };
        let issued = rotate(json!({})).await;
        let new = issued["secret"].as_str().unwrap();
        assert_eq!(issued["previous_secret_expires_at"], "2026-03-19T10:00:00.000000Z");
        let signed_with = async |minutes: i64, secrets: [&str; 2]| {
            set_minutes(server, minutes);
            test_event(server, &sid).await;
            run(server).await;
            let message = receiver.take().pop().unwrap();
            secrets.map(|secret| message.is_signed_with(secret))
        };
        assert_eq!(signed_with(24 * 60 - 1, [&old, new]).await, [true, true]);
        assert_eq!(signed_with(24 * 60, [&old, new]).await, [false, true]);
        let newest = rotate(json!({"overlap_hours": 0})).await["secret"].as_str().unwrap().to_owned();
        assert_eq!(signed_with(24 * 60 + 1, [new, &newest]).await, [false, true]);
        let (status, problem) = send(server, Method::POST, &format!("{sid}/rotate-secret/"), json!({"overlap_hours": 169})).await;
        assert_eq!((status, problem["errors"]["overlap_hours"].is_array()), (StatusCode::BAD_REQUEST, true));
        assert_eq!(server.number("SELECT count(*) FROM webhook_endpoints WHERE secret LIKE '%whsec%'").await, 0, "sealed");
    }

    /// Tried for a day, with waits that grow; then given up.
    async fn what_fails_is_tried_again(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        receiver.answer(500);
        let waits = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800, 28_800];
        let start: Timestamp = START.parse().unwrap();
        let end = start.plus_seconds(24 * 3_600);
        let (mut now, mut tries) = (start, 0);
        loop {
            run(server).await;
            tries += 1;
            let told = delivery(server, &sid, &message).await;
            assert_eq!(told["attempts"].as_array().unwrap().len(), tries);
            assert_eq!(told["attempts"][tries - 1]["status_code"], 500);
            assert_eq!(told["attempts"][tries - 1]["error"], "refused");
            let Some(next) = told["next_attempt_at"].as_str() else {
                assert_eq!((told["status"].as_str(), now), (Some("FAILED"), end));
                break;
            };
            let next: Timestamp = next.parse().unwrap();
            let (wait, expected) = (next.micros() - now.micros(), waits[tries - 1] * 1_000_000);
            let is_as_planned = (expected * 79 / 100..=expected * 121 / 100).contains(&wait);
            assert!(is_as_planned || next == end, "after {tries} tries: {wait} µs, not about {expected}");
            // A moment earlier nothing is due.
            server.billing.clock.set(Timestamp::from_micros(next.micros() - 1));
            assert_eq!(worker::run_due(&server.billing).await.unwrap(), 0);
            server.billing.clock.set(next);
            now = next;
        }
        assert!((10..=13).contains(&tries), "{tries}");
        let arrived = receiver.take();
        assert!(arrived.iter().all(|again| again.id() == message && again.body == arrived[0].body), "each time the same");
        assert_eq!(server.number(JOBS).await, 0);

        // Its owner mends the receiver, and asks for it again.
        receiver.answer(204);
        let resend = format!("{sid}/deliveries/{message}/resend/");
        let (status, told) = send(server, Method::POST, &resend, json!({})).await;
        assert_eq!((status, told["status"].as_str()), (StatusCode::ACCEPTED, Some("PENDING")));
        run(server).await;
        assert_eq!(receiver.take().iter().map(|again| again.id() == message).collect::<Vec<_>>(), [true]);
        let told = delivery(server, &sid, &message).await;
        assert_eq!((told["status"].as_str(), told["attempts"].as_array().unwrap().len()), (Some("DELIVERED"), tries + 1));
        // What was sent again and fails is tried for a day anew.
        receiver.answer(500);
        send(server, Method::POST, &resend, json!({})).await;
        run(server).await;
        assert_eq!(delivery(server, &sid, &message).await["status"], "PENDING");
        assert!(show(server, &sid).await["failing_since"].is_string());
    }

    /// Who asks for more time gets it.
    async fn retry_after(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        let start: Timestamp = START.parse().unwrap();
        for (asked, expected) in [("77", 77), ("0", 77 + 30), ("86401", 86_400)] {
            receiver.answer_with(429, ("retry-after", asked));
            run(server).await;
            let next: Timestamp = delivery(server, &sid, &message).await["next_attempt_at"].as_str().unwrap().parse().unwrap();
            let wait = (next.micros() - start.micros()) / 1_000_000;
            assert!((wait - expected).abs() <= 6, "{asked}: after {wait} seconds, not about {expected}");
            server.billing.clock.set(next);
        }
    }

    /// Three days without a message that came through.
    async fn a_dead_endpoint_is_disabled(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let (other, _) = webhook(server, &Receiver::start().await, json!(["invoice.paid"])).await;
        receiver.answer(503);
        for hours in [0, 30, 60] {
            set_minutes(server, hours * 60);
            test_event(server, &sid).await;
            run(server).await;
            assert_eq!(show(server, &sid).await["status"], "ENABLED");
        }
        assert_eq!(show(server, &sid).await["failing_since"], "2026-03-18T10:00:00.000000Z");
        set_minutes(server, 72 * 60);
        run(server).await;
        assert_eq!(show(server, &sid).await["status"], "FAILED");
        assert_eq!(show(server, &other).await["status"], "ENABLED");
        let alerts = server.get(&format!("/api/billing/alerts/{BUSINESS}/")).await;
        let sentence = alerts[0]["message"].as_str().unwrap();
        assert!(sentence.contains(&sid) && sentence.contains("3 days") && !sentence.contains("/hook"), "{sentence}");
        assert_eq!(alerts.as_array().unwrap().len(), 1);
        let audit = answer(server.as_admin(Method::GET, "/api/billing/audit/?action=webhook.disabled").await).await.1;
        assert_eq!((&audit[0]["actor"], &audit[0]["subject"]), (&json!("scheduled"), &json!(sid)));
        let asked = server.number("SELECT webhook_events FROM wallets WHERE id = 1").await;
        assert_eq!(asked, 1 << 8, "what the other one asks for");
        let (status, problem) = send(server, Method::POST, &format!("{sid}/test/"), json!({})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("webhook_disabled")));
        receiver.take();
        set_minutes(server, 73 * 60);
        run(server).await;
        assert!(receiver.take().is_empty());

        receiver.answer(200);
        let (_, changed) = send(server, Method::PATCH, &format!("{sid}/"), json!({"enabled": true})).await;
        assert_eq!((&changed["status"], changed.get("failing_since")), (&json!("ENABLED"), None));
        run(server).await;
        assert_eq!(receiver.take().len(), 1, "what still waited is sent");
        assert_eq!(server.number("SELECT webhook_events FROM wallets WHERE id = 1").await, i64::MAX);
    }

    /// A receiver that says it is gone is believed.
    async fn gone(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        receiver.answer(410);
        run(server).await;
        assert_eq!(show(server, &sid).await["status"], "DISABLED");
        assert_eq!(delivery(server, &sid, &message).await["attempts"][0]["error"], "gone");
        let alerts = server.get(&format!("/api/billing/alerts/{BUSINESS}/")).await;
        assert!(alerts[0]["message"].as_str().unwrap().contains("410"), "{alerts}");
        assert_eq!((server.number(JOBS).await, receiver.take().len()), (0, 1));
        refund(server, "m").await;
        assert_eq!(server.number("SELECT count(*) FROM webhook_messages").await, 1);
    }

    async fn redirects_are_not_followed(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        receiver.redirect_to(&receiver.url.replace("/hook", "/elsewhere"));
        run(server).await;
        assert_eq!(receiver.take().iter().map(|one| one.path.clone()).collect::<Vec<_>>(), ["/hook"]);
        let attempt = &delivery(server, &sid, &message).await["attempts"][0];
        assert_eq!((&attempt["status_code"], &attempt["error"]), (&json!(302), &json!("redirected")));
    }

    /// One receiver takes its time; others get theirs meanwhile.
    async fn a_slow_one_keeps_nobody_waiting(server, receiver) {
        let (slow, _) = webhook(server, receiver, json!(["*"])).await;
        receiver.delay(Duration::from_secs(4));
        for _ in 0..20 {
            test_event(server, &slow).await;
        }
        let quick = Receiver::start().await;
        let (other, _) = webhook(server, &quick, json!(["*"])).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let working = tokio::spawn(worker::run(server.billing.clone(), async { drop(stopped.await) }));
        receiver.something().await;
        let begun = std::time::Instant::now();
        test_event(server, &other).await;
        quick.something().await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert!(receiver.arrived().len() <= 8, "so many at once");
        drop(stop);
        working.await.unwrap();
    }

    /// A message that is written while its endpoint is being served is not forgotten.
    async fn what_comes_meanwhile(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        test_event(server, &sid).await;
        receiver.delay(Duration::from_millis(300));
        let billing = server.billing.clone();
        let running = tokio::spawn(async move { worker::run_due(&billing).await.unwrap() });
        receiver.something().await;
        refund(server, "meanwhile").await;
        running.await.unwrap();
        assert_eq!(receiver.take().len(), 2);
        assert_eq!(server.number(JOBS).await, 0);

        // The same between what was sent and the note of it.
        test_event(server, &sid).await;
        let job = claim(server).await;
        let sent = services::notifications::webhook_deliveries::deliver(&server.billing, &job).await.unwrap();
        test_event(server, &sid).await;
        let ended = Ended { job, outcome: Ok(JobOutcome::Sent(sent)) };
        // Noted twice, as where it is not known whether the first note came through: that changes nothing.
        for _ in 0..2 {
            services::operations::jobs::turn(&server.billing, Arc::from([ended.clone()]), Room::new()).await.unwrap();
        }
        run(server).await;
        assert_eq!(receiver.take().len(), 2);
        assert_eq!(server.number("SELECT count(*) FROM webhook_attempts").await, 4);
    }

    /// Whoever dies after sending and before noting it sends again, under the same id.
    async fn at_least_once(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        let job = claim(server).await;
        receiver.delay(Duration::from_millis(300));
        let billing = server.billing.clone();
        let dying = tokio::spawn(async move { services::notifications::webhook_deliveries::deliver(&billing, &job).await.map(drop) });
        receiver.something().await;
        dying.abort();
        let _ = dying.await;
        run(server).await;
        assert_eq!(receiver.arrived().len(), 1, "somebody else's until the lease ends");
        set_minutes(server, 3);
        run(server).await;
        let arrived = receiver.take();
        assert_eq!(arrived.iter().map(|one| one.id() == message).collect::<Vec<_>>(), [true, true]);
        assert_eq!(delivery(server, &sid, &message).await["attempts"].as_array().unwrap().len(), 1);
    }

    /// A turn is bounded; the rest follows in the next one.
    async fn many_messages(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let mut sent = Vec::new();
        for _ in 0..250 {
            sent.push(test_event(server, &sid).await);
        }
        assert_eq!(worker::run_due(&server.billing).await.unwrap(), 3);
        let mut ids: Vec<String> = receiver.take().iter().map(|one| one.id().to_owned()).collect();
        ids.sort_unstable();
        sent.sort_unstable();
        assert_eq!(ids, sent);
        let admin = server.admin().await;
        assert_eq!(admin.walk(&path(&format!("{sid}/deliveries/?limit=100"))).await.len(), 250);
        assert_eq!(admin.walk(&path(&format!("{sid}/deliveries/?status=delivered&limit=99"))).await.len(), 250);
        assert_eq!(admin.walk(&path(&format!("{sid}/deliveries/?status=FAILED"))).await.len(), 0);
        assert_eq!(admin.walk(&path(&format!("{sid}/deliveries/?status=PENDING"))).await.len(), 0);
    }

    /// The owner's view: make, list, change, delete.
    async fn endpoints(server, receiver) {
        let create = async |key: &str, body: &Value| {
            let request = server.as_admin(Method::POST, &path("")).await.header("idempotency-key", key).json(body);
            answer(request).await
        };
        let body = json!({"url": format!("{}?token=secret", receiver.url), "events": ["alert.created"], "description": "d"});
        let (status, made) = create("one", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        assert_eq!(create("one", &body).await, (StatusCode::CREATED, made.clone()), "the same, secret included");
        let other = json!({"url": receiver.url, "events": ["*"]});
        assert_eq!(create("one", &other).await.0, StatusCode::CONFLICT);
        let sid = made["sid"].as_str().unwrap();
        let mut shown = made.clone();
        shown.as_object_mut().unwrap().remove("secret");
        assert_eq!(show(server, sid).await, shown);
        assert_eq!(send(server, Method::GET, "", json!({})).await.1, json!([shown]));

        let rotate = async |key: &str| {
            let request = server.as_admin(Method::POST, &path(&format!("{sid}/rotate-secret/"))).await;
            answer(request.header("idempotency-key", key).json(&json!({"overlap_hours": 1}))).await.1["secret"].clone()
        };
        let rotated = rotate("r").await;
        assert_eq!(rotate("r").await, rotated);
        assert_ne!(rotate("s").await, rotated);

        let change = async |body: Value| send(server, Method::PATCH, &format!("{sid}/"), body).await;
        let (status, changed) = change(json!({"events": ["*"], "enabled": false})).await;
        assert_eq!((status, &changed["events"], &changed["status"]), (StatusCode::OK, &json!(["*"]), &json!("DISABLED")));
        assert_eq!(server.number("SELECT webhook_events FROM wallets WHERE id = 1").await, 0);
        let before = server.row_counts().await;
        assert_eq!(change(json!({"enabled": false})).await.1, changed, "again changes nothing");
        assert_eq!(change(json!({})).await.1, changed);
        assert_eq!(server.row_counts().await, before);
        refund(server, "unheard").await;
        assert_eq!(change(json!({"enabled": true, "url": receiver.url})).await.1["url"], receiver.url.as_str());
        test_event(server, sid).await;
        assert_eq!(send(server, Method::DELETE, &format!("{sid}/"), json!({})).await.0, StatusCode::NO_CONTENT);
        assert_eq!(send(server, Method::DELETE, &format!("{sid}/"), json!({})).await.0, StatusCode::NOT_FOUND);
        assert_eq!(server.number("SELECT count(*) FROM webhook_messages").await, 0);
        assert_eq!(server.number("SELECT webhook_events FROM wallets WHERE id = 1").await, 0);
        run(server).await;
        assert!(receiver.take().is_empty());

        let log = server.admin().await.text("/api/billing/audit/?limit=100").await;
        assert!(!log.contains("token=secret") && !log.contains("whsec_"), "{log}");
        for action in ["created", "changed", "secret_rotated", "tested", "deleted"] {
            assert!(log.contains(&format!("webhook.{action}")), "{action}");
        }
    }

    async fn not_too_many(server, receiver) {
        for _ in 0..20 {
            webhook(server, receiver, json!(["*"])).await;
        }
        let (status, problem) = send(server, Method::POST, "", json!({"url": receiver.url, "events": ["*"]})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("too_many_webhooks")));
    }

    /// Another business's webhook is none of this one's.
    async fn of_one_business_alone(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        let message = test_event(server, &sid).await;
        let path = format!("/api/billing/webhooks/biz_test_002/{sid}/");
        for (method, end) in [
            (Method::GET, ""),
            (Method::PATCH, ""),
            (Method::DELETE, ""),
            (Method::POST, "test/"),
            (Method::POST, "rotate-secret/"),
            (Method::GET, "deliveries/"),
            (Method::GET, &*format!("deliveries/{message}/")),
            (Method::POST, &*format!("deliveries/{message}/resend/")),
        ] {
            let request = server.as_admin(method, &format!("{path}{end}")).await.json(&json!({}));
            assert_eq!(answer(request).await.0, StatusCode::NOT_FOUND, "{end}");
        }
    }

    /// Old messages go; once a day, however many servers start.
    async fn housekeeping(server, receiver) {
        let (sid, _) = webhook(server, receiver, json!(["*"])).await;
        for _ in 0..3 {
            test_event(server, &sid).await;
        }
        run(server).await;
        set_minutes(server, 15 * 24 * 60);
        let young = test_event(server, &sid).await;
        run(server).await;
        server.user("asha@example.com", wecall_billing::domain::access::rights::Role::Admin, None).await;
        server.login("asha@example.com").await;
        set_minutes(server, 30 * 24 * 60 + 1);
        worker::schedule(&server.billing).await.unwrap();
        worker::schedule(&server.billing).await.unwrap();
        assert_eq!(server.number("SELECT count(*) FROM jobs WHERE kind = 'housekeeping'").await, 1);
        worker::run_due(&server.billing).await.unwrap();
        let log = send(server, Method::GET, &format!("{sid}/deliveries/"), json!({})).await.1;
        assert_eq!((log.as_array().unwrap().len(), &log[0]["sid"]), (1, &json!(young)));
        assert_eq!(server.number("SELECT count(*) FROM webhook_attempts").await, 1);
        assert_eq!(server.number("SELECT count(*) FROM sessions").await, 0);
        // Servers that start again do not have it done again.
        worker::schedule(&server.billing).await.unwrap();
        assert_eq!(worker::run_due(&server.billing).await.unwrap(), 0);
        set_minutes(server, 31 * 24 * 60 + 1);
        assert!(worker::run_due(&server.billing).await.unwrap() > 0);
    }
}

/// Without the setting, nothing leads into the server's own network: neither an address nor a name.
#[tokio::test]
async fn private_networks_are_not_called() {
    let server = Server::start(Database::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    for url in [&receiver.url, "https://127.0.0.1/", "https://10.1/", "https://[::1]/"] {
        let (status, problem) = send(&server, Method::POST, "", json!({"url": url, "events": ["*"]})).await;
        assert_eq!((status, problem["errors"]["url"].is_array()), (StatusCode::BAD_REQUEST, true), "{url}");
    }
    let url = receiver.url.replace("http://127.0.0.1", "https://localhost");
    let (status, made) = send(&server, Method::POST, "", json!({"url": url, "events": ["*"]})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let sid = made["sid"].as_str().unwrap();
    let message = test_event(&server, sid).await;
    run(&server).await;
    let attempt = &delivery(&server, sid, &message).await["attempts"][0];
    assert_eq!((&attempt["error"], attempt.get("status_code")), (&json!("address_not_allowed"), None));
    assert!(receiver.arrived().is_empty());
}
