//! Keeps a number of workers busy for a while, and notes how long each piece of work took.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::calls::Random;

/// What is not measured before what is: connections open, caches fill.
const WARM_UP: Duration = Duration::from_millis(250);

/// For the last piece of work to end; past it something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that does one piece of work after the other.
pub(crate) trait Worker: Send + 'static {
    /// Does one piece of work; whether it added [`crate::calls::AMOUNT`] to a wallet.
    fn work(&mut self, random: &mut Random) -> impl Future<Output = Result<bool>> + Send;
}

/// What was measured; several samples of the same work add up to one.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    latencies_micros: Vec<u32>,
    measured: Duration,
    /// All that was done, the warm-up too.
    pub(crate) done: u64,
    /// Top-ups that succeeded, those of the warm-up too.
    pub(crate) credits: i64,
}

impl Sample {
    pub(crate) fn add(&mut self, other: Sample) {
        self.latencies_micros.extend(other.latencies_micros);
        self.measured += other.measured;
        self.done += other.done;
        self.credits += other.credits;
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies_micros.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 / self.measured.as_secs_f64()
    }

    /// The latencies in milliseconds that half of the work, and 99 in 100, stayed within.
    pub(crate) fn percentiles_ms(&mut self) -> (f64, f64) {
        self.latencies_micros.sort_unstable();
        let at = |percent: usize| {
            let index = (self.count() * percent / 100).min(self.count().saturating_sub(1));
            self.latencies_micros.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
        };
        (at(50), at(99))
    }
}

/// When work begins to count, and when it ends.
#[derive(Clone, Copy, Debug)]
struct Window {
    opens: Instant,
    closes: Instant,
}

/// Keeps all workers busy through a warm-up and then for `measured`. Work under way at the end is finished but not
/// counted, so that no top-up is left without a known outcome.
///
/// # Errors
/// The first that a worker meets: figures of a server that refuses are worth nothing.
pub(crate) async fn keep_busy<W: Worker>(workers: Vec<W>, measured: Duration, seed: u64) -> Result<Sample> {
    let opens = Instant::now() + WARM_UP;
    let window = Window { opens, closes: opens + measured };
    let mut tasks = JoinSet::new();
    for (number, worker) in (0_u64..).zip(workers) {
        tasks.spawn(keep_one_busy(worker, window, Random::new(seed * 1_000 + number)));
    }
    let mut sample = Sample::default();
    let all = async {
        while let Some(outcome) = tasks.join_next().await {
            sample.add(outcome??);
        }
        Result::Ok(())
    };
    tokio::time::timeout(WARM_UP + measured + PATIENCE, all).await.map_err(|_| "an answer never came")??;
    sample.measured = measured;
    Ok(sample)
}

async fn keep_one_busy<W: Worker>(mut worker: W, window: Window, mut random: Random) -> Result<Sample> {
    let mut sample = Sample::default();
    let mut started = Instant::now();
    while started < window.closes {
        sample.credits += i64::from(worker.work(&mut random).await?);
        sample.done += 1;
        let ended = Instant::now();
        if started >= window.opens && ended <= window.closes {
            let micros = (ended - started).as_micros();
            sample.latencies_micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        started = ended;
    }
    Ok(sample)
}
