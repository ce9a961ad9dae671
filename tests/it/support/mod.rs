//! Starts a server per test, in this process, on a database of its own.

pub mod admin;
pub mod bills;
pub mod cashier;
pub mod gateway;
pub mod mpesa;
pub mod postgres;
pub mod process;
pub mod receiver;
pub mod repetition;

use std::path::PathBuf;
use std::sync::OnceLock;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};
use wecall_billing::clock::Clock;
use wecall_billing::config::{Cli, Settings};
use wecall_billing::domain::access::key_rules::{KeyKeeper, NewKey};
use wecall_billing::domain::access::rights::{KeyMode, Reach, Role, Tenant};
use wecall_billing::domain::audit::{Actor, Author};
use wecall_billing::domain::payments::signatures::{SignedMessage, SigningSecret};
use wecall_billing::domain::values::time::Timestamp;
use wecall_billing::http::edge::who::auth_mode::AuthMode;
use wecall_billing::services::access::users::NewUser;
use wecall_billing::services::{self, Billing};
use wecall_billing::storage::db::Db;
use wecall_billing::storage::db::open::IfMissing;
use wecall_billing::{app, seed, storage};

/// The time at which every test begins: a Wednesday in the middle of a month.
pub const START: &str = "2026-03-18T10:00:00Z";

/// Settings of a server that asks for credentials.
pub const REQUIRED: &[&str] = &["--auth", "required", "--secret-key", "a key for tests: 0123456789abcdef"];

/// Settings of a server with one payment provider, whose adapter does not exist; the shared secret is [`MPESA_SECRET`].
pub const MPESA: &[&str] = &[
    "--payment-providers",
    "mpesa=http://127.0.0.1:9/pay",
    "--payment-secrets",
    "mpesa=whsec_c2VjcmV0IG9mIHRoZSBwYXltZW50IHRlc3RzIDAx",
];

pub const MPESA_SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSBwYXltZW50IHRlc3RzIDAx";

/// A client like the server's own: the TLS that is compiled in needs to be told which cryptography to use.
pub fn client() -> reqwest::Client {
    wecall_billing::outbound::tls::client().build().unwrap()
}

pub const PASSWORD: &str = "correct horse battery staple";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Runs one test on either database, as `name::sqlite` and `name::postgres`.
///
/// Where there is no Postgres the latter passes at once: the first line of the output says so, and
/// `TEST_REQUIRE_POSTGRES=1` makes it a failure.
macro_rules! on_each_database {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all that its module imports")]
            use super::*;

            async fn run($server: &$crate::support::Server) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(&$crate::support::Server::start($crate::support::Database::Sqlite, &[]).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::support::postgres::is_available() {
                    run(&$crate::support::Server::start($crate::support::Database::Postgres, &[]).await).await;
                }
            }
        }
    )+};
}
pub(crate) use on_each_database;

/// A running server with the sample data loaded, its clock standing at [`START`].
pub struct Server {
    pub database: Database,
    pub database_url: String,
    pub base_url: String,
    pub billing: Billing,
    pub client: reqwest::Client,
    admin_key: OnceCell<String>,
    _stop: oneshot::Sender<()>,
    /// Goes with this, where it is of this server alone.
    _data: Data,
}

enum Data {
    File { _home: tempfile::TempDir },
    Database { _database: postgres::TestDatabase },
    Shared,
}

impl Server {
    /// `args` are settings as on the command line.
    pub async fn start(database: Database, args: &[&str]) -> Server {
        let is_open = settings("sqlite://none", args).auth == AuthMode::Open;
        let contents = if is_open { Contents::PricesAndWallets } else { Contents::Prices };
        let (database_url, data) = match database {
            Database::Sqlite => {
                let home = tempfile::tempdir().unwrap();
                let file = home.path().join("billing.db");
                std::fs::copy(sqlite_template(contents), &file).unwrap();
                (format!("sqlite://{}", file.display()), Data::File { _home: home })
            }
            Database::Postgres => {
                let made = postgres::create_database_with(contents).await;
                (made.clone(), Data::Database { _database: made })
            }
        };
        Server::start_on(database, &database_url, data, args).await
    }

    /// On a Postgres database that is reached in a way of its own.
    pub async fn start_on_postgres(database_url: &str) -> Server {
        Server::start_on(Database::Postgres, database_url, Data::Shared, &[]).await
    }

    async fn start_on(database: Database, database_url: &str, data: Data, args: &[&str]) -> Server {
        let settings = settings(database_url, args);
        let clock = Clock::fixed(START.parse().unwrap());
        let (billing, _) = app::open_and_migrate(&settings, clock).await.unwrap();
        if matches!(data, Data::Shared) {
            seed::load(&billing, settings.auth == AuthMode::Open).await.unwrap();
        }
        let listener = app::listen(settings.address()).await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let service = app::http_service(&settings, billing.clone()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let limits = app::connection_limits(&settings);
        tokio::spawn(app::serve(listener, service, limits, async {
            let _ = stopped.await;
        }));
        let client = client();
        Server {
            database,
            database_url: database_url.to_owned(),
            base_url,
            billing,
            client,
            admin_key: OnceCell::new(),
            _stop: stop,
            _data: data,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base_url))
    }

    /// Creates a key of a role, as its holder sends it; of a business, where the role needs one.
    pub async fn key(&self, role: Role, business: Option<&str>) -> String {
        let new = NewKey {
            name: "test".parse().unwrap(),
            mode: KeyMode::Live,
            role,
            business: business.and_then(|sid| Tenant::admit(&Reach::All, sid.parse().unwrap(), false)),
            businesses: None,
            expires_at: None,
        };
        let made = services::access::keys::create(&self.billing, new, &KeyKeeper::command_line(), None).await.unwrap();
        made.value.secret
    }

    /// Creates a user with the password of the examples.
    pub async fn user(&self, email: &str, role: Role, business: Option<&str>) {
        let new = NewUser {
            email: email.parse().unwrap(),
            name: "Asha".parse().unwrap(),
            role,
            business: business.map(|sid| sid.parse().unwrap()),
            password: PASSWORD.parse().unwrap(),
        };
        let author = Author { actor: Actor::command_line(), reason: None };
        services::access::users::create(&self.billing, new, &author).await.unwrap();
    }

    /// Logs a user in; returns the cookie.
    pub async fn login(&self, email: &str) -> String {
        let body = serde_json::json!({"email": email, "password": PASSWORD});
        let response = self.request(Method::POST, "/api/auth/login/").json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    /// An admin's key, the same each time.
    pub async fn admin_key(&self) -> &str {
        self.admin_key.get_or_init(|| self.key(Role::Admin, None)).await
    }

    /// A request that carries [`Server::admin_key`].
    pub async fn as_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(self.admin_key().await)
    }

    /// Posts JSON as an admin; returns status and JSON of the answer.
    pub async fn post_as_admin(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request = self.as_admin(Method::POST, path).await.header("content-type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    /// Sends a GET that must succeed; returns the JSON of the answer.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The text of the answer to a GET, for details that parsing would hide.
    pub async fn get_text(&self, path: &str) -> String {
        self.request(Method::GET, path).send().await.unwrap().text().await.unwrap()
    }

    /// Posts JSON; returns status and JSON of the answer.
    pub async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    /// Sends a signed confirmation of the provider of [`MPESA`]; returns status and JSON of the answer.
    pub async fn confirm(&self, body: &str) -> (StatusCode, Value) {
        let request = self.request(Method::POST, "/api/billing/payments/mpesa/confirmations/");
        answer(self.signed(request, MPESA_SECRET, body).body(body.to_owned())).await
    }

    /// Adds the signature of a body, with the present time, to a request.
    pub fn signed(&self, request: RequestBuilder, secret: &str, body: &str) -> RequestBuilder {
        let timestamp = (self.billing.clock.now().micros() / 1_000_000).to_string();
        let secret: SigningSecret = secret.parse().unwrap();
        let message = SignedMessage { id: "msg_1", timestamp: &timestamp, body: body.as_bytes() };
        let signature = secret.sign(message);
        request
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
    }

    pub async fn top_up(&self, business: &str, amount: &str) -> Value {
        let body = format!(r#"{{"business_sid": "{business}", "amount": {amount}}}"#);
        let (status, wallet) = self.post("/api/billing/topup/", &body).await;
        assert_eq!(status, StatusCode::OK, "{wallet}");
        wallet
    }

    /// Charges a message, which must pass.
    pub async fn charge(&self, message: Value) -> Value {
        let (status, charge) = self.post("/api/billing/charges/", &message.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{charge}");
        charge
    }

    pub fn set_clock(&self, at: &str) {
        self.billing.clock.set(at.parse::<Timestamp>().unwrap());
    }

    /// Runs a statement without parameters.
    pub async fn execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.billing.db {
            Db::Sqlite { writer, .. } => sqlx::query(sql).execute(writer).await.map(|done| done.rows_affected()),
            Db::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(|done| done.rows_affected()),
        }
    }

    /// The one integer that a statement returns.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.billing.db {
            Db::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await.unwrap(),
            Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        }
    }

    /// The number of rows in each table, which a refused request must not change.
    pub async fn row_counts(&self) -> Vec<(String, i64)> {
        let counts: Vec<String> =
            TABLES.iter().map(|table| format!("SELECT '{table}', (SELECT count(*) FROM {table})")).collect();
        let money = "SELECT 'money', (SELECT CAST(SUM(balance + credit_limit + last_seq) AS BIGINT) FROM wallets)";
        // One statement: it is asked for thousands of times.
        let sql = sqlx::AssertSqlSafe(format!("{} UNION ALL {money}", counts.join(" UNION ALL ")));
        match &self.billing.db {
            Db::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await.unwrap(),
            Db::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
        }
    }
}

/// Status and JSON of the answer to a request.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

/// Every table that a request may write.
const TABLES: &[&str] = &[
    "businesses",
    "wallets",
    "transactions",
    "transaction_marks",
    "applied_rates",
    "deliveries",
    "invoice_items",
    "idempotency_keys",
    "pricing_plans",
    "volume_tiers",
    "rate_cards",
    "usage_metrics",
    "invoices",
    "invoice_line_items",
    "alerts",
    "audit_log",
    "users",
    "sessions",
    "api_keys",
    "api_key_businesses",
    "login_failures",
    "seeded_items",
    "auto_recharges",
    "jobs",
    "webhook_endpoints",
    "webhook_messages",
    "webhook_attempts",
    "payments",
    "suspense",
    "invoice_series",
    "invoice_payments",
    "invoice_reminders",
    "closed_months",
];

pub fn settings(database_url: &str, args: &[&str]) -> Settings {
    use clap::Parser;
    let fixed = ["wecall-billing", "--database-url", database_url, "--bind", "127.0.0.1:0"];
    Cli::try_parse_from(fixed.iter().chain(args)).unwrap().settings
}

/// What is in a new database, to begin with.
#[derive(Clone, Copy, Debug)]
pub enum Contents {
    Tables,
    Prices,
    /// All of the sample data.
    PricesAndWallets,
}

/// A SQLite file to copy, made once.
fn sqlite_template(contents: Contents) -> &'static PathBuf {
    static MADE: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
    MADE[contents as usize].get_or_init(|| {
        let home = tempfile::tempdir().unwrap().keep();
        let file = home.join("template.db");
        let url = format!("sqlite://{}", file.display());
        in_own_runtime(fill(url, contents));
        file
    })
}

/// Makes the tables, with the sample data of [`START`], and fixes no time zone: tests choose their own.
pub async fn fill(database_url: String, contents: Contents) {
    let settings = settings(&database_url, &[]);
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Create).await.unwrap();
    storage::db::migrations::migrate(&db).await.unwrap();
    if !matches!(contents, Contents::Tables) {
        let billing = app::billing(&settings, db.clone(), Clock::fixed(START.parse().unwrap())).unwrap();
        seed::load(&billing, matches!(contents, Contents::PricesAndWallets)).await.unwrap();
    }
    db.close().await;
}

/// Runs async work from inside another runtime, to its end.
pub fn in_own_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    });
    thread.join().unwrap()
}
