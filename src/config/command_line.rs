//! Declares the command line: the subcommands and their arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::settings::Settings;
use super::values::parse_between;
use crate::domain::access::rights::Role;
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::text::{Email, Title};
use crate::domain::values::time::CalendarMonth;

/// The billing server of an SMS gateway: wallets, prices, usage and invoices over REST.
#[derive(Debug, Parser)]
#[command(name = "wecall-billing", version, max_term_width = 110)]
#[command(after_help = "Without a command it serves. Every setting is also read from the environment and from a file \
                        .env in the working directory; a flag wins over the environment, the environment over .env.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrate the database and serve (the default)
    Serve(ServeArgs),
    /// Load the sample data: 3 plans, 17 rate cards, 2 wallets; again changes nothing
    Seed(SeedArgs),
    /// Bring the database's tables up to this version
    Migrate,
    /// Print the OpenAPI document
    Openapi,
    /// Check the settings and the database, and say what is wrong
    Check,
    /// Check that all the money and all the counts in the database agree, also while the server runs
    Reconcile,
    /// Close a month: give its invoices their numbers, also while the server runs. The server does so by itself 72
    /// hours after a month's end
    CloseMonth(CloseMonthArgs),
    /// Write a consistent copy of the database, also while the server runs
    Backup {
        /// The file to write; it must not exist yet
        file: PathBuf,
    },
    /// Make a user who may do everything; the password is asked for
    CreateAdmin(CreateAdminArgs),
    /// Make, list, rotate and revoke API keys
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Ask a running server whether it is alive (for a container's health check)
    Healthcheck,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ServeArgs {
    /// Load the sample data first
    #[arg(long)]
    pub seed: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CloseMonthArgs {
    /// The month, such as 2026-02 [default: the last one]
    pub month: Option<CalendarMonth>,
    /// Close it even before the 72 hours after its end are over
    #[arg(long)]
    pub now: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct SeedArgs {
    /// Load the two test wallets even with AUTH=required
    #[arg(long)]
    pub test_wallets: bool,
}

#[derive(Clone, Debug, Args)]
pub struct CreateAdminArgs {
    /// The e-mail address to log in with
    #[arg(long)]
    pub email: Email,
    /// What to call them
    #[arg(long, default_value = "Admin")]
    pub name: Title,
    /// Read the password from standard input, a line; else it is taken from ADMIN_PASSWORD, or asked for
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key; its secret alone is printed to standard output, this once
    Create(CreateKeyArgs),
    /// List keys, newest first
    List {
        /// Only those of this business
        #[arg(long)]
        business: Option<BusinessSid>,
    },
    /// Give a key a new secret
    Rotate {
        /// The key, such as key_019abc34…
        key: KeySid,
        /// For how many seconds the old secret works beside the new one, up to a week
        #[arg(long, default_value_t = 0, value_name = "SECONDS")]
        overlap_seconds: i64,
    },
    /// End a key for good
    Revoke {
        /// The key, such as key_019abc34…
        key: KeySid,
    },
}

#[derive(Clone, Debug, Args)]
pub struct CreateKeyArgs {
    /// What the key is to do: client and reseller act for a business, gateway charges messages, admin does everything
    #[arg(long)]
    pub role: Role,
    /// What to call it
    #[arg(long)]
    pub name: Title,
    /// The business of a client or reseller key
    #[arg(long)]
    pub business: Option<BusinessSid>,
    /// The businesses a gateway key is for, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "BUSINESSES")]
    pub only: Vec<BusinessSid>,
    /// End it after so many days
    #[arg(long, value_name = "DAYS", value_parser = |text: &str| parse_between(text, 1_u32..=3_650))]
    pub expires_in_days: Option<u32>,
    /// A key that reads and quotes, and changes nothing (sk_test_…)
    #[arg(long)]
    pub test: bool,
}
