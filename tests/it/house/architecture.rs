//! Checks the rules of `src/lib.rs` on imports between layers and subjects, read from the sources.

use std::path::{Path, PathBuf};

/// A layer, and what no line of it may name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "crate::http",
            "crate::documents",
            "crate::services",
            "crate::storage",
            "crate::error",
            "crate::clock",
            "crate::config",
            "crate::app",
            "sqlx",
            "rusqlite",
            "axum",
            "tokio",
            "utoipa",
            "async fn",
        ],
    ),
    (
        "documents",
        &[
            "crate::http",
            "crate::services",
            "crate::storage",
            "crate::error",
            "crate::clock",
            "crate::config",
            "crate::app",
            "sqlx",
            "rusqlite",
            "axum",
            "tokio",
            "utoipa",
            "async fn",
        ],
    ),
    (
        "storage",
        &["crate::http", "crate::documents", "crate::services", "crate::config", "crate::app", "axum", "utoipa"],
    ),
    (
        "services",
        &[
            "crate::http",
            "crate::documents",
            "crate::config",
            "crate::app",
            "axum",
            "sqlx",
            "rusqlite",
            "utoipa",
            "use super::{Billing, ",
        ],
    ),
    ("http", &["crate::storage", "crate::config", "crate::app", "sqlx", "rusqlite"]),
];

/// No service calls another.
const SERVICES: &[&str] = &[
    "access",
    "adjustments",
    "alerts",
    "audit",
    "businesses",
    "charges",
    "credit_notes",
    "exports",
    "fees",
    "health",
    "housekeeping",
    "invoice_payments",
    "invoices",
    "keys",
    "logins",
    "month_close",
    "payments",
    "plan_sheets",
    "pricing",
    "quotes",
    "rate_card_sheets",
    "rate_cards",
    "recharge_settings",
    "recharges",
    "reconcile",
    "reminders",
    "suspense",
    "thresholds",
    "transactions",
    "usage",
    "users",
    "wallet",
    "wallet_settings",
    "webhook_deliveries",
    "webhook_log",
    "webhooks",
];

/// Not use cases but what they work with.
const TOOLS: &[&str] = &[
    "mod",
    "consequences",
    "idempotent",
    "posting",
    "wallet_reads",
    "prices",
    "credentials",
    "passwords",
    "batch",
    "committer",
    "counts",
    "jobs",
    "invoice_credits",
    "payment_methods",
    "providers",
    "http",
    "simulated",
    "settlement",
    "webhook_attempts",
];

pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines of a file that are code, numbered.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    (1..).zip(text.lines()).filter(|(_, line)| is_code(line)).map(|(number, line)| (number, line.to_owned())).collect()
}

#[test]
fn layers_keep_to_themselves() {
    let mut breaches = Vec::new();
    for (layer, words) in FORBIDDEN {
        let files = sources(&src().join(layer));
        assert!(files.len() > 5, "the layer {layer} is where it should be");
        for file in files {
            for (number, line) in code(&file) {
                if let Some(word) = words.iter().find(|word| names(&line, word)) {
                    breaches.push(format!("{}:{number} names {word}: {line}", file.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Whether a line names a path or a word, not merely a longer word that holds it.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        !is_word(before) && !is_word(after)
    })
}

#[test]
fn no_service_calls_another() {
    for file in sources(&src().join("services")) {
        let own = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (number, line) in code(&file) {
            for other in SERVICES.iter().filter(|other| **other != own) {
                let calls = line.contains(&format!("services::{other}")) || line.contains(&format!("super::{other}"));
                assert!(!calls, "{}:{number} calls {other}: {line}", file.display());
            }
        }
    }
    let listed: Vec<String> = sources(&src().join("services"))
        .iter()
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| !TOOLS.contains(&name.as_str()))
        .collect();
    assert!(listed.iter().all(|name| SERVICES.contains(&name.as_str())), "list every service here: {listed:?}");
}

/// Only `storage/db.rs` and those that show a true difference between the dialects know which database is open.
#[test]
fn few_know_which_database_is_open() {
    let allowed = [
        "db.rs",
        "open.rs",
        "migrations.rs",
        "backup.rs",
        "deployment.rs",
        "wallet.rs",
        "transactions.rs",
        "idempotency.rs",
        "jobs.rs",
        "month_close.rs",
        "login_failures.rs",
        "bulk.rs",
        "listing.rs",
        "pricing.rs",
        "rate_cards.rs",
        "accounts.rs",
        "businesses.rs",
        "turns.rs",
        "reconcile.rs",
        "webhooks.rs",
    ];
    for file in sources(&src()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let in_storage = file.parent().is_some_and(|folder| folder.ends_with("storage"));
        if in_storage && allowed.contains(&name.as_str()) {
            continue;
        }
        for (number, line) in code(&file) {
            let knows =
                ["Db::Sqlite", "Db::Postgres", "Conn::Sqlite", "Conn::Postgres"].iter().any(|word| line.contains(word));
            assert!(!knows, "{}:{number}: {line}", file.display());
        }
    }
}
