//! Tests how admins create, move, suspend and delete businesses.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;

use crate::access::rights::sid_of;
use crate::support::admin::{Admin, AdminAnswer};
use crate::support::{Server, answer, on_each_database, postgres};

const BUSINESSES: &str = "/api/admin/businesses/";

/// For credentials to be read again, and for what else the machine does.
const A_MOMENT: Duration = Duration::from_millis(1_500);

fn path(sid: &str) -> String {
    format!("{BUSINESSES}{sid}/")
}

async fn make(admin: &Admin<'_>, sid: &str, kind: &str, parent: Option<&str>) -> AdminAnswer {
    let body = json!({"sid": sid, "kind": kind, "name": format!("The {sid}"), "parent_sid": parent});
    let made = admin.post(BUSINESSES, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made
}

async fn change(admin: &Admin<'_>, sid: &str, body: Value) -> AdminAnswer {
    admin.patch(&path(sid), "*", &body).await
}

/// A chain of resellers from the top down, each below the one before.
async fn chain(admin: &Admin<'_>, sids: &[&str]) {
    let mut parent = None;
    for sid in sids {
        make(admin, sid, "RESELLER", parent).await;
        parent = Some(*sid);
    }
}

async fn audited(server: &Server, sid: &str) -> Vec<Value> {
    let log = server.as_admin(Method::GET, &format!("/api/billing/audit/?subject={sid}&sort=created_at")).await;
    answer(log).await.1.as_array().unwrap().clone()
}

on_each_database! {
    async fn made_changed_deleted(server) {
        let admin = server.admin().await;
        let actor = sid_of(server, server.admin_key().await).await;
        make(&admin, "top", "RESELLER", None).await;
        let body = json!({
            "sid": "acme", "kind": "CLIENT", "name": "Acme", "email": "Accounts@Acme.example", "address": "Moi Avenue 12",
            "country_code": "ke", "tax_id": "P05", "parent_sid": "top",
        });
        let made = admin.post(&format!("{BUSINESSES}?reason=A%20new%20client"), &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(made.body, json!({
            "sid": "acme", "kind": "CLIENT", "status": "ACTIVE", "parent_sid": "top", "name": "Acme",
            "email": "accounts@acme.example", "address": "Moi Avenue 12", "country_code": "KE", "tax_id": "P05",
            "created_at": "2026-03-18T10:00:00.000000Z", "updated_at": "2026-03-18T10:00:00.000000Z",
        }));
        let shown = admin.get(&path("acme")).await;
        assert_eq!((&shown.body, &shown.etag), (&made.body, &made.etag));
        assert!(shown.etag.is_some());

        server.set_clock("2026-03-18T11:00:00Z");
        let changes = json!({
            "name": "Acme Ltd", "email": null, "address": "", "country_code": null, "tax_id": "P06", "parent_sid": null,
            "kind": "RESELLER", "status": "SUSPENDED",
        });
        let changed = admin.patch(&format!("{}?reason=Moved", path("acme")), &made.etag.unwrap(), &changes).await;
        assert_eq!(changed.body, json!({
            "sid": "acme", "kind": "RESELLER", "status": "SUSPENDED", "name": "Acme Ltd", "address": "", "tax_id": "P06",
            "created_at": "2026-03-18T10:00:00.000000Z", "updated_at": "2026-03-18T11:00:00.000000Z",
        }), "{changed:?}");
        let etag = changed.etag.clone().unwrap();
        let again = admin.patch(&path("acme"), &etag, &changes).await;
        assert_eq!((again.status, again.etag.as_ref()), (StatusCode::OK, Some(&etag)), "nothing changes");

        let gone = admin.delete(&format!("{}?reason=A%20mistake", path("acme")), &etag).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        let missing = admin.get(&path("acme")).await;
        assert_eq!(missing.refusal(), (404, "business_not_found"));

        let log = audited(server, "acme").await;
        let deeds: Vec<&str> = log.iter().map(|deed| deed["action"].as_str().unwrap()).collect();
        assert_eq!(deeds, ["business.created", "business.changed", "business.deleted"]);
        for (deed, reason) in log.iter().zip(["A new client", "Moved", "A mistake"]) {
            assert_eq!((&deed["actor"], &deed["reason"]), (&json!(actor), &json!(reason)));
        }
        assert_eq!((&log[0]["before"], &log[0]["after"]["parent_sid"]), (&json!(null), &json!("top")));
        assert_eq!((&log[1]["before"]["status"], &log[1]["after"]["status"]), (&json!("ACTIVE"), &json!("SUSPENDED")));
        assert_eq!((&log[2]["before"]["name"], &log[2]["after"]), (&json!("Acme Ltd"), &json!(null)));
    }

    /// What cannot be made, and that nothing of it is.
    async fn bad_businesses(server) {
        let admin = server.admin().await;
        make(&admin, "client", "CLIENT", None).await;
        chain(&admin, &["r1", "r2", "r3", "r4", "r5"]).await;
        let before = server.row_counts().await;
        for (members, status, code, field) in [
            (json!({"sid": "undefined"}), 400, "invalid_business_sid", "sid"),
            (json!({"sid": "a b"}), 400, "invalid_business_sid", "sid"),
            (json!({"sid": ""}), 400, "invalid_business_sid", "sid"),
            (json!({"sid": "x".repeat(65)}), 400, "invalid_business_sid", "sid"),
            (json!({"sid": 7}), 400, "invalid_request", "sid"),
            (json!({"sid": null}), 400, "invalid_request", "sid"),
            (json!({"sid": "client"}), 409, "already_exists", "sid"),
            (json!({"sid": "client", "parent_sid": "nobody"}), 409, "already_exists", "sid"),
            (json!({"kind": "SHOP"}), 400, "invalid_request", "kind"),
            (json!({"kind": null}), 400, "invalid_request", "kind"),
            (json!({"name": ""}), 400, "invalid_request", "name"),
            (json!({"name": "x".repeat(129)}), 400, "invalid_request", "name"),
            (json!({"name": "a\u{0}b"}), 400, "invalid_request", "name"),
            (json!({"email": "nobody"}), 400, "invalid_request", "email"),
            (json!({"email": ""}), 400, "invalid_request", "email"),
            (json!({"address": "two\nlines"}), 400, "invalid_request", "address"),
            (json!({"address": "x".repeat(501)}), 400, "invalid_request", "address"),
            (json!({"country_code": "XX"}), 400, "invalid_request", "country_code"),
            (json!({"tax_id": "x".repeat(65)}), 400, "invalid_request", "tax_id"),
            (json!({"parent_sid": "null"}), 400, "invalid_business_sid", "parent_sid"),
            (json!({"parent_sid": "nobody"}), 400, "invalid_request", "parent_sid"),
            (json!({"parent_sid": "client"}), 400, "invalid_request", "parent_sid"),
            (json!({"parent_sid": "new"}), 400, "invalid_request", "parent_sid"),
            (json!({"parent_sid": "r5"}), 422, "hierarchy_too_deep", ""),
        ] {
            let mut body = json!({"sid": "new", "kind": "CLIENT", "name": "New"});
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let refused = admin.post(BUSINESSES, &body).await;
            assert_eq!(refused.refusal(), (status, code), "{members}: {refused:?}");
            assert!(field.is_empty() || refused.body["errors"][field].is_array(), "{members}: {refused:?}");
        }
        for path in [format!("{BUSINESSES}?reason={}", "x".repeat(256)), format!("{BUSINESSES}?reason=a%00b")] {
            let refused = admin.post(&path, &json!({"sid": "new", "kind": "CLIENT", "name": "New"})).await;
            assert_eq!(refused.refusal(), (400, "invalid_request"));
        }
        assert_eq!(admin.get(&path("undefined")).await.refusal(), (400, "invalid_business_sid"));
        assert_eq!(server.row_counts().await, before);
    }

    /// What cannot become of a business, and that nothing does.
    async fn bad_changes(server) {
        let admin = server.admin().await;
        chain(&admin, &["a", "b", "c"]).await;
        chain(&admin, &["x", "y", "z"]).await;
        make(&admin, "client", "CLIENT", None).await;
        make(&admin, "people", "RESELLER", None).await;
        server.user("reseller@example.com", Role::Reseller, Some("people")).await;
        make(&admin, "programs", "RESELLER", None).await;
        server.key(Role::Reseller, Some("programs")).await;
        let before = server.row_counts().await;
        for (sid, body, status, code) in [
            ("a", json!({"parent_sid": "a"}), 422, "hierarchy_cycle"),
            ("a", json!({"parent_sid": "b"}), 422, "hierarchy_cycle"),
            ("a", json!({"parent_sid": "c"}), 422, "hierarchy_cycle"),
            ("a", json!({"parent_sid": "client"}), 400, "invalid_request"),
            ("a", json!({"parent_sid": "nobody"}), 400, "invalid_request"),
            ("a", json!({"parent_sid": "a b"}), 400, "invalid_business_sid"),
            ("a", json!({"parent_sid": "z"}), 422, "hierarchy_too_deep"),
            ("a", json!({"kind": "CLIENT"}), 422, "reseller_in_use"),
            ("people", json!({"kind": "CLIENT"}), 422, "reseller_in_use"),
            ("programs", json!({"kind": "CLIENT"}), 422, "reseller_in_use"),
            ("a", json!({}), 400, "invalid_request"),
            ("a", json!({"sid": "other"}), 400, "invalid_request"),
            ("a", json!({"name": null}), 400, "invalid_request"),
            ("a", json!({"status": "DELETED"}), 400, "invalid_request"),
            ("a", json!({"status": null}), 400, "invalid_request"),
            ("a", json!([]), 400, "invalid_request"),
            ("nobody", json!({"name": "x"}), 404, "business_not_found"),
        ] {
            let refused = change(&admin, sid, body.clone()).await;
            assert_eq!(refused.refusal(), (status, code), "{sid} {body}: {refused:?}");
        }
        assert_eq!(server.row_counts().await, before);
        // What just fits: five in a chain; a reseller whose key is revoked.
        assert_eq!(change(&admin, "a", json!({"parent_sid": "y"})).await.status, StatusCode::OK);
        server.execute("UPDATE api_keys SET revoked_at = 1 WHERE role = 'reseller'").await.unwrap();
        assert_eq!(change(&admin, "programs", json!({"kind": "CLIENT"})).await.status, StatusCode::OK);
        assert_eq!(change(&admin, "x", json!({"parent_sid": "people"})).await.refusal(), (422, "hierarchy_too_deep"));
    }

    /// Only what nothing hangs on is deleted.
    async fn what_is_in_use_stays(server) {
        let admin = server.admin().await;
        chain(&admin, &["parent", "child"]).await;
        for sid in ["wallet", "people", "programs", "listed"] {
            make(&admin, sid, "CLIENT", None).await;
        }
        server.top_up("wallet", "5").await;
        server.user("a@example.com", Role::Client, Some("people")).await;
        server.key(Role::Client, Some("programs")).await;
        let limited = json!({"name": "k", "role": "gateway", "businesses": ["listed"]});
        assert_eq!(admin.post("/api/billing/keys/", &limited).await.status, StatusCode::CREATED);
        server.execute("UPDATE api_keys SET revoked_at = 1 WHERE role = 'client'").await.unwrap();
        let before = server.row_counts().await;
        for sid in ["parent", "wallet", "people", "programs", "listed"] {
            let refused = admin.delete(&path(sid), "*").await;
            assert_eq!(refused.refusal(), (422, "business_in_use"), "{sid}");
            assert!(refused.body["detail"].as_str().unwrap().contains("suspend it instead"), "{refused:?}");
        }
        assert_eq!(admin.delete(&path("nobody"), "*").await.refusal(), (404, "business_not_found"));
        assert_eq!(server.row_counts().await, before);
        for sid in ["child", "parent"] {
            assert_eq!(admin.delete(&path(sid), "*").await.status, StatusCode::NO_CONTENT, "{sid}");
        }
    }

    /// Nobody overwrites what they have not read.
    async fn no_update_is_lost(server) {
        let admin = server.admin().await;
        let made = make(&admin, "acme", "CLIENT", None).await;
        let etag = made.etag.unwrap();
        let patch = |name: &'static str| {
            let (admin, etag) = (&admin, &etag);
            async move { admin.patch(&path("acme"), etag, &json!({"name": name})).await }
        };
        let (one, two) = tokio::join!(patch("One"), patch("Two"));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{one:?} {two:?}");
        let before = server.row_counts().await;
        assert_eq!(patch("Three").await.refusal(), (412, "changed_meanwhile"));
        assert_eq!(admin.delete(&path("acme"), &etag).await.refusal(), (412, "changed_meanwhile"));
        for method in [Method::PATCH, Method::DELETE] {
            let blind = admin.send(admin.request(method, &path("acme")).json(&json!({"name": "x"}))).await;
            assert_eq!(blind.refusal(), (428, "precondition_required"));
        }
        assert_eq!(server.row_counts().await, before);
    }

    /// Every order, both ways, page by page, shows each business once; filters and the search find what they should.
    async fn listed_searched_sorted(server) {
        let admin = server.admin().await;
        make(&admin, "zeta", "RESELLER", None).await;
        for (number, (sid, country)) in [("beta", "KE"), ("alpha", "UG"), ("Gamma_100%", "KE")].into_iter().enumerate() {
            server.set_clock(&format!("2026-03-18T11:0{number}:00Z"));
            let sid = sid.trim_end_matches('%');
            let body = json!({
                "sid": sid, "kind": "CLIENT", "name": "Same name", "country_code": country, "parent_sid": "zeta",
                "email": format!("{}@example.com", sid.to_lowercase()),
            });
            assert_eq!(admin.post(BUSINESSES, &body).await.status, StatusCode::CREATED);
        }
        change(&admin, "alpha", json!({"status": "SUSPENDED"})).await;
        let total = usize::try_from(server.number("SELECT count(*) FROM businesses").await).unwrap();
        for sort in ["sid", "-sid", "name", "-name", "created_at", "-created_at"] {
            let rows = admin.walk(&format!("{BUSINESSES}?sort={sort}&limit=2")).await;
            assert_eq!(rows.len(), total, "{sort}");
            let key = sort.trim_start_matches('-');
            let mut keys: Vec<&str> = rows.iter().map(|row| row[key].as_str().unwrap()).collect();
            if sort.starts_with('-') {
                keys.reverse();
            }
            assert!(keys.is_sorted(), "{sort}: {keys:?}");
            let sids: std::collections::BTreeSet<&str> = rows.iter().map(|row| row["sid"].as_str().unwrap()).collect();
            assert_eq!(sids.len(), total, "{sort}");
        }
        for (query, expected) in [
            ("search=ALPHA", "alpha"),
            ("search=gamma_100%40ex", "Gamma_100"),
            ("search=same%20name&sort=-sid", "beta alpha Gamma_100"),
            ("search=100%25", ""),
            ("parent_sid=zeta&country_code=ke", "Gamma_100 beta"),
            ("parent_sid=nobody", ""),
            ("kind=RESELLER", "zeta"),
            ("status=SUSPENDED", "alpha"),
            ("status=ACTIVE&parent_sid=zeta", "Gamma_100 beta"),
        ] {
            let rows = admin.walk(&format!("{BUSINESSES}?{query}")).await;
            let sids: Vec<&str> = rows.iter().map(|row| row["sid"].as_str().unwrap()).collect();
            assert_eq!(sids.join(" "), expected, "{query}");
        }
        for (query, field) in [
            ("sort=email", "sort"),
            ("kind=SHOP", "kind"),
            ("country_code=XX", "country_code"),
            ("limit=0", "limit"),
            ("cursor=x", "cursor"),
        ] {
            let refused = admin.get(&format!("{BUSINESSES}?{query}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
            assert!(refused.body["errors"][field].is_array(), "{query}: {refused:?}");
        }
        let refused = admin.get(&format!("{BUSINESSES}?parent_sid=undefined")).await;
        assert_eq!(refused.refusal(), (400, "invalid_business_sid"));
    }

    /// A suspended business, and who is below it, is charged nothing from the next message on, and changes nothing
    /// within a second; both as before once the suspension ends.
    async fn suspension(server) {
        let admin = server.admin().await;
        chain(&admin, &["top", "middle"]).await;
        make(&admin, "bottom", "CLIENT", Some("middle")).await;
        server.top_up("bottom", "5").await;
        let message = |number: u8| {
            json!({"business_sid": "bottom", "message_sid": format!("m{number}"), "to": "+254712345678", "segments": 1})
        };
        server.charge(message(0)).await;
        let key = server.key(Role::Client, Some("bottom")).await;
        let make_key = || {
            let request = server.request(Method::POST, "/api/billing/keys/").bearer_auth(&key);
            answer(request.json(&json!({"name": "k", "role": "client"})))
        };
        assert_eq!(make_key().await.0, StatusCode::CREATED);
        for (number, suspended) in (1..).zip(["bottom", "middle", "top"]) {
            assert_eq!(change(&admin, suspended, json!({"status": "SUSPENDED"})).await.status, StatusCode::OK);
            let (status, problem) = server.post("/api/billing/charges/", &message(number).to_string()).await;
            assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("business_suspended")), "{suspended}");
            tokio::time::sleep(A_MOMENT).await;
            let (status, problem) = make_key().await;
            assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("business_suspended")), "{suspended}");
            assert_eq!(change(&admin, suspended, json!({"status": "ACTIVE"})).await.status, StatusCode::OK);
            server.charge(message(number)).await;
        }
        tokio::time::sleep(A_MOMENT).await;
        assert_eq!(make_key().await.0, StatusCode::CREATED);
        // A move counts like a suspension.
        make(&admin, "closed", "RESELLER", None).await;
        change(&admin, "closed", json!({"status": "SUSPENDED"})).await;
        change(&admin, "top", json!({"parent_sid": "closed"})).await;
        let (status, _) = server.post("/api/billing/charges/", &message(9).to_string()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}

/// Two moves at once, each fine by itself, make no circle and no chain that is too long; and what is deleted at once is
/// nobody's parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_at_once() {
    if !postgres::is_available() {
        return;
    }
    let url = postgres::create_database().await;
    let (one, other) = (Server::start_on_postgres(&url).await, Server::start_on_postgres(&url).await);
    let (one, other) = (one.admin().await, other.admin().await);
    for round in 0..8 {
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}{round}"));
        for sid in [&a, &b, &c] {
            make(&one, sid, "RESELLER", None).await;
        }
        let moves = [(&one, &a, &b), (&other, &b, &c), (&one, &c, &a)];
        let moves = moves.map(|(admin, sid, parent)| change(admin, sid, json!({"parent_sid": parent})));
        let outcomes: Vec<AdminAnswer> = futures_util::future::join_all(moves).await;
        let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.status != StatusCode::OK).collect();
        assert_eq!(refused.len(), 1, "{outcomes:?}");
        assert_eq!(refused[0].refusal(), (422, "hierarchy_cycle"));

        let (d, e) = (format!("d{round}"), format!("e{round}"));
        make(&one, &d, "RESELLER", None).await;
        let child = json!({"sid": e, "kind": "CLIENT", "name": "E", "parent_sid": d});
        let d_path = path(&d);
        let (made, deleted) = tokio::join!(one.post(BUSINESSES, &child), other.delete(&d_path, "*"));
        let outcomes = (made.status.as_u16(), deleted.status.as_u16());
        assert!([(201, 422), (400, 204)].contains(&outcomes), "{made:?} {deleted:?}");
    }
}

/// Who gets people or keys of a reseller at the moment does not become a client meanwhile, nor goes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_and_keys_at_once() {
    if !postgres::is_available() {
        return;
    }
    let url = postgres::create_database().await;
    let (one, other) = (Server::start_on_postgres(&url).await, Server::start_on_postgres(&url).await);
    let (one, other) = (one.admin().await, other.admin().await);
    for round in 0..8 {
        let sid = format!("r{round}");
        make(&one, &sid, "RESELLER", None).await;
        let key = json!({"name": "k", "role": "reseller", "business_sid": sid});
        let (made, changed) =
            tokio::join!(one.post("/api/billing/keys/", &key), change(&other, &sid, json!({"kind": "CLIENT"})));
        let outcomes = (made.status.as_u16(), changed.status.as_u16());
        assert!([(201, 422), (400, 200)].contains(&outcomes), "{made:?} {changed:?}");
        let sid = format!("c{round}");
        make(&one, &sid, "CLIENT", None).await;
        let (top_up, c_path) = (json!({"business_sid": sid, "amount": 1}), path(&sid));
        let (paid, deleted) = tokio::join!(one.post("/api/billing/topup/", &top_up), other.delete(&c_path, "*"));
        let outcomes = (paid.status.as_u16(), deleted.status.as_u16());
        // A wallet whose business is gone before it is there is asked for again, or makes the business anew.
        assert!([(200, 422), (200, 204), (503, 204)].contains(&outcomes), "{paid:?} {deleted:?}");
    }
}
