//! What Prometheus is told.

use jiff::Timestamp;
use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector, histogram_opts,
};
use tokio::time::Instant;
use tower_tencent_chat::RejectionKind;

use crate::{App, config::NAME, files::OpenFile, journal::Journal};

/// In seconds, up to where an answer would be too late.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0,
];
/// The kind of a callback that has nothing but UserIDs which can't be stored.
pub(crate) const UNSTORABLE: &str = "unstorable_user_id";
pub(crate) struct Metrics {
    registry: Registry,
    callbacks: IntCounterVec,
    rejections: IntCounterVec,
    pub(crate) stale_pairs: IntCounter,
    pub(crate) left_out_pairs: IntCounter,
    pub(crate) in_flight: IntGauge,
    queued_pairs: IntGauge,
    connections: IntGaugeVec,
    files_gone: IntGauge,
    spooled: IntGauge,
    spooled_age_seconds: IntGauge,
    spooled_bytes: IntGauge,
    refused: IntGauge,
    commit_seconds: HistogramVec,
}

/// What became of a callback.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Committed, and answered OK unless that took too long.
    Committed,
    /// Answered OK, once it was in the journal.
    Spooled,
    /// Answered FAIL: it is neither committed nor in the journal.
    Failed,
    /// Answered FAIL: something in the request is wrong.
    Rejected,
    /// Answered FAIL: it did not arrive in time.
    TimedOut,
    /// Another webhook, answered OK.
    Acknowledged,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Committed,
        Self::Spooled,
        Self::Failed,
        Self::Rejected,
        Self::TimedOut,
        Self::Acknowledged,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Spooled => "spooled",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Acknowledged => "acknowledged",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let prefix = Some(NAME.replace('-', "_"));
        let registry = Registry::new_custom(prefix, None).expect("the prefix is a name");
        let gauge = |name, help| registered(&registry, IntGauge::new(name, help));
        let counter = |name, help| registered(&registry, IntCounter::new(name, help));
        let counters = |name, help, label, values: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]);
            let counters = registered(&registry, counters);
            // So that they are there before the first of them is counted.
            for value in values {
                counters.with_label_values(&[value]);
            }
            counters
        };
        let mut kinds: Vec<_> = RejectionKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect();
        kinds.push(UNSTORABLE);
        let connections = Opts::new("connections", "Connections that changes are written by.");
        let seconds = histogram_opts!(
            "commit_seconds",
            "From a parsed packet to its end in the database, in the journal, or as a failure.",
            BUCKETS.to_vec()
        );
        Self {
            callbacks: counters(
                "callbacks_total",
                "Callbacks, by what became of them.",
                "outcome",
                &Outcome::ALL.map(Outcome::name),
            ),
            rejections: counters(
                "rejections_total",
                "Callbacks that broke a rule, by it.",
                "kind",
                &kinds,
            ),
            stale_pairs: counter(
                "stale_pairs_total",
                "Pairs that changed nothing, since something newer is known.",
            ),
            left_out_pairs: counter(
                "left_out_pairs_total",
                "Pairs with a UserID that can't be stored.",
            ),
            in_flight: gauge("callbacks_in_flight", "Callbacks that wait for an answer."),
            queued_pairs: gauge("queued_pairs", "Pairs that wait for their commit."),
            connections: registered(&registry, IntGaugeVec::new(connections, &["state"])),
            files_gone: gauge("files_gone", "Open files that were deleted or replaced."),
            spooled: gauge(
                "spooled",
                "Callbacks in the journal that the database doesn't have yet.",
            ),
            spooled_age_seconds: gauge(
                "spooled_age_seconds",
                "How long ago the oldest of them was received.",
            ),
            spooled_bytes: gauge("spooled_bytes", "The size of the journal."),
            refused: gauge(
                "refused",
                "Callbacks in the journal that the database refuses.",
            ),
            commit_seconds: registered(&registry, HistogramVec::new(seconds, &["outcome"])),
            registry,
        }
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.callbacks.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a rejection by its kind: a [`RejectionKind`], or [`UNSTORABLE`].
    pub(crate) fn count_rejection(&self, kind: &str) {
        self.count(Outcome::Rejected);
        self.rejections.with_label_values(&[kind]).inc();
    }

    pub(crate) fn took(&self, outcome: Outcome, since: Instant) {
        let seconds = self.commit_seconds.with_label_values(&[outcome.name()]);
        seconds.observe(since.elapsed().as_secs_f64());
    }

    fn set_journal(&self, journal: &Journal) {
        let now = Timestamp::now().as_millisecond();
        let age = journal.oldest().map_or(0, |oldest| now - oldest);
        self.spooled.set(journal.waiting() as i64);
        self.spooled_age_seconds.set(age.max(0) / 1000);
        self.spooled_bytes.set(journal.bytes() as i64);
        self.refused.set(journal.refused() as i64);
    }
}

impl App {
    pub(crate) fn render_metrics(&self) -> prometheus::Result<String> {
        let metrics = &self.metrics;
        metrics.queued_pairs.set(self.writer.queued() as i64);
        let (idle, used) = self.store.connections();
        for (state, count) in [("idle", idle), ("used", used)] {
            metrics.connections.with_label_values(&[state]).set(count);
        }
        let files_gone = self.files().filter(|file| OpenFile::is_gone(file)).count();
        metrics.files_gone.set(files_gone as i64);
        if let Some(journal) = &self.journal {
            metrics.set_journal(journal);
        }
        TextEncoder::new().encode_to_string(&metrics.registry.gather())
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> C {
    let metric = metric.expect("its name and labels are valid");
    let new = registry.register(Box::new(metric.clone()));
    new.expect("no other has its name");
    metric
}
