//! Collects the metrics and renders them for Prometheus.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::jobs::{JobCounts, JobKind};
use crate::domain::values::time::Timestamp;
use crate::services::charges::counts::Counts;
use crate::services::operations::health::PoolState;

/// Upper bounds in seconds: from a read out of memory to a request about to meet its deadline.
const LATENCY_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    /// The template, not the address: `/api/billing/wallet/{business_sid}/`.
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobKindLabels {
    kind: &'static str,
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latencies: Family<RouteLabels, Histogram, fn() -> Histogram>,
    pool_connections: Family<PoolLabels, Gauge>,
    charge_queue: Gauge,
    jobs: Family<JobLabels, Gauge>,
    job_delays: Family<JobKindLabels, Gauge>,
}

impl Metrics {
    pub fn new(charges: &Counts) -> Metrics {
        let mut registry = Registry::default();
        let requests = Family::default();
        let latencies: Family<RouteLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS));
        let pool_connections = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "Time from a request's head to its answer's head";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, latencies.clone());
        registry.register("db_pool_connections", "Database connections, by pool and state", pool_connections.clone());
        let help = "Messages charged, reported, refunded or refused, by what became of them";
        registry.register("charge_commands", help, charges.commands.clone());
        let help = "Commands that shared a commit";
        registry.register("charge_batch_commands", help, charges.batch_commands.clone());
        let charge_queue = Gauge::default();
        registry.register("charge_queue_commands", "Commands that wait or are being settled", charge_queue.clone());
        let jobs = Family::default();
        registry.register(
            "jobs",
            "Scheduled work of all servers: all of it, what is due, what has failed",
            jobs.clone(),
        );
        let job_delays = Family::default();
        let help = "For how long the oldest work that is due has been so";
        registry.register_with_unit("job_delay", help, Unit::Seconds, job_delays.clone());
        Metrics { registry, jobs, job_delays, requests, latencies, pool_connections, charge_queue }
    }

    pub fn count(&self, method: &'static str, route: &str, status: u16, latency: Duration) {
        let route = route.to_owned();
        let labels = RouteLabels { method, route: route.clone() };
        self.latencies.get_or_create(&labels).observe(latency.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }

    /// The metrics in Prometheus's text format.
    ///
    /// # Errors
    /// Those of the encoder; a `String` gives none.
    pub fn render(
        &self,
        pools: &[PoolState],
        waiting_commands: usize,
        jobs: &[JobCounts],
        now: Timestamp,
    ) -> Result<String, std::fmt::Error> {
        for kind in JobKind::ALL {
            let counts = jobs.iter().find(|counts| counts.kind == *kind);
            let kind = kind.as_str();
            let of = |count: fn(&JobCounts) -> i64| counts.map_or(0, count);
            self.jobs.get_or_create(&JobLabels { kind, state: "waiting" }).set(of(|counts| counts.waiting));
            self.jobs.get_or_create(&JobLabels { kind, state: "due" }).set(of(|counts| counts.due));
            self.jobs.get_or_create(&JobLabels { kind, state: "failing" }).set(of(|counts| counts.failing));
            let oldest = counts.and_then(|counts| counts.oldest_due);
            let delay = oldest.map_or(0, |oldest| (now.micros() - oldest.micros()) / 1_000_000);
            self.job_delays.get_or_create(&JobKindLabels { kind }).set(delay);
        }

        for state in pools {
            let idle = i64::try_from(state.idle).unwrap_or(i64::MAX);
            let in_use = (i64::from(state.open) - idle).max(0);
            self.pool_connections.get_or_create(&PoolLabels { pool: state.pool, state: "idle" }).set(idle);
            self.pool_connections.get_or_create(&PoolLabels { pool: state.pool, state: "in_use" }).set(in_use);
        }
        self.charge_queue.set(i64::try_from(waiting_commands).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
