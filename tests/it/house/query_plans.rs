//! Checks query plans: no endpoint's query may read more the longer the history grows.
//! The plans are those of both databases.

use sqlx::Row;
use wecall_billing::storage;
use wecall_billing::storage::db::Db;
use wecall_billing::storage::db::bulk::SqlTexts;
use wecall_billing::storage::db::listing::{Dialect, Listing};

use super::architecture::sources;
use crate::support::{Database, Server, on_each_database};

/// Tables that grow with time or with the number of businesses: reading one whole is a mistake.
const GROWING: &[&str] = &[
    "businesses",
    "wallets",
    "transactions",
    "transaction_marks",
    "applied_rates",
    "deliveries",
    "invoice_items",
    "idempotency_keys",
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
    "auto_recharges",
    "webhook_endpoints",
    "webhook_messages",
    "webhook_attempts",
    "payments",
    "suspense",
    "invoice_parties",
    "invoice_payments",
    "invoice_reminders",
];

/// Every query an endpoint makes. Plans and rate cards are a catalogue: they are read whole, and on purpose.
const QUERIES: &[(&str, &str)] = &[
    ("access::keys::FIND_BY_PUBLIC_ID", storage::access::keys::FIND_BY_PUBLIC_ID),
    ("access::keys::LISTED", storage::access::keys::LISTED),
    ("access::keys::FIND", storage::access::keys::FIND),
    ("access::keys::PAGE", storage::access::keys::PAGE),
    ("access::keys::PAGE_OF_BUSINESS", storage::access::keys::PAGE_OF_BUSINESS),
    ("access::keys::COUNT_LIVE", storage::access::keys::COUNT_LIVE),
    ("access::keys::INSERT", storage::access::keys::INSERT),
    ("access::keys::INSERT_LISTED", storage::access::keys::INSERT_LISTED),
    ("access::keys::ROTATE", storage::access::keys::ROTATE),
    ("access::keys::REVOKE", storage::access::keys::REVOKE),
    ("businesses::FIND_KIND", storage::businesses::FIND_KIND),
    ("businesses::IS_BELOW", storage::businesses::IS_BELOW),
    ("businesses::FIND", storage::businesses::FIND),
    ("businesses::CHAIN", storage::businesses::CHAIN),
    ("businesses::LEVELS_BELOW", storage::businesses::LEVELS_BELOW),
    ("businesses::TIES", storage::businesses::TIES),
    ("businesses::ADD", storage::businesses::ADD),
    ("businesses::UPDATE", storage::businesses::UPDATE),
    ("businesses::DELETE", storage::businesses::DELETE),
    ("notifications::alerts::COUNT_UNREAD", storage::notifications::alerts::COUNT_UNREAD),
    ("notifications::alerts::MARK_ALL_READ", storage::notifications::alerts::MARK_ALL_READ),
    ("wallets::watches::FIND_THRESHOLD", storage::wallets::watches::FIND_THRESHOLD),
    ("wallets::watches::UPDATE_THRESHOLD", storage::wallets::watches::UPDATE_THRESHOLD),
    ("jobs::COUNTS", storage::jobs::COUNTS),
    ("jobs::EXTEND", storage::jobs::EXTEND),
    ("payments::recharges::BUSINESS", storage::payments::recharges::BUSINESS),
    ("payments::recharges::UPSERT", storage::payments::recharges::UPSERT),
    ("payments::recharges::UPDATE_WALLET", storage::payments::recharges::UPDATE_WALLET),
    ("payments::FIND", storage::payments::FIND),
    ("payments::PAGE", storage::payments::PAGE),
    ("payments::UNSETTLED", storage::payments::UNSETTLED),
    ("payments::INSERT", storage::payments::INSERT),
    ("payments::REQUESTED", storage::payments::REQUESTED),
    ("payments::COMPLETE", storage::payments::COMPLETE),
    ("payments::FAIL", storage::payments::FAIL),
    ("payments::OF_REFERENCE", storage::payments::OF_REFERENCE),
    ("payments::OPEN_RECHARGE", storage::payments::OPEN_RECHARGE),
    ("payments::suspense::FIND", storage::payments::suspense::FIND),
    ("payments::suspense::OF_REFERENCE", storage::payments::suspense::OF_REFERENCE),
    ("payments::suspense::INSERT", storage::payments::suspense::INSERT),
    ("payments::suspense::SETTLE", storage::payments::suspense::SETTLE),
    ("access::login_failures::FIND", storage::access::login_failures::FIND),
    ("access::login_failures::COUNT", storage::access::login_failures::COUNT),
    ("access::login_failures::TAKE_BACK", storage::access::login_failures::TAKE_BACK),
    ("access::login_failures::FORGIVE", storage::access::login_failures::FORGIVE),
    ("access::login_failures::TAKE_BACK_THE_LAST", storage::access::login_failures::TAKE_BACK_THE_LAST),
    ("access::sessions::FIND", storage::access::sessions::FIND),
    ("access::sessions::INSERT", storage::access::sessions::INSERT),
    ("access::sessions::DELETE", storage::access::sessions::DELETE),
    ("access::sessions::DELETE_OF_USER", storage::access::sessions::DELETE_OF_USER),
    ("access::sessions::FORGET_SOME", storage::access::sessions::FORGET_SOME),
    ("access::users::FIND", storage::access::users::FIND),
    ("access::users::FIND_BY_EMAIL", storage::access::users::FIND_BY_EMAIL),
    ("access::users::ANOTHER_ADMIN", storage::access::users::ANOTHER_ADMIN),
    ("access::users::INSERT", storage::access::users::INSERT),
    ("access::users::UPDATE", storage::access::users::UPDATE),
    ("access::users::DELETE", storage::access::users::DELETE),
    ("access::users::SET_PASSWORD", storage::access::users::SET_PASSWORD),
    ("access::users::REPLACE_PASSWORD", storage::access::users::REPLACE_PASSWORD),
    ("access::users::SET_LAST_LOGIN", storage::access::users::SET_LAST_LOGIN),
    ("wallets::FIND", storage::wallets::FIND),
    ("wallets::history::CHAIN", storage::wallets::history::CHAIN),
    ("wallets::history::REFUNDS_OF_CHARGE", storage::wallets::history::REFUNDS_OF_CHARGE),
    ("wallets::history::MARK_ABOVE", storage::wallets::history::MARK_ABOVE),
    ("wallets::history::FIRST_MARK_SINCE", storage::wallets::history::FIRST_MARK_SINCE),
    ("wallets::history::FIRST_SEQ_SINCE", storage::wallets::history::FIRST_SEQ_SINCE),
    ("reports::exports::HISTORY", storage::reports::exports::HISTORY),
    ("reports::exports::CHARGES", storage::reports::exports::CHARGES),
    ("reports::exports::USAGE", storage::reports::exports::USAGE),
    ("db::idempotency::FIND", storage::db::idempotency::FIND),
    ("db::idempotency::INSERT", storage::db::idempotency::INSERT),
    ("prices::plans::LIST", storage::prices::plans::LIST),
    ("prices::plans::FIND", storage::prices::plans::FIND),
    ("prices::plans::UPDATE", storage::prices::plans::UPDATE),
    ("prices::plans::DELETE", storage::prices::plans::DELETE),
    ("prices::plans::DELETE_TIERS", storage::prices::plans::DELETE_TIERS),
    ("prices::plans::A_WALLET_OF", storage::prices::plans::A_WALLET_OF),
    ("prices::plans::LIST_TIERS", storage::prices::plans::LIST_TIERS),
    ("prices::plans::FIND_TYPE_BY_NAME", storage::prices::plans::FIND_TYPE_BY_NAME),
    ("prices::plans::INSERT", storage::prices::plans::INSERT),
    ("prices::plans::INSERT_TIER", storage::prices::plans::INSERT_TIER),
    ("prices::rate_cards::INSERT", storage::prices::rate_cards::INSERT),
    ("prices::rate_cards::LIST", storage::prices::rate_cards::LIST),
    ("prices::rate_cards::FIND", storage::prices::rate_cards::FIND),
    ("prices::rate_cards::A_ROW_OF", storage::prices::rate_cards::A_ROW_OF),
    ("prices::rate_cards::UPDATE", storage::prices::rate_cards::UPDATE),
    ("prices::rate_cards::DELETE", storage::prices::rate_cards::DELETE),
    ("prices::rate_cards::LIST_IN_FORCE", storage::prices::rate_cards::LIST_IN_FORCE),
    ("charges::usage::BY_OPERATOR", storage::charges::usage::BY_OPERATOR),
    ("charges::usage::BY_DAY", storage::charges::usage::BY_DAY),
    ("charges::usage::BY_PRICE", storage::charges::usage::BY_PRICE),
    ("invoices::FIND", storage::invoices::FIND),
    ("invoices::INSERT_DRAFT", storage::invoices::INSERT_DRAFT),
    ("invoices::LINES", storage::invoices::LINES),
    ("invoices::SET_STATUS", storage::invoices::SET_STATUS),
    ("invoices::payments::OPEN", storage::invoices::payments::OPEN),
    ("invoices::payments::INSERT", storage::invoices::payments::INSERT),
    ("invoices::payments::CREDITS_SINCE", storage::invoices::payments::CREDITS_SINCE),
    ("invoices::credit_notes::EARLIER", storage::invoices::credit_notes::EARLIER),
    ("invoices::credit_notes::INSERT", storage::invoices::credit_notes::INSERT),
    ("invoices::credit_notes::FINALISE", storage::invoices::credit_notes::FINALISE),
    ("invoices::reminders::DUE", storage::invoices::reminders::DUE),
    ("invoices::reminders::INSERT", storage::invoices::reminders::INSERT),
    ("invoices::ITEMS", storage::invoices::ITEMS),
    ("notifications::alerts::PAGE", storage::notifications::alerts::PAGE),
    ("notifications::alerts::PAGE_OF_UNREAD", storage::notifications::alerts::PAGE_OF_UNREAD),
    ("wallets::FIND_PLAN", storage::wallets::FIND_PLAN),
    ("wallets::UPDATE_SETTINGS", storage::wallets::UPDATE_SETTINGS),
    ("wallets::ledger_lists::PAGE_OF_ALL", storage::wallets::ledger_lists::PAGE_OF_ALL),
    ("wallets::ledger_lists::PAGE_OF_MESSAGE", storage::wallets::ledger_lists::PAGE_OF_MESSAGE),
    ("invoices::FIND_BY_SID", storage::invoices::FIND_BY_SID),
    ("notifications::alerts::FIND", storage::notifications::alerts::FIND),
    ("notifications::alerts::MARK", storage::notifications::alerts::MARK),
    ("notifications::webhooks::LIST", storage::notifications::webhooks::LIST),
    ("notifications::webhooks::FIND", storage::notifications::webhooks::FIND),
    ("notifications::webhooks::FIND_BY_ID", storage::notifications::webhooks::FIND_BY_ID),
    ("notifications::webhooks::COUNT", storage::notifications::webhooks::COUNT),
    ("notifications::webhooks::INSERT", storage::notifications::webhooks::INSERT),
    ("notifications::webhooks::UPDATE", storage::notifications::webhooks::UPDATE),
    ("notifications::webhooks::SET_SECRET", storage::notifications::webhooks::SET_SECRET),
    ("notifications::webhooks::DELETE", storage::notifications::webhooks::DELETE),
    ("notifications::webhooks::ASKED_OF_WALLET", storage::notifications::webhooks::ASKED_OF_WALLET),
    ("notifications::webhooks::SET_ASKED_OF_WALLET", storage::notifications::webhooks::SET_ASKED_OF_WALLET),
    ("notifications::webhook_messages::DUE", storage::notifications::webhook_messages::DUE),
    ("notifications::webhook_messages::PAGE", storage::notifications::webhook_messages::PAGE),
    ("notifications::webhook_messages::PAGE_OF_STATUS", storage::notifications::webhook_messages::PAGE_OF_STATUS),
    ("notifications::webhook_messages::FIND", storage::notifications::webhook_messages::FIND),
    ("notifications::webhook_messages::INSERT", storage::notifications::webhook_messages::INSERT),
    ("notifications::webhook_messages::SEND_AGAIN", storage::notifications::webhook_messages::SEND_AGAIN),
    ("notifications::webhook_messages::DELETE_SOME", storage::notifications::webhook_messages::DELETE_SOME),
    ("invoices::closed_months::ALL", storage::invoices::closed_months::ALL),
    ("invoices::closed_months::FIND", storage::invoices::closed_months::FIND),
    ("invoices::closed_months::NOTE", storage::invoices::closed_months::NOTE),
    ("invoices::closed_months::FIRST_ENTRY", storage::invoices::closed_months::FIRST_ENTRY),
    ("invoices::month_close::LAST_WALLET", storage::invoices::month_close::LAST_WALLET),
    ("db::seeds::CLAIM", storage::db::seeds::CLAIM),
    ("invoices::parties::COPY", storage::invoices::parties::COPY),
    ("invoices::parties::FIND", storage::invoices::parties::FIND),
    ("db::deployment::FIX_TIMEZONE", storage::db::deployment::FIX_TIMEZONE),
    ("db::deployment::TIMEZONE", storage::db::deployment::TIMEZONE),
    ("db::deployment::PRICES_VERSION", storage::db::deployment::PRICES_VERSION),
];

/// Statements over many rows at once, as a batch of charges makes them.
static BULKS: &[(&str, &dyn SqlTexts)] = &[
    ("wallets::accounts::LOAD", &storage::wallets::accounts::LOAD),
    ("access::keys::TOUCH", &storage::access::keys::TOUCH),
    ("wallets::accounts::LOAD_UNOPENED", &storage::wallets::accounts::LOAD_UNOPENED),
    ("wallets::accounts::UPDATE", &storage::wallets::accounts::UPDATE),
    ("notifications::alerts::INSERT", &storage::notifications::alerts::INSERT),
    ("notifications::events::INSERT", &storage::notifications::events::INSERT),
    ("notifications::events::SCHEDULE", &storage::notifications::events::SCHEDULE),
    ("jobs::SCHEDULE", &storage::jobs::SCHEDULE),
    ("jobs::SCHEDULE_ONCE", &storage::jobs::SCHEDULE_ONCE),
    ("jobs::DUE_KINDS", &storage::jobs::DUE_KINDS),
    ("jobs::CLAIM", &storage::jobs::CLAIM),
    ("jobs::LOAD", &storage::jobs::LOAD),
    ("jobs::FINISH", &storage::jobs::FINISH),
    ("jobs::GIVE_BACK", &storage::jobs::GIVE_BACK),
    ("notifications::webhooks::LOAD_STATES", &storage::notifications::webhooks::LOAD_STATES),
    ("notifications::webhooks::SET_FAILING_SINCE", &storage::notifications::webhooks::SET_FAILING_SINCE),
    ("notifications::webhook_messages::NEXT_DUE", &storage::notifications::webhook_messages::NEXT_DUE),
    ("notifications::webhook_messages::NOTE", &storage::notifications::webhook_messages::NOTE),
    ("notifications::webhook_messages::INSERT_ATTEMPTS", &storage::notifications::webhook_messages::INSERT_ATTEMPTS),
    ("notifications::webhook_messages::ATTEMPTS", &storage::notifications::webhook_messages::ATTEMPTS),
    ("payments::recharges::LOAD", &storage::payments::recharges::LOAD),
    ("payments::recharges::UPDATE", &storage::payments::recharges::UPDATE),
    ("payments::recharges::INSERT_PAYMENTS", &storage::payments::recharges::INSERT_PAYMENTS),
    ("wallets::watches::UPDATE_LEVELS", &storage::wallets::watches::UPDATE_LEVELS),
    ("wallets::watches::UPDATE_RECHARGES", &storage::wallets::watches::UPDATE_RECHARGES),
    ("wallets::watches::SPENT", &storage::wallets::watches::SPENT),
    ("prices::applied_rates::FIND", &storage::prices::applied_rates::FIND),
    ("prices::applied_rates::INSERT", &storage::prices::applied_rates::INSERT),
    ("prices::applied_rates::LOAD", &storage::prices::applied_rates::LOAD),
    ("audit::INSERT", &storage::audit::INSERT),
    ("businesses::INSERT", &storage::businesses::INSERT),
    ("charges::FIND", &storage::charges::FIND),
    ("charges::INSERT_DELIVERIES", &storage::charges::INSERT_DELIVERIES),
    ("invoices::CLOSED", &storage::invoices::CLOSED),
    ("invoices::INSERT_ITEMS", &storage::invoices::INSERT_ITEMS),
    ("invoices::series::TAKE", &storage::invoices::series::TAKE),
    ("invoices::parties::FREEZE_BUYERS", &storage::invoices::parties::FREEZE_BUYERS),
    ("invoices::parties::FREEZE_RESELLERS", &storage::invoices::parties::FREEZE_RESELLERS),
    ("invoices::parties::FREEZE_PLATFORM", &storage::invoices::parties::FREEZE_PLATFORM),
    ("invoices::month_close::EXISTING", &storage::invoices::month_close::EXISTING),
    ("invoices::month_close::USAGE", &storage::invoices::month_close::USAGE),
    ("invoices::month_close::ITEMS", &storage::invoices::month_close::ITEMS),
    ("invoices::month_close::BALANCES", &storage::invoices::month_close::BALANCES),
    ("invoices::month_close::STILL_DUE", &storage::invoices::month_close::STILL_DUE),
    ("invoices::month_close::INSERT_DRAFTS", &storage::invoices::month_close::INSERT_DRAFTS),
    ("invoices::month_close::INSERT_LINES", &storage::invoices::month_close::INSERT_LINES),
    ("invoices::month_close::FINALISE", &storage::invoices::month_close::FINALISE),
    ("invoices::credit_notes::INSERT_LINES", &storage::invoices::credit_notes::INSERT_LINES),
    ("prices::rate_cards::INSERT_MANY", &storage::prices::rate_cards::INSERT_MANY),
    ("wallets::transactions::INSERT", &storage::wallets::transactions::INSERT),
    ("wallets::transactions::INSERT_MARKS", &storage::wallets::transactions::INSERT_MARKS),
    ("charges::usage::OPEN_ROLLUPS", &storage::charges::usage::OPEN_ROLLUPS),
    ("charges::usage::FIND_ROLLUPS", &storage::charges::usage::FIND_ROLLUPS),
    ("charges::usage::ADD", &storage::charges::usage::ADD),
    ("wallets::INSERT", &storage::wallets::INSERT),
];

/// Queries that only one database is asked.
const DIALECTS: &[(Database, &str, &str)] = &[
    (Database::Sqlite, "wallets::FIND_MANY_ON_SQLITE", storage::wallets::FIND_MANY_ON_SQLITE),
    (Database::Postgres, "wallets::FIND_MANY_ON_POSTGRES", storage::wallets::FIND_MANY_ON_POSTGRES),
    (Database::Sqlite, "wallets::history::PAGE_OF_TYPE_ON_SQLITE", storage::wallets::history::PAGE_OF_TYPE_ON_SQLITE),
    (
        Database::Postgres,
        "wallets::history::PAGE_OF_TYPE_ON_POSTGRES",
        storage::wallets::history::PAGE_OF_TYPE_ON_POSTGRES,
    ),
    (Database::Sqlite, "invoices::month_close::NEXT_ON_SQLITE", storage::invoices::month_close::NEXT_ON_SQLITE),
    (Database::Postgres, "invoices::month_close::NEXT_ON_POSTGRES", storage::invoices::month_close::NEXT_ON_POSTGRES),
    (Database::Postgres, "db::idempotency::TAKE_TURN_ON_POSTGRES", storage::db::idempotency::TAKE_TURN_ON_POSTGRES),
    (Database::Postgres, "db::turns::TAKE_ON_POSTGRES", storage::db::turns::TAKE_ON_POSTGRES),
    (
        Database::Sqlite,
        "access::login_failures::FORGET_SOME_ON_SQLITE",
        storage::access::login_failures::FORGET_SOME_ON_SQLITE,
    ),
    (
        Database::Postgres,
        "access::login_failures::FORGET_SOME_ON_POSTGRES",
        storage::access::login_failures::FORGET_SOME_ON_POSTGRES,
    ),
    (Database::Sqlite, "db::idempotency::FORGET_SOME_ON_SQLITE", storage::db::idempotency::FORGET_SOME_ON_SQLITE),
    (Database::Postgres, "db::idempotency::FORGET_SOME_ON_POSTGRES", storage::db::idempotency::FORGET_SOME_ON_POSTGRES),
];

/// Lists that are searched and sorted, and whether they grow with time or with the number of businesses.
static LISTINGS: &[(&str, &Listing, bool)] = &[
    ("audit::LISTING", &storage::audit::LISTING, true),
    ("prices::plans::LISTING", &storage::prices::plans::LISTING, false),
    ("prices::rate_cards::LISTING", &storage::prices::rate_cards::LISTING, false),
    ("businesses::LISTING", &storage::businesses::LISTING, true),
    ("access::users::LISTING", &storage::access::users::LISTING, true),
    ("wallets::LISTING", &storage::wallets::LISTING, true),
    ("invoices::LISTING", &storage::invoices::LISTING, true),
    ("notifications::alerts::LISTING", &storage::notifications::alerts::LISTING, true),
    ("payments::suspense::LISTING", &storage::payments::suspense::LISTING, true),
];

async fn plan(server: &Server, sql: &str) -> Vec<String> {
    match &server.billing.db {
        Db::Sqlite { writer, .. } => {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(writer).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail")).collect()
        }
        Db::Postgres(pool) => {
            // The tables are small here, and a small table is best read whole: what counts is what the planner does
            // when it may avoid that. A generic plan is one that holds for any values.
            let mut connection = pool.acquire().await.unwrap();
            let prepare = [
                "SET enable_seqscan = off".to_owned(),
                "SET plan_cache_mode = force_generic_plan".to_owned(),
                format!("PREPARE explained AS {sql}"),
            ];
            for statement in prepare {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
            }
            let highest = (1..=30).rev().find(|number| sql.contains(&format!("${number}"))).unwrap_or(0);
            let nulls = vec!["NULL"; highest].join(", ");
            let arguments = if highest == 0 { String::new() } else { format!("({nulls})") };
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE explained{arguments}"));
            let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
            sqlx::raw_sql("DEALLOCATE explained").execute(&mut *connection).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        }
    }
}

/// Whether a line of a plan reads a whole growing table (or sorts, which reads all it is given before it answers).
fn reads_all(database: Database, line: &str) -> Option<&'static str> {
    let is_scan = |table: &&&str| match database {
        Database::Sqlite => {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.first() == Some(&"SCAN") && words.get(1).is_some_and(|scanned| alias_of(table).contains(scanned))
        }
        Database::Postgres => {
            line.contains("Seq Scan on ") && line.split("Seq Scan on ").any(|rest| rest.starts_with(**table))
        }
    };
    GROWING.iter().find(is_scan).copied()
}

/// The names a table goes by in our queries.
fn alias_of(table: &str) -> Vec<&str> {
    match table {
        "api_keys" => vec!["api_keys", "k"],
        "api_key_businesses" => vec!["api_key_businesses", "l"],
        "sessions" => vec!["sessions", "s"],
        "users" => vec!["users", "u"],
        "audit_log" => vec!["audit_log", "l"],
        "businesses" => vec!["businesses", "b", "p1", "p2", "p3", "p4"],
        "wallets" => vec!["wallets", "w"],
        "transactions" => vec!["transactions", "t", "refund"],
        "transaction_marks" => vec!["transaction_marks", "m"],
        "deliveries" => vec!["deliveries", "d"],
        "usage_metrics" => vec!["usage_metrics", "u"],
        "invoices" => vec!["invoices", "i", "credited"],
        "invoice_parties" => vec!["invoice_parties", "p"],
        "invoice_payments" => vec!["invoice_payments", "p"],
        "invoice_reminders" => vec!["invoice_reminders", "told"],
        "alerts" => vec!["alerts", "a"],
        "webhook_endpoints" => vec!["webhook_endpoints", "e"],
        "webhook_messages" => vec!["webhook_messages", "m"],
        "webhook_attempts" => vec!["webhook_attempts", "a"],
        "payments" => vec!["payments", "p", "other"],
        "suspense" => vec!["suspense", "s"],
        other => vec![other],
    }
}

on_each_database! {
    async fn nothing_grows_with_history(server) {
        let dialect = DIALECTS.iter().filter(|(database, ..)| *database == server.database);
        let single = QUERIES.iter().copied().chain(dialect.map(|(_, name, sql)| (*name, *sql)));
        let bulk = BULKS.iter().map(|(name, bulk)| match server.database {
            Database::Sqlite => (*name, bulk.on_sqlite()),
            Database::Postgres => (*name, bulk.on_postgres()),
        });
        for (name, sql) in single.chain(bulk) {
            let plan = plan(server, sql).await;
            for line in &plan {
                let scanned = reads_all(server.database, line);
                assert!(scanned.is_none(), "{name} reads all of {scanned:?}:\n{}", plan.join("\n"));
            }
        }
    }

    /// A page reads no more rows than it shows: its index knows every column it asks for, in the order it shows them.
    async fn pages_read_what_they_show(server) {
        let by_type = match server.database {
            Database::Sqlite => storage::wallets::history::PAGE_OF_TYPE_ON_SQLITE,
            Database::Postgres => storage::wallets::history::PAGE_OF_TYPE_ON_POSTGRES,
        };
        for (sql, index, columns) in [
            (storage::wallets::history::CHAIN, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (by_type, ["transactions_by_type", "transactions_by_type"], ["wallet_id", "type", "seq"]),
            (storage::reports::exports::HISTORY, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (storage::reports::exports::CHARGES, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (storage::reports::exports::USAGE, ["sqlite_autoindex_usage_metrics", "usage_metrics_wallet_id_day"], ["wallet_id", "day", "day"]),
            (storage::wallets::ledger_lists::PAGE_OF_ALL, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (
                storage::wallets::ledger_lists::PAGE_OF_MESSAGE,
                ["transactions_by_message", "transactions_by_message"],
                ["message_sid", "wallet_id", "wallet_id"],
            ),
            (storage::payments::PAGE, ["payments_by_wallet", "payments_by_wallet"], ["wallet_id", "id", "id"]),
            (storage::payments::UNSETTLED, ["payments_unsettled", "payments_unsettled"], ["wallet_id", "id", "id"]),
            (storage::notifications::alerts::PAGE, ["alerts_by_wallet", "alerts_by_wallet"], ["wallet_id", "id", "id"]),
            (storage::notifications::alerts::PAGE_OF_UNREAD, ["alerts_unread", "alerts_unread"], ["wallet_id", "id", "id"]),
            (
                storage::notifications::webhook_messages::PAGE,
                ["webhook_messages_by_endpoint", "webhook_messages_by_endpoint"],
                ["endpoint_id", "id", "id"],
            ),
            (
                storage::notifications::webhook_messages::DUE,
                ["webhook_messages_due", "webhook_messages_due"],
                ["endpoint_id", "next_attempt_at", "next_attempt_at"],
            ),
        ] {
            let plan = plan(server, sql).await.join("\n");
            // The rows of a chain come in order, but only we know it; there are no more of them than the page shows. A
            // page of all wallets is put in order again after it was cut.
            let sorts_a_page = [
                storage::wallets::history::CHAIN,
                storage::wallets::ledger_lists::PAGE_OF_ALL,
                storage::wallets::ledger_lists::PAGE_OF_MESSAGE,
                storage::reports::exports::HISTORY,
                storage::reports::exports::CHARGES,
            ];
            let is_sorted = plan.contains("TEMP B-TREE") || plan.contains("Sort");
            assert!(!is_sorted || sorts_a_page.contains(&sql), "{sql}:\n{plan}");
            let index = index[usize::from(server.database == Database::Postgres)];
            assert!(plan.contains(index), "{sql} uses another index than {index}:\n{plan}");
            let searched = match server.database {
                Database::Sqlite => plan.clone(),
                Database::Postgres => plan.split("Index Cond:").nth(1).unwrap_or_default().to_owned(),
            };
            assert!(columns.iter().all(|column| searched.contains(column)), "{sql} searches less than {columns:?}:\n{plan}");
        }
    }

    /// Every order of every list, on its first page and on later ones. Where the list grows, an index has the rows in
    /// that order already: nothing is sorted, and no table is read whole. (A filter may have to pass over many rows.)
    async fn lists_are_read_in_order(server) {
        let dialect = match server.database {
            Database::Sqlite => Dialect::Sqlite,
            Database::Postgres => Dialect::Postgres,
        };
        for (name, listing, grows) in LISTINGS {
            for (what, sql) in listing.texts(dialect) {
                let plan = plan(server, &sql).await;
                let is_order = listing.sorts.iter().any(|sort| what.trim_start_matches('-').starts_with(sort.name));
                let reads_in_order = |line: &String| {
                    let sorts = line.contains("TEMP B-TREE") || line.trim_start_matches([' ', '-', '>']).starts_with("Sort ");
                    let scans = reads_all(server.database, line).is_some() && !line.contains("USING");
                    !sorts && !scans
                };
                assert!(
                    !grows || !is_order || plan.iter().all(reads_in_order),
                    "{name}, {what}:\n{sql}\n{}",
                    plan.join("\n")
                );
            }
        }
    }

    /// The check itself can fail.
    async fn a_scan_is_noticed(server) {
        let plan = plan(server, "SELECT sum(amount) FROM transactions WHERE reference = $1").await;
        assert!(plan.iter().any(|line| reads_all(server.database, line) == Some("transactions")), "{plan:?}");
    }
}

/// Every constant of `storage/` that is SQL stands in the list above, so that a new query cannot be forgotten.
#[test]
fn every_query_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    for file in sources(&folder) {
        let module = file.strip_prefix(&folder).unwrap().with_extension("").to_string_lossy().replace('/', "::");
        let module = module.strip_suffix("::mod").unwrap_or(&module);
        let text = std::fs::read_to_string(&file).unwrap();
        let declared = |line: &str| {
            line.strip_prefix("pub const ").or_else(|| line.strip_prefix("pub static ")).map(str::to_owned)
        };
        for line in text.lines().filter_map(declared) {
            let name = format!("{module}::{}", line.split(':').next().unwrap());
            // The same text as FIND and a lock.
            let is_lock = name.ends_with("_AND_LOCK_ON_POSTGRES");
            let is_name = name == "charges::UNIQUE_INDEX";
            let is_listing = LISTINGS.iter().any(|(listed, ..)| *listed == name);
            let is_bulk = BULKS.iter().any(|(listed, _)| *listed == name);
            let is_dialect = DIALECTS.iter().any(|(_, listed, _)| *listed == name);
            assert!(
                is_lock
                    || is_name
                    || is_listing
                    || is_bulk
                    || is_dialect
                    || QUERIES.iter().any(|(listed, _)| *listed == name),
                "{name} is not checked"
            );
        }
    }
}
