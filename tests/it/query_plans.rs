//! No query of an endpoint may read more the longer the history grows: the databases' own plans say so.

use sqlx::Row;
use wecall_billing::storage::bulk::Bulk;
use wecall_billing::storage::db::Db;
use wecall_billing::storage::listing::{Dialect, Listing};
use wecall_billing::storage::{
    accounts, alerts, api_keys, applied_rates, audit, businesses, charges, closed_months, credit_notes, deployment,
    events, exports, idempotency, invoice_parties, invoice_payments, invoice_series, invoices, jobs, login_failures,
    month_close, payments, pricing, rate_cards, recharges, reminders, seeds, sessions, suspense, transactions, turns,
    usage, users, wallet, watches, webhook_messages, webhooks,
};

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
    ("api_keys::FIND_BY_PUBLIC_ID", api_keys::FIND_BY_PUBLIC_ID),
    ("api_keys::LISTED", api_keys::LISTED),
    ("api_keys::FIND", api_keys::FIND),
    ("api_keys::PAGE", api_keys::PAGE),
    ("api_keys::PAGE_OF_BUSINESS", api_keys::PAGE_OF_BUSINESS),
    ("api_keys::COUNT_LIVE", api_keys::COUNT_LIVE),
    ("api_keys::INSERT", api_keys::INSERT),
    ("api_keys::INSERT_LISTED", api_keys::INSERT_LISTED),
    ("api_keys::ROTATE", api_keys::ROTATE),
    ("api_keys::REVOKE", api_keys::REVOKE),
    ("businesses::FIND_KIND", businesses::FIND_KIND),
    ("businesses::IS_BELOW", businesses::IS_BELOW),
    ("businesses::FIND", businesses::FIND),
    ("businesses::CHAIN", businesses::CHAIN),
    ("businesses::LEVELS_BELOW", businesses::LEVELS_BELOW),
    ("businesses::TIES", businesses::TIES),
    ("businesses::ADD", businesses::ADD),
    ("businesses::UPDATE", businesses::UPDATE),
    ("businesses::DELETE", businesses::DELETE),
    ("alerts::COUNT_UNREAD", alerts::COUNT_UNREAD),
    ("alerts::MARK_ALL_READ", alerts::MARK_ALL_READ),
    ("watches::FIND_THRESHOLD", watches::FIND_THRESHOLD),
    ("watches::UPDATE_THRESHOLD", watches::UPDATE_THRESHOLD),
    ("jobs::COUNTS", jobs::COUNTS),
    ("jobs::EXTEND", jobs::EXTEND),
    ("recharges::BUSINESS", recharges::BUSINESS),
    ("recharges::UPSERT", recharges::UPSERT),
    ("recharges::UPDATE_WALLET", recharges::UPDATE_WALLET),
    ("payments::FIND", payments::FIND),
    ("payments::PAGE", payments::PAGE),
    ("payments::UNSETTLED", payments::UNSETTLED),
    ("payments::INSERT", payments::INSERT),
    ("payments::REQUESTED", payments::REQUESTED),
    ("payments::COMPLETE", payments::COMPLETE),
    ("payments::FAIL", payments::FAIL),
    ("payments::OF_REFERENCE", payments::OF_REFERENCE),
    ("payments::OPEN_RECHARGE", payments::OPEN_RECHARGE),
    ("suspense::FIND", suspense::FIND),
    ("suspense::OF_REFERENCE", suspense::OF_REFERENCE),
    ("suspense::INSERT", suspense::INSERT),
    ("suspense::SETTLE", suspense::SETTLE),
    ("login_failures::FIND", login_failures::FIND),
    ("login_failures::COUNT", login_failures::COUNT),
    ("login_failures::TAKE_BACK", login_failures::TAKE_BACK),
    ("login_failures::FORGIVE", login_failures::FORGIVE),
    ("login_failures::TAKE_BACK_THE_LAST", login_failures::TAKE_BACK_THE_LAST),
    ("sessions::FIND", sessions::FIND),
    ("sessions::INSERT", sessions::INSERT),
    ("sessions::DELETE", sessions::DELETE),
    ("sessions::DELETE_OF_USER", sessions::DELETE_OF_USER),
    ("sessions::FORGET_SOME", sessions::FORGET_SOME),
    ("users::FIND", users::FIND),
    ("users::FIND_BY_EMAIL", users::FIND_BY_EMAIL),
    ("users::ANOTHER_ADMIN", users::ANOTHER_ADMIN),
    ("users::INSERT", users::INSERT),
    ("users::UPDATE", users::UPDATE),
    ("users::DELETE", users::DELETE),
    ("users::SET_PASSWORD", users::SET_PASSWORD),
    ("users::REPLACE_PASSWORD", users::REPLACE_PASSWORD),
    ("users::SET_LAST_LOGIN", users::SET_LAST_LOGIN),
    ("wallet::FIND", wallet::FIND),
    ("transactions::CHAIN", transactions::CHAIN),
    ("transactions::REFUNDS_OF_CHARGE", transactions::REFUNDS_OF_CHARGE),
    ("transactions::MARK_ABOVE", transactions::MARK_ABOVE),
    ("transactions::FIRST_MARK_SINCE", transactions::FIRST_MARK_SINCE),
    ("transactions::FIRST_SEQ_SINCE", transactions::FIRST_SEQ_SINCE),
    ("exports::HISTORY", exports::HISTORY),
    ("exports::CHARGES", exports::CHARGES),
    ("exports::USAGE", exports::USAGE),
    ("idempotency::FIND", idempotency::FIND),
    ("idempotency::INSERT", idempotency::INSERT),
    ("pricing::LIST", pricing::LIST),
    ("pricing::FIND", pricing::FIND),
    ("pricing::UPDATE", pricing::UPDATE),
    ("pricing::DELETE", pricing::DELETE),
    ("pricing::DELETE_TIERS", pricing::DELETE_TIERS),
    ("pricing::A_WALLET_OF", pricing::A_WALLET_OF),
    ("pricing::LIST_TIERS", pricing::LIST_TIERS),
    ("pricing::FIND_TYPE_BY_NAME", pricing::FIND_TYPE_BY_NAME),
    ("pricing::INSERT", pricing::INSERT),
    ("pricing::INSERT_TIER", pricing::INSERT_TIER),
    ("rate_cards::INSERT", rate_cards::INSERT),
    ("rate_cards::LIST", rate_cards::LIST),
    ("rate_cards::FIND", rate_cards::FIND),
    ("rate_cards::A_ROW_OF", rate_cards::A_ROW_OF),
    ("rate_cards::UPDATE", rate_cards::UPDATE),
    ("rate_cards::DELETE", rate_cards::DELETE),
    ("rate_cards::LIST_IN_FORCE", rate_cards::LIST_IN_FORCE),
    ("usage::BY_OPERATOR", usage::BY_OPERATOR),
    ("usage::BY_DAY", usage::BY_DAY),
    ("usage::BY_PRICE", usage::BY_PRICE),
    ("invoices::FIND", invoices::FIND),
    ("invoices::INSERT_DRAFT", invoices::INSERT_DRAFT),
    ("invoices::LINES", invoices::LINES),
    ("invoices::SET_STATUS", invoices::SET_STATUS),
    ("invoice_payments::OPEN", invoice_payments::OPEN),
    ("invoice_payments::INSERT", invoice_payments::INSERT),
    ("invoice_payments::CREDITS_SINCE", invoice_payments::CREDITS_SINCE),
    ("credit_notes::EARLIER", credit_notes::EARLIER),
    ("credit_notes::INSERT", credit_notes::INSERT),
    ("credit_notes::FINALISE", credit_notes::FINALISE),
    ("reminders::DUE", reminders::DUE),
    ("reminders::INSERT", reminders::INSERT),
    ("invoices::ITEMS", invoices::ITEMS),
    ("alerts::PAGE", alerts::PAGE),
    ("alerts::PAGE_OF_UNREAD", alerts::PAGE_OF_UNREAD),
    ("wallet::FIND_PLAN", wallet::FIND_PLAN),
    ("wallet::UPDATE_SETTINGS", wallet::UPDATE_SETTINGS),
    ("transactions::PAGE_OF_ALL", transactions::PAGE_OF_ALL),
    ("transactions::PAGE_OF_MESSAGE", transactions::PAGE_OF_MESSAGE),
    ("invoices::FIND_BY_SID", invoices::FIND_BY_SID),
    ("alerts::FIND", alerts::FIND),
    ("alerts::MARK", alerts::MARK),
    ("webhooks::LIST", webhooks::LIST),
    ("webhooks::FIND", webhooks::FIND),
    ("webhooks::FIND_BY_ID", webhooks::FIND_BY_ID),
    ("webhooks::COUNT", webhooks::COUNT),
    ("webhooks::INSERT", webhooks::INSERT),
    ("webhooks::UPDATE", webhooks::UPDATE),
    ("webhooks::SET_SECRET", webhooks::SET_SECRET),
    ("webhooks::DELETE", webhooks::DELETE),
    ("webhooks::ASKED_OF_WALLET", webhooks::ASKED_OF_WALLET),
    ("webhooks::SET_ASKED_OF_WALLET", webhooks::SET_ASKED_OF_WALLET),
    ("webhook_messages::DUE", webhook_messages::DUE),
    ("webhook_messages::PAGE", webhook_messages::PAGE),
    ("webhook_messages::PAGE_OF_STATUS", webhook_messages::PAGE_OF_STATUS),
    ("webhook_messages::FIND", webhook_messages::FIND),
    ("webhook_messages::INSERT", webhook_messages::INSERT),
    ("webhook_messages::SEND_AGAIN", webhook_messages::SEND_AGAIN),
    ("webhook_messages::DELETE_SOME", webhook_messages::DELETE_SOME),
    ("closed_months::ALL", closed_months::ALL),
    ("closed_months::FIND", closed_months::FIND),
    ("closed_months::NOTE", closed_months::NOTE),
    ("closed_months::FIRST_ENTRY", closed_months::FIRST_ENTRY),
    ("month_close::LAST_WALLET", month_close::LAST_WALLET),
    ("seeds::CLAIM", seeds::CLAIM),
    ("invoice_parties::COPY", invoice_parties::COPY),
    ("invoice_parties::FIND", invoice_parties::FIND),
    ("deployment::FIX_TIMEZONE", deployment::FIX_TIMEZONE),
    ("deployment::TIMEZONE", deployment::TIMEZONE),
    ("deployment::PRICES_VERSION", deployment::PRICES_VERSION),
];

/// Statements over many rows at once, as a batch of charges makes them.
static BULKS: &[(&str, &Bulk)] = &[
    ("accounts::LOAD", &accounts::LOAD),
    ("api_keys::TOUCH", &api_keys::TOUCH),
    ("accounts::LOAD_UNOPENED", &accounts::LOAD_UNOPENED),
    ("accounts::UPDATE", &accounts::UPDATE),
    ("alerts::INSERT", &alerts::INSERT),
    ("events::INSERT", &events::INSERT),
    ("events::SCHEDULE", &events::SCHEDULE),
    ("jobs::SCHEDULE", &jobs::SCHEDULE),
    ("jobs::SCHEDULE_ONCE", &jobs::SCHEDULE_ONCE),
    ("jobs::DUE_KINDS", &jobs::DUE_KINDS),
    ("jobs::LOAD", &jobs::LOAD),
    ("jobs::FINISH", &jobs::FINISH),
    ("jobs::GIVE_BACK", &jobs::GIVE_BACK),
    ("webhooks::LOAD_STATES", &webhooks::LOAD_STATES),
    ("webhooks::SET_FAILING_SINCE", &webhooks::SET_FAILING_SINCE),
    ("webhook_messages::NEXT_DUE", &webhook_messages::NEXT_DUE),
    ("webhook_messages::NOTE", &webhook_messages::NOTE),
    ("webhook_messages::INSERT_ATTEMPTS", &webhook_messages::INSERT_ATTEMPTS),
    ("webhook_messages::ATTEMPTS", &webhook_messages::ATTEMPTS),
    ("recharges::LOAD", &recharges::LOAD),
    ("recharges::UPDATE", &recharges::UPDATE),
    ("recharges::INSERT_PAYMENTS", &recharges::INSERT_PAYMENTS),
    ("watches::UPDATE_LEVELS", &watches::UPDATE_LEVELS),
    ("watches::UPDATE_RECHARGES", &watches::UPDATE_RECHARGES),
    ("watches::SPENT", &watches::SPENT),
    ("applied_rates::FIND", &applied_rates::FIND),
    ("applied_rates::INSERT", &applied_rates::INSERT),
    ("applied_rates::LOAD", &applied_rates::LOAD),
    ("audit::INSERT", &audit::INSERT),
    ("businesses::INSERT", &businesses::INSERT),
    ("charges::FIND", &charges::FIND),
    ("charges::INSERT_DELIVERIES", &charges::INSERT_DELIVERIES),
    ("invoices::CLOSED", &invoices::CLOSED),
    ("invoices::INSERT_ITEMS", &invoices::INSERT_ITEMS),
    ("invoice_series::TAKE", &invoice_series::TAKE),
    ("invoice_parties::FREEZE_BUYERS", &invoice_parties::FREEZE_BUYERS),
    ("invoice_parties::FREEZE_RESELLERS", &invoice_parties::FREEZE_RESELLERS),
    ("invoice_parties::FREEZE_PLATFORM", &invoice_parties::FREEZE_PLATFORM),
    ("month_close::EXISTING", &month_close::EXISTING),
    ("month_close::USAGE", &month_close::USAGE),
    ("month_close::ITEMS", &month_close::ITEMS),
    ("month_close::BALANCES", &month_close::BALANCES),
    ("month_close::STILL_DUE", &month_close::STILL_DUE),
    ("month_close::INSERT_DRAFTS", &month_close::INSERT_DRAFTS),
    ("month_close::INSERT_LINES", &month_close::INSERT_LINES),
    ("month_close::FINALISE", &month_close::FINALISE),
    ("credit_notes::INSERT_LINES", &credit_notes::INSERT_LINES),
    ("rate_cards::INSERT_MANY", &rate_cards::INSERT_MANY),
    ("transactions::INSERT", &transactions::INSERT),
    ("transactions::INSERT_MARKS", &transactions::INSERT_MARKS),
    ("usage::OPEN_ROLLUPS", &usage::OPEN_ROLLUPS),
    ("usage::FIND_ROLLUPS", &usage::FIND_ROLLUPS),
    ("usage::ADD", &usage::ADD),
    ("wallet::INSERT", &wallet::INSERT),
];

/// Queries that only one database is asked.
const DIALECTS: &[(Database, &str, &str)] = &[
    (Database::Sqlite, "wallet::FIND_MANY_ON_SQLITE", wallet::FIND_MANY_ON_SQLITE),
    (Database::Postgres, "wallet::FIND_MANY_ON_POSTGRES", wallet::FIND_MANY_ON_POSTGRES),
    (Database::Sqlite, "transactions::PAGE_OF_TYPE_ON_SQLITE", transactions::PAGE_OF_TYPE_ON_SQLITE),
    (Database::Postgres, "transactions::PAGE_OF_TYPE_ON_POSTGRES", transactions::PAGE_OF_TYPE_ON_POSTGRES),
    (Database::Sqlite, "month_close::NEXT_ON_SQLITE", month_close::NEXT_ON_SQLITE),
    (Database::Postgres, "month_close::NEXT_ON_POSTGRES", month_close::NEXT_ON_POSTGRES),
    (Database::Postgres, "jobs::CLAIM_ON_POSTGRES", jobs::CLAIM_ON_POSTGRES),
    (Database::Postgres, "idempotency::TAKE_TURN_ON_POSTGRES", idempotency::TAKE_TURN_ON_POSTGRES),
    (Database::Postgres, "turns::TAKE_ON_POSTGRES", turns::TAKE_ON_POSTGRES),
    (Database::Sqlite, "login_failures::FORGET_SOME_ON_SQLITE", login_failures::FORGET_SOME_ON_SQLITE),
    (Database::Postgres, "login_failures::FORGET_SOME_ON_POSTGRES", login_failures::FORGET_SOME_ON_POSTGRES),
    (Database::Sqlite, "idempotency::FORGET_SOME_ON_SQLITE", idempotency::FORGET_SOME_ON_SQLITE),
    (Database::Postgres, "idempotency::FORGET_SOME_ON_POSTGRES", idempotency::FORGET_SOME_ON_POSTGRES),
];

/// The same of statements over many rows.
static BULKS_OF_ONE: &[(Database, &str, &Bulk)] =
    &[(Database::Sqlite, "jobs::CLAIM_ON_SQLITE", &jobs::CLAIM_ON_SQLITE)];

/// Lists that are searched and sorted, and whether they grow with time or with the number of businesses.
static LISTINGS: &[(&str, &Listing, bool)] = &[
    ("audit::LISTING", &audit::LISTING, true),
    ("pricing::LISTING", &pricing::LISTING, false),
    ("rate_cards::LISTING", &rate_cards::LISTING, false),
    ("businesses::LISTING", &businesses::LISTING, true),
    ("users::LISTING", &users::LISTING, true),
    ("wallet::LISTING", &wallet::LISTING, true),
    ("invoices::LISTING", &invoices::LISTING, true),
    ("alerts::LISTING", &alerts::LISTING, true),
    ("suspense::LISTING", &suspense::LISTING, true),
];

async fn plan(server: &Server, sql: &str) -> Vec<String> {
    match &server.billing.db {
        Db::Sqlite { writer, .. } => {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(writer).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail")).collect()
        }
        Db::Postgres(pool) => {
            // The tables are small here, and a small table is best read whole: what counts is what the planner does when
            // it may avoid that. A generic plan is one that holds for any values.
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
        let of_one = BULKS_OF_ONE.iter().filter(|(database, ..)| *database == server.database);
        let bulk = BULKS.iter().copied().chain(of_one.map(|(_, name, bulk)| (*name, *bulk)));
        let bulk = bulk.map(|(name, bulk)| match server.database {
            Database::Sqlite => (name, bulk.on_sqlite()),
            Database::Postgres => (name, bulk.on_postgres()),
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
            Database::Sqlite => transactions::PAGE_OF_TYPE_ON_SQLITE,
            Database::Postgres => transactions::PAGE_OF_TYPE_ON_POSTGRES,
        };
        for (sql, index, columns) in [
            (transactions::CHAIN, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (by_type, ["transactions_by_type", "transactions_by_type"], ["wallet_id", "type", "seq"]),
            (exports::HISTORY, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (exports::CHARGES, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (exports::USAGE, ["sqlite_autoindex_usage_metrics", "usage_metrics_wallet_id_day"], ["wallet_id", "day", "day"]),
            (transactions::PAGE_OF_ALL, ["sqlite_autoindex_transactions", "transactions_pkey"], ["uid", "uid", "uid"]),
            (
                transactions::PAGE_OF_MESSAGE,
                ["transactions_by_message", "transactions_by_message"],
                ["message_sid", "wallet_id", "wallet_id"],
            ),
            (payments::PAGE, ["payments_by_wallet", "payments_by_wallet"], ["wallet_id", "id", "id"]),
            (payments::UNSETTLED, ["payments_unsettled", "payments_unsettled"], ["wallet_id", "id", "id"]),
            (alerts::PAGE, ["alerts_by_wallet", "alerts_by_wallet"], ["wallet_id", "id", "id"]),
            (alerts::PAGE_OF_UNREAD, ["alerts_unread", "alerts_unread"], ["wallet_id", "id", "id"]),
            (
                webhook_messages::PAGE,
                ["webhook_messages_by_endpoint", "webhook_messages_by_endpoint"],
                ["endpoint_id", "id", "id"],
            ),
            (
                webhook_messages::DUE,
                ["webhook_messages_due", "webhook_messages_due"],
                ["endpoint_id", "next_attempt_at", "next_attempt_at"],
            ),
        ] {
            let plan = plan(server, sql).await.join("\n");
            // The rows of a chain come in order, but only we know it; there are no more of them than the page shows. A page of
            // all wallets is put in order again after it was cut.
            let sorts_a_page = [
                transactions::CHAIN,
                transactions::PAGE_OF_ALL,
                transactions::PAGE_OF_MESSAGE,
                exports::HISTORY,
                exports::CHARGES,
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

    /// Every order of every list, on its first page and on later ones. Where the list grows, an index has the rows in that
    /// order already: nothing is sorted, and no table is read whole. (A filter may have to pass over many rows.)
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
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let module = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).unwrap();
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
            let is_bulk = is_bulk || BULKS_OF_ONE.iter().any(|(_, listed, _)| *listed == name);
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
