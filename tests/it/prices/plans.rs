//! Tests how admins create, change and delete plans.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;
use wecall_billing::storage;

use crate::support::admin::AdminAnswer;
use crate::support::{Server, on_each_database};

const PLANS: &str = "/api/admin/plans/";

fn growth() -> Value {
    json!({
        "name": "Growth", "description": "For shops", "type": "PREPAID", "base_price_per_sms": 0.048,
        "volume_tiers": [
            {"min_messages": 1, "max_messages": 5000, "price_per_sms": 0.048, "discount_percent": 0},
            {"min_messages": 5001, "max_messages": null, "price_per_sms": "0.042", "discount_percent": 12.25}
        ],
        "features": ["Delivery reports"], "card_discount_percent": 5
    })
}

/// The plan with other members.
fn growth_with(members: Value) -> Value {
    let mut plan = growth();
    for (name, value) in members.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

async fn plan_named(server: &Server, name: &str) -> AdminAnswer {
    let admin = server.admin().await;
    let plans = admin.get(&format!("{PLANS}?search={name}")).await;
    admin.get(&format!("{PLANS}{}/", plans.body[0]["sid"].as_str().unwrap())).await
}

fn path_of(plan: &AdminAnswer) -> String {
    format!("{PLANS}{}/", plan.sid())
}

async fn audited(server: &Server, action: &str) -> i64 {
    server.number(&format!("SELECT count(*) FROM audit_log WHERE action = '{action}'")).await
}

/// Members that make a plan one that cannot be made, and the field that the answer names.
type BadPlan = (fn() -> Value, &'static str);

const BAD_PLANS: &[BadPlan] = &[
    (|| json!({"name": null}), "name"),
    (|| json!({"name": ""}), "name"),
    (|| json!({"name": " Growth"}), "name"),
    (|| json!({"name": "a\u{0}b"}), "name"),
    (|| json!({"name": "x".repeat(65)}), "name"),
    (|| json!({"name": 7}), "name"),
    (|| json!({"description": "x".repeat(1_001)}), "description"),
    (|| json!({"description": "two\nlines"}), "description"),
    (|| json!({"type": "WEEKLY"}), "type"),
    (|| json!({"type": null}), "type"),
    (|| json!({"base_price_per_sms": -0.01}), "base_price_per_sms"),
    (|| json!({"base_price_per_sms": "0.0000001"}), "base_price_per_sms"),
    (|| json!({"base_price_per_sms": 1_000_001}), "base_price_per_sms"),
    (|| json!({"base_price_per_sms": null}), "base_price_per_sms"),
    (|| json!({"base_price_per_sms": "free"}), "base_price_per_sms"),
    (|| json!({"card_discount_percent": 100.01}), "card_discount_percent"),
    (|| json!({"card_discount_percent": -1}), "card_discount_percent"),
    (|| json!({"card_discount_percent": 1.001}), "card_discount_percent"),
    (|| json!({"failed_refund_percent": 101}), "failed_refund_percent"),
    (|| json!({"failed_refund_percent": null}), "failed_refund_percent"),
    (|| json!({"features": "none"}), "features"),
    (|| json!({"features": ["fine", ""]}), "features[1]"),
    (|| json!({"features": ["x".repeat(256)]}), "features[0]"),
    (|| json!({"features": vec!["x"; 101]}), "features"),
    (|| json!({"volume_tiers": null}), "volume_tiers"),
    (|| json!({"volume_tiers": {"min_messages": 1}}), "volume_tiers"),
    (|| json!({"volume_tiers": [{"price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": 1}]}), "volume_tiers[0].price_per_sms"),
    (|| json!({"volume_tiers": [{"min_messages": 1.5, "price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": "1", "price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": null, "price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": 0, "price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": 2, "price_per_sms": 1}]}), "volume_tiers[0].min_messages"),
    (|| json!({"volume_tiers": [{"min_messages": 1, "price_per_sms": -1}]}), "volume_tiers[0].price_per_sms"),
    (|| json!({"volume_tiers": [{"min_messages": 1, "price_per_sms": 0.0000001}]}), "volume_tiers[0].price_per_sms"),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "price_per_sms": 1, "discount_percent": 101}]}),
        "volume_tiers[0].discount_percent",
    ),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "max_messages": 9, "price_per_sms": 1}]}),
        "volume_tiers[0].max_messages",
    ),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "price_per_sms": 1}, {"min_messages": 2, "price_per_sms": 1}]}),
        "volume_tiers[0].max_messages",
    ),
    // A gap, an overlap, an end before its beginning, an end beyond counting.
    (
        || json!({"volume_tiers": [{"min_messages": 1, "max_messages": 9, "price_per_sms": 1}, {"min_messages": 11, "price_per_sms": 1}]}),
        "volume_tiers[1].min_messages",
    ),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "max_messages": 9, "price_per_sms": 1}, {"min_messages": 9, "price_per_sms": 1}]}),
        "volume_tiers[1].min_messages",
    ),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "max_messages": 0, "price_per_sms": 1}, {"min_messages": 1, "price_per_sms": 1}]}),
        "volume_tiers[0].max_messages",
    ),
    (
        || json!({"volume_tiers": [{"min_messages": 1, "max_messages": i64::MAX, "price_per_sms": 1}, {"min_messages": 2, "price_per_sms": 1}]}),
        "volume_tiers[0].max_messages",
    ),
];

const BAD_LISTS: &[(&str, &str)] = &[
    ("sort=id", "sort"),
    ("sort=name,type", "sort"),
    ("sort=name;DROP", "sort"),
    ("limit=0", "limit"),
    ("limit=1001", "limit"),
    ("cursor=c5", "cursor"),
    ("cursor=WyJuYW1lIix7Im4iOjV9LDFd", "cursor"), // a number where the list is sorted by a text
    ("sort=-name&cursor=WyJuYW1lIix7InQiOiJTdGFydGVyIn0sMV0", "cursor"), // of the other order
    ("search=%00", "search"),
    ("type=WEEKLY", "type"),
    ("search=a&search=b", "search"),
];

on_each_database! {
    async fn made_changed_and_deleted(server) {
        let admin = server.admin().await;
        let made = admin.post(&format!("{PLANS}?reason=New%20offer"), &growth()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(made.body["volume_tiers"], json!([
            {"min_messages": 1, "max_messages": 5000, "price_per_sms": 0.048},
            {"min_messages": 5001, "price_per_sms": 0.042, "discount_percent": 12.25},
        ]));
        assert_eq!((&made.body["failed_refund_percent"], &made.body["card_discount_percent"]), (&json!(100), &json!(5)));
        let path = path_of(&made);
        let read = admin.get(&path).await;
        assert_eq!((&read.body, &read.etag), (&made.body, &made.etag), "read as it was answered");
        assert_eq!(server.get("/api/billing/pricing-plans/").await[3], made.body, "and as everybody sees it");

        server.set_clock("2026-03-18T11:00:00Z");
        let changed = admin.patch(&path, made.etag.as_ref().unwrap(), &json!({"base_price_per_sms": 0.05, "volume_tiers": []})).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        assert_ne!(changed.etag, made.etag);
        let mut expected = made.body.clone();
        expected["base_price_per_sms"] = json!(0.05);
        expected["volume_tiers"] = json!([]);
        expected["updated_at"] = json!("2026-03-18T11:00:00.000000Z");
        assert_eq!(changed.body, expected, "what was left out stays");
        assert_eq!(admin.get(&path).await.etag, changed.etag);

        let gone = admin.delete(&path, changed.etag.as_ref().unwrap()).await;
        assert_eq!((gone.status, gone.body), (StatusCode::NO_CONTENT, Value::Null));
        assert_eq!(admin.get(&path).await.refusal(), (404, "plan_not_found"));
        assert_eq!(admin.delete(&path, "*").await.refusal(), (404, "plan_not_found"));
        assert_eq!(admin.patch(&path, "*", &json!({"name": "x"})).await.refusal(), (404, "plan_not_found"));
        for action in ["plan.changed", "plan.deleted"] {
            assert_eq!(audited(server, action).await, 1, "{action}");
        }
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'plan.created' AND reason = 'New offer' AND actor LIKE 'key_%' \
                     AND before IS NULL AND CAST(after AS TEXT) LIKE '%Growth%'";
        assert_eq!(server.number(noted).await, 1);
    }

    async fn only_admins(server) {
        let gateway = server.key(Role::Gateway, None).await;
        let plan = plan_named(server, "Enterprise").await;
        let before = server.row_counts().await;
        let one = path_of(&plan);
        let export = format!("{PLANS}export/");
        for (method, path) in [
            (Method::GET, PLANS), (Method::POST, PLANS), (Method::GET, &*one), (Method::PATCH, &*one),
            (Method::DELETE, &*one), (Method::GET, &*export),
        ] {
            let nobody = server.request(method.clone(), path).header("if-match", "*").send().await.unwrap();
            assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            let other = server.request(method.clone(), path).header("if-match", "*").bearer_auth(&gateway);
            assert_eq!(other.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{method} {path}");
        }
        assert_eq!(server.row_counts().await, before);
    }

    async fn bad_plans(server) {
        let admin = server.admin().await;
        let plan = plan_named(server, "Enterprise").await;
        let before = server.row_counts().await;
        for (members, field) in BAD_PLANS {
            let members = members();
            let made = admin.post(PLANS, &growth_with(members.clone())).await;
            assert_eq!(made.refusal(), (400, "invalid_request"), "{members}: {made:?}");
            assert!(made.body["errors"][field].is_array(), "{members} names no {field}: {made:?}");
            let changed = admin.patch(&path_of(&plan), "*", &members).await;
            assert_eq!(changed.refusal(), (400, "invalid_request"), "{members}: {changed:?}");
            assert!(changed.body["errors"][field].is_array(), "{members} names no {field}: {changed:?}");
        }
        for missing in ["name", "type", "base_price_per_sms"] {
            let mut plan = growth();
            plan.as_object_mut().unwrap().remove(missing);
            assert!(admin.post(PLANS, &plan).await.body["errors"][missing].is_array(), "{missing}");
        }
        let twice = admin.post(PLANS, &growth_with(json!({"base_price_per_sms": -1, "features": [""]}))).await;
        assert_eq!(twice.body["errors"].as_object().unwrap().len(), 2, "all at once: {twice:?}");
        let nothing = admin.patch(&path_of(&plan), "*", &json!({"base_price": 1})).await;
        assert_eq!(nothing.refusal(), (400, "invalid_request"), "a field that is misspelt");
        for (query, field) in BAD_LISTS {
            let list = admin.get(&format!("{PLANS}?{query}")).await;
            assert_eq!(list.refusal(), (400, "invalid_request"), "{query}: {list:?}");
            assert!(list.body["errors"][field].is_array(), "{query}: {list:?}");
        }
        for sid in ["x", "plan_1", "rate_00000000000000000000000000000000", "%FF", "undefined"] {
            let read = admin.get(&format!("{PLANS}{sid}/")).await;
            assert_eq!(read.refusal(), (400, "invalid_request"), "{sid}: {read:?}");
            assert!(read.body["errors"]["plan_sid"].is_array(), "{sid}: {read:?}");
        }
        let text = admin.request(Method::POST, PLANS).header("content-type", "text/plain").body("x");
        assert_eq!(admin.send(text).await.refusal(), (415, "unsupported_media_type"));
        assert_eq!(server.row_counts().await, before);
        assert_eq!(plan_named(server, "Enterprise").await.etag, plan.etag);
    }

    /// Who has not read it, or read what it was before, changes nothing.
    async fn nobody_overwrites_what_they_have_not_seen(server) {
        let admin = server.admin().await;
        let plan = plan_named(server, "Enterprise").await;
        let (path, etag) = (path_of(&plan), plan.etag.clone().unwrap());
        let before = server.row_counts().await;
        for (method, body) in [(Method::PATCH, "{\"name\": \"x\"}"), (Method::DELETE, "")] {
            let request = |value: Option<&str>| {
                let request = admin.request(method.clone(), &path).header("content-type", "application/json").body(body);
                match value {
                    Some(value) => request.header("if-match", value.to_owned()),
                    None => request,
                }
            };
            assert_eq!(admin.send(request(None)).await.refusal(), (428, "precondition_required"));
            assert_eq!(admin.send(request(Some("abc"))).await.refusal(), (400, "invalid_request"));
            let other = format!("\"{}\"", "0".repeat(32));
            for stale in [&*other, "\"abc\"", &format!("W/{etag}")] {
                assert_eq!(admin.send(request(Some(stale))).await.refusal(), (412, "changed_meanwhile"), "{stale}");
            }
        }
        assert_eq!(server.row_counts().await, before);
        let list = format!("\"abc\", {etag}");
        assert_eq!(admin.patch(&path, &list, &json!({"name": "Business"})).await.status, StatusCode::OK);
        assert_eq!(admin.patch(&path, &etag, &json!({"name": "Else"})).await.refusal(), (412, "changed_meanwhile"));
    }

    /// Twenty who read the same: one of them changes it.
    async fn one_of_many_writers_wins(server) {
        let admin = server.admin().await;
        let plan = plan_named(server, "Enterprise").await;
        let (path, etag) = (path_of(&plan), plan.etag.clone().unwrap());
        let changes: Vec<Value> = (1..=20).map(|number| json!({"base_price_per_sms": number})).collect();
        let answers = futures_util::future::join_all(changes.iter().map(|change| admin.patch(&path, &etag, change))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
        let winner = answers.iter().find(|answer| answer.status == StatusCode::OK).unwrap();
        assert_eq!(admin.get(&path).await.body, winner.body);
        assert_eq!(audited(server, "plan.changed").await, 1);
    }

    /// Twenty plans of one name at once: one is made.
    async fn a_name_is_one_plans(server) {
        let admin = server.admin().await;
        let plan = growth();
        let answers = futures_util::future::join_all((0..20).map(|_| admin.post(PLANS, &plan))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        let refused = answers.iter().find(|answer| answer.status != StatusCode::CREATED).unwrap();
        assert_eq!(refused.refusal(), (409, "already_exists"));
        assert!(refused.body["errors"]["name"].is_array());
        let other = plan_named(server, "Enterprise").await;
        let renamed = admin.patch(&path_of(&other), "*", &json!({"name": "Growth"})).await;
        assert_eq!(renamed.refusal(), (409, "already_exists"));
        assert_eq!(server.number("SELECT count(*) FROM pricing_plans").await, 4);
        assert_eq!(server.number("SELECT count(*) FROM volume_tiers").await, 8, "and its tiers once");
        assert_eq!(audited(server, "plan.created").await, 4);
    }

    /// What wallets have, and what new ones get, stays.
    async fn what_wallets_need_stays(server) {
        let admin = server.admin().await;
        let starter = plan_named(server, "Starter").await;
        let before = server.row_counts().await;
        assert_eq!(admin.delete(&path_of(&starter), "*").await.refusal(), (422, "plan_in_use"));
        for change in [json!({"type": "POSTPAID"}), json!({"name": "Beginner"})] {
            assert_eq!(admin.patch(&path_of(&starter), "*", &change).await.refusal(), (422, "default_plan"), "{change}");
        }
        let enterprise = plan_named(server, "Enterprise").await;
        assert_eq!(server.row_counts().await, before);
        server.execute("UPDATE wallets SET pricing_plan_id = NULL").await.unwrap();
        assert_eq!(admin.delete(&path_of(&starter), "*").await.refusal(), (422, "default_plan"));
        assert_eq!(admin.delete(&path_of(&enterprise), "*").await.status, StatusCode::NO_CONTENT);
        assert_eq!(server.number("SELECT count(*) FROM volume_tiers").await, 6);
    }

    async fn what_changes_nothing_leaves_no_trace(server) {
        let admin = server.admin().await;
        let plan = plan_named(server, "Enterprise").await;
        let before = server.row_counts().await;
        server.set_clock("2026-03-18T12:00:00Z");
        let same = admin.patch(&path_of(&plan), plan.etag.as_ref().unwrap(), &plan.body).await;
        assert_eq!((same.status, &same.body, &same.etag), (StatusCode::OK, &plan.body, &plan.etag));
        assert_eq!(server.row_counts().await, before);
    }

    /// The next message is charged by the new price, and what was charged stays.
    async fn messages_are_charged_by_it_at_once(server) {
        let admin = server.admin().await;
        let message = |sid: &str| json!({"business_sid": "biz_test_001", "message_sid": sid, "country_code": "KE",
            "operator": "Telkom", "segments": 1});
        let first = server.charge(message("m-1")).await;
        assert_eq!((&first["rating"]["parts"][0]["rule"], &first["rating"]["total"]), (&json!("PLAN_TIER"), &json!(0.05)));
        let starter = plan_named(server, "Starter").await;
        let tiers = json!([{"min_messages": 1, "price_per_sms": 0.061}]);
        let changed = admin.patch(&path_of(&starter), "*", &json!({"volume_tiers": tiers})).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        let second = server.charge(message("m-2")).await;
        assert_eq!(second["rating"]["total"], json!(0.061));
        let shown = server.get("/api/billing/charges/biz_test_001/m-1/").await;
        assert_eq!(shown["rating"]["total"], json!(0.05));
    }

    /// Every sort, both ways, two rows a page: each row once, in order, also where rows come in between.
    async fn pages_in_every_order(server) {
        let admin = server.admin().await;
        for number in 1..=9_i64 {
            server.set_clock(&format!("2026-03-18T10:0{}:00Z", number % 4));
            let members = json!({"name": format!("Plan {}", (number * 7) % 9), "base_price_per_sms": number % 3,
                "type": if number % 2 == 0 { "PREPAID" } else { "POSTPAID" }});
            assert_eq!(admin.post(PLANS, &growth_with(members)).await.status, StatusCode::CREATED);
        }
        for sort in storage::prices::plans::LISTING.sorts {
            let rising = admin.walk(&format!("{PLANS}?limit=2&sort={}", sort.name)).await;
            let mut falling = admin.walk(&format!("{PLANS}?limit=5&sort=-{}", sort.name)).await;
            assert_eq!(rising.len(), 12, "{}", sort.name);
            falling.reverse();
            assert_eq!(rising, falling, "{}", sort.name);
            let by = |row: &Value| row[sort.name].as_str().map(str::to_owned).unwrap_or_else(|| format!("{:020}", (row[sort.name].as_f64().unwrap() * 1e6) as i64));
            assert!(rising.is_sorted_by_key(by), "{}: {rising:?}", sort.name);
        }
        let default = admin.walk(&format!("{PLANS}?limit=3")).await;
        assert_eq!(default, admin.walk(&format!("{PLANS}?sort=name")).await);
        let page = admin.get(&format!("{PLANS}?limit=6")).await;
        admin.post(PLANS, &growth_with(json!({"name": "AAA, before all others"}))).await;
        let rest = admin.get(page.next.as_ref().unwrap()).await;
        assert_eq!(rest.body.as_array().unwrap()[..], default[6..], "nothing is shifted");
        assert!(rest.next.is_none());
    }

    async fn search_and_filters(server) {
        let admin = server.admin().await;
        let named = json!({"name": "50 % off_\\", "description": "Für «Größe»", "type": "POSTPAID"});
        admin.post(PLANS, &growth_with(named)).await;
        for (query, expected) in [
            ("search=STARTER", vec!["Starter"]),
            ("search=on+invoice", vec!["Enterprise"]),
            ("search=%25", vec!["50 % off_\\"]),
            ("search=50+%25+OFF_%5C", vec!["50 % off_\\"]),
            ("search=50+_", vec![]),
            ("search=F%C3%BCr+%C2%ABGr%C3%B6%C3%9Fe", vec!["50 % off_\\"]),
            ("type=postpaid", vec!["50 % off_\\", "Enterprise"]),
            ("type=POSTPAID&search=enter", vec!["Enterprise"]),
            ("search=nothing+has+this", vec![]),
            ("search=&type=&sort=", vec!["50 % off_\\", "Enterprise", "Professional", "Starter"]),
        ] {
            let plans = admin.get(&format!("{PLANS}?{query}")).await;
            let names: Vec<&str> = plans.body.as_array().unwrap().iter().map(|plan| plan["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected, "{query}");
        }
    }
}
