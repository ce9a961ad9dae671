//! The table.

use crate::calls::Ask;
use crate::pressure::Sample;
use crate::scenarios::{Scenario, Whom};
use crate::server::Usage;

/// Linux counts processor time in these, whatever its own clock (`sysconf(_SC_CLK_TCK)` is 100 everywhere).
const MICROS_PER_TICK: f64 = 10_000.0;

/// The first line: what the figures are of.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let version = env!("CARGO_PKG_VERSION");
    format!("wecall-billing {version} on {cores} cores ({model}), {system} {architecture}; the caller shares them")
}

/// One scenario's figures.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    sample: Sample,
    usage: Usage,
    cpu_ticks: Option<u64>,
}

impl Row {
    pub(crate) fn new(scenario: Scenario) -> Row {
        Row { scenario, sample: Sample::default(), usage: Usage::default(), cpu_ticks: Some(0) }
    }

    pub(crate) fn add(&mut self, sample: Sample, before: Usage, after: Usage) {
        let spent = after.cpu_ticks.zip(before.cpu_ticks).map(|(after, before)| after.saturating_sub(before));
        self.cpu_ticks = self.cpu_ticks.zip(spent).map(|(sum, spent)| sum + spent);
        self.sample.add(sample);
        self.usage = after;
    }

    /// What a request cost the process that answered it. It hardly depends on what else the machine does.
    fn cpu_micros(&self) -> Option<f64> {
        Some(self.cpu_ticks? as f64 * MICROS_PER_TICK / self.sample.done as f64)
    }
}

/// Prints group by group, and remembers the ratios.
#[derive(Debug)]
pub(crate) struct Report {
    ratios: Vec<(Scenario, f64)>,
}

impl Report {
    pub(crate) fn begin() -> Report {
        println!(
            "{:<26} {:>7} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "", "callers", "per sec", "p50 ms", "p99 ms", "x bare", "x db", "CPU us", "RSS MiB", "peak MiB"
        );
        Report { ratios: Vec::new() }
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
                "{name:<26} {callers:>7} {rate:>9.0} {p50:>8.3} {p99:>8.3} {:>8} {:>8} {:>8} {:>8} {:>8}",
                number(to_bare, 2),
                number(to_database, 2),
                number(row.cpu_micros().filter(|_| whom != Whom::Database), 0),
                mebibytes(row.usage.resident_kib),
                mebibytes(row.usage.peak_kib),
            );
            if let Some(ratio) = to_bare.filter(|_| whom == Whom::Server) {
                self.ratios.push((row.scenario, ratio));
            }
        }
        println!();
    }

    /// What a person remembers of it.
    pub(crate) fn summary(&self, database: &str) -> Vec<String> {
        let line = |(scenario, ratio): &(Scenario, f64)| {
            format!("{} on {database}: {ratio:.2} of the bare handler", scenario.name)
        };
        let asked = |(scenario, _): &&(Scenario, f64)| matches!(scenario.ask, Ask::Wallet | Ask::TopUp | Ask::Mixed);
        self.ratios.iter().filter(asked).map(line).collect()
    }
}

/// A number, or that there is none.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.decimals$}"))
}
