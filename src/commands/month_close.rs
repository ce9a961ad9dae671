//! Runs the `close-month` subcommand.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{CliResult, not_migrated, say};
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::command_line::CloseMonthArgs;
use crate::domain::audit::Actor;
use crate::domain::values::time::CalendarMonth;
use crate::services::invoices::month_close::{self, Closing};
use crate::storage::db::open::IfMissing;
use crate::{app, storage};

/// The interval, in percent, of progress lines in a log.
const TELL_EVERY: i64 = 10;

/// Closes a month while servers may run, and prints the result.
pub async fn close_month(settings: &Settings, args: CloseMonthArgs) -> CliResult {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    let pending = storage::db::migrations::pending(&db).await?;
    if !pending.is_empty() {
        return Err(not_migrated(&pending).into());
    }
    // Months end where the database says, which is fixed with its first use.
    let clock = Clock::system();
    storage::db::migrations::fix_timezone(&db, settings.billing_timezone.name(), clock.now()).await?;
    let billing = app::billing(settings, db, clock)?;
    let month = args.month.unwrap_or_else(|| CalendarMonth::of(billing.today()).previous());
    month_close::check(&billing, month, args.now)?;
    let mut closing = month_close::begin(&billing, month, Actor::command_line()).await?;
    let progress = Progress::of(&closing, month);
    while closing.step(&billing).await? {
        progress.tell(&closing);
    }
    progress.end();
    let outcome = closing.finish(&billing).await?;
    let next = month_close::next_month(&billing).await?;
    billing.db.close().await;
    say!("{month} is closed: {} made now, {} before.", invoices(outcome.invoices), outcome.others);
    for numbers in outcome.numbers.values() {
        let seller = numbers.seller.as_ref().map_or("the platform", |seller| seller.as_str());
        let (first, last) = numbers.ends();
        say!("  {seller}: {}, {first} to {last}", invoices(numbers.count));
    }
    for (currency, total) in outcome.totals {
        say!("  total {total} {currency}");
    }
    if next < month {
        say!("An earlier month is still open: close {next} too.");
    }
    Ok(())
}

fn invoices(count: i64) -> String {
    if count == 1 { "1 invoice".to_owned() } else { format!("{count} invoices") }
}

/// Shows progress: a bar in a terminal, else a line now and then.
enum Progress {
    Bar(ProgressBar),
    Lines { month: CalendarMonth, told: std::cell::Cell<i64> },
}

impl Progress {
    fn of(closing: &Closing, month: CalendarMonth) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress::Lines { month, told: std::cell::Cell::new(0) };
        }
        let bar = ProgressBar::new(u64::try_from(closing.progress().1).unwrap_or(0));
        // The template is right, and without it there would be another bar.
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {percent} % {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(format!("closing {month}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress::Bar(bar)
    }

    fn tell(&self, closing: &Closing) {
        let (at, last) = closing.progress();
        match self {
            Progress::Bar(bar) => bar.set_position(u64::try_from(at).unwrap_or(0)),
            Progress::Lines { month, told } => {
                let percent = at.saturating_mul(100) / last.max(1);
                if percent >= told.get() + TELL_EVERY {
                    told.set(percent);
                    let count = invoices(closing.invoices());
                    let _ = writeln!(std::io::stderr(), "closing {month}: {percent} % of the wallets, {count}");
                }
            }
        }
    }

    fn end(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
