//! The integration tests: one binary, a module per subject, everything through HTTP on SQLite and on Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should panic")]

mod support;

mod access;
mod admin_businesses;
mod admin_csv;
mod admin_lists;
mod admin_plans;
mod admin_rate_cards;
mod admin_users;
mod admin_wallets;
mod alerts;
mod architecture;
mod audit;
mod auto_recharge;
mod bad_inputs;
mod bills;
mod browser;
mod charges;
mod committer;
mod contract;
mod crash;
mod deliveries;
mod exports;
mod http;
mod invoice_documents;
mod invoices;
mod keys;
mod limits;
mod logins;
mod many_servers;
mod month_close;
mod month_close_load;
mod mpesa_payments;
mod openapi;
mod payment_crash;
mod payments;
mod process;
mod quarter;
mod query_plans;
mod quotes;
mod rate_cards;
mod readme;
mod reconcile;
mod reminders;
mod schema;
mod secrets;
mod seed;
mod settings;
mod topup;
mod transactions;
mod usage;
mod wallet;
mod webhook_crash;
mod webhooks;
