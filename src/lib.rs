//! The billing of an SMS gateway.
//!
//! # Map
//!
//! Layers are folders, and the same nouns are file names in each of them (wallet, transactions, charges, quotes, pricing,
//! rate_cards, usage, exports, invoices, alerts, keys, logins, users, businesses, audit), so layer + noun finds any behaviour.
//! rate_cards, usage, invoices, alerts, payments, suspense, keys, logins, users, businesses, audit), so layer + noun finds any behaviour.
//!
//! - [`config`]: every setting, checked whole at start. [`app`]: start-up, the accept loop, shutdown. [`connections`]: how
//!   many there may be. [`commands`]: what the subcommands do. [`seed`]: loads `seeds/`.
//! - [`http`]: THE route table (`http/mod.rs`); request and response bodies and their handlers, a file a noun.
//! - [`services`]: use cases, one a function. Each owns its transaction.
//! - [`domain`]: the rules, pure: no async, no clock, no I/O.
//! - [`documents`]: invoices as people read them, HTML and PDF, pure: the same document gives the same bytes.
//! - [`storage`]: SQL as constants, and typed functions around them. Only where the dialects truly differ does a `match`
//!   show which database is open; `storage/{db,bulk,local}.rs` hold the rest of that knowledge.
//! - [`worker`]: does what is scheduled. [`outbound`]: the only caller of addresses that somebody else names.
//! - [`payment_settings`]: those of payment providers. [`tls`]: how this server asks others. [`worker`]: does what is scheduled.
//! - [`clock`]: the only reader of the wall clock. [`random`]: the only reader of the system's randomness. [`error`]: what
//!   can go wrong, in the domain's words.
//!
//! # Who may use whom
//!
//! `http → services → domain, storage`; `http → documents → domain`; `storage → domain`; `domain →` nothing of ours. `http` never touches `storage`
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
//! 4. Body structs and a handler with its `#[utoipa::path]` in `http/<noun>.rs`; its signature says who may call it
//!    ([`http::auth::May`], [`http::extract::BusinessPath`]).
//! 5. A line in the route table, and one in `tests/it/access.rs`, which fails without it. Then a snapshot, rows in the table
//!    of bad inputs, and a line of curl in the README.
//!
//! # Why it is built this way
//!
//! - Money is a 64-bit count of millionths ([`domain::money`]): exact, checked, and an integer in both databases.
//! - One text of SQL serves both databases (`$1`, `ON CONFLICT`, `RETURNING`); the macro `on!` runs one body on whichever
//!   is open. Not `sqlx::Any` (no UUID, no JSON), and not two copies, which drift apart.
//! - On SQLite writers take turns and reads have a pool of read-only connections: a write never waits for a lock half-way,
//!   and reads never wait for writes.
//! - The committer has a thread of its own, and on SQLite a connection of its own, rusqlite's, whose statements run right
//!   there ([`storage::local`]): sqlx hands each to another thread and waits, which cost more than the statements did.
//!   (rusqlite and sqlx share the one SQLite that is compiled in; sqlx's raw handle would have needed unsafe code.)
//! - The ledger grows at its end alone: rows come in the order of their ids (UUID version 7), and no index by wallet has to
//!   be touched in a thousand places for a thousand charges. Each row names its wallet's row before it, and a page of
//!   history follows that chain; every 64th row is marked, so that a row deep in it, or a time (along a chain it never
//!   falls), is found in a few steps. (In a probe an index by wallet and `seq` left 40 % of the rows per second.)
//! - Rates that messages were charged at are stored once each (`applied_rates`), with all that explains them; a debit names
//!   its rate by a number. So a row stays narrow, and its explanation holds whatever becomes of cards and plans.
//! - Charges and delivery reports go through one task ([`services::charges::committer`]), which settles whatever waits as
//!   one batch: load, decide in memory ([`domain::charging`], pure), write, COMMIT, and only then answer. No
//!   balance outlives its batch, so several servers may share one Postgres.
//! - A batch takes its messages for new ones, and the unique index on (message, wallet) refuses it where that is wrong;
//!   only then, or where a message was refused for another reason, are messages looked up. So a new message costs no
//!   lookup, and the database, not a cache, promises that none is charged twice.
//! - Prices are a book in memory ([`services::prices`]), read anew when triggers in the database have counted a change.
//! - Those who change prices take turns, on the row that counts the changes ([`storage::deployment::lock_prices`]): each
//!   decides on what the one before left. They are few; charges are rated by the book in memory.
//! - A list that is searched and sorted is declared once ([`storage::listing`]): its SQL is made of the declaration's texts,
//!   and the tests have both databases plan every order of it.
//! - Which state of a thing a writer saw is a hash of its content ([`domain::versions`]), compared inside the transaction
//!   that writes: no column to keep, and what is equal is equal.
//! - What a batch reads and writes is declared once, and goes as arrays in one statement to Postgres, as one simple statement
//!   a row to SQLite ([`storage::bulk`]).
//! - The committer itself waits for `fdatasync`. Flushing on a thread beside it, while the next batch is settled, was tried:
//!   it made batches smaller, 32 callers no faster, and 256 callers hardly.
//! - Wallets are read many at a time under load ([`services::wallet_reads`]): a statement's way to the database and back
//!   costs several times what finding the row does.
//! - On Postgres every connection has a `lock_timeout`: who waits for a row that somebody holds fails alone, and does not
//!   keep the connections that others need.
//! - A COMMIT whose outcome is unknown is looked up again by its idempotency key before anything is answered.
//! - A month is closed some wallets at a time ([`services::month_close`]), each step a transaction that holds just those: it
//!   may be killed between any two, and several may do it at once. The counter that numbers come from is taken last, so that
//!   no number is lost and nobody waits for it long.
//! - What a line of an invoice came to before it was rounded is stored beside it, so that `reconcile` can compare it with
//!   the month to the millionth.
//! - Metrics are `prometheus-client`'s: typed, without a global, and with no upkeep to run between scrapes.
//! - PDFs are drawn with krilla, in fonts of our own (`documents/fonts/`), shaped by rustybuzz: no browser, no fonts of the
//!   system, and what is filed for years is PDF/A. The page in HTML is plain text with a style: no template to learn for
//!   one page, and one function escapes all of it.
//! - Both forms of an invoice are made of one sheet of words ([`documents::sheet`]), so that they cannot differ.
//! - The names of countries are a data file of our own (`seeds/countries.txt`): short names as people say them, which the
//!   crates at hand do not have.
//! - Who may do what is one table ([`domain::access`]). A handler takes a right in its signature and gets whose things it
//!   reaches; services that serve businesses take a [`domain::access::Tenant`], which only that reach gives out.
//! - Keys and sessions are kept in memory for less than a second ([`services::credentials`]): no request waits for the
//!   database, and a revocation counts everywhere within a second, with nobody to tell.
//! - A rotated key stays the same key with another secret, so that what it did under an `Idempotency-Key` is still its own.
//! - Keys and session tokens are 256 random bits, so a plain SHA-256 of them is enough to keep; passwords are not, so they
//!   are hashed slowly, few at a time, and the line before that has an end ([`services::passwords`]).
//! - A message to a webhook is a row for each endpoint, written with the money it tells of, and a job for each endpoint that
//!   has any: one row to claim, however many messages wait, so that an endpoint is served by one server at a time, and a slow
//!   one keeps only itself waiting. What an endpoint asks for lies on the wallet too, as bits: a charge that nobody wants to
//!   hear of costs no query.
//! - Messages are sent by hyper alone, a connection each, to an address that was looked at between its lookup and the
//!   connection to it. A client with a pool, proxies and redirects would have needed each of them taken away.
//! - Limits on requests are counted in memory by each server: a limit in the database would cost every request a write.
//! - An export is read a page at a time along the chain ([`storage::exports`]), from sixteen marks at once: on Postgres a step
//!   of a recursion costs more than a row. Each page is read whole before any of it is sent, in a task of its own, and its
//!   connection goes back: a client that reads slowly holds two pages, and nothing of the database. What breaks off, or has
//!   a gap, ends the connection.
//! - The ledger holds completed money alone. Payments lie beside it until a provider's word is judged ([`domain::payments`],
//!   pure) and settled in one transaction under the wallet's lock: so fifty equal confirmations at once credit once.
//! - A payment is completed before its entry is made, because the entry may ask for the next recharge, and an index lets a
//!   wallet have one open.
//! - Payment providers speak one small signed language to this server (the README's guide for adapters), and not this server
//!   theirs: no gateway's library is in here.
//! - Everything that answers HTTP returns either its body or a [`http::error::Problem`]; the outermost layer alone
//!   writes error bodies, because it alone knows the request's id.

pub mod app;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connections;
pub mod documents;
pub mod domain;
pub mod error;
pub mod http;
pub mod outbound;
pub mod payment_settings;
pub mod random;
pub mod seed;
pub mod services;
pub mod storage;
pub mod tls;
pub mod worker;

#[cfg(test)]
#[path = "../tests/it/support/repetition.rs"]
mod repetition;
