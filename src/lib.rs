//! Bills the messages of an SMS gateway: wallets, an append-only ledger, prices, usage, invoices and alerts over REST.
//!
//! # Where everything is: layer / subject / noun
//!
//! | layer | what it does | may use |
//! |---|---|---|
//! | [`http`] | reads requests, calls one use case each, shapes answers: `routes` (THE route table), `edge` (what every request passes), `bodies` (answers that faces share), `api`, `admin` | services, documents, domain |
//! | [`documents`] | draws invoices as HTML and PDF, pure | domain |
//! | [`services`] | runs use cases; each owns its transaction | storage, domain |
//! | [`storage`] | holds the SQL and typed functions around it; `db` alone knows two databases | domain |
//! | [`domain`] | decides: the rules, pure, without async, clock or I/O | nothing of ours |
//!
//! Around them: [`app`] starts and stops the server, [`config`] reads the settings, [`connections`] limits connections,
//! [`commands`] runs the subcommands, [`worker`] does what is scheduled, [`seed`] loads `seeds/`. The world outside:
//! [`clock`], [`random`], [`outbound`] (requests to addresses that others name), [`error`].
//!
//! Inside `domain`, `services` and `storage` stand the same subjects, bottom to top: `values` (in storage `db`) ·
//! `audit` · `jobs` · `businesses` · `access` · `posting` (services) · `prices` · `notifications` · `wallets` ·
//! `payments` · `invoices` · `charges` · `reports` · `operations`. A face names its files by the same nouns, and `tests/it` has the same
//! folders beside `house` (structure, queries, documents), `edge`, `contract`, `kills` and `support`.
//!
//! # Rules (`tests/it/house/architecture.rs` reads them off the sources)
//!
//! 1. A layer uses only what the table says.
//! 2. Inside `domain` and `storage` a subject names only subjects before it. No files there, in `services` or in `http`
//!    form a circle.
//! 3. A service is one use case. It uses any domain and storage, but of services only its own subject's files, `posting`,
//!    the price book and [`services::Billing`]; `operations` may run any. What two use cases share is domain or `posting`.
//! 4. A face uses no other face; what two share is `http/edge` or `http/bodies`, and `http/routes` alone names all. No rule
//!    of the business stands in a face.
//! 5. `domain` has its own refusals and one `FieldError`, and no error of another layer.
//! 6. `storage/db` alone knows which database is open: others hand it two texts, named `…_ON_SQLITE` and `…_ON_POSTGRES`.
//!
//! A request flows one way: route → extractor (who may) → handler → service (opens the transaction) → storage reads →
//! pure decision of the domain → storage writes → COMMIT → response. `docs/architecture.md` says how to add an
//! endpoint, `docs/decisions.md` why things are as they are.
//!
//! # Words
//!
//! Message: an SMS, nothing else. Charge: the price of a message, taken from a wallet. Delivery report: what the
//! gateway says became of a message. Posting: an entry to be made in the ledger; transaction: one that was made. Plan:
//! what a client pays per segment, with volume tiers. Rate card: the price of a destination from a day on. Price book:
//! plans and rate cards in memory. Rating: finding the price of a message. Rollup: the usage of a day, added up. Month
//! close: makes the invoices of a month. Allocation: which invoices a credit pays. Credit note: takes back an invoice,
//! or a part of it. Suspense: money of a provider that fits no payment. Event: tells a webhook endpoint that something
//! happened; webhook delivery: the attempts to send it. Tenant: a business that the caller has a right over; reach: all
//! of those. Tail of a name: `…Body` is JSON on the wire, `…Row` a row of a table, `New…` a thing before it is stored.

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
pub mod random;
pub mod seed;
pub mod services;
pub mod storage;
pub mod worker;

#[cfg(test)]
#[path = "../tests/it/support/repetition.rs"]
mod repetition;
