//! Keeps a number of workers busy for a while, and times each piece of work.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wecall_billing::domain::values::money::Money;

use crate::Result;
use crate::calls::Random;

/// The time before measuring: connections open, caches fill.
const WARM_UP: Duration = Duration::from_millis(250);

/// The longest wait for the last piece of work; past it something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The result of one piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// The number counted per second: messages where any are charged, else requests.
    pub(crate) units: u64,
    /// Messages that were charged.
    pub(crate) charges: u64,
    /// Millionths added to wallets.
    pub(crate) credit: i64,
}

impl Done {
    pub(crate) fn request() -> Done {
        Done { units: 1, charges: 0, credit: 0 }
    }

    pub(crate) fn charges(count: u64) -> Done {
        Done { units: count, charges: count, credit: 0 }
    }

    pub(crate) fn credit(amount: Money) -> Done {
        Done { units: 1, charges: 0, credit: amount.micros() }
    }
}

/// A caller that does one piece of work after the other.
pub(crate) trait Worker: Send + 'static {
    fn work(&mut self, random: &mut Random) -> impl Future<Output = Result<Done>> + Send;
}

/// A measurement; several samples of the same work add up to one.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    latencies_micros: Vec<u32>,
    measured: Duration,
    /// The work within the measured time; of a piece that overlaps its bounds, the share within.
    units: f64,
    /// All work, the warm-up included.
    pub(crate) done: u64,
    pub(crate) charges: u64,
    pub(crate) credit: i64,
}

impl Sample {
    pub(crate) fn add(&mut self, other: Sample) {
        self.latencies_micros.extend(other.latencies_micros);
        self.measured += other.measured;
        self.units += other.units;
        self.done += other.done;
        self.charges += other.charges;
        self.credit += other.credit;
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.units / self.measured.as_secs_f64()
    }

    /// The median and the 99th percentile of latencies, in milliseconds.
    pub(crate) fn percentiles_ms(&mut self) -> (Option<f64>, Option<f64>) {
        self.latencies_micros.sort_unstable();
        let count = self.latencies_micros.len();
        let at = |percent: usize| {
            let index = (count * percent / 100).min(count.saturating_sub(1));
            self.latencies_micros.get(index).map(|micros| f64::from(*micros) / 1_000.0)
        };
        (at(50), at(99))
    }

    fn count(&mut self, done: Done, started: Instant, ended: Instant, window: Window) {
        self.done += done.units;
        self.charges += done.charges;
        self.credit += done.credit;
        let within = ended.min(window.closes).saturating_duration_since(started.max(window.opens));
        let took = ended - started;
        if within.is_zero() {
            return;
        }
        self.units += done.units as f64 * within.as_secs_f64() / took.as_secs_f64();
        if within == took {
            self.latencies_micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }
}

/// The begin and end of the measured time.
#[derive(Clone, Copy, Debug)]
struct Window {
    opens: Instant,
    closes: Instant,
}

/// Keeps all workers busy through a warm-up and then for `measured`. Work under way at the end is finished, so that no
/// charge is left without a known outcome.
///
/// # Errors
/// The first that a worker meets: figures of a server that refuses are worth nothing.
pub(crate) async fn keep_busy<W: Worker>(workers: Vec<W>, measured: Duration, seed: u64) -> Result<Sample> {
    let opens = Instant::now() + WARM_UP;
    let window = Window { opens, closes: opens + measured };
    let mut tasks = JoinSet::new();
    for (number, worker) in (0_u64..).zip(workers) {
        tasks.spawn(keep_one_busy(worker, window, Random::new(seed.wrapping_mul(1_000).wrapping_add(number))));
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
        let done = worker.work(&mut random).await?;
        let ended = Instant::now();
        sample.count(done, started, ended, window);
        started = ended;
    }
    Ok(sample)
}
