//! Runs the subcommands that create the first admin and manage API keys.

use std::io::{BufRead, IsTerminal, Write};

use super::output::{CliResult, not_migrated, say};
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::command_line::{CreateAdminArgs, CreateKeyArgs, KeysCommand};
use crate::domain::access::key_rules::{KeyKeeper, NewKey};
use crate::domain::access::keys::ApiKey;
use crate::domain::access::rights::{KeyMode, Reach, Role, Tenant};
use crate::domain::access::users::Password;
use crate::domain::audit::{Actor, Author};
use crate::domain::values::paging::{Cursor, Limit};
use crate::domain::values::time::Timestamp;
use crate::services::Billing;
use crate::services::access::keys::{self, IssuedKey};
use crate::services::access::users::{self, NewUser};
use crate::storage::db::open::IfMissing;
use crate::{app, storage};

/// The environment variable that may hold the password.
const PASSWORD_VARIABLE: &str = "ADMIN_PASSWORD";

pub(super) async fn create_admin(settings: &Settings, args: CreateAdminArgs) -> CliResult {
    // Opened before the password is asked for: no one should type it in vain because a setting is wrong.
    let (billing, _) = app::open_and_migrate(settings, Clock::system()).await?;
    let password = read_password(args.password_stdin)?;
    password.check_for(&args.email).map_err(|problem| format!("the password {problem}"))?;
    let new = NewUser { email: args.email, name: args.name, role: Role::Admin, business: None, password };
    let created = users::create(&billing, new, &Author { actor: Actor::command_line(), reason: None }).await;
    billing.db.close().await;
    let user = created?;
    say!("{} is an admin now ({}).", user.email, user.sid);
    Ok(())
}

/// The password from standard input, from the environment, or typed twice by a person.
fn read_password(from_stdin: bool) -> Result<Password, Box<dyn std::error::Error>> {
    let text = if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else if let Some(given) = std::env::var(PASSWORD_VARIABLE).ok().filter(|given| !given.is_empty()) {
        given
    } else if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("Password: ")?;
        if typed != rpassword::prompt_password("The same again: ")? {
            return Err("the two passwords are not the same".into());
        }
        typed
    } else {
        let ways = format!("give it with --password-stdin or in {PASSWORD_VARIABLE}, or run this in a terminal");
        return Err(format!("there is no password: {ways}").into());
    };
    text.parse().map_err(|problem| format!("the password {problem}").into())
}

pub(super) async fn keys(settings: &Settings, command: KeysCommand) -> CliResult {
    // Nothing is migrated: a key is revoked in a hurry, perhaps under older servers.
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    let pending = storage::db::migrations::pending(&db).await?;
    if !pending.is_empty() {
        return Err(not_migrated(&pending).into());
    }
    let billing = app::billing(settings, db, Clock::system())?;
    let outcome = run(&billing, command).await;
    billing.db.close().await;
    outcome
}

async fn run(billing: &Billing, command: KeysCommand) -> CliResult {
    let keeper = KeyKeeper::command_line();
    match command {
        KeysCommand::Create(args) => {
            let made = keys::create(billing, new_key(billing, args)?, &keeper, None).await?;
            show_secret(&made.value);
        }
        KeysCommand::List { business } => {
            let business = business.and_then(|business| Tenant::admit(&keeper.reach, business, false));
            let mut cursor = Cursor::START;
            say!("{:<37} {:<25} {:<9} {:<20} {:<21} NAME", "KEY", "PREFIX", "ROLE", "BUSINESS", "STATE");
            loop {
                let page = keys::list(billing, business.as_ref(), &keeper, cursor, Limit::LARGEST).await?;
                page.items.iter().for_each(|key| say_key(key, billing.clock.now()));
                let Some(next) = page.next else { return Ok(()) };
                cursor = next;
            }
        }
        KeysCommand::Rotate { key, overlap_seconds } => {
            let rotated = keys::rotate(billing, key, overlap_seconds, &keeper, None).await?;
            show_secret(&rotated.value);
        }
        KeysCommand::Revoke { key } => {
            let key = keys::revoke(billing, key, &keeper).await?;
            say!("{} ({}) is revoked; servers that run notice within a second.", key.sid, key.name);
        }
    }
    Ok(())
}

fn new_key(billing: &Billing, args: CreateKeyArgs) -> Result<NewKey, Box<dyn std::error::Error>> {
    let expires_at = args.expires_in_days.map(|days| billing.clock.now().plus_seconds(i64::from(days) * 86_400));
    Ok(NewKey {
        name: args.name,
        mode: if args.test { KeyMode::Test } else { KeyMode::Live },
        role: args.role,
        business: args.business.and_then(|business| Tenant::admit(&Reach::All, business, false)),
        businesses: if args.only.is_empty() { None } else { Some(args.only) },
        expires_at,
    })
}

/// Only the secret goes to standard output, so that it can be piped.
fn show_secret(issued: &IssuedKey) {
    let key = &issued.key;
    let _ = writeln!(
        std::io::stderr(),
        "{} ({}, role {}). Its secret is shown once, and kept nowhere:",
        key.sid,
        key.name,
        key.role
    );
    say!("{}", issued.secret);
}

fn say_key(key: &ApiKey, now: Timestamp) {
    let state = match key {
        ApiKey { revoked_at: Some(_), .. } => "revoked".to_owned(),
        ApiKey { expires_at: Some(end), .. } if *end <= now => "expired".to_owned(),
        ApiKey { last_used_at: Some(at), .. } => format!("used {}", &at.to_string()[..16]),
        _ => "never used".to_owned(),
    };
    let business = match (&key.business, &key.businesses) {
        (Some(business), _) => business.to_string(),
        (None, Some(listed)) => format!("{} of them", listed.len()),
        (None, None) => "all".to_owned(),
    };
    let prefix = format!("sk_{}_{}", key.mode, key.public_id.as_str());
    say!(
        "{:<37} {:<25} {:<9} {:<20} {:<21} {}",
        key.sid.to_string(),
        prefix,
        key.role.as_str(),
        business,
        state,
        key.name
    );
}
