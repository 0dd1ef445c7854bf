//! What Prometheus is told.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    core::Collector,
};

/// In seconds, up to where a commit is given up.
const BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5,
];

#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    callbacks: IntCounterVec,
    refusals: IntCounterVec,
    stale_pairs: IntCounter,
    in_flight: IntGauge,
    commit_seconds: Histogram,
}

/// What became of a callback.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Answered OK, after the commit.
    Committed,
    /// Answered FAIL: the database did not commit in time.
    Failed,
    /// Answered FAIL: something in the request is wrong.
    Refused,
    /// Answered FAIL: it did not arrive in time.
    TimedOut,
    /// Another webhook, answered OK.
    Acknowledged,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Committed,
        Self::Failed,
        Self::Refused,
        Self::TimedOut,
        Self::Acknowledged,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Acknowledged => "acknowledged",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let callbacks = Opts::new("callbacks_total", "Callbacks, by what became of them.");
        let refusals = Opts::new(
            "refusals_total",
            "Refused callbacks, by the rule they broke.",
        );
        let commit_seconds = HistogramOpts::new(
            "commit_seconds",
            "From a parsed packet to the end of its commit, where it was committed.",
        )
        .buckets(BUCKETS.to_vec());
        let metrics = Self {
            registry: Registry::new_custom(Some("friend_graph".to_owned()), None)?,
            callbacks: IntCounterVec::new(callbacks, &["outcome"])?,
            refusals: IntCounterVec::new(refusals, &["kind"])?,
            stale_pairs: IntCounter::new(
                "stale_pairs_total",
                "Pairs that changed nothing, since something newer is known.",
            )?,
            in_flight: IntGauge::new("callbacks_in_flight", "Callbacks that wait for an answer.")?,
            commit_seconds: Histogram::with_opts(commit_seconds)?,
        };
        // So that they are there, as zeros, before the first of them is counted.
        for outcome in Outcome::ALL {
            metrics.callbacks.with_label_values(&[outcome.name()]);
        }
        let collectors: [Box<dyn Collector>; 5] = [
            Box::new(metrics.callbacks.clone()),
            Box::new(metrics.refusals.clone()),
            Box::new(metrics.stale_pairs.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.commit_seconds.clone()),
        ];
        for collector in collectors {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(crate) fn answered(&self, outcome: Outcome) {
        self.callbacks.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a refusal by its kind: a [`RejectionKind`](tower_tencent_chat::RejectionKind), or one of
    /// the app's own.
    pub(crate) fn refused(&self, kind: &str) {
        self.refusals.with_label_values(&[kind]).inc();
    }

    pub(crate) fn stale(&self, pairs: u64) {
        self.stale_pairs.inc_by(pairs);
    }

    pub(crate) fn committed(&self, within: Duration) {
        self.commit_seconds.observe(within.as_secs_f64());
    }

    /// Counts one more that waits, until the guard is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
