//! Runs the subcommands, each in a file of its own.

mod access;
mod backup;
mod check;
mod healthcheck;
mod migrate;
mod month_close;
mod openapi;
mod output;
mod reconcile;
mod seed;
mod serve;

use crate::config::Cli;
use crate::config::command_line::{Command, ServeArgs};

/// Runs the subcommand.
///
/// # Errors
/// A sentence for the person who ran it.
pub async fn run(cli: Cli) -> Result<(), String> {
    let settings = cli.settings;
    let outcome = match cli.command.unwrap_or(Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => serve::serve(&settings, args).await,
        Command::Seed(args) => seed::seed(&settings, args).await,
        Command::Migrate => migrate::migrate(&settings).await,
        Command::Openapi => openapi::openapi(),
        Command::Check => check::check(&settings).await,
        Command::Reconcile => reconcile::reconcile(&settings).await,
        Command::CloseMonth(args) => month_close::close_month(&settings, args).await,
        Command::Backup { file } => backup::backup(&settings, &file).await,
        Command::CreateAdmin(args) => access::create_admin(&settings, args).await,
        Command::Keys { command } => access::keys(&settings, command).await,
        Command::Healthcheck => healthcheck::healthcheck(settings.address()).await,
    };
    outcome.map_err(|error| error.to_string())
}
