//! Tests how admins create, change and delete users.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::rights::{business, sid_of};
use crate::support::admin::{Admin, AdminAnswer};
use crate::support::{PASSWORD, Server, answer, on_each_database, postgres};

const USERS: &str = "/api/admin/users/";
const ME: &str = "/api/auth/me/";
const PAGE: &str = "http://localhost:3000";

async fn make(admin: &Admin<'_>, email: &str, role: &str, business: Option<&str>) -> AdminAnswer {
    let body = json!({"email": email, "name": "Asha", "role": role, "business_sid": business, "password": PASSWORD});
    let made = admin.post(USERS, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made
}

fn path(user: &AdminAnswer) -> String {
    format!("{USERS}{}/", user.sid())
}

async fn change(admin: &Admin<'_>, user: &AdminAnswer, body: Value) -> AdminAnswer {
    admin.patch(&path(user), "*", &body).await
}

/// What the server takes the holder of a cookie for.
async fn who(server: &Server, cookie: &str) -> Value {
    answer(server.request(Method::GET, ME).header("cookie", cookie)).await.1["role"].clone()
}

async fn log_in(server: &Server, email: &str, password: &str) -> StatusCode {
    let body = json!({"email": email, "password": password});
    answer(server.request(Method::POST, "/api/auth/login/").json(&body)).await.0
}

/// By a login instead of a key; status and code of the answer.
async fn by_login(server: &Server, cookie: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = server.request(method, path).header("cookie", cookie).header("origin", PAGE).header("if-match", "*");
    let (status, answer) = answer(request.json(&body)).await;
    (status.as_u16(), answer["code"].clone())
}

async fn audited(server: &Server, user: &AdminAnswer) -> Vec<Value> {
    let address = format!("/api/billing/audit/?subject={}&sort=created_at", user.sid());
    let log = answer(server.as_admin(Method::GET, &address).await).await.1;
    log.as_array().unwrap().iter().filter(|deed| deed["action"] != "user.logged_in").cloned().collect()
}

on_each_database! {
    async fn made_changed_deleted(server) {
        let admin = server.admin().await;
        let actor = sid_of(server, server.admin_key().await).await;
        business(server, "r", "RESELLER", "ACTIVE", None).await;
        let body = json!({
            "email": " Asha@Example.com", "name": "Asha", "role": "reseller", "business_sid": "r", "password": PASSWORD,
        });
        let made = admin.post(&format!("{USERS}?reason=Hired"), &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let at = "2026-03-18T10:00:00.000000Z";
        assert_eq!(made.body, json!({
            "sid": made.sid(), "email": "asha@example.com", "name": "Asha", "role": "reseller", "business_sid": "r",
            "status": "ACTIVE", "password_changed_at": at, "created_at": at, "updated_at": at,
        }));
        assert_eq!(log_in(server, "asha@example.com", PASSWORD).await, StatusCode::OK);
        let shown = admin.get(&path(&made)).await;
        assert_eq!((&shown.etag, &shown.body["last_login_at"]), (&made.etag, &json!(at)), "a login is no change");

        server.set_clock("2026-03-18T11:00:00Z");
        let etag = made.etag.clone().unwrap();
        let changes = json!({"name": "Asha M.", "role": "admin", "business_sid": null});
        let changed = admin.patch(&format!("{}?reason=Promoted", path(&made)), &etag, &changes).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        assert_eq!((&changed.body["role"], &changed.body["business_sid"]), (&json!("admin"), &json!(null)));
        assert_eq!(changed.body["updated_at"], "2026-03-18T11:00:00.000000Z");
        let etag = changed.etag.clone().unwrap();
        let again = admin.patch(&path(&made), &etag, &changes).await;
        assert_eq!((again.status, again.etag.as_ref()), (StatusCode::OK, Some(&etag)), "nothing changes");

        make(&admin, "other@example.com", "admin", None).await;
        let gone = admin.delete(&format!("{}?reason=Left", path(&made)), &etag).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        assert_eq!(admin.get(&path(&made)).await.refusal(), (404, "user_not_found"));
        assert_eq!(log_in(server, "asha@example.com", PASSWORD).await, StatusCode::UNAUTHORIZED);

        let log = audited(server, &made).await;
        let deeds: Vec<&str> = log.iter().map(|deed| deed["action"].as_str().unwrap()).collect();
        assert_eq!(deeds, ["user.created", "user.changed", "user.deleted"]);
        for (deed, reason) in log.iter().zip(["Hired", "Promoted", "Left"]) {
            assert_eq!((&deed["actor"], &deed["reason"]), (&json!(actor), &json!(reason)));
        }
        assert_eq!((&log[1]["before"]["role"], &log[1]["after"]["role"]), (&json!("reseller"), &json!("admin")));
        assert_eq!((&log[2]["before"]["name"], &log[2]["after"]), (&json!("Asha M."), &json!(null)));
        let hidden = "SELECT count(*) FROM audit_log WHERE CAST(after AS TEXT) LIKE '%argon2%' \
                      OR CAST(after AS TEXT) LIKE '%battery%'";
        assert_eq!(server.number(hidden).await, 0);
    }

    /// What cannot be made or become of a user, and that nothing of it does.
    async fn bad_users(server) {
        let admin = server.admin().await;
        business(server, "r", "RESELLER", "ACTIVE", None).await;
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        let user = make(&admin, "asha@example.com", "client", Some("c")).await;
        let before = server.row_counts().await;
        for (members, status, code, field) in [
            (json!({"email": "nobody"}), 400, "invalid_request", "email"),
            (json!({"email": null}), 400, "invalid_request", "email"),
            (json!({"email": "ASHA@example.com"}), 409, "already_exists", "email"),
            (json!({"name": ""}), 400, "invalid_request", "name"),
            (json!({"name": "a\nb"}), 400, "invalid_request", "name"),
            (json!({"name": "x".repeat(65)}), 400, "invalid_request", "name"),
            (json!({"role": "root"}), 400, "invalid_request", "role"),
            (json!({"role": "gateway"}), 400, "invalid_request", "role"),
            (json!({"role": "gateway", "business_sid": null}), 400, "invalid_request", "role"),
            (json!({"role": "admin"}), 400, "invalid_request", "business_sid"),
            (json!({"role": "reseller"}), 400, "invalid_request", "role"),
            (json!({"business_sid": null}), 400, "invalid_request", "business_sid"),
            (json!({"business_sid": "nobody"}), 400, "invalid_request", "business_sid"),
            (json!({"business_sid": "undefined"}), 400, "invalid_business_sid", "business_sid"),
            (json!({"password": "short"}), 400, "invalid_request", "password"),
            (json!({"password": "new@example.com"}), 400, "invalid_request", "password"),
            (json!({"password": "a".repeat(20)}), 400, "invalid_request", "password"),
            (json!({"password": "x".repeat(257)}), 400, "invalid_request", "password"),
            (json!({"password": null}), 400, "invalid_request", "password"),
        ] {
            let mut body =
                json!({"email": "new@example.com", "name": "N", "role": "client", "business_sid": "c", "password": PASSWORD});
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let refused = admin.post(USERS, &body).await;
            assert_eq!(refused.refusal(), (status, code), "{members}: {refused:?}");
            assert!(refused.body["errors"][field].is_array(), "{members}: {refused:?}");
        }
        for (body, code) in [
            (json!({}), "invalid_request"),
            (json!({"email": "other@example.com"}), "invalid_request"),
            (json!({"password": PASSWORD}), "invalid_request"),
            (json!({"name": null}), "invalid_request"),
            (json!({"status": "GONE"}), "invalid_request"),
            (json!({"role": "gateway"}), "invalid_request"),
            (json!({"role": "admin"}), "invalid_request"),
            (json!({"role": "reseller"}), "invalid_request"),
            (json!({"business_sid": null}), "invalid_request"),
            (json!({"business_sid": "nobody"}), "invalid_request"),
            (json!({"business_sid": "a b"}), "invalid_business_sid"),
        ] {
            let refused = change(&admin, &user, body.clone()).await;
            assert_eq!(refused.refusal(), (400, code), "{body}: {refused:?}");
        }
        for password in [json!("short"), json!("asha@example.com"), json!(null), json!(7)] {
            let refused = admin.post(&format!("{}password/", path(&user)), &json!({"password": password})).await;
            assert_eq!(refused.refusal(), (400, "invalid_request"), "{password}");
            assert!(refused.body["errors"]["password"].is_array(), "{refused:?}");
        }
        let nobody = format!("{USERS}user_{}/", "0".repeat(32));
        assert_eq!(admin.get(&nobody).await.refusal(), (404, "user_not_found"));
        assert_eq!(admin.patch(&nobody, "*", &json!({"name": "x"})).await.refusal(), (404, "user_not_found"));
        assert_eq!(admin.delete(&nobody, "*").await.refusal(), (404, "user_not_found"));
        let set = admin.post(&format!("{nobody}password/"), &json!({"password": PASSWORD})).await;
        assert_eq!(set.refusal(), (404, "user_not_found"));
        let wrong = admin.get(&format!("{USERS}asha/")).await;
        assert!(wrong.status == StatusCode::BAD_REQUEST && wrong.body["errors"]["user_sid"].is_array(), "{wrong:?}");
        assert_eq!(server.row_counts().await, before);
    }

    /// Who is disabled, becomes another's or something else, or is deleted, is out at once; a new name changes nothing.
    async fn sessions_end(server) {
        let admin = server.admin().await;
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        business(server, "r", "RESELLER", "ACTIVE", None).await;
        let user = make(&admin, "asha@example.com", "client", Some("c")).await;
        let other = make(&admin, "juma@example.com", "client", Some("c")).await;
        let bystander = server.login("juma@example.com").await;
        for (changes, is_out) in [
            (json!({"name": "Asha M."}), false),
            (json!({"business_sid": "r"}), true),
            (json!({"role": "reseller"}), true),
            (json!({"status": "DISABLED"}), true),
        ] {
            let cookie = server.login("asha@example.com").await;
            assert_ne!(who(server, &cookie).await, json!(null));
            assert_eq!(change(&admin, &user, changes.clone()).await.status, StatusCode::OK, "{changes}");
            assert_eq!(who(server, &cookie).await.is_null(), is_out, "{changes}");
        }
        assert_eq!(log_in(server, "asha@example.com", PASSWORD).await, StatusCode::UNAUTHORIZED);
        assert_eq!(change(&admin, &user, json!({"status": "ACTIVE"})).await.status, StatusCode::OK);
        let cookie = server.login("asha@example.com").await;
        assert_eq!(who(server, &cookie).await, "reseller");
        assert_eq!(admin.delete(&path(&user), "*").await.status, StatusCode::NO_CONTENT);
        assert_eq!(who(server, &cookie).await, json!(null));
        assert_eq!(who(server, &bystander).await, "client");
        assert_eq!(admin.delete(&path(&other), "*").await.status, StatusCode::NO_CONTENT);
        assert_eq!(server.number("SELECT count(*) FROM sessions").await, 0);
    }

    /// An admin's password for somebody works at once, the old one and its sessions no longer, whoever guessed before.
    async fn a_password_is_set(server) {
        let admin = server.admin().await;
        let user = make(&admin, "asha@example.com", "admin", None).await;
        let cookie = server.login("asha@example.com").await;
        for _ in 0..11 {
            log_in(server, "asha@example.com", "a wrong password").await;
        }
        assert_eq!(log_in(server, "asha@example.com", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
        server.set_clock("2026-03-18T10:05:00Z");
        let set = admin.post(&format!("{}password/?reason=Forgot", path(&user)), &json!({"password": "a new sentence"})).await;
        assert_eq!(set.status, StatusCode::NO_CONTENT, "{set:?}");
        assert_eq!(who(server, &cookie).await, json!(null));
        assert_eq!(log_in(server, "asha@example.com", "a new sentence").await, StatusCode::OK);
        assert_eq!(log_in(server, "asha@example.com", PASSWORD).await, StatusCode::UNAUTHORIZED);
        let shown = admin.get(&path(&user)).await;
        assert_eq!(shown.body["password_changed_at"], "2026-03-18T10:05:00.000000Z");
        assert_ne!(shown.etag, user.etag);
        let log = audited(server, &user).await;
        let deed = log.last().unwrap();
        assert_eq!((&deed["action"], &deed["reason"]), (&json!("user.password_set"), &json!("Forgot")));
        assert_eq!(deed["after"], json!({"sessions_ended": 1}));
    }

    async fn no_update_is_lost(server) {
        let admin = server.admin().await;
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        let user = make(&admin, "asha@example.com", "client", Some("c")).await;
        let (path, etag) = (path(&user), user.etag.clone().unwrap());
        let patch = |name: &'static str| {
            let (admin, path, etag) = (&admin, &path, &etag);
            async move { admin.patch(path, etag, &json!({"name": name})).await }
        };
        let (one, two) = tokio::join!(patch("One"), patch("Two"));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{one:?} {two:?}");
        let before = server.row_counts().await;
        assert_eq!(patch("Three").await.refusal(), (412, "changed_meanwhile"));
        assert_eq!(admin.delete(&path, &etag).await.refusal(), (412, "changed_meanwhile"));
        for method in [Method::PATCH, Method::DELETE] {
            let blind = admin.send(admin.request(method, &path).json(&json!({"name": "x"}))).await;
            assert_eq!(blind.refusal(), (428, "precondition_required"));
        }
        assert_eq!(server.row_counts().await, before);
    }

    /// Somebody who can administer is left, whoever asks; and nobody takes that from themselves.
    async fn the_last_admin(server) {
        let admin = server.admin().await;
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        let asha = make(&admin, "asha@example.com", "admin", None).await;
        let juma = make(&admin, "juma@example.com", "admin", None).await;
        assert_eq!(change(&admin, &juma, json!({"status": "DISABLED"})).await.status, StatusCode::OK);
        let cookie = server.login("asha@example.com").await;
        let before = server.row_counts().await;
        let losses = [json!({"status": "DISABLED"}), json!({"role": "client", "business_sid": "c"})];
        for loss in &losses {
            let refused = change(&admin, &asha, loss.clone()).await;
            assert_eq!(refused.refusal(), (422, "last_admin"), "{loss}: {refused:?}");
        }
        assert_eq!(admin.delete(&path(&asha), "*").await.refusal(), (422, "last_admin"));
        assert_eq!(server.row_counts().await, before);
        assert_eq!(change(&admin, &juma, json!({"status": "ACTIVE"})).await.status, StatusCode::OK);
        let before = server.row_counts().await;
        let own = path(&asha);
        for loss in &losses {
            let refused = by_login(server, &cookie, Method::PATCH, &own, loss.clone()).await;
            assert_eq!(refused, (422, json!("own_user")), "{loss}");
        }
        assert_eq!(by_login(server, &cookie, Method::DELETE, &own, json!({})).await, (422, json!("own_user")));
        assert_eq!(server.row_counts().await, before);
        assert_eq!(by_login(server, &cookie, Method::PATCH, &own, json!({"name": "Me"})).await.0, 200);
        let other = path(&juma);
        assert_eq!(by_login(server, &cookie, Method::PATCH, &other, losses[1].clone()).await.0, 200);
        assert_eq!(admin.delete(&own, "*").await.refusal(), (422, "last_admin"));
    }

    /// Of many who take the right from each other at once, one keeps it.
    async fn the_last_admin_of_many(server) {
        let admin = server.admin().await;
        let mut users = Vec::new();
        for number in 0..6 {
            users.push(make(&admin, &format!("{number}@example.com"), "admin", None).await);
        }
        let losses = users.iter().enumerate().map(|(number, user)| {
            let (admin, path) = (&admin, path(user));
            async move {
                match number % 2 {
                    0 => admin.delete(&path, "*").await,
                    _ => admin.patch(&path, "*", &json!({"status": "DISABLED"})).await,
                }
            }
        });
        let outcomes = futures_util::future::join_all(losses).await;
        let refused: Vec<_> = outcomes.iter().filter(|outcome| !outcome.status.is_success()).collect();
        assert_eq!(refused.len(), 1, "{outcomes:?}");
        assert_eq!(refused[0].refusal(), (422, "last_admin"));
        assert_eq!(server.number("SELECT count(*) FROM users WHERE role = 'admin' AND status = 'ACTIVE'").await, 1);
    }

    /// Every order, both ways, page by page, shows each user once; filters and the search find what they should.
    async fn listed_searched_sorted(server) {
        let admin = server.admin().await;
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        business(server, "r", "RESELLER", "ACTIVE", None).await;
        for (number, (email, role, owner)) in [
            ("beta@example.com", "client", Some("c")),
            ("alpha@example.com", "admin", None),
            ("delta@example.com", "reseller", Some("r")),
            ("gamma@example.com", "client", Some("r")),
        ]
        .into_iter()
        .enumerate()
        {
            // Two at the same time.
            server.set_clock(&format!("2026-03-18T11:0{}:00Z", number / 2));
            make(&admin, email, role, owner).await;
        }
        server.execute("UPDATE users SET status = 'DISABLED', name = '100%' WHERE email = 'gamma@example.com'").await.unwrap();
        for sort in ["email", "-email", "created_at", "-created_at"] {
            let rows = admin.walk(&format!("{USERS}?sort={sort}&limit=1")).await;
            let mut keys: Vec<&str> =
                rows.iter().map(|row| row[sort.trim_start_matches('-')].as_str().unwrap()).collect();
            if sort.starts_with('-') {
                keys.reverse();
            }
            assert!(keys.is_sorted(), "{sort}: {keys:?}");
            let sids: std::collections::BTreeSet<&str> = rows.iter().map(|row| row["sid"].as_str().unwrap()).collect();
            assert_eq!((rows.len(), sids.len()), (4, 4), "{sort}");
        }
        for (query, expected) in [
            ("", "alpha beta delta gamma"),
            ("search=ALPHA", "alpha"),
            ("search=asha&sort=-email", "delta beta alpha"),
            ("search=%25", "gamma"),
            ("role=client", "beta gamma"),
            ("role=client&business_sid=r", "gamma"),
            ("business_sid=nobody", ""),
            ("status=DISABLED", "gamma"),
        ] {
            let rows = admin.walk(&format!("{USERS}?{query}")).await;
            let names: Vec<&str> = rows.iter().map(|row| row["email"].as_str().unwrap().split('@').next().unwrap()).collect();
            assert_eq!(names.join(" "), expected, "{query}");
        }
        for (query, field) in [("sort=name", "sort"), ("role=root", "role"), ("status=GONE", "status"), ("cursor=x", "cursor")] {
            let refused = admin.get(&format!("{USERS}?{query}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
            assert!(refused.body["errors"][field].is_array(), "{query}: {refused:?}");
        }
    }
}

/// A login that another server ends is over here within a second, and a password that is set while somebody logs in by
/// the old one lets nobody in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_servers_notice() {
    if !postgres::is_available() {
        return;
    }
    let url = postgres::create_database().await;
    let (one, other) = (Server::start_on_postgres(&url).await, Server::start_on_postgres(&url).await);
    let admin = one.admin().await;
    make(&admin, "keeper@example.com", "admin", None).await;
    let user = make(&admin, "asha@example.com", "admin", None).await;
    let cookie = other.login("asha@example.com").await;
    assert_eq!(who(&other, &cookie).await, "admin");
    assert_eq!(change(&admin, &user, json!({"status": "DISABLED"})).await.status, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(who(&other, &cookie).await, json!(null));
    assert_eq!(change(&admin, &user, json!({"status": "ACTIVE"})).await.status, StatusCode::OK);
    let (password_path, body) = (format!("{}password/", path(&user)), json!({"password": "another sentence"}));
    let set = admin.post(&password_path, &body);
    let logins = futures_util::future::join_all((0..6).map(|_| log_in(&other, "asha@example.com", PASSWORD)));
    let (set, _) = tokio::join!(set, logins);
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    assert_eq!(one.number("SELECT count(*) FROM sessions").await, 0, "what the old password opened is over");
}
