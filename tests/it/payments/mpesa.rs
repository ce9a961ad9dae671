//! Tests payments through M-Pesa: this server, an adapter, a simulated Daraja and phones.
//! The adapter is the worked example that the README names, so it is tested here as much as the server is.

use reqwest::StatusCode;
use serde_json::{Value, json};
use wecall_billing::domain::payments::signatures::{SignedMessage, SigningSecret};
use wecall_billing::worker;

use crate::support::mpesa::{PAID, Stage};
use crate::support::{Database, MPESA_SECRET, answer, postgres};

/// Its wallet is in shillings.
const BUSINESS: &str = "duka_nairobi";

/// Runs a test on either database.
macro_rules! on_each_stage {
    ($($(#[$meta:meta])* async fn $name:ident($stage:ident) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($stage: &Stage) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(&Stage::start(Database::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if postgres::is_available() {
                    run(&Stage::start(Database::Postgres).await).await;
                }
            }
        }
    )+};
}

impl Stage {
    /// Asks for a top-up from the phone whose number ends so; the payment's SID.
    async fn ask(&self, shillings: u64, number: &str) -> String {
        self.ask_by(BUSINESS, &shillings.to_string(), &format!("+25471234{number}")).await
    }

    async fn ask_by(&self, business: &str, amount: &str, method: &str) -> String {
        let body = format!(
            r#"{{"business_sid": "{business}", "amount": {amount}, "provider": "mpesa", "method": "{method}"}}"#
        );
        let (status, wallet) = self.server.post("/api/billing/topup/", &body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{wallet}");
        wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned()
    }

    async fn work(&self) {
        worker::run_due(&self.server.billing).await.unwrap();
    }

    /// What is due at a time of the day the tests take place on.
    async fn work_at(&self, time: &str) {
        self.server.set_clock(&format!("2026-03-18T{time}Z"));
        self.work().await;
    }

    /// The phones' owners do what they do, and the server is told.
    async fn phones_answer(&self) {
        self.daraja.phones_answer().await;
        self.adapter.is_done().await;
    }

    async fn payment_of(&self, business: &str, sid: &str) -> Value {
        self.server.get(&format!("/api/billing/payments/{business}/{sid}/")).await
    }

    async fn payment(&self, sid: &str) -> Value {
        self.payment_of(BUSINESS, sid).await
    }

    /// How a payment ended, and why.
    async fn failure(&self, sid: &str) -> Value {
        let payment = self.payment(sid).await;
        assert_eq!(payment["status"], "FAILED", "{payment}");
        payment["failure"].clone()
    }

    async fn is(&self, sid: &str, status: &str) {
        let payment = self.payment(sid).await;
        assert_eq!(payment["status"], status, "{payment}");
    }

    async fn balance(&self) -> Value {
        self.server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await["balance"].clone()
    }

    /// Asks the adapter as the server does, but for what is signed when.
    async fn request(&self, body: &str, signed: &str, seconds_ago: i64) -> (StatusCode, Value) {
        let sid = serde_json::from_str::<Value>(body).unwrap()["payment_sid"].as_str().unwrap().to_owned();
        let timestamp = (self.server.billing.clock.now().unix_seconds() - seconds_ago).to_string();
        let secret: SigningSecret = MPESA_SECRET.parse().unwrap();
        let signature = secret.sign(SignedMessage { id: &sid, timestamp: &timestamp, body: signed.as_bytes() });
        let request = self.server.client.post(self.adapter.url()).header("idempotency-key", &sid);
        let request = request.header("webhook-id", &sid).header("webhook-timestamp", timestamp);
        answer(request.header("webhook-signature", signature).body(body.to_owned())).await
    }
}

on_each_stage! {
    /// From the request to the ledger, whatever the phones' owners do.
    async fn what_phones_do(stage) {
        let (daraja, adapter) = (&stage.daraja, &stage.adapter);
        assert_eq!(stage.server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await["currency"], "KES");
        // Daraja is down at first: the request is repeated, and the phone is prompted once.
        daraja.be_down_for(1);
        let good = stage.ask(10, "0000").await;
        stage.work().await;
        assert_eq!((daraja.checkouts().len(), adapter.requests().len()), (0, 1));
        stage.work_at("10:00:15").await;
        let request = json!({
            "payment_sid": good, "business_sid": BUSINESS, "purpose": "TOPUP", "amount": 10, "currency": "KES",
            "reference": "", "method": "+254712340000",
        });
        assert_eq!(adapter.requests(), [request.clone(), request.clone()]);
        let prompted = &daraja.checkouts()[0];
        let expected = json!({
            "BusinessShortCode": "600111", "TransactionType": "CustomerPayBillOnline", "Amount": 10,
            "PartyA": "254712340000", "PartyB": "600111", "PhoneNumber": "254712340000",
            "AccountReference": &good[good.len() - 12..], "TransactionDesc": "Wallet top-up",
            // 13:00:15 in Nairobi; Daraja has checked that the password fits it.
            "Timestamp": "20260318130015", "Password": prompted.push["Password"], "CallBackURL": prompted.callback_url(),
        });
        assert_eq!(prompted.push, expected);
        assert_eq!(stage.payment(&good).await["provider_reference"], json!(prompted.id));
        // The same request again, as after a crash of the server, is answered the same and prompts nobody.
        let body = request.to_string();
        let (status, again) = stage.request(&body, &body, 0).await;
        assert_eq!((status.as_u16(), again), (202, json!({"status": "accepted", "provider_reference": prompted.id})));
        let [cancelled, poor, away] =
            [stage.ask(11, "1032").await, stage.ask(12, "0001").await, stage.ask(13, "1037").await];
        let [less, unheard] = [stage.ask(14, "0099").await, stage.ask(15, "0037").await];
        let [late, twice] = [stage.ask(16, "0036").await, stage.ask(17, "0022").await];
        stage.work().await;
        assert_eq!(daraja.checkouts().len(), 8);
        // A callback is checked while Daraja is down once more: that is tried again.
        daraja.be_down_for(1);
        stage.phones_answer().await;
        for sid in [&good, &twice] {
            stage.is(sid, "COMPLETED").await;
        }
        assert_eq!(stage.payment(&good).await["provider_reference"], json!(prompted.receipt()));
        assert_eq!(adapter.acknowledged(&good), ["credited"]);
        let mut told = adapter.acknowledged(&twice);
        told.sort_by_key(Value::to_string);
        assert_eq!(told, ["credited", "known"]);
        assert_eq!(adapter.acknowledged(&less), ["suspended"]);
        assert_eq!(stage.balance().await, 27);
        assert_eq!(stage.failure(&cancelled).await, "1032: Request cancelled by user");
        assert_eq!(stage.failure(&poor).await, "1: The balance is insufficient for the transaction.");
        assert_eq!(stage.failure(&away).await, "1037: DS timeout user cannot be reached");
        for sid in [&less, &unheard, &late] {
            stage.is(sid, "PENDING").await;
        }
        // An hour later the adapter is asked what became of those nobody confirmed, and asks Daraja.
        stage.work_at("10:59:00").await;
        assert_eq!(adapter.questions(), 0);
        stage.work_at("11:00:16").await;
        assert_eq!(adapter.questions(), 3);
        assert_eq!(daraja.tokens_given(), 2, "one an hour");
        stage.is(&unheard, "COMPLETED").await;
        assert_eq!(stage.payment(&unheard).await["provider_reference"], json!(daraja.checkout_of(15).id));
        assert_eq!(stage.balance().await, 27 + 15);
        assert_eq!(stage.failure(&late).await, "the provider did not confirm it in time");
        assert_eq!(stage.failure(&less).await, "the provider confirmed something else; an operator looks into it");
        // The callback that was lost comes after all: it is the same money. That of the late phone is new, once.
        for (shillings, sid, told) in [(15, &unheard, ["known", "known"]), (16, &late, ["credited", "known"])] {
            for result in told {
                daraja.tells_that_it_is_paid(&daraja.checkout_of(shillings)).await;
                adapter.is_done().await;
                assert_eq!(adapter.acknowledged(sid).last().unwrap(), result);
            }
            stage.is(sid, "COMPLETED").await;
        }
        assert_eq!(stage.balance().await, 27 + 15 + 16);
        assert_eq!(stage.server.number("SELECT count(*) FROM suspense").await, 1, "that of the wrong amount");
        assert_eq!(stage.server.number("SELECT count(*) FROM jobs").await, 0);
        assert_eq!(adapter.disbelieved(), 0);
    }

    /// Neither the adapter nor, through it, the server takes the word of others.
    async fn forgeries(stage) {
        let (daraja, adapter) = (&stage.daraja, &stage.adapter);
        let [sid, other] = [stage.ask(500, "1032").await, stage.ask(600, "0036").await];
        stage.work().await;
        let (checkout, others) = (daraja.checkout_of(500), daraja.checkout_of(600));
        let forged = checkout.callback(PAID.0, PAID.1, &json!(500));
        let url = checkout.callback_url();
        let (base, seal) = url.rsplit_once('/').unwrap();
        let unsealed = format!("{base}/{}", seal.chars().rev().collect::<String>());
        for (url, callback, what) in [
            (unsealed.as_str(), &forged, "another seal"),
            (others.callback_url(), &forged, "the address of another payment"),
            (&url.replace(&sid, &other), &forged, "its seal with the name of another"),
            (url, &others.callback(PAID.0, PAID.1, &json!(500)), "the prompt of another payment"),
            (url, &json!({"Body": {}}), "nothing"),
        ] {
            assert_eq!(daraja.call_back(url, callback).await, StatusCode::NOT_FOUND, "{what}");
        }
        assert_eq!(adapter.disbelieved(), 5);
        // All of it is right but that the phone's owner has done nothing; and then that they have cancelled.
        assert_eq!(daraja.call_back(url, &forged).await, StatusCode::OK);
        adapter.is_done().await;
        assert_eq!(adapter.disbelieved(), 6);
        stage.is(&sid, "PENDING").await;
        stage.phones_answer().await;
        assert_eq!(stage.failure(&sid).await, "1032: Request cancelled by user");
        assert_eq!(daraja.call_back(url, &forged).await, StatusCode::OK);
        adapter.is_done().await;
        assert_eq!(adapter.disbelieved(), 7);
        stage.is(&sid, "FAILED").await;
        assert_eq!(stage.balance().await, 0);
        // Requests that the server did not sign, or long ago.
        let body = a_request();
        for (signed, seconds_ago, status) in [("{}", 0, 401), (body.as_str(), 301, 401), (body.as_str(), 300, 202)] {
            assert_eq!(stage.request(&body, signed, seconds_ago).await.0, status, "{signed} {seconds_ago}");
        }
    }

    /// A token is used until its end, and one that ended early is replaced at once.
    async fn tokens(stage) {
        let daraja = &stage.daraja;
        for (time, tokens) in [("10:00:00", 1), ("10:58:58", 1), ("10:58:59", 2), ("11:30:00", 2)] {
            stage.server.set_clock(&format!("2026-03-18T{time}Z"));
            let sid = stage.ask(10, "0000").await;
            stage.work().await;
            stage.phones_answer().await;
            stage.is(&sid, "COMPLETED").await;
            assert_eq!(daraja.tokens_given(), tokens, "{time}");
        }
        assert!(daraja.refusals().is_empty());
        daraja.end_tokens();
        let sid = stage.ask(77, "0000").await;
        stage.work().await;
        assert_eq!((daraja.refusals(), daraja.tokens_given()), (vec!["404.001.03"], 3));
        daraja.checkout_of(77);
        // So where it has ended before the callback is checked.
        daraja.end_tokens();
        stage.phones_answer().await;
        stage.is(&sid, "COMPLETED").await;
        assert_eq!(stage.balance().await, 40 + 77);
    }

    /// What M-Pesa does not do fails at once, in words that its payer understands.
    async fn what_mpesa_does_not_move(stage) {
        let phone = "+254712340000";
        let cases = [
            (BUSINESS, "10.50", phone, "M-Pesa moves whole shillings only: choose an amount without cents"),
            ("biz_test_001", "10", phone, "M-Pesa moves Kenyan shillings (KES) only"),
            (BUSINESS, "10", "+255712345678", "this is no Kenyan mobile number such as +254712345678"),
            (BUSINESS, "10", "+2547123", "this is no Kenyan mobile number such as +254712345678"),
            (BUSINESS, "250001", phone, "M-Pesa refuses: Bad Request - Invalid Amount"),
        ];
        for (business, amount, method, failure) in cases {
            let sid = stage.ask_by(business, amount, method).await;
            stage.work().await;
            let payment = stage.payment_of(business, &sid).await;
            assert_eq!((&payment["status"], &payment["failure"]), (&json!("FAILED"), &json!(failure)), "{amount} {method}");
        }
        let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": 10, "provider": "mpesa"}}"#);
        let (_, wallet) = stage.server.post("/api/billing/topup/", &body).await;
        let sid = wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap();
        stage.work().await;
        assert_eq!(stage.failure(sid).await, "M-Pesa needs the phone number to ask");
        assert!(stage.daraja.checkouts().is_empty());
        // Written as at home, it is the same number.
        stage.ask_by(BUSINESS, "250000", "0712 340-000").await;
        stage.work().await;
        assert_eq!(stage.daraja.checkout_of(250_000).push["PhoneNumber"], "254712340000");
    }

    /// Where Daraja prompts the phone and its answer is lost, nobody prompts it again; the callback says what came of
    /// it.
    async fn a_lost_answer(stage) {
        let (daraja, adapter) = (&stage.daraja, &stage.adapter);
        daraja.lose_answers(2);
        let [paid, unheard] = [stage.ask(20, "0000").await, stage.ask(30, "0037").await];
        stage.work().await;
        stage.work_at("10:05:00").await;
        assert_eq!((adapter.requests().len(), daraja.checkouts().len()), (2, 2));
        assert_eq!(stage.payment(&paid).await.get("provider_reference"), None);
        stage.phones_answer().await;
        stage.is(&paid, "COMPLETED").await;
        // Of the other nobody knows Daraja's name, so there is nothing to ask for. Its money comes with the callback.
        stage.work_at("11:00:01").await;
        assert_eq!(stage.failure(&unheard).await, "the provider did not confirm it in time");
        daraja.tells_that_it_is_paid(&daraja.checkout_of(30)).await;
        adapter.is_done().await;
        stage.is(&unheard, "COMPLETED").await;
        assert_eq!(stage.balance().await, 50);
    }

    /// Requests for one payment that come at the same time prompt the phone once.
    async fn side_by_side(stage) {
        let body = a_request();
        let answers = futures_util::future::join_all((0..10).map(|_| stage.request(&body, &body, 0))).await;
        let begun = answers.iter().filter(|(status, _)| *status == 202).count();
        assert!(begun > 0 && answers.iter().all(|(status, _)| [202, 503].contains(&status.as_u16())), "{answers:?}");
        assert_eq!(stage.daraja.checkouts().len(), 1);
    }

    /// The adapter tells until the server acknowledges it.
    async fn a_server_that_does_not_hear(stage) {
        let adapter = &stage.adapter;
        let sid = stage.ask(20, "0000").await;
        stage.work().await;
        // Nobody is there, and then somebody who is not the server.
        adapter.confirms_to("http://127.0.0.1:9");
        stage.daraja.phones_answer().await;
        until(|| adapter.unacknowledged() >= 2).await;
        adapter.confirms_to(&stage.daraja.account().base_url);
        let before = adapter.unacknowledged();
        until(|| adapter.unacknowledged() >= before + 2).await;
        stage.is(&sid, "PENDING").await;
        adapter.confirms_to(&stage.server.base_url);
        adapter.is_done().await;
        assert_eq!(adapter.acknowledged(&sid), ["credited"]);
        assert_eq!(stage.balance().await, 20);
    }
}

/// What a server may ask the adapter for.
fn a_request() -> String {
    let request =
        json!({"payment_sid": "pay_1", "purpose": "TOPUP", "amount": 1, "currency": "KES", "method": "+254712340000"});
    request.to_string()
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.expect("so in time");
}
