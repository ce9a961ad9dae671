//! Reads the settings: flags, environment variables, defaults.
//! `.env` in the working directory is read too; the environment wins over it, and a flag over both.

mod checks;
pub mod command_line;
mod derived;
pub mod payment_providers;
pub mod settings;
pub mod sources;
pub mod values;

pub use command_line::Cli;
pub use settings::Settings;

#[cfg(test)]
mod tests;
