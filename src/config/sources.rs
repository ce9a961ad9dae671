//! Parses the command line, the environment and `.env`, and names an invalid setting.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use super::command_line::Cli;

/// Parses the command line, the environment and `.env` together.
///
/// # Errors
/// A sentence that names the invalid setting.
pub fn parse() -> Result<Cli, String> {
    let file = Path::new(".env");
    if file.is_file() {
        dotenvy::from_path(file).map_err(|error| match error {
            dotenvy::Error::Io(error) => format!("the file .env cannot be read: {error}"),
            // The error would repeat the line, which may hold a password.
            _ => "the file .env cannot be read: each line must be NAME=value, with quotes around blanks".to_owned(),
        })?;
    }
    let matches = without_empty_variables(Cli::command()).try_get_matches();
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| match name_setting(&error) {
        Some(sentence) => sentence,
        // Help, version, and errors of the command line itself, which clap explains best.
        None => error.exit(),
    })
}

/// An empty variable counts as not set: `PORT=` leaves the port as it is.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let empty: Vec<clap::Id> =
        command.get_arguments().filter(|arg| is_empty(arg)).map(|arg| arg.get_id().clone()).collect();
    // An argument cannot lose its variable, but it can get one whose name cannot be set.
    empty.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.env("=").hide_env(true)))
}

/// For an invalid value, wherever it came from: the setting's two names and what it must be. The value itself is not
/// repeated, because it may hold a password.
fn name_setting(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = arg.split([' ', '=', '[']).next()?;
    let command = Cli::command();
    let known = command.get_arguments().find(|known| known.get_long() == flag.strip_prefix("--"))?;
    let variable = known.get_env()?.to_string_lossy().into_owned();
    let problem = match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("must be one of {}", values.join(", ")),
        (None, _) => "is not valid".to_owned(),
    };
    Some(format!("{variable} (or {flag}) {problem}"))
}
