//! Runs `seed`: loads the sample data.

use std::io::Write;

use super::output::{CliResult, say};
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::command_line::SeedArgs;
use crate::http::edge::who::auth_mode::AuthMode;
use crate::{app, seed};

pub(super) async fn seed(settings: &Settings, args: SeedArgs) -> CliResult {
    let (billing, _) = app::open_and_migrate(settings, Clock::system()).await?;
    let with_wallets = settings.auth == AuthMode::Open || args.test_wallets;
    let loaded = seed::load(&billing, with_wallets).await?;
    billing.db.close().await;
    say!(
        "Loaded {} plans, {} rate cards and {} wallets into {}.",
        loaded.plans,
        loaded.rate_cards,
        loaded.wallets,
        settings.database_url
    );
    if loaded == seed::Loaded::default() {
        say!("All of it was there before, or was edited or deleted since, and stays as it is.");
    }
    if !with_wallets {
        say!("The test wallets were left out because of AUTH=required; --test-wallets loads them.");
    }
    Ok(())
}
