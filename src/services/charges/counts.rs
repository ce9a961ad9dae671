//! Counts the committer's batches and outcomes, for the metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::batch::CommandResult;
use crate::domain::charges::charging::CommandOutcome;

/// Upper bounds of the buckets of batch sizes.
const BATCH_BUCKETS: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 2_000.0];

/// The outcome of a command: `charged`, `replayed`, `delivered`, `failed`, `repeated_report`, `refunded`, or the code
/// of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    outcome: &'static str,
}

/// The counters. Clones share them.
#[derive(Clone, Debug)]
pub struct Counts {
    pub commands: Family<OutcomeLabels, Counter>,
    pub batch_commands: Histogram,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { commands: Family::default(), batch_commands: Histogram::new(BATCH_BUCKETS) }
    }
}

impl Counts {
    /// Counts one batch and its results. `None`: the database failed.
    pub fn batch<'a>(&self, answers: impl IntoIterator<Item = Option<&'a CommandResult>>) {
        let mut size = 0.0;
        for answer in answers {
            size += 1.0;
            let outcome = answer.map_or("database_error", label);
            self.commands.get_or_create(&OutcomeLabels { outcome }).inc();
        }
        self.batch_commands.observe(size);
    }
}

fn label(answer: &CommandResult) -> &'static str {
    match answer {
        Ok(CommandOutcome::Charged(charged)) if charged.replayed => "replayed",
        Ok(CommandOutcome::Charged(_)) => "charged",
        Ok(CommandOutcome::Reported(reported)) if reported.recorded => reported.delivery.status.as_str(),
        Ok(CommandOutcome::Reported(_)) => "repeated_report",
        Ok(CommandOutcome::Refunded(_)) => "refunded",
        Err(refusal) => refusal.code(),
    }
}
