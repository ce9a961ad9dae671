//! Tests charging through HTTP: accepted, refused and repeated messages.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

const CHARGES: &str = "/api/billing/charges/";

/// One segment to Safaricom, Kenya: 0.02 by its card.
fn message(business: &str, message: &str) -> Value {
    json!({"business_sid": business, "message_sid": message, "to": "+254712345678", "segments": 1})
}

fn with(mut message: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

async fn post(server: &Server, path: &str, body: &Value) -> (StatusCode, Value) {
    server.post(path, &body.to_string()).await
}

async fn balance(server: &Server, business: &str) -> Value {
    server.get(&format!("/api/billing/wallet/{business}/")).await["balance"].clone()
}

on_each_database! {
    /// The debit, the reasons for its price, and what is left.
    async fn a_charge_explains_itself(server) {
        let body = with(message("biz_test_002", "m1"), json!({"segments": null, "body": "Habari €", "metadata": {"a": 1}}));
        let (status, charge) = post(server, CHARGES, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{charge}");
        assert_eq!(charge["message_sid"], "m1");
        // 0.02 by the card, less the 10 % of the plan.
        assert_eq!((&charge["balance"], &charge["available"]), (&json!(499.982), &json!(499.982)));
        let transaction = &charge["transaction"];
        assert_eq!(transaction["amount"], json!(-0.018));
        assert_eq!(transaction["details"], json!({"messages": 1, "segments": 1, "price_per_sms": 0.018,
            "country_code": "KE", "operator": "Safaricom", "to": "+25471****678"}));
        assert_eq!(transaction["metadata"], json!({"a": 1}));
        let rating = &charge["rating"];
        assert_eq!(rating["encoding"], "GSM-7");
        assert_eq!((&rating["matched_by"], &rating["operator"]), (&json!("PREFIX"), &json!("Safaricom")));
        assert_eq!(rating["plan_name"], "Professional");
        let part = &rating["parts"][0];
        assert_eq!((&part["rule"], &part["card_discount_percent"]), (&json!("OPERATOR_CARD"), &json!(10)));
        assert_eq!(part["rate_card"]["price_per_sms"], json!(0.02));
        assert_eq!(part["tier"], json!({"min_messages": 1, "max_messages": 5000, "discount_percent": 0}));
        let history = server.get("/api/billing/charges/biz_test_002/m1/").await;
        assert_eq!((&history["transaction"], &history["rating"]), (transaction, rating));
        assert_eq!((&history["refunded"], &history["refunds"]), (&json!(0), &json!([])));
        assert_eq!(server.get("/api/billing/transactions/biz_test_002/?limit=1").await[0], *transaction);
    }

    /// Where a message goes, said in different ways; and what it then costs on Starter.
    async fn destinations_and_prices(server) {
        for (number, (given, operator, matched_by, rule, total)) in (1..).zip([
            (json!({"to": "254733123456"}), "Airtel", "PREFIX", "OPERATOR_CARD", json!(0.018)),
            (json!({"to": "+254 712 345-678"}), "Safaricom", "PREFIX", "OPERATOR_CARD", json!(0.02)),
            // A ported number: what the gateway knows beats the prefix.
            (json!({"to": "+254712345678", "mcc": "639", "mnc": "03"}), "Airtel", "NETWORK", "OPERATOR_CARD", json!(0.018)),
            (json!({"to": "+254712345678", "operator": "airtel"}), "Airtel", "GIVEN", "OPERATOR_CARD", json!(0.018)),
            (json!({"country_code": "ke", "operator": "SAFARICOM"}), "Safaricom", "GIVEN", "OPERATOR_CARD", json!(0.02)),
            // Several networks of one operator, and one country under several codes.
            (json!({"mcc": "310", "mnc": "410"}), "AT&T", "NETWORK", "OPERATOR_CARD", json!(0.0075)),
            // Kenya is served, but no card names this operator: the plan's own price.
            (json!({"country_code": "KE", "operator": "Telkom"}), "Telkom", "GIVEN", "PLAN_TIER", json!(0.05)),
            (json!({"country_code": "KE"}), "", "GIVEN", "PLAN_TIER", json!(0.05)),
            (json!({"to": "+16502530000"}), "", "PREFIX", "PLAN_TIER", json!(0.05)),
        ]) {
            let body = with(json!({"business_sid": "biz_test_001", "message_sid": format!("m{number}"), "segments": 1}), given);
            let charge = server.charge(body.clone()).await;
            let rating = &charge["rating"];
            assert_eq!(rating["operator"], operator, "{body}");
            assert_eq!(rating["matched_by"], matched_by, "{body}");
            assert_eq!(rating["parts"][0]["rule"], rule, "{body}");
            assert_eq!(rating["total"], total, "{body}");
        }
    }

    /// What cannot be priced is refused, never sold for nothing; nothing is stored.
    async fn no_price_no_charge(server) {
        server.execute("UPDATE rate_cards SET currency = 'KES' WHERE country_code = 'RW'").await.unwrap();
        server.execute("UPDATE rate_cards SET effective_from = '2026-03-19' WHERE country_code = 'ET'").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        let before = server.row_counts().await;
        for (given, code) in [
            (json!({"country_code": "FR"}), "no_rate"),
            (json!({"to": "+18765551234"}), "no_rate"), // Jamaica is not the United States
            (json!({"country_code": "ET", "operator": "Ethio Telecom"}), "no_rate"), // from tomorrow on
            (json!({"country_code": "RW", "operator": "MTN"}), "currency_mismatch"),
            (json!({"country_code": "RW", "operator": "Nobody"}), "currency_mismatch"),
        ] {
            let body = with(json!({"business_sid": "biz_test_001", "message_sid": "m", "segments": 1}), given.clone());
            let (status, problem) = post(server, CHARGES, &body).await;
            assert_eq!((status, problem["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some(code)), "{given}");
        }
        assert_eq!(server.row_counts().await, before);
    }

    /// The price row is that of the time of submission; a day begins in the billing time zone.
    async fn a_new_price_holds_from_its_day_on(server) {
        server.execute(
            "INSERT INTO rate_cards (uid, country_code, operator, operator_key, networks, price_per_sms, currency, \
             effective_from, notes, created_at) SELECT uid, country_code, operator, operator_key, networks, 30000, currency, \
             '2026-03-18', notes, created_at FROM (SELECT * FROM rate_cards WHERE operator = 'Safaricom') old".replace(
                "SELECT uid, country", if server.database == crate::support::Database::Sqlite {
                    "SELECT randomblob(16), country" } else { "SELECT gen_random_uuid(), country" }).as_str(),
        ).await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        for (number, (submitted_at, total)) in (1..).zip([
            (json!(null), json!(0.03)),
            (json!("2026-03-18T00:00:00Z"), json!(0.03)),
            (json!("2026-03-17T23:59:59.999999Z"), json!(0.02)),
            (json!("2026-03-18T02:59:59+03:00"), json!(0.02)),
        ]) {
            let body = with(message("biz_test_001", &format!("m{number}")), json!({"submitted_at": submitted_at}));
            assert_eq!(server.charge(body).await["rating"]["total"], total, "{submitted_at}");
        }
        let usage = server.get("/api/billing/usage/biz_test_001/?period=TODAY").await;
        assert_eq!(usage["total_messages_sent"], 4, "usage follows the time of charging");
    }

    /// The same request gets the same transaction; another one with its message_sid is refused. Another business is
    /// free to use the same name.
    async fn a_message_is_charged_once(server) {
        let body = with(message("biz_test_001", "m1"), json!({"metadata": {"a": 1, "b": 2}}));
        let first = server.charge(body.clone()).await;
        let again = json!({"metadata": {"b": 2, "a": 1}, "message_sid": "m1", "segments": 1, "to": "254712345678",
                           "business_sid": "biz_test_001"});
        for body in [&body, &again] {
            let response = server.request(reqwest::Method::POST, CHARGES).json(body).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            assert_eq!(response.headers()["idempotent-replayed"], "true");
            let replayed: Value = response.json().await.unwrap();
            assert_eq!(replayed["transaction"], first["transaction"]);
            assert_eq!(replayed["rating"], first["rating"]);
        }
        for change in [json!({"segments": 2}), json!({"to": "+254712345679"}), json!({"metadata": {}}),
                       json!({"submitted_at": "2026-03-18T09:00:00Z"}), json!({"segments": null, "body": "x"}),
                       json!({"mcc": "639", "mnc": "02"})] {
            let (status, problem) = post(server, CHARGES, &with(body.clone(), change.clone())).await;
            assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("idempotency_conflict")), "{change}");
        }
        server.charge(with(body, json!({"business_sid": "biz_test_002"}))).await;
        assert_eq!(balance(server, "biz_test_001").await, json!(999.98));
        assert_eq!(server.number("SELECT count(*) FROM transactions WHERE type = 'SMS_DEBIT'").await, 2);
    }

    /// Replay comes before suspension, suspension before rating, rating before funds.
    async fn the_order_of_judgement(server) {
        server.charge(message("biz_test_001", "m1")).await;
        server.execute("UPDATE businesses SET status = 'SUSPENDED' WHERE sid = 'biz_test_001'").await.unwrap();
        server.charge(message("biz_test_001", "m1")).await;
        let unpriced = with(message("biz_test_001", "m2"), json!({"to": null, "country_code": "FR"}));
        let (status, problem) = post(server, CHARGES, &unpriced).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("business_suspended")));
        // It holds for one that has no wallet yet.
        crate::access::rights::business(server, "walletless", "CLIENT", "SUSPENDED", None).await;
        let (status, problem) = post(server, CHARGES, &message("walletless", "m2")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("business_suspended")));
        let poor = with(message("poor", "m2"), json!({"to": null, "country_code": "FR"}));
        assert_eq!(post(server, CHARGES, &poor).await.1["code"], "no_rate");
        assert_eq!(post(server, CHARGES, &message("poor", "m2")).await.1["code"], "insufficient_funds");
        assert_eq!(server.number("SELECT count(*) FROM businesses WHERE sid = 'poor'").await, 0, "a refusal creates nothing");
    }

    /// A message that was charged stays charged, however little is left and however long ago it was.
    async fn a_replay_of_what_would_now_be_refused(server) {
        server.top_up("b", "0.02").await;
        let body = with(message("b", "m1"), json!({"submitted_at": "2026-03-18T09:59:00Z"}));
        let first = server.charge(body.clone()).await;
        assert_eq!(server.charge(body.clone()).await["transaction"], first["transaction"], "the wallet is empty");
        server.set_clock("2026-03-25T10:00:00Z");
        assert_eq!(server.charge(body.clone()).await["transaction"], first["transaction"], "submitted a week ago");
        server.execute("DELETE FROM rate_cards").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        assert_eq!(server.charge(body.clone()).await["transaction"], first["transaction"], "no price any more");
        let conflict = with(body, json!({"segments": 9}));
        assert_eq!(post(server, CHARGES, &conflict).await.0, StatusCode::CONFLICT);
        let batch = json!({"charges": [message("b", "m2"), message("b", "m1")]});
        let (_, answer) = post(server, "/api/billing/charges/batch/", &batch).await;
        assert_eq!((&answer["results"][0]["status"], &answer["results"][1]["status"]), (&json!(422), &json!(409)));
    }

    /// Suspension is inherited from every business above, five deep.
    async fn suspension_is_inherited(server) {
        for (name, parent) in [("r1", "NULL"), ("r2", "r1"), ("r3", "r2"), ("r4", "r3"), ("c", "r4")] {
            server.top_up(name, "1").await;
            if parent != "NULL" {
                let parent = format!("(SELECT id FROM businesses WHERE sid = '{parent}')");
                server.execute(&format!("UPDATE businesses SET parent_id = {parent} WHERE sid = '{name}'")).await.unwrap();
            }
        }
        server.charge(message("c", "m1")).await;
        server.execute("UPDATE businesses SET status = 'SUSPENDED' WHERE sid = 'r1'").await.unwrap();
        assert_eq!(post(server, CHARGES, &message("c", "m2")).await.0, StatusCode::FORBIDDEN);
        server.execute("UPDATE businesses SET status = 'ACTIVE' WHERE sid = 'r1'").await.unwrap();
        server.charge(message("c", "m2")).await;
    }

    /// Equal is enough; a millionth less is not. The refusal says what is missing.
    async fn funds(server) {
        server.top_up("b", "0.04").await;
        server.charge(message("b", "m1")).await;
        server.charge(message("b", "m2")).await;
        assert_eq!(balance(server, "b").await, json!(0));
        let (status, problem) = post(server, CHARGES, &message("b", "m3")).await;
        assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
        assert_eq!((&problem["available"], &problem["required"]), (&json!(0), &json!(0.02)));
        assert_eq!(problem["currency"], "USD");
        assert!(problem["detail"].as_str().unwrap().contains("0.02 USD"), "{problem}");
        let limit = |micros: i64| format!("UPDATE wallets SET credit_limit = {micros} WHERE uid IN (SELECT w.uid FROM wallets w \
            JOIN businesses b ON b.id = w.business_id WHERE b.sid = 'b')");
        server.execute(&limit(19_999)).await.unwrap();
        assert_eq!(post(server, CHARGES, &message("b", "m3")).await.1["available"], json!(0.019999));
        server.execute(&limit(20_000)).await.unwrap();
        let charge = server.charge(message("b", "m3")).await;
        assert_eq!((&charge["balance"], &charge["available"]), (&json!(-0.02), &json!(0)));
    }

    /// Segment n of the month pays the tier that n lies in, and a message across a bound pays both.
    async fn tiers_are_graduated(server) {
        let fill = json!({"charges": [
            with(message("biz_test_001", "a"), json!({"segments": 255})), with(message("biz_test_001", "b"), json!({"segments": 255})),
            with(message("biz_test_001", "c"), json!({"segments": 255})), with(message("biz_test_001", "d"), json!({"segments": 233})),
        ]});
        post(server, "/api/billing/charges/batch/", &fill).await;
        let charge = server.charge(with(message("biz_test_001", "across"), json!({"segments": 5}))).await;
        let parts: Vec<_> = charge["rating"]["parts"].as_array().unwrap().iter()
            .map(|part| (part["segments"].clone(), part["price_per_sms"].clone())).collect();
        assert_eq!(parts, [(json!(2), json!(0.02)), (json!(3), json!(0.018))]);
        assert_eq!((&charge["rating"]["total"], &charge["rating"]["price_per_sms"]), (&json!(0.094), &json!(0.0188)));
        let history = server.get("/api/billing/charges/biz_test_001/across/").await;
        assert_eq!(history["rating"], charge["rating"]);
        let replayed = server.charge(with(message("biz_test_001", "across"), json!({"segments": 5}))).await;
        assert_eq!(replayed["rating"], charge["rating"]);
        let usage = "SELECT messages_sent * 1000 + segments FROM usage_metrics WHERE unit_price = ";
        assert_eq!(server.number(&format!("{usage} 20000")).await, 5 * 1000 + 1000, "the message counts in its first part");
        assert_eq!(server.number(&format!("{usage} 18000")).await, 3);

        // A whole refund takes its segments back from the tiers, from both.
        server.post_as_admin("/api/billing/charges/biz_test_001/across/refund/", r#"{"reason": "test"}"#).await;
        assert_eq!(server.number("SELECT tier_segments FROM wallets WHERE id = 1").await, 998);
        let again = server.charge(with(message("biz_test_001", "again"), json!({"segments": 5}))).await;
        assert_eq!(again["rating"]["parts"], charge["rating"]["parts"]);
        // A new month begins anew.
        server.set_clock("2026-04-01T00:00:00Z");
        let april = server.charge(message("biz_test_001", "april")).await;
        assert_eq!(april["rating"]["parts"][0]["tier"]["min_messages"], 1);
    }

    /// In order, each by itself: some pass while others are refused, and what is malformed names its field.
    async fn batches(server) {
        server.top_up("b", "0.03").await;
        let batch = json!({"charges": [
            message("b", "m1"),
            message("b", "m2"),
            with(message("b", "m1"), json!({"segments": 2})),
            message("b", "m1"),
            message("biz_test_001", "m1"),
            with(message("b", "m3"), json!({"segments": 0})),
            with(message("b", "m4"), json!({"to": "0712345678"})),
            {"business_sid": "b"},
            7,
            with(message("b", "m5"), json!({"country_code": "RW", "operator": "Airtel"})),
        ]});
        let (status, answer) = post(server, "/api/billing/charges/batch/", &batch).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let results = answer["results"].as_array().unwrap();
        let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [201, 402, 409, 201, 201, 400, 400, 400, 400, 201], "{answer}");
        assert_eq!(results[1]["error"]["required"], json!(0.02));
        assert_eq!(results[3]["idempotent_replayed"], true);
        assert_eq!(results[3]["charge"]["transaction"], results[0]["charge"]["transaction"]);
        assert!(results[5]["error"]["errors"]["segments"].is_array(), "{answer}");
        assert!(results[6]["error"]["errors"]["to"].is_array(), "{answer}");
        assert!(results[7]["error"]["errors"]["message_sid"].is_array(), "{answer}");
        assert_eq!(results[9]["charge"]["balance"], json!(0.002));
        assert_eq!(balance(server, "b").await, json!(0.002));
        for count in [0, 1001] {
            let charges: Vec<_> = (0..count).map(|number| message("biz_test_001", &format!("x{number}"))).collect();
            let (status, problem) = post(server, "/api/billing/charges/batch/", &json!({"charges": charges})).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(problem["errors"]["charges"].is_array(), "{problem}");
        }
    }

    /// A batch of a thousand, twice: the second time it is all there already.
    async fn a_large_batch_twice(server) {
        let charges: Vec<_> = (0..1_000).map(|number| message("biz_test_001", &format!("x{number}"))).collect();
        let batch = json!({"charges": charges});
        for replayed in [Value::Null, json!(true)] {
            let (_, answer) = post(server, "/api/billing/charges/batch/", &batch).await;
            let results = answer["results"].as_array().unwrap();
            assert!(results.iter().all(|result| result["status"] == 201 && result["idempotent_replayed"] == replayed));
        }
        assert_eq!(balance(server, "biz_test_001").await, json!(980));
        assert_eq!(server.number("SELECT tier_segments FROM wallets WHERE id = 1").await, 1_000);
    }

    /// 400 requests at once, half of them for the same hundred messages: each message once.
    async fn many_at_once(server) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..400 {
            let request = server.request(reqwest::Method::POST, CHARGES)
                .json(&message(["biz_test_001", "biz_test_002"][number % 2], &format!("m{}", number % 100)));
            tasks.spawn(async move { request.send().await.unwrap().status() });
        }
        while let Some(status) = tasks.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::CREATED);
        }
        assert_eq!(server.number("SELECT count(*) FROM transactions WHERE type = 'SMS_DEBIT'").await, 100);
        assert_eq!(balance(server, "biz_test_001").await, json!(999));
        let gaps = "SELECT count(*) FROM wallets w WHERE last_seq <> (SELECT count(*) FROM transactions t WHERE t.wallet_id = w.id)";
        assert_eq!(server.number(gaps).await, 0);
    }

    /// A price of nothing is charged too, and opens the wallet that did not exist.
    async fn a_free_message_opens_a_wallet(server) {
        server.execute("UPDATE rate_cards SET price_per_sms = 0 WHERE operator = 'Safaricom'").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        let charge = server.charge(message("newcomer", "m1")).await;
        assert_eq!((&charge["transaction"]["amount"], &charge["transaction"]["seq"]), (&json!(0), &json!(1)));
        assert!(charge["transaction"]["details"].get("price_per_sms").is_none(), "{charge}");
        assert_eq!(balance(server, "newcomer").await, json!(0));
    }

    /// A price that changes is noticed without a word, by whoever changes it.
    async fn prices_are_noticed(server) {
        server.execute("UPDATE rate_cards SET price_per_sms = 25000 WHERE operator = 'Safaricom'").await.unwrap();
        let mut total = Value::Null;
        for attempt in 0..100 {
            total = server.charge(message("biz_test_001", &format!("m{attempt}"))).await["rating"]["total"].clone();
            if total == json!(0.025) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(total, json!(0.025));
    }
}
