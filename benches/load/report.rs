//! Prints the table of results.

use crate::calls::Ask;
use crate::pressure::Sample;
use crate::scenarios::{Scenario, Whom};
use crate::server::Usage;

/// Linux counts processor time in these ticks, whatever its own clock (`sysconf(_SC_CLK_TCK)` is 100 everywhere).
const MICROS_PER_TICK: f64 = 10_000.0;

/// The first line: the machine that was measured.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let version = env!("CARGO_PKG_VERSION");
    format!("wecall-billing {version} on {cores} cores ({model}), {system} {architecture}; the caller shares them")
}

/// The figures of one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    sample: Sample,
    usage: Usage,
    cpu_ticks: Option<u64>,
    /// Bytes the database grew by.
    grown: i64,
}

impl Row {
    pub(crate) fn new(scenario: Scenario) -> Row {
        Row { scenario, sample: Sample::default(), usage: Usage::default(), cpu_ticks: Some(0), grown: 0 }
    }

    pub(crate) fn add(&mut self, sample: Sample, before: Usage, after: Usage, grown: i64) {
        let spent = after.cpu_ticks.zip(before.cpu_ticks).map(|(after, before)| after.saturating_sub(before));
        self.cpu_ticks = self.cpu_ticks.zip(spent).map(|(sum, spent)| sum + spent);
        self.sample.add(sample);
        self.usage = after;
        self.grown += grown;
    }

    /// The processor time of a message or request in the answering process. It hardly depends on other load.
    fn cpu_micros(&self) -> Option<f64> {
        Some(self.cpu_ticks? as f64 * MICROS_PER_TICK / self.sample.done as f64)
    }

    /// The bytes that a charge added to the database.
    fn bytes_per_charge(&self) -> Option<f64> {
        let is_kept = self.scenario.whom != Whom::Bare && self.sample.charges > 0;
        is_kept.then(|| self.grown as f64 / self.sample.charges as f64)
    }
}

/// Prints group by group, and keeps the figures for the summary.
#[derive(Debug)]
pub(crate) struct Report {
    remembered: Vec<(Scenario, f64, f64)>,
}

impl Report {
    pub(crate) fn begin() -> Report {
        println!(
            "{:<26} {:>7} {:>9} {:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8}",
            "", "callers", "per sec", "p50 ms", "p99 ms", "x bare", "x db", "CPU us", "RSS MiB", "peak MiB", "B/charge"
        );
        Report { remembered: Vec::new() }
    }

    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        let rate_of = |whom| rows.iter().find(|row| row.scenario.whom == whom).map(|row| row.sample.per_second());
        let (bare, database) = (rate_of(Whom::Bare), rate_of(Whom::Database));
        for mut row in rows {
            let Scenario { name, whom, callers, .. } = row.scenario;
            let (rate, (p50, p99)) = (row.sample.per_second(), row.sample.percentiles_ms());
            let to_bare = bare.map(|bare| rate / bare);
            let to_database = database.filter(|_| whom != Whom::Bare).map(|database| rate / database);
            let mebibytes = |kib: Option<u64>| number(kib.map(|kib| kib as f64 / 1_024.0), 1);
            println!(
                "{name:<26} {callers:>7} {rate:>9.0} {:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8}",
                number(p50, 3),
                number(p99, 3),
                number(to_bare, 3),
                number(to_database, 2),
                number(row.cpu_micros().filter(|_| whom != Whom::Database), 1),
                mebibytes(row.usage.resident_kib),
                mebibytes(row.usage.peak_kib),
                number(row.bytes_per_charge(), 0),
            );
            if let Some(ratio) = to_bare.filter(|_| whom == Whom::Server) {
                self.remembered.push((row.scenario, rate, ratio));
            }
        }
        println!();
    }

    /// The figures to remember.
    pub(crate) fn summary(&self, database: &str) -> Vec<String> {
        let line = |(scenario, rate, ratio): &(Scenario, f64, f64)| {
            let Scenario { name, callers, .. } = scenario;
            format!("{database}: {name}, {callers} connections: {rate:.0} a second, {ratio:.3} of the bare handler")
        };
        let is_charge = |(scenario, ..): &&(Scenario, f64, f64)| matches!(scenario.ask, Ask::Wallet | Ask::Charge(_));
        self.remembered.iter().filter(is_charge).map(line).collect()
    }
}

/// A number, or `n/a`.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.decimals$}"))
}
