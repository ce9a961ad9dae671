//! Checks the tables: equal in both dialects, strict, and with constraints that hold whoever writes.

use std::collections::BTreeMap;

use sqlx::Row;
use wecall_billing::storage::db::Db;

use crate::support::{Database, Server, on_each_database, postgres};

/// Table → column → (type, may be NULL).
type Columns = BTreeMap<String, BTreeMap<String, (String, bool)>>;

/// Columns of types that SQLite does not have.
const FLAGS: &[&str] = &["is_read", "auto_recharge_enabled", "is_limited", "tax_included"];
const DAYS: &[&str] = &[
    "day",
    "effective_from",
    "period_start",
    "due_date",
    "paid_date",
    "tier_month",
    "alert_month",
    "spend_day",
    "issue_date",
    "paid_on",
];
const DOCUMENTS: &[&str] =
    &["features", "networks", "details", "metadata", "answer", "before", "after", "explanation", "more_parts"];

/// A type of SQLite and what stands for it in Postgres.
fn common_type(table: &str, column: &str, sqlite: &str) -> String {
    let is_flag = FLAGS.contains(&column);
    let is_day = DAYS.contains(&column) || column == "period_end";
    let is_document = DOCUMENTS.contains(&column);
    match sqlite {
        "INTEGER" if is_flag => "boolean",
        "INTEGER" => "bigint",
        "BLOB" if column.ends_with("uid") => "uuid",
        "BLOB" => "bytea",
        "TEXT" if is_day => "date",
        "TEXT" if is_document => "jsonb",
        "TEXT" => "text",
        other => panic!("{table}.{column} has the type {other}"),
    }
    .to_owned()
}

async fn sqlite_columns(server: &Server) -> Columns {
    let Db::Sqlite { writer, .. } = &server.billing.db else { panic!("not SQLite") };
    let sql = "SELECT t.name AS tbl, c.name AS col, c.type AS type, c.\"notnull\" = 0 AND c.pk = 0 AS nullable \
               FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\' \
               AND t.name NOT LIKE 'sqlite%'";
    let mut columns = Columns::new();
    for row in sqlx::query(sql).fetch_all(writer).await.unwrap() {
        let (table, column): (String, String) = (row.get("tbl"), row.get("col"));
        let kind = common_type(&table, &column, row.get("type"));
        columns.entry(table).or_default().insert(column, (kind, row.get("nullable")));
    }
    columns
}

async fn postgres_columns(server: &Server) -> Columns {
    let Db::Postgres(pool) = &server.billing.db else { panic!("not Postgres") };
    let sql = "SELECT table_name::text AS tbl, column_name::text AS col, data_type::text AS type, \
               is_nullable = 'YES' AS nullable FROM information_schema.columns \
               WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'";
    let mut columns = Columns::new();
    for row in sqlx::query(sql).fetch_all(pool).await.unwrap() {
        columns.entry(row.get("tbl")).or_default().insert(row.get("col"), (row.get("type"), row.get("nullable")));
    }
    columns
}

/// Every index: its table, whether it is unique, and its columns in order. Both name their own for a UNIQUE constraint.
async fn indexes(server: &Server) -> Vec<(String, bool, String, bool)> {
    let mut found: Vec<_> = match &server.billing.db {
        Db::Sqlite { writer, .. } => {
            let sql = "SELECT t.name AS tbl, i.\"unique\" AS is_unique, i.partial AS partial, \
                       (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) AS cols \
                       FROM sqlite_schema t JOIN pragma_index_list(t.name) i WHERE t.type = 'table' \
                       AND t.name NOT LIKE '\\_%' ESCAPE '\\'";
            let rows = sqlx::query(sql).fetch_all(writer).await.unwrap();
            rows.iter().map(|row| (row.get("tbl"), row.get("is_unique"), row.get("cols"), row.get("partial"))).collect()
        }
        Db::Postgres(pool) => {
            let sql = "SELECT c.relname::text AS tbl, i.indisunique AS is_unique, i.indpred IS NOT NULL AS partial, \
                       (SELECT string_agg(a.attname::text, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (num, n) \
                        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num) AS cols \
                       FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
                       JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = 'public' \
                       AND c.relname NOT LIKE '\\_%'";
            let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| (row.get("tbl"), row.get("is_unique"), row.get("cols"), row.get("partial"))).collect()
        }
    };
    // SQLite's rowid is the primary key where that is one integer, and needs no index.
    found.retain(|(table, _, columns, _): &(String, bool, String, bool)| {
        columns != "id" && (table.as_str(), columns.as_str()) != ("auto_recharges", "wallet_id")
    });
    found.sort();
    found
}

/// The two folders of migrations make the same tables, columns and indexes.
#[tokio::test]
async fn both_dialects_are_equal() {
    if !postgres::is_available() {
        return;
    }
    let sqlite = Server::start(Database::Sqlite, &[]).await;
    let postgres = Server::start(Database::Postgres, &[]).await;
    let (ours, theirs) = (sqlite_columns(&sqlite).await, postgres_columns(&postgres).await);
    assert!(ours.len() >= 14, "{:?}", ours.keys());
    assert_eq!(ours, theirs);
    assert_eq!(indexes(&sqlite).await, indexes(&postgres).await);
    let names = |folder: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[tokio::test]
async fn sqlite_tables_are_strict_and_its_writer_durable() {
    let server = Server::start(Database::Sqlite, &[]).await;
    let loose = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
                 AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_%' ESCAPE '\\'";
    assert_eq!(server.number(loose).await, 0);
    assert_eq!(server.number("PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(server.number("PRAGMA foreign_keys").await, 1);
    assert_eq!(server.number("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'").await, 1);
    let Db::Sqlite { readers, .. } = &server.billing.db else { panic!("not SQLite") };
    let refused = sqlx::query("DELETE FROM alerts").execute(readers).await.unwrap_err().to_string();
    assert!(refused.contains("readonly"), "{refused}");
}

on_each_database! {
    /// The ledger and the audit log only grow.
    async fn append_only(server) {
        for table in ["transactions", "audit_log"] {
            let before = server.number(&format!("SELECT count(*) FROM {table}")).await;
            assert!(before > 0);
            for sql in [format!("UPDATE {table} SET actor = 'x'"), format!("DELETE FROM {table}")] {
                let refused = server.execute(&sql).await.unwrap_err().to_string();
                assert!(refused.contains("append-only"), "{sql}: {refused}");
            }
            if server.database == Database::Postgres {
                assert!(server.execute(&format!("TRUNCATE {table} CASCADE")).await.is_err());
            }
            assert_eq!(server.number(&format!("SELECT count(*) FROM {table}")).await, before);
        }
    }

    /// What the rules forbid, the tables forbid too.
    async fn constraints(server) {
        let entry = |values: &str| {
            let uid = match server.database {
                Database::Sqlite => "randomblob(16)",
                Database::Postgres => "gen_random_uuid()",
            };
            format!(
                "INSERT INTO transactions (wallet_id, seq, uid, type, amount, balance_after, previous_uid, reference, actor, \
                 created_at) VALUES ({}, '', 'test', 0)",
                values.replace("UID", uid)
            )
        };
        for sql in [
            entry("1, 0, UID, 'TOPUP', 5, 5, UID"),      // no seq at all
            entry("1, 2, UID, 'TOPUP', 5, 5, NULL"),     // no row before it, but not the first
            entry("1, 1, UID, 'TOPUP', 5, 5, UID"),      // a row before the first
            entry("1, 2, UID, 'TOPUP', -5, 5, UID"),     // a top-up that takes
            entry("1, 2, UID, 'GIFT', 5, 5, UID"),       // an unknown type
            entry("1, 2, UID, 'SMS_DEBIT', -5, 5, UID"), // a debit of no message
            entry("99, 1, UID, 'TOPUP', 5, 5, NULL"),    // a wallet that does not exist
            entry("1, 2, UID, 'TOPUP', 5, NULL, UID"),   // a balance that is missing
            "INSERT INTO transaction_marks (wallet_id, seq, uid, created_at) SELECT 1, 65, uid, 0 FROM transactions".to_owned(),
            "UPDATE wallets SET tier_segments = -1".to_owned(),
            "UPDATE wallets SET currency = 'KES'".to_owned(),
            "UPDATE wallets SET credit_limit = -1".to_owned(),
            "UPDATE wallets SET credit_limit = 1000000000000000001".to_owned(),
            "UPDATE wallets SET last_seq = -1".to_owned(),
            "UPDATE businesses SET parent_id = id".to_owned(),
            "UPDATE pricing_plans SET card_discount = 10001".to_owned(),
            "UPDATE volume_tiers SET price_per_sms = -1".to_owned(),
            "INSERT INTO deployment (id, billing_timezone, created_at) VALUES (2, 'UTC', 0)".to_owned(),
        ] {
            assert!(server.execute(&sql).await.is_err(), "{sql}");
        }
        server.execute(&entry("1, 2, UID, 'TOPUP', 5, 5, UID")).await.unwrap();
    }
}

/// The statements of one folder that make tables and indexes, without what each dialect must say in its own way; and
/// the names of its triggers.
fn statements(folder: &str) -> (Vec<String>, Vec<String>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let code = code.join("\n");
    let made = code.split("CREATE ").skip(1).filter(|made| made.starts_with("TABLE") || made.contains("INDEX"));
    let made = made.filter(|made| !made.starts_with("TRIGGER") && !made.starts_with("FUNCTION"));
    let triggers = code.split("CREATE TRIGGER ").skip(1).filter_map(|made| made.split_whitespace().next());
    let triggers = triggers.filter(|name| !name.ends_with("_refuse_truncate"));
    (made.map(neutral).collect(), triggers.map(str::to_owned).collect())
}

fn neutral(statement: &str) -> String {
    let mut text = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    for (dialect, common) in [
        (" GENERATED BY DEFAULT AS IDENTITY", ""),
        (" COLLATE \"C\"", ""),
        (") STRICT;", ");"),
        ("DROP TRIGGER invoices_refuse_update ON invoices;", "DROP TRIGGER invoices_refuse_update;"),
        (" DEFAULT TRUE", " DEFAULT 1"),
        ("BIGINT", "INTEGER"),
        ("BOOLEAN", "INTEGER"),
        ("UUID", "BLOB"),
        ("BYTEA", "BLOB"),
        ("JSONB", "TEXT"),
        ("DATE", "TEXT"),
        ("length(period_end) = 10 AND ", ""),
    ] {
        text = text.replace(dialect, common);
    }
    // These stand for types that SQLite does not have.
    for id in ["uid", "charge_uid", "transaction_uid", "last_uid"] {
        text = text.replace(&format!(" CHECK (length({id}) = 16)"), "");
    }
    for document in DOCUMENTS {
        text = text.replace(&format!(" CHECK ({document} IS NULL OR json_valid({document}))"), "");
        text = text.replace(&format!(" CHECK (json_valid({document}))"), "");
    }
    for day in DAYS {
        text = text.replace(&format!(" CHECK (length({day}) = 10)"), "");
    }
    for flag in FLAGS {
        text = text.replace(&format!(" CHECK ({flag} IN (0, 1))"), "");
    }
    text
}

/// Both dialects say the same, to the last CHECK, foreign key and trigger.
#[test]
fn both_dialects_promise_the_same() {
    let ((sqlite, sqlite_triggers), (postgres, postgres_triggers)) = (statements("sqlite"), statements("postgres"));
    assert!(sqlite.len() > 15 && sqlite_triggers.len() > 6);
    for (ours, theirs) in sqlite.iter().zip(&postgres) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(sqlite.len(), postgres.len());
    assert_eq!(sqlite_triggers, postgres_triggers);
}
