//! The billing of an SMS gateway.
//!
//! # Map
//!
//! Layers are folders, and the same nouns are file names in each of them (wallet, transactions, pricing, rate_cards,
//! usage, invoices, alerts), so layer + noun finds any behaviour.
//!
//! - [`config`]: every setting, checked whole at start. [`app`]: start-up, the accept loop, shutdown.
//!   [`commands`]: what the subcommands do. [`seed`]: loads `seeds/`.
//! - [`http`]: THE route table (`http/mod.rs`); request and response bodies and their handlers, a file a noun.
//! - [`services`]: use cases, one a function. Each owns its transaction.
//! - [`domain`]: the rules, pure: no async, no clock, no I/O.
//! - [`storage`]: SQL as constants, and typed functions around them. Only where the dialects truly differ does a `match`
//!   show which database is open; `storage/db.rs` holds the rest of that knowledge.
//! - [`clock`]: the only reader of the wall clock. [`error`]: what can go wrong, in the domain's words.
//!
//! # Who may use whom
//!
//! `http → services → domain, storage`; `storage → domain`; `domain →` nothing of ours. `http` never touches `storage`
//! or sqlx, `services` never touch axum, and no service calls another. `tests/it/architecture.rs` reads the `use` lines
//! and fails on a breach.
//!
//! A request flows one way: route → extractors → handler → service (opens the transaction) → storage reads → a pure
//! decision by the domain → storage writes → COMMIT → answer.
//!
//! # Add an endpoint in five steps
//!
//! 1. The rule, with its tests, in `domain/<noun>.rs`.
//! 2. The SQL as a constant and its function in `storage/<noun>.rs`, and the constant in `tests/it/query_plans.rs`.
//! 3. The use case in `services/<noun>.rs`.
//! 4. Body structs and a handler with its `#[utoipa::path]` in `http/<noun>.rs`.
//! 5. A line in the route table. Then a snapshot, rows in the table of bad inputs, and a line of curl in the README.
//!
//! # Why it is built this way
//!
//! - Money is a 64-bit count of millionths ([`domain::money`]): exact, checked, and an integer in both databases.
//! - One text of SQL serves both databases (`$1`, `ON CONFLICT`, `RETURNING`); the macro `on!` runs one body on whichever
//!   is open. Not `sqlx::Any` (no UUID, no JSON), and not two copies, which drift apart.
//! - SQLite has one writer connection and a pool of read-only ones: a write never waits for a lock half-way, and reads
//!   never wait for writes.
//! - A ledger row's key is (wallet, seq). It needs no other index to be paged, and because `created_at` never falls along
//!   `seq`, a time is found by halving instead of by an index that every charge would pay for.
//! - Wallets are read many at a time under load ([`services::wallet_reads`]): a statement's way to the database and back
//!   costs several times what finding the row does.
//! - On Postgres every connection has a `lock_timeout`: who waits for a row that somebody holds fails alone, and does not
//!   keep the connections that others need.
//! - A COMMIT whose outcome is unknown is looked up again by its idempotency key before anything is answered.
//! - Metrics are `prometheus-client`'s: typed, without a global, and with no upkeep to run between scrapes.
//! - The names of countries are a data file of our own (`seeds/countries.txt`): short names as people say them, which the
//!   crates at hand do not have.
//! - Everything that answers HTTP returns either its body or a [`http::error::Problem`]; the outermost layer alone
//!   writes error bodies, because it alone knows the request's id.

pub mod app;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod seed;
pub mod services;
pub mod storage;
