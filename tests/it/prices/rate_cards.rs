//! Tests how admins add, change and delete rate cards.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::storage;

use crate::support::{Server, on_each_database};

const CARDS: &str = "/api/admin/rate-cards/";

/// A price from tomorrow on.
fn card() -> Value {
    json!({"country_code": "ke", "operator": "Safaricom", "networks": [{"mcc": "639", "mnc": "01"}], "price_per_sms": 0.025,
           "currency": "usd", "effective_from": "2026-03-19", "notes": "New contract"})
}

/// The card with other members; those that are null are left out.
fn card_with(members: Value) -> Value {
    let mut card = card();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(card.as_object_mut().unwrap().remove(name)),
            value => card[name] = value.clone(),
        }
    }
    card
}

fn on(day: &str) -> Value {
    card_with(json!({"effective_from": day}))
}

/// The path of the one seeded row of an operator.
async fn seeded(server: &Server, operator: &str) -> String {
    let rows = server.admin().await.get(&format!("{CARDS}?country_code=KE&operator={operator}")).await;
    format!("{CARDS}{}/", rows.body[0]["sid"].as_str().unwrap())
}

/// Members that make a card one that cannot be added, and the field that the answer names.
type BadCard = (fn() -> Value, &'static str);

const BAD_CARDS: &[BadCard] = &[
    (|| json!({"country_code": null}), "country_code"),
    (|| json!({"country_code": "XX"}), "country_code"),
    (|| json!({"country_code": "Kenya"}), "country_code"),
    (|| json!({"operator": "x".repeat(65)}), "operator"),
    (|| json!({"operator": "a\u{0}b"}), "operator"),
    (|| json!({"operator": "MTN "}), "operator"),
    (|| json!({"operator": 7}), "operator"),
    (|| json!({"networks": {}}), "networks"),
    (|| json!({"networks": [{"mcc": "639"}]}), "networks[0].mnc"),
    (|| json!({"networks": [{"mcc": "639", "mnc": "1"}]}), "networks[0].mnc"),
    (|| json!({"networks": [{"mcc": "63", "mnc": "01"}]}), "networks[0].mcc"),
    (|| json!({"networks": [{"mcc": 639, "mnc": "01"}]}), "networks[0].mcc"),
    (|| json!({"networks": [{"mcc": "639", "mnc": "01"}, {"mcc": "639", "mnc": "01"}]}), "networks[1]"),
    (|| json!({"networks": vec![json!({"mcc": "639", "mnc": "01"}); 101]}), "networks"),
    (|| json!({"operator": ""}), "networks"),
    (|| json!({"price_per_sms": null}), "price_per_sms"),
    (|| json!({"price_per_sms": -0.01}), "price_per_sms"),
    (|| json!({"price_per_sms": 0.0000001}), "price_per_sms"),
    (|| json!({"price_per_sms": 1_000_001}), "price_per_sms"),
    (|| json!({"price_per_sms": "0,02"}), "price_per_sms"),
    (|| json!({"currency": null}), "currency"),
    (|| json!({"currency": "XXX"}), "currency"),
    (|| json!({"currency": "dollar"}), "currency"),
    (|| json!({"effective_from": null}), "effective_from"),
    (|| json!({"effective_from": "2026-02-30"}), "effective_from"),
    (|| json!({"effective_from": "19/03/2026"}), "effective_from"),
    (|| json!({"effective_from": "2200-01-01"}), "effective_from"),
    (|| json!({"effective_from": "2026-03-17"}), "effective_from"), // yesterday
    (|| json!({"effective_from": "2023-12-31"}), "effective_from"), // before the first row
    (|| json!({"notes": "x".repeat(1_001)}), "notes"),
    (|| json!({"notes": "two\nlines"}), "notes"),
    (|| json!({"notes": 5}), "notes"),
];

const BAD_LISTS: &[(&str, &str)] = &[
    ("sort=sid", "sort"),
    ("limit=1001", "limit"),
    ("cursor=x", "cursor"),
    ("country_code=XX", "country_code"),
    ("currency=XXX", "currency"),
    ("operator=%00", "operator"),
    ("as_of=today", "as_of"),
    ("from=2026-03-18T00:00:00Z", "from"),
    ("to=2026-3-1", "to"),
];

on_each_database! {
    /// A new price is a new row; until its day comes it can be changed and taken back.
    async fn added_changed_and_deleted(server) {
        let admin = server.admin().await;
        let made = admin.post(&format!("{CARDS}?reason=Contract"), &card()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let mut shown = made.body.clone();
        shown["sid"] = json!("rate");
        assert_eq!(shown, json!({"sid": "rate", "country_code": "KE", "country_name": "Kenya", "operator": "Safaricom",
            "networks": [{"mcc": "639", "mnc": "01"}], "price_per_sms": 0.025, "currency": "USD",
            "effective_from": "2026-03-19", "notes": "New contract"}));
        let path = format!("{CARDS}{}/", made.sid());
        let read = admin.get(&path).await;
        assert_eq!((&read.body, &read.etag), (&made.body, &made.etag));

        let mut whole = made.body.clone();
        whole["price_per_sms"] = json!("0.026");
        let changed = admin.patch(&path, made.etag.as_ref().unwrap(), &whole).await;
        assert_eq!((changed.status, &changed.body["price_per_sms"]), (StatusCode::OK, &json!(0.026)), "{changed:?}");
        assert_eq!(changed.body["networks"], made.body["networks"]);
        let bare = admin.patch(&path, changed.etag.as_ref().unwrap(), &json!({"networks": [], "notes": ""})).await;
        assert_eq!((&bare.body["networks"], &bare.body["notes"]), (&json!([]), &json!("")));
        let moved = admin.patch(&path, "*", &json!({"effective_from": "2026-03-20", "operator": "Airtel"})).await;
        assert_eq!(moved.refusal(), (400, "invalid_request"));
        assert_eq!(moved.body["errors"].as_object().unwrap().len(), 2, "{moved:?}");

        let gone = admin.delete(&path, bare.etag.as_ref().unwrap()).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(admin.get(&path).await.refusal(), (404, "rate_card_not_found"));
        for (action, count) in [("rate_card.created", 18), ("rate_card.changed", 2), ("rate_card.deleted", 1)] {
            let noted = format!("SELECT count(*) FROM audit_log WHERE action = '{action}'");
            assert_eq!(server.number(&noted).await, count, "{action}");
        }
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'rate_card.created' AND reason = 'Contract' \
                     AND CAST(after AS TEXT) LIKE '%0.025%' AND request_id IS NOT NULL";
        assert_eq!(server.number(noted).await, 1);
    }

    async fn bad_cards(server) {
        let admin = server.admin().await;
        let future = admin.post(CARDS, &card()).await;
        let before = server.row_counts().await;
        for (members, field) in BAD_CARDS {
            let body = card_with(members());
            let made = admin.post(CARDS, &body).await;
            assert_eq!(made.refusal(), (400, "invalid_request"), "{body}: {made:?}");
            assert!(made.body["errors"][field].is_array(), "{body} names no {field}: {made:?}");
        }
        let path = format!("{CARDS}{}/", future.sid());
        for body in [
            json!({"price_per_sms": -1}), json!({"price_per_sms": null}), json!({"notes": null}), json!({"networks": null}),
            json!({"networks": [{"mcc": "1", "mnc": "01"}]}), json!({"currency": "KES"}), json!({"price": 1}), json!({}),
        ] {
            assert_eq!(admin.patch(&path, "*", &body).await.refusal(), (400, "invalid_request"), "{body}");
        }
        for (query, field) in BAD_LISTS {
            let list = admin.get(&format!("{CARDS}?{query}")).await;
            assert_eq!(list.refusal(), (400, "invalid_request"), "{query}: {list:?}");
            assert!(list.body["errors"][field].is_array(), "{query}: {list:?}");
        }
        let read = admin.get(&format!("{CARDS}plan_00000000000000000000000000000000/")).await;
        assert!(read.body["errors"]["rate_card_sid"].is_array(), "{read:?}");
        assert_eq!(server.row_counts().await, before);
        assert_eq!(admin.get(&path).await.etag, future.etag);
    }

    /// What may have been charged by stays as it is, to the last minute before its day.
    async fn what_was_in_force_stays(server) {
        let admin = server.admin().await;
        let path = seeded(server, "Safaricom").await;
        let before = server.row_counts().await;
        let change = json!({"price_per_sms": 0.01});
        assert_eq!(admin.patch(&path, "*", &change).await.refusal(), (422, "rate_card_in_force"));
        assert_eq!(admin.patch(&path, "*", &json!({"notes": "x"})).await.refusal(), (422, "rate_card_in_force"));
        assert_eq!(admin.delete(&path, "*").await.refusal(), (422, "rate_card_in_force"));
        assert_eq!(server.row_counts().await, before);
        let today = admin.post(CARDS, &on("2026-03-18")).await;
        assert_eq!(today.status, StatusCode::CREATED, "from today on: {today:?}");
        let today = format!("{CARDS}{}/", today.sid());
        assert_eq!(admin.delete(&today, "*").await.refusal(), (422, "rate_card_in_force"));
        let tomorrow = admin.post(CARDS, &on("2026-03-19")).await;
        let tomorrow = format!("{CARDS}{}/", tomorrow.sid());
        server.set_clock("2026-03-18T23:54:59Z");
        assert_eq!(admin.patch(&tomorrow, "*", &change).await.status, StatusCode::OK);
        server.set_clock("2026-03-18T23:55:00Z");
        assert_eq!(admin.patch(&tomorrow, "*", &change).await.refusal(), (422, "rate_card_in_force"));
        assert_eq!(admin.delete(&tomorrow, "*").await.refusal(), (422, "rate_card_in_force"));
    }

    /// Nothing is re-priced afterwards, but where there was no price yet any day will do.
    async fn the_past_is_not_priced_anew(server) {
        let admin = server.admin().await;
        let other = |members: Value| card_with(members);
        for (body, status) in [
            (on("2026-03-17"), 400),
            (other(json!({"operator": "SAFARICOM", "effective_from": "2026-03-17"})), 400),
            (other(json!({"currency": "KES", "effective_from": "2020-01-01"})), 201),
            (other(json!({"currency": "KES", "effective_from": "2020-06-01"})), 400),
            (other(json!({"operator": null, "networks": [], "effective_from": "2020-01-01"})), 201),
            (other(json!({"country_code": "ZM", "effective_from": "2020-01-01"})), 201),
        ] {
            let answer = admin.post(CARDS, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
            if status == 400 {
                assert!(answer.body["detail"].as_str().unwrap().starts_with("effective_from must be 2026-03-18 or later"), "{answer:?}");
            }
        }
    }

    async fn nobody_overwrites_what_they_have_not_seen(server) {
        let admin = server.admin().await;
        let made = admin.post(CARDS, &card()).await;
        let (path, etag) = (format!("{CARDS}{}/", made.sid()), made.etag.clone().unwrap());
        let bare = admin.request(Method::DELETE, &path);
        assert_eq!(admin.send(bare).await.refusal(), (428, "precondition_required"));
        let changes: Vec<Value> = (1..=20).map(|number| json!({"price_per_sms": number})).collect();
        let answers = futures_util::future::join_all(changes.iter().map(|change| admin.patch(&path, &etag, change))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
        assert_eq!(admin.delete(&path, &etag).await.refusal(), (412, "changed_meanwhile"));
        let same = admin.get(&path).await;
        let before = server.row_counts().await;
        assert_eq!(admin.patch(&path, "*", &same.body).await.etag, same.etag);
        assert_eq!(server.row_counts().await, before, "what changes nothing leaves no trace");
    }

    /// Twenty rows of one destination, currency and day at once: one is added.
    async fn a_day_has_one_price(server) {
        let admin = server.admin().await;
        let spellings: Vec<Value> = (0..20)
            .map(|number| card_with(json!({"operator": if number % 2 == 0 { "Safaricom" } else { "SAFARICOM" }})))
            .collect();
        let answers = futures_util::future::join_all(spellings.iter().map(|body| admin.post(CARDS, body))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        let refused = answers.iter().find(|answer| answer.status != StatusCode::CREATED).unwrap();
        assert_eq!(refused.refusal(), (409, "already_exists"));
        assert!(refused.body["errors"]["effective_from"].is_array());
        assert_eq!(server.number("SELECT count(*) FROM rate_cards").await, 18);
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'rate_card.created'").await, 18);
    }

    /// Messages are charged by a new price at once, and by a later one from its day on; what was charged stays.
    async fn messages_are_charged_by_it(server) {
        let admin = server.admin().await;
        let charge = async |sid: &str| {
            let message = json!({"business_sid": "biz_test_001", "message_sid": sid, "mcc": "639", "mnc": "01", "segments": 1});
            server.charge(message).await["rating"]["total"].clone()
        };
        assert_eq!(charge("m-1").await, json!(0.02));
        assert_eq!(admin.post(CARDS, &on("2026-03-18")).await.status, StatusCode::CREATED);
        assert_eq!(charge("m-2").await, json!(0.025));
        let later = card_with(json!({"effective_from": "2026-03-20", "price_per_sms": 0.03}));
        let later = admin.post(CARDS, &later).await;
        assert_eq!(charge("m-3").await, json!(0.025));
        let changed = admin.patch(&format!("{CARDS}{}/", later.sid()), "*", &json!({"price_per_sms": 0.031})).await;
        assert_eq!(changed.status, StatusCode::OK);
        server.set_clock("2026-03-20T00:00:00Z");
        assert_eq!(charge("m-4").await, json!(0.031));
        assert_eq!(server.get("/api/billing/charges/biz_test_001/m-1/").await["rating"]["total"], json!(0.02));
    }

    /// Every sort, both ways: each row once and in order, also where rows come in between.
    async fn pages_in_every_order(server) {
        let admin = server.admin().await;
        for (number, operator) in ["\u{e9}mobile", "T-Mobile", "TMobile", "econet", "Zed", ""].into_iter().enumerate() {
            server.set_clock(&format!("2026-03-18T10:0{}:00Z", number % 3));
            let members = json!({"country_code": "ZW", "operator": operator, "networks": [], "price_per_sms": number % 2,
                "effective_from": "2024-01-01"});
            assert_eq!(admin.post(CARDS, &card_with(members)).await.status, StatusCode::CREATED);
        }
        for sort in storage::prices::rate_cards::LISTING.sorts {
            let rising = admin.walk(&format!("{CARDS}?limit=2&sort={}", sort.name)).await;
            let mut falling = admin.walk(&format!("{CARDS}?limit=7&sort=-{}", sort.name)).await;
            assert_eq!(rising.len(), 23, "{}", sort.name);
            falling.reverse();
            assert_eq!(rising, falling, "{}", sort.name);
        }
        let operators = |rows: &[Value]| -> Vec<String> {
            rows.iter().map(|row| row["operator"].as_str().unwrap().to_owned()).collect()
        };
        let expected = ["", "econet", "T-Mobile", "TMobile", "Zed", "\u{e9}mobile"];
        for query in ["country_code=ZW&limit=2", "country_code=ZW&sort=operator&limit=1"] {
            assert_eq!(operators(&admin.walk(&format!("{CARDS}?{query}")).await), expected, "{query}");
        }
        let page = admin.get(&format!("{CARDS}?limit=10")).await;
        let all = admin.walk(CARDS).await;
        admin.post(CARDS, &card_with(json!({"country_code": "AE", "networks": []}))).await;
        let rest = admin.walk(page.next.as_ref().unwrap()).await;
        assert_eq!(rest, all[10..], "nothing is shifted");
    }

    async fn search_and_filters(server) {
        let admin = server.admin().await;
        for body in [on("2026-03-19"), on("2026-04-01"), card_with(json!({"currency": "KES", "effective_from": "2020-01-01"}))] {
            assert_eq!(admin.post(CARDS, &body).await.status, StatusCode::CREATED);
        }
        for (query, expected) in [
            ("", 20),
            ("country_code=ke", 6),
            ("country_code=KE&operator=SAFARICOM", 4),
            ("operator=airtel", 5),
            ("operator=at%26t", 1),
            ("currency=kes", 1),
            ("from=2026-03-19", 2),
            ("from=2026-03-20", 1),
            ("to=2023-12-31", 1),
            ("from=2020-01-01&to=2020-01-01", 1),
            ("as_of=2026-03-18", 18),
            ("as_of=2026-03-19&operator=safaricom&currency=USD", 1),
            ("as_of=2019-12-31", 0),
            ("search=new+CONTRACT", 3),
            ("search=vodac", 1),
            ("search=ug", 2),
            ("search=%25", 0),
        ] {
            let rows = admin.walk(&format!("{CARDS}?{query}")).await;
            assert_eq!(rows.len(), expected, "{query}: {rows:?}");
        }
        let rows = admin.walk(&format!("{CARDS}?as_of=2026-03-19&operator=safaricom&currency=USD")).await;
        assert_eq!(rows[0]["effective_from"], "2026-03-19", "the newest of that day");
    }
}
