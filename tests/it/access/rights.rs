//! Tests who may do what: every route as every role, about own and others' objects.
//!
//! The table here is the one of the billing rules, written down a second time. A route that has no row in it fails.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::key_rules::{KeyKeeper, NewKey};
use wecall_billing::domain::access::rights::{KeyMode, Reach, Right, Role, Tenant};
use wecall_billing::http::edge::who::access::Access;
use wecall_billing::http::routes::{PAGES, ROUTES};
use wecall_billing::services;

use crate::support::{Database, MPESA, REQUIRED, Server, answer, postgres};

/// What a route needs: a row of [`EXPECTED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Asks nobody.
    Nothing,
    /// Any credentials.
    Anybody,
    Read,
    Quote,
    Charge,
    TopUp,
    Manage,
    Administer,
    Login,
    Watch,
    /// A signature, which nobody here has.
    Signature,
}

use Needs::{Administer, Anybody, Charge, Login, Manage, Nothing, Quote, Read, Signature, TopUp, Watch};

/// Every route and what it needs.
const ROWS: &[(&str, &str, Needs)] = &[
    ("get", "/api/billing/wallet/{business_sid}/", Read),
    ("get", "/api/billing/transactions/{business_sid}/", Read),
    ("get", "/api/billing/transactions/{business_sid}/export.csv/", Read),
    ("post", "/api/billing/topup/", TopUp),
    ("get", "/api/billing/payments/{business_sid}/", Read),
    ("get", "/api/billing/payments/{business_sid}/{payment_sid}/", Read),
    ("post", "/api/billing/payments/{provider}/confirmations/", Signature),
    ("get", "/api/billing/wallet/{business_sid}/auto-recharge/", Read),
    ("put", "/api/billing/wallet/{business_sid}/auto-recharge/", Manage),
    ("get", "/api/billing/pricing-plans/", Anybody),
    ("get", "/api/billing/rate-cards/", Anybody),
    ("get", "/api/billing/usage/{business_sid}/", Read),
    ("get", "/api/billing/usage/{business_sid}/export.csv/", Read),
    ("get", "/api/billing/invoices/{business_sid}/", Read),
    ("get", "/api/billing/invoices/{business_sid}/{invoice_sid}/", Read),
    ("get", "/api/billing/invoices/{business_sid}/{invoice_sid}/html/", Read),
    ("get", "/api/billing/invoices/{business_sid}/{invoice_sid}/pdf/", Read),
    ("get", "/api/billing/invoices/{business_sid}/list/", Read),
    ("post", "/api/billing/invoices/{business_sid}/{invoice_sid}/payments/", TopUp),
    ("post", "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/", Administer),
    ("post", "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/", Administer),
    ("get", "/api/billing/alerts/{business_sid}/", Read),
    ("post", "/api/billing/charges/", Charge),
    ("post", "/api/billing/charges/batch/", Charge),
    ("get", "/api/billing/charges/{business_sid}/export.csv/", Read),
    ("get", "/api/billing/charges/{business_sid}/{message_sid}/", Quote),
    ("post", "/api/billing/charges/{business_sid}/{message_sid}/delivery/", Charge),
    ("post", "/api/billing/charges/{business_sid}/{message_sid}/refund/", Administer),
    ("post", "/api/billing/deliveries/batch/", Charge),
    ("post", "/api/billing/quotes/", Quote),
    ("get", "/api/billing/keys/", Manage),
    ("post", "/api/billing/keys/", Manage),
    ("get", "/api/billing/keys/{key_sid}/", Manage),
    ("delete", "/api/billing/keys/{key_sid}/", Manage),
    ("post", "/api/billing/keys/{key_sid}/rotate/", Manage),
    ("get", "/api/billing/webhooks/{business_sid}/", Manage),
    ("post", "/api/billing/webhooks/{business_sid}/", Manage),
    ("get", "/api/billing/webhooks/{business_sid}/{webhook_sid}/", Manage),
    ("patch", "/api/billing/webhooks/{business_sid}/{webhook_sid}/", Manage),
    ("delete", "/api/billing/webhooks/{business_sid}/{webhook_sid}/", Manage),
    ("post", "/api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/", Manage),
    ("post", "/api/billing/webhooks/{business_sid}/{webhook_sid}/test/", Manage),
    ("get", "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/", Manage),
    ("get", "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/", Manage),
    ("post", "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/resend/", Manage),
    ("get", "/api/billing/audit/", Administer),
    ("get", "/api/admin/plans/", Administer),
    ("post", "/api/admin/plans/", Administer),
    ("get", "/api/admin/plans/export/", Administer),
    ("post", "/api/admin/plans/import/", Administer),
    ("get", "/api/admin/plans/{plan_sid}/", Administer),
    ("patch", "/api/admin/plans/{plan_sid}/", Administer),
    ("delete", "/api/admin/plans/{plan_sid}/", Administer),
    ("get", "/api/admin/rate-cards/", Administer),
    ("post", "/api/admin/rate-cards/", Administer),
    ("get", "/api/admin/rate-cards/export/", Administer),
    ("post", "/api/admin/rate-cards/import/", Administer),
    ("get", "/api/admin/rate-cards/{rate_card_sid}/", Administer),
    ("patch", "/api/admin/rate-cards/{rate_card_sid}/", Administer),
    ("delete", "/api/admin/rate-cards/{rate_card_sid}/", Administer),
    ("get", "/api/admin/businesses/", Administer),
    ("post", "/api/admin/businesses/", Administer),
    ("get", "/api/admin/businesses/{business_sid}/", Administer),
    ("patch", "/api/admin/businesses/{business_sid}/", Administer),
    ("delete", "/api/admin/businesses/{business_sid}/", Administer),
    ("get", "/api/admin/users/", Administer),
    ("post", "/api/admin/users/", Administer),
    ("get", "/api/admin/users/{user_sid}/", Administer),
    ("patch", "/api/admin/users/{user_sid}/", Administer),
    ("delete", "/api/admin/users/{user_sid}/", Administer),
    ("post", "/api/admin/users/{user_sid}/password/", Administer),
    ("patch", "/api/billing/alerts/{business_sid}/{alert_sid}/", Manage),
    ("get", "/api/billing/alerts/{business_sid}/count/", Read),
    ("post", "/api/billing/alerts/{business_sid}/read-all/", Manage),
    ("post", "/api/billing/alerts/{business_sid}/{alert_sid}/read/", Manage),
    ("get", "/api/billing/wallet/{business_sid}/thresholds/", Read),
    ("put", "/api/billing/wallet/{business_sid}/thresholds/", Manage),
    ("get", "/api/admin/wallets/", Administer),
    ("get", "/api/admin/wallets/{business_sid}/", Administer),
    ("patch", "/api/admin/wallets/{business_sid}/", Administer),
    ("post", "/api/admin/wallets/{business_sid}/adjustments/", Administer),
    ("post", "/api/admin/wallets/{business_sid}/fees/", Administer),
    ("get", "/api/admin/transactions/", Administer),
    ("get", "/api/admin/invoices/", Administer),
    ("get", "/api/admin/invoices/{invoice_sid}/", Administer),
    ("get", "/api/admin/alerts/", Administer),
    ("get", "/api/admin/suspense/", Administer),
    ("post", "/api/admin/suspense/{suspense_sid}/assign/", Administer),
    ("post", "/api/admin/suspense/{suspense_sid}/dismiss/", Administer),
    ("post", "/api/auth/login/", Nothing),
    ("post", "/api/auth/logout/", Login),
    ("post", "/api/auth/logout-everywhere/", Login),
    ("post", "/api/auth/password/", Login),
    ("get", "/api/auth/me/", Anybody),
    ("get", "/healthz", Nothing),
    ("get", "/readyz", Nothing),
    ("get", "/metrics", Watch),
    ("get", "/openapi.json", Nothing),
];

/// Who asks, in the columns of [`EXPECTED`].
const ACTORS: [&str; 13] = [
    "anonymous",
    "client a",
    "client b",
    "reseller over a",
    "reseller over b",
    "gateway",
    "gateway for a",
    "admin",
    "revoked",
    "expired",
    "suspended",
    "test key of a",
    "client a, logged in",
];

/// What each is answered about business `a`, then about business `b`: `1` unauthorized (401), `3` forbidden (403), `4`
/// not found (404), `+` something else, whatever the request itself deserves.
const EXPECTED: &[(Needs, &str, &str)] = &[
    //          anon a b ra rb gw gwa adm rev exp sus test login
    (Nothing, "+ + + + + + + + + + + + +", "+ + + + + + + + + + + + +"),
    (Anybody, "1 + + + + + + + 1 1 + + +", "1 + + + + + + + 1 1 + + +"),
    (Read, "1 + 4 + 4 3 3 + 1 1 4 + +", "1 4 + 4 + 3 3 + 1 1 4 4 4"),
    (Quote, "1 + 4 + 4 + + + 1 1 4 + +", "1 4 + 4 + + 4 + 1 1 4 4 4"),
    (Charge, "1 3 3 3 3 + + + 1 1 3 3 3", "1 3 3 3 3 + 4 + 1 1 3 3 3"),
    (TopUp, "1 + 4 + 4 3 3 + 1 1 4 3 +", "1 4 + 4 + 3 3 + 1 1 4 3 4"),
    (Manage, "1 + 4 + 4 3 3 + 1 1 3 3 +", "1 4 + 4 + 3 3 + 1 1 3 3 4"),
    (Administer, "1 3 3 3 3 3 3 + 1 1 3 3 3", "1 3 3 3 3 3 3 + 1 1 3 3 3"),
    (Login, "1 3 3 3 3 3 3 3 1 1 3 3 +", "1 3 3 3 3 3 3 3 1 1 3 3 +"),
    (Signature, "1 1 1 1 1 1 1 1 1 1 1 1 1", "1 1 1 1 1 1 1 1 1 1 1 1 1"),
    (Watch, "1 3 3 3 3 3 3 + 1 1 3 3 3", "1 3 3 3 3 3 3 + 1 1 3 3 3"),
];

#[test]
fn every_route_has_a_row() {
    let rows: BTreeSet<(&str, &str)> = ROWS.iter().map(|(method, path, _)| (*method, *path)).collect();
    let served: BTreeSet<(&str, &str)> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(rows, served, "say here who may call a new route");
    assert_eq!(rows.len(), ROWS.len(), "a row is there twice");
}

/// The route table says of every route what is written down here.
#[test]
fn the_route_table_says_the_same() {
    for route in ROUTES {
        let row = ROWS.iter().find(|(method, path, _)| (*method, *path) == (route.method, route.path));
        let expected = match row.unwrap().2 {
            Nothing | Signature => &[Access::Public][..],
            Anybody => &[Access::Has(Right::ReadPrices), Access::Has(Right::Anyone)],
            Read => &[Access::Has(Right::Read)],
            Quote => &[Access::Has(Right::Quote)],
            Charge => &[Access::Has(Right::Charge)],
            TopUp => &[Access::Has(Right::TopUp)],
            Manage => &[Access::Has(Right::Manage)],
            Administer => &[Access::Has(Right::Administer)],
            Login => &[Access::Has(Right::UseLogin)],
            Watch => &[Access::Has(Right::Watch)],
        };
        assert!(expected.contains(&route.access), "{route:?}");
    }
    assert!(PAGES.iter().all(|page| page.access == Access::Public));
}

/// How each of [`ACTORS`] proves who they are.
enum Proof {
    Nothing,
    Key(String),
    /// By a login of their own each time: some of what they ask ends it.
    Login(&'static str),
}

struct World<'a> {
    server: &'a Server,
    /// A user for admins to look at.
    user_sid: String,
    proofs: Vec<Proof>,
    /// By the business they are of.
    invoice_sids: BTreeMap<&'static str, String>,
    payment_sids: BTreeMap<&'static str, String>,
}

impl World<'_> {
    async fn new(server: &Server) -> World<'_> {
        for (sid, kind, status, parent) in [
            ("ra", "RESELLER", "ACTIVE", None),
            ("rb", "RESELLER", "ACTIVE", None),
            ("middle", "RESELLER", "ACTIVE", Some("ra")),
            // Two steps below `ra`.
            ("a", "CLIENT", "ACTIVE", Some("middle")),
            ("b", "CLIENT", "ACTIVE", Some("rb")),
            ("s", "CLIENT", "SUSPENDED", None),
        ] {
            business(server, sid, kind, status, parent).await;
        }
        let key = |role, business| server.key(role, business);
        let revoked = key(Role::Admin, None).await;
        let revoked_sid = sid_of(server, &revoked).await;
        let (status, _) =
            answer(server.as_admin(Method::DELETE, &format!("/api/billing/keys/{revoked_sid}/")).await).await;
        assert_eq!(status, StatusCode::OK);
        let expired = key(Role::Admin, None).await;
        server
            .execute(&format!("UPDATE api_keys SET expires_at = 1 WHERE public_id = '{}'", public_id(&expired)))
            .await
            .unwrap();
        server.user("asha@example.com", Role::Client, Some("a")).await;
        server.user("juma@example.com", Role::Client, Some("a")).await;
        let juma = answer(server.as_admin(Method::GET, "/api/admin/users/?search=juma").await).await.1;
        let user_sid = juma[0]["sid"].as_str().unwrap().to_owned();
        let proofs = vec![
            Proof::Nothing,
            Proof::Key(key(Role::Client, Some("a")).await),
            Proof::Key(key(Role::Client, Some("b")).await),
            Proof::Key(key(Role::Reseller, Some("ra")).await),
            Proof::Key(key(Role::Reseller, Some("rb")).await),
            Proof::Key(key(Role::Gateway, None).await),
            Proof::Key(special_key(server, Role::Gateway, KeyMode::Live, None, Some("a")).await),
            Proof::Key(server.admin_key().await.to_owned()),
            Proof::Key(revoked),
            Proof::Key(expired),
            Proof::Key(key(Role::Client, Some("s")).await),
            Proof::Key(special_key(server, Role::Client, KeyMode::Test, Some("a"), None).await),
            Proof::Login("asha@example.com"),
        ];
        assert_eq!(proofs.len(), ACTORS.len());
        let (mut invoice_sids, mut payment_sids) = (BTreeMap::new(), BTreeMap::new());
        for target in ["a", "b"] {
            let body = json!({"business_sid": target, "amount": 100});
            let (status, wallet) = server.post_as_admin("/api/billing/topup/", &body.to_string()).await;
            assert_eq!(status, StatusCode::OK, "{wallet}");
            let body = message(target, "m");
            let (status, charge) = server.post_as_admin("/api/billing/charges/", &body.to_string()).await;
            assert_eq!(status, StatusCode::CREATED, "{charge}");
            let (_, wallet) =
                answer(server.as_admin(Method::GET, &format!("/api/billing/wallet/{target}/")).await).await;
            alert(server, &wallet).await;
            let invoices = format!("/api/billing/invoices/{target}/");
            let (_, invoice) = answer(server.as_admin(Method::GET, &invoices).await).await;
            let body = json!({"business_sid": target, "amount": 5, "provider": "mpesa"});
            let (status, topup) = server.post_as_admin("/api/billing/topup/", &body.to_string()).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{topup}");
            let sid = topup["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned();
            payment_sids.insert(target, sid);
            invoice_sids.insert(target, invoice["sid"].as_str().unwrap().to_owned());
        }
        invoice_sids.insert("nobody", format!("inv_{}", "0".repeat(32)));
        World { server, user_sid, proofs, invoice_sids, payment_sids }
    }

    async fn prove(&self, actor: usize, request: RequestBuilder) -> RequestBuilder {
        match &self.proofs[actor] {
            Proof::Nothing => request,
            Proof::Key(key) => request.bearer_auth(key),
            Proof::Login(email) => {
                request.header("cookie", self.server.login(email).await).header("origin", "http://localhost:3000")
            }
        }
    }

    /// What a route says to somebody who asks about a business; of an item of a batch, what it says of that.
    async fn ask(&self, actor: usize, method: &str, path: &str, target: &str) -> (u16, Value) {
        let mut address = path.replace("{business_sid}", target).replace("{message_sid}", "m");
        address = address.replace("{user_sid}", &self.user_sid);
        if path.contains("{key_sid}") {
            let sid =
                if target == "nobody" { format!("key_{}", "0".repeat(32)) } else { self.new_key_of(target).await };
            address = address.replace("{key_sid}", &sid);
        }
        if path.contains("{webhook_sid}") {
            let (webhook, delivery) = if target == "nobody" {
                nobodys()
            } else {
                crate::notifications::webhooks::with_message(self.server, target).await
            };
            address = address.replace("{webhook_sid}", &webhook).replace("{delivery_sid}", &delivery);
        }
        address = address.replace("{alert_sid}", &format!("alert_{:0>32}", hexadecimal(target)));
        address = address.replace("{provider}", "mpesa").replace("{suspense_sid}", &format!("sus_{}", "0".repeat(32)));
        let payment = self.payment_sids.get(target).cloned().unwrap_or_else(|| format!("pay_{}", "0".repeat(32)));
        address = address.replace("{payment_sid}", &payment);
        let nothing = format!("inv_{}", "0".repeat(32));
        address = address.replace("{invoice_sid}", self.invoice_sids.get(target).unwrap_or(&nothing));
        if path == "/api/billing/keys/" && method == "get" {
            address = format!("{address}?business_sid={target}");
        }
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.prove(actor, self.server.request(method.clone(), &address)).await;
        if method == Method::POST || method == Method::PUT {
            request = request.json(&body(path, target));
        }
        if method == Method::PATCH {
            request = request.header("if-match", "*").json(&body(path, target));
        }
        let (status, answer) = answer(request).await;
        match answer["results"].get(0) {
            Some(result) => (result["status"].as_u64().unwrap() as u16, result["error"].clone()),
            None => (status.as_u16(), answer),
        }
    }

    async fn new_key_of(&self, business: &str) -> String {
        sid_of(self.server, &self.server.key(Role::Client, Some(business)).await).await
    }
}

fn nobodys() -> (String, String) {
    let (webhook, delivery) = crate::notifications::webhooks::NOBODYS;
    (webhook.to_owned(), delivery.to_owned())
}

fn body(path: &str, target: &str) -> Value {
    match path {
        "/api/billing/topup/" => json!({"business_sid": target, "amount": 1}),
        "/api/billing/charges/" | "/api/billing/quotes/" => message(target, "m2"),
        "/api/billing/charges/batch/" => json!({"charges": [message(target, "m3")]}),
        "/api/billing/deliveries/batch/" => {
            json!({"deliveries": [{"business_sid": target, "message_sid": "m", "status": "delivered"}]})
        }
        "/api/billing/charges/{business_sid}/{message_sid}/delivery/" => json!({"status": "delivered"}),
        "/api/billing/charges/{business_sid}/{message_sid}/refund/" => json!({"reason": "test", "amount": 0.000_001}),
        "/api/billing/alerts/{business_sid}/{alert_sid}/" => json!({"is_read": true}),
        "/api/billing/wallet/{business_sid}/thresholds/" => json!({"low_balance": 5}),
        "/api/admin/wallets/{business_sid}/" => json!({"credit_limit": 1}),
        "/api/admin/wallets/{business_sid}/adjustments/" => json!({"amount": 1, "reason": "test"}),
        "/api/billing/webhooks/{business_sid}/" => json!({"url": "https://example.com/", "events": ["*"]}),
        "/api/admin/wallets/{business_sid}/fees/" => {
            json!({"amount": 1, "category": "OTHER", "description": "test", "reason": "test"})
        }
        "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/"
        | "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/" => json!({"reason": "test"}),
        "/api/billing/wallet/{business_sid}/auto-recharge/" => json!({"enabled": false, "amount": 20, "threshold": 5}),
        "/api/billing/keys/" => json!({"name": "k", "role": "client", "business_sid": target}),
        _ => json!({}),
    }
}

fn message(business: &str, message: &str) -> Value {
    json!({"business_sid": business, "message_sid": message, "country_code": "KE", "operator": "Safaricom", "segments": 1})
}

pub async fn business(server: &Server, sid: &str, kind: &str, status: &str, parent: Option<&str>) {
    let parent =
        parent.map_or("NULL".to_owned(), |parent| format!("(SELECT id FROM businesses WHERE sid = '{parent}')"));
    let sql = format!(
        "INSERT INTO businesses (sid, kind, status, parent_id, name, email, address, country_code, tax_id, created_at, \
         updated_at) VALUES ('{sid}', '{kind}', '{status}', {parent}, '{sid}', '', '', '', '', 0, 0)"
    );
    server.execute(&sql).await.unwrap();
}

/// The digits of a business's alert: those of its name.
fn hexadecimal(business: &str) -> String {
    business.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// An alert of a wallet's business.
async fn alert(server: &Server, wallet: &Value) {
    let digits = format!("{:0>32}", hexadecimal(wallet["business_sid"].as_str().unwrap()));
    let wallet_digits = wallet["sid"].as_str().unwrap().trim_start_matches("wallet_").to_owned();
    let id = |digits: &str| match server.database {
        Database::Sqlite => format!("X'{digits}'"),
        Database::Postgres => format!("'{digits}'::uuid"),
    };
    let sql = format!(
        "INSERT INTO alerts (uid, wallet_id, type, severity, message, threshold, current_value, is_read, created_at) \
         SELECT {}, id, 'LOW_BALANCE', 'WARNING', 'low', 10, 9, FALSE, 0 FROM wallets WHERE uid = {}",
        id(&digits),
        id(&wallet_digits)
    );
    assert_eq!(server.execute(&sql).await.unwrap(), 1);
}

/// The part of a key that names it.
pub fn public_id(key: &str) -> &str {
    key.split('_').nth(2).unwrap()
}

/// The SID of a key, by what its holder sends.
pub async fn sid_of(server: &Server, key: &str) -> String {
    let public_id = public_id(key).parse().unwrap();
    let mut reader = server.billing.db.read().await.unwrap();
    let stored =
        wecall_billing::storage::access::keys::find_by_public_id(&mut reader.conn(), &public_id).await.unwrap();
    stored.unwrap().sid.to_string()
}

async fn special_key(server: &Server, role: Role, mode: KeyMode, business: Option<&str>, only: Option<&str>) -> String {
    let new = NewKey {
        name: "special".parse().unwrap(),
        mode,
        role,
        business: business.and_then(|sid| Tenant::admit(&Reach::All, sid.parse().unwrap(), false)),
        businesses: only.map(|sid| vec![sid.parse().unwrap()]),
        expires_at: None,
    };
    services::access::keys::create(&server.billing, new, &KeyKeeper::command_line(), None).await.unwrap().value.secret
}

/// Every route × everybody × a business of theirs and one of somebody else's.
async fn everybody_asks_everything(database: Database) {
    let server = Server::start(database, &[REQUIRED, MPESA, &["--rate-limit-failures", "0"]].concat()).await;
    let world = World::new(&server).await;
    for (method, path, needs) in ROWS {
        let (_, about_a, about_b) = EXPECTED.iter().find(|(row, ..)| row == needs).unwrap();
        for (target, expected) in [("a", about_a), ("b", about_b)] {
            for (actor, cell) in expected.split_whitespace().enumerate() {
                let what = format!("{method} {path} about {target} by {}", ACTORS[actor]);
                let before = server.row_counts().await;
                let (status, answer) = world.ask(actor, method, path, target).await;
                match cell {
                    "+" => assert!(![401, 403, 404].contains(&status), "{what}: {status} {answer}"),
                    "1" => assert_eq!(status, 401, "{what}: {answer}"),
                    "3" => assert_eq!(status, 403, "{what}: {answer}"),
                    _ => {
                        assert_eq!(status, 404, "{what}: {answer}");
                        let (missing_status, mut missing) = world.ask(actor, method, path, "nobody").await;
                        missing["request_id"] = answer["request_id"].clone();
                        assert_eq!((missing_status, missing), (404, answer), "{what}: as if it did not exist");
                    }
                }
                let is_asked_by_itself = path.contains("{key_sid}")
                    || path.contains("{webhook_sid}")
                    || ACTORS[actor].ends_with("logged in");
                if cell != "+" && !is_asked_by_itself {
                    assert_eq!(server.row_counts().await, before, "{what} changed something");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_asks_everything_on_sqlite() {
    everybody_asks_everything(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_asks_everything_on_postgres() {
    if postgres::is_available() {
        everybody_asks_everything(Database::Postgres).await;
    }
}

/// Where nobody is asked, nobody may still not do what needs a login; and a key counts for what it is.
#[tokio::test]
async fn open_mode() {
    let server = Server::start(Database::Sqlite, MPESA).await;
    let world = World::new(&server).await;
    for (method, path, needs) in ROWS {
        let (anonymous, _) = world.ask(0, method, path, "a").await;
        let is_login_needed = matches!(needs, Manage | Administer | Login | Signature);
        assert_eq!(anonymous == 401, is_login_needed, "{method} {path}: {anonymous}");
        let (client, answer) = world.ask(1, method, path, "b").await;
        let expected = match needs {
            Charge | Administer | Login | Watch => Some(403),
            Read | Quote | TopUp | Manage => Some(404),
            Nothing | Anybody => None,
            Signature => Some(401),
        };
        assert!(expected.is_none_or(|expected| client == expected), "{method} {path} by a client: {client} {answer}");
    }
    // A token of somebody else's is none of our business; one of ours must be good.
    let ask = |header: &'static str| {
        answer(server.request(Method::GET, "/api/billing/wallet/a/").header("authorization", header))
    };
    assert_eq!(ask("Bearer eyJhbGciOiJIUzI1NiJ9.e30.x").await.0, StatusCode::OK);
    assert_eq!(ask("Bearer sk_live_nonsense").await.0, StatusCode::UNAUTHORIZED);
}

/// Without credentials the answer is 401 for whatever is asked, before anything about it is looked at.
#[tokio::test]
async fn required_credentials_close_everything() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    for (method, path) in [
        (Method::GET, "/api/billing/wallet/undefined"),
        (Method::DELETE, "/api/billing/topup/"),
        (Method::GET, "/api/nowhere"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/api"),
        (Method::GET, "/metrics"),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "unauthorized");
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs/", "/docs/index.html"] {
        assert_eq!(server.request(Method::GET, path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/healthz"),
        (Method::GET, "/api/auth/login"),
        (Method::GET, "/api/billing/payments/mpesa/confirmations/"),
    ] {
        let status = server.request(method, path).send().await.unwrap().status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path} is public whatever the method");
    }
    let preflight = server.request(Method::OPTIONS, "/api/billing/wallet/a/").header("origin", "http://localhost:3000");
    let preflight = preflight.header("access-control-request-method", "GET").send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::OK, "a preflight carries no credentials");
}

/// Who buys from a reseller does not see what the platform charges.
#[tokio::test]
async fn prices_upstream_are_not_shown_downstream() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    business(&server, "r", "RESELLER", "ACTIVE", None).await;
    business(&server, "c", "CLIENT", "ACTIVE", Some("r")).await;
    for (role, owner, is_shown) in
        [(Role::Reseller, "r", true), (Role::Client, "c", false), (Role::Client, "biz_test_001", true)]
    {
        if owner == "biz_test_001" {
            business(&server, owner, "CLIENT", "ACTIVE", None).await;
        }
        let key = server.key(role, Some(owner)).await;
        for path in ["/api/billing/pricing-plans/", "/api/billing/rate-cards/"] {
            let (status, list) = answer(server.request(Method::GET, path).bearer_auth(&key)).await;
            assert_eq!((status, list != json!([])), (StatusCode::OK, is_shown), "{path} for {owner}: {list}");
        }
    }
}
