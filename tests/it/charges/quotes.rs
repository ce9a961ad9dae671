//! Tests quotes: the price of a charge, and nothing stored.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

const KENYA: &str = "+254712345678";
const UGANDA: &str = "+256772345678";

async fn quote(server: &Server, request: Value) -> Value {
    let (status, quote) = server.post("/api/billing/quotes/", &request.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{quote}");
    quote
}

async fn charge(server: &Server, mut request: Value, message_sid: &str) -> Value {
    request["message_sid"] = json!(message_sid);
    let (status, charge) = server.post("/api/billing/charges/", &request.to_string()).await;
    assert_eq!(status, StatusCode::CREATED, "{charge}");
    charge
}

/// An amount in millionths, exactly.
fn micros(amount: &Value) -> i64 {
    (amount.as_f64().unwrap() * 1e6).round() as i64
}

on_each_database! {
    async fn one_message(server) {
        let message = json!({"business_sid": "biz_test_001", "to": KENYA, "body": "Your code is 4711"});
        let before = server.row_counts().await;
        let quote = quote(server, message.clone()).await;
        assert_eq!(server.row_counts().await, before, "a quote stores nothing");
        let rating = quote["rating"].clone();
        assert_eq!((&rating["matched_by"], &rating["operator"]), (&json!("PREFIX"), &json!("Safaricom")));
        let part = rating["parts"][0].clone();
        assert_eq!(part["total"], 0.02);
        assert_eq!(quote, json!({
            "business_sid": "biz_test_001", "suspended": false, "currency": "USD",
            "messages": 1, "segments": 1, "total": 0.02, "segments_per_message": 1, "encoding": "GSM-7",
            "plan_sid": rating["plan_sid"], "plan_name": "Starter",
            "destinations": [{
                "country_code": "KE", "country_name": "Kenya", "operator": "Safaricom",
                "messages": 1, "segments": 1, "total": 0.02, "parts": [part],
            }],
            "rating": rating, "unpriced": [],
            "balance": 1000, "available": 1000, "sufficient": true,
        }));
        // Without the slash, and with what else a charge has, it is the same.
        let mut whole = message.clone();
        (whole["message_sid"], whole["metadata"]) = (json!("m1"), json!({"a": 1}));
        let (_, again) = server.post("/api/billing/quotes", &whole.to_string()).await;
        assert_eq!(again, quote);
        assert_eq!(charge(server, message, "m1").await["rating"], quote["rating"]);
    }

    async fn every_way_to_name_a_destination(server) {
        for given in [
            json!({"mcc": "641", "mnc": "10"}),
            json!({"country_code": "ug", "operator": "mtn"}),
            json!({"to": KENYA, "country_code": "UG", "operator": "MTN"}),
            json!({"country_code": "KE"}),
        ] {
            let mut message = json!({"business_sid": "biz_test_002", "segments": 3});
            message.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
            let quote = quote(server, message.clone()).await;
            let sid = given.to_string().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
            let charge = charge(server, message, &sid).await;
            assert_eq!(quote["rating"], charge["rating"], "{given}");
            assert_eq!(micros(&quote["total"]), -micros(&charge["transaction"]["amount"]), "{given}");
            assert!(quote.get("encoding").is_none() && quote.get("ucs2_characters").is_none(), "{quote}");
        }
    }

    async fn a_campaign(server) {
        let before = server.row_counts().await;
        let recipients = json!([KENYA, UGANDA, "254 712 345 679", KENYA]);
        let quote =
            quote(server, json!({"business_sid": "biz_test_001", "recipients": recipients, "segments": 2})).await;
        assert_eq!(server.row_counts().await, before);
        assert!(quote.get("rating").is_none());
        assert_eq!((&quote["messages"], &quote["segments"], &quote["total"]), (&json!(4), &json!(8), &json!(0.156)));
        let [kenya, uganda] = quote["destinations"].as_array().unwrap().as_slice() else { panic!("{quote}") };
        assert_eq!((&kenya["country_code"], &kenya["messages"], &kenya["total"]), (&json!("KE"), &json!(3), &json!(0.12)));
        assert_eq!((&uganda["operator"], &uganda["segments"], &uganda["total"]), (&json!("MTN"), &json!(2), &json!(0.036)));
        assert_eq!(kenya["parts"][0]["rate_card"]["price_per_sms"], 0.02);
    }

    /// The sample plan's tier ends at 1,000 segments of the month: the quote crosses it as the charges then do.
    async fn equals_the_charges_made_afterwards(server) {
        let first = json!({"business_sid": "biz_test_001", "to": KENYA, "segments": 249});
        for (number, segments) in [(1, 249), (2, 249), (3, 249), (4, 249)] {
            let mut message = first.clone();
            message["segments"] = json!(segments);
            charge(server, message, &format!("before-{number}")).await;
        }
        let recipients: Vec<&str> = [KENYA, UGANDA, "+33612345678", UGANDA, KENYA, "+254733345678"].repeat(2);
        let request = json!({"business_sid": "biz_test_001", "recipients": recipients, "segments": 3});
        let quote = quote(server, request).await;
        assert_eq!(quote["messages"], 10);
        let (mut total, mut parts) = (0, 0);
        for (number, to) in recipients.iter().enumerate().filter(|(_, to)| !to.starts_with("+33")) {
            let message = json!({"business_sid": "biz_test_001", "to": to, "segments": 3});
            let charge = charge(server, message, &format!("m{number}")).await;
            total += micros(&charge["rating"]["total"]);
            parts += usize::from(charge["rating"]["parts"].as_array().unwrap().len() > 1);
        }
        assert_eq!(micros(&quote["total"]), total);
        assert_eq!(parts, 1, "one message straddled the bound");
        let uganda = &quote["destinations"].as_array().unwrap().iter().find(|at| at["country_code"] == "UG").unwrap();
        let tiers: Vec<_> = uganda["parts"].as_array().unwrap().iter().map(|part| &part["tier"]["min_messages"]).collect();
        assert_eq!(tiers, [1, 1001], "{uganda}");
    }

    async fn what_cannot_be_priced(server) {
        let recipients = ["+33612345678", "0712345678", KENYA, "+33712345678", "+999123456789"];
        let request = json!({"business_sid": "biz_test_001", "recipients": recipients, "segments": 1});
        let answer = quote(server, request.clone()).await;
        assert_eq!(answer["messages"], 1);
        let groups = answer["unpriced"].as_array().unwrap();
        let codes: Vec<_> = groups.iter().map(|group| (group["code"].as_str().unwrap(), &group["messages"])).collect();
        assert_eq!(codes, [("no_rate", &json!(2)), ("invalid_number", &json!(1)), ("unknown_destination", &json!(1))]);
        assert_eq!(groups[0]["examples"][1], json!({"index": 3, "recipient": "+3371****678"}));
        assert_eq!(groups[1]["examples"], json!([{"index": 1, "recipient": "0712345678"}]));
        assert!(groups.iter().all(|group| group["detail"].as_str().unwrap().ends_with('.')), "{groups:?}");

        // A new wallet's currency may be one that no card is in.
        let other = Server::start(server.database, &["--default-currency", "EUR"]).await;
        let mut request = request;
        request["business_sid"] = json!("nobody_yet");
        let answer = quote(&other, request).await;
        assert_eq!(answer["unpriced"][2]["code"], "currency_mismatch");
        let expected = (&json!("EUR"), &json!(0), &json!(true));
        assert_eq!((&answer["currency"], &answer["total"], &answer["sufficient"]), expected);

        // One message is refused as its charge would be.
        for (server, to, code) in [(server, "+33612345678", "no_rate"), (&other, KENYA, "currency_mismatch")] {
            let mut message = json!({"business_sid": "nobody_yet", "to": to, "segments": 1});
            let (status, quoted) = server.post("/api/billing/quotes/", &message.to_string()).await;
            message["message_sid"] = json!("m");
            let (_, charged) = server.post("/api/billing/charges/", &message.to_string()).await;
            assert_eq!((status, &quoted["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(code)));
            assert_eq!(quoted["detail"], charged["detail"]);
        }
    }

    async fn characters_that_force_ucs2(server) {
        let body = "“Ça va” – ça va 😀\u{200b}";
        for destination in [json!({"to": KENYA}), json!({"recipients": [KENYA]})] {
            let mut request = json!({"business_sid": "biz_test_001", "body": body});
            request.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
            let answer = quote(server, request).await;
            assert_eq!(answer["encoding"], "UCS-2");
            assert_eq!(answer["ucs2_characters"], json!(["“", "”", "–", "ç", "😀", "\u{200b}"]));
        }
        let request = json!({"business_sid": "biz_test_001", "to": KENYA, "body": "a".repeat(161)});
        let answer = quote(server, request).await;
        assert_eq!((&answer["encoding"], &answer["segments_per_message"]), (&json!("GSM-7"), &json!(2)));
    }

    async fn funds(server) {
        server.top_up("b", "0.06").await;
        let request = |count: usize| json!({"business_sid": "b", "recipients": vec![KENYA; count], "segments": 1});
        let enough = quote(server, request(3)).await;
        assert_eq!((&enough["total"], &enough["sufficient"]), (&json!(0.06), &json!(true)), "equal is enough");
        assert!(enough.get("shortfall").is_none());
        let short = quote(server, request(4)).await;
        assert_eq!((&short["sufficient"], &short["shortfall"]), (&json!(false), &json!(0.02)));
        assert_eq!((&short["balance"], &short["available"]), (&json!(0.06), &json!(0.06)));
        server.execute("UPDATE wallets SET credit_limit = 20000 WHERE balance = 60000").await.unwrap();
        let covered = quote(server, request(4)).await;
        assert_eq!((&covered["available"], &covered["sufficient"]), (&json!(0.08), &json!(true)));
    }

    async fn without_a_wallet(server) {
        let before = server.row_counts().await;
        let message = json!({"business_sid": "nobody_yet", "to": KENYA, "segments": 2});
        let answer = quote(server, message.clone()).await;
        assert_eq!(server.row_counts().await, before, "no wallet is opened");
        assert_eq!((&answer["currency"], &answer["plan_name"]), (&json!("USD"), &json!("Starter")));
        assert_eq!((&answer["balance"], &answer["shortfall"]), (&json!(0), &json!(0.04)));
        server.top_up("nobody_yet", "1").await;
        assert_eq!(charge(server, message, "m").await["rating"], answer["rating"]);
    }

    async fn a_suspended_business(server) {
        let sql = "UPDATE businesses SET status = 'SUSPENDED' WHERE sid = 'biz_test_001'";
        server.execute(sql).await.unwrap();
        let message = json!({"business_sid": "biz_test_001", "to": KENYA, "segments": 1});
        let answer = quote(server, message.clone()).await;
        assert_eq!((&answer["suspended"], &answer["total"]), (&json!(true), &json!(0.02)));
        let mut refused = message;
        refused["message_sid"] = json!("m");
        assert_eq!(server.post("/api/billing/charges/", &refused.to_string()).await.0, StatusCode::FORBIDDEN);
    }

    async fn bad_inputs(server) {
        let before = server.row_counts().await;
        let to = json!({"to": KENYA, "segments": 1});
        let many = json!({"recipients": [KENYA], "segments": 1});
        let long = "a".repeat(153 * 255 + 1);
        for (base, more, field) in [
            (&to, json!({"business_sid": null}), "business_sid"),
            (&to, json!({"business_sid": "undefined"}), "business_sid"),
            (&to, json!({"to": "0712345678"}), "to"),
            (&to, json!({"to": null}), "to"),
            (&to, json!({"to": "+999123456789"}), "to"),
            (&to, json!({"to": 254712345678_i64}), "to"),
            (&to, json!({"country_code": "XX"}), "country_code"),
            (&to, json!({"operator": ""}), "operator"),
            (&to, json!({"mcc": "639"}), "mnc"),
            (&to, json!({"mcc": "63", "mnc": "02"}), "mcc"),
            (&to, json!({"mcc": "999", "mnc": "99"}), "mcc"),
            (&to, json!({"segments": 0}), "segments"),
            (&to, json!({"segments": 256}), "segments"),
            (&to, json!({"segments": null}), "segments"),
            (&to, json!({"segments": 1.5}), "segments"),
            (&to, json!({"body": "a"}), "segments"),
            (&to, json!({"segments": null, "body": long}), "body"),
            (&to, json!({"submitted_at": "2026-03-15T09:59:59Z"}), "submitted_at"),
            (&to, json!({"submitted_at": "soon"}), "submitted_at"),
            (&many, json!({"to": KENYA}), "to"),
            (&many, json!({"country_code": "KE"}), "country_code"),
            (&many, json!({"operator": "MTN"}), "operator"),
            (&many, json!({"mcc": "639", "mnc": "02"}), "mcc"),
            (&many, json!({"recipients": []}), "recipients"),
            (&many, json!({"recipients": vec!["+1"; 10_001]}), "recipients"),
            (&many, json!({"recipients": KENYA}), "recipients"),
            (&many, json!({"recipients": [KENYA, 254712345678_i64]}), "recipients[1]"),
            (&many, json!({"segments": null}), "segments"),
            (&many, json!({"segments": 256}), "segments"),
            (&many, json!({"body": "a"}), "segments"),
            (&many, json!({"submitted_at": "2026-03-18T10:05:01Z"}), "submitted_at"),
        ] {
            let mut request = json!({"business_sid": "biz_test_001"});
            let fields = request.as_object_mut().unwrap();
            fields.extend(base.as_object().unwrap().clone());
            fields.extend(more.as_object().unwrap().clone());
            let (status, problem) = server.post("/api/billing/quotes/", &request.to_string()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{more}: {problem}");
            assert!(problem["errors"][field][0].as_str().is_some_and(|text| text.len() > 5), "{more}: {problem}");
        }
        let (status, problem) = server.post("/api/billing/quotes/", r#"{"to": "+254712345678", "segments": 1}"#).await;
        assert_eq!((status, &problem["errors"]), (StatusCode::BAD_REQUEST, &json!({"business_sid": ["is missing"]})));
        assert_eq!(server.row_counts().await, before);
    }

    /// The largest campaign, over many prefixes and across a tier.
    async fn ten_thousand_recipients(server) {
        let starts = ["254712", "254722", "254733", "256772", "25078", "234803", "44771", "336", "1202", "999"];
        let recipients: Vec<String> =
            (0..10_000).map(|number| format!("+{}{:06}", starts[number % starts.len()], number)).collect();
        let request = json!({"business_sid": "biz_test_001", "recipients": recipients, "body": "Your parcel is here"});
        let started = std::time::Instant::now();
        let answer = quote(server, request).await;
        println!("10,000 recipients: {:?}", started.elapsed());
        let refused: i64 = answer["unpriced"].as_array().unwrap().iter().map(|group| group["messages"].as_i64().unwrap()).sum();
        assert_eq!(answer["messages"].as_i64().unwrap() + refused, 10_000);
    }
}
