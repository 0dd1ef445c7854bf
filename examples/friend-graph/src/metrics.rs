//! What Prometheus is told.

use std::time::Duration;

use jiff::Timestamp;
use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
    histogram_opts, register_histogram_vec_with_registry as histogram_vec,
    register_int_counter_vec_with_registry as counter_vec,
    register_int_counter_with_registry as counter,
    register_int_gauge_vec_with_registry as gauge_vec, register_int_gauge_with_registry as gauge,
};
use tower_tencent_chat::RejectionKind;

use crate::journal::Journal;

/// In seconds, up to where an answer would be too late.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0,
];
/// The kind of a callback that has nothing but UserIDs which can't be stored.
pub(crate) const UNSTORABLE: &str = "unstorable_user_id";
/// The kinds of the layer's refusals.
const REFUSALS: [RejectionKind; 11] = [
    RejectionKind::MethodNotAllowed,
    RejectionKind::MissingParameter,
    RejectionKind::DuplicateParameter,
    RejectionKind::SdkAppIdMismatch,
    RejectionKind::UnsupportedContentType,
    RejectionKind::StaleRequestTime,
    RejectionKind::SignMismatch,
    RejectionKind::BodyTooLarge,
    RejectionKind::BodyUnreadable,
    RejectionKind::MalformedPacket,
    RejectionKind::CommandMismatch,
];

#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    callbacks: IntCounterVec,
    refusals: IntCounterVec,
    stale_pairs: IntCounter,
    left_out_pairs: IntCounter,
    in_flight: IntGauge,
    queued_pairs: IntGauge,
    connections: IntGaugeVec,
    spooled: IntGauge,
    spooled_age_seconds: IntGauge,
    spooled_bytes: IntGauge,
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
    Refused,
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
        Self::Refused,
        Self::TimedOut,
        Self::Acknowledged,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Spooled => "spooled",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Acknowledged => "acknowledged",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("friend_graph".to_owned()), None)?;
        let seconds = histogram_opts!(
            "commit_seconds",
            "From a parsed packet to its end in the database, in the journal, or as a failure.",
            BUCKETS.to_vec()
        );
        let metrics = Self {
            callbacks: counter_vec!(
                "callbacks_total",
                "Callbacks, by what became of them.",
                &["outcome"],
                registry
            )?,
            refusals: counter_vec!(
                "refusals_total",
                "Refused callbacks, by the rule they broke.",
                &["kind"],
                registry
            )?,
            stale_pairs: counter!(
                "stale_pairs_total",
                "Pairs that changed nothing, since something newer is known.",
                registry
            )?,
            left_out_pairs: counter!(
                "left_out_pairs_total",
                "Pairs with a UserID that can't be stored.",
                registry
            )?,
            in_flight: gauge!(
                "callbacks_in_flight",
                "Callbacks that wait for an answer.",
                registry
            )?,
            queued_pairs: gauge!(
                "queued_pairs",
                "Pairs that wait for their commit.",
                registry
            )?,
            connections: gauge_vec!(
                "connections",
                "Connections that changes are written by.",
                &["state"],
                registry
            )?,
            spooled: gauge!(
                "spooled",
                "Callbacks in the journal that the database doesn't have yet.",
                registry
            )?,
            spooled_age_seconds: gauge!(
                "spooled_age_seconds",
                "How long ago the oldest of them was received.",
                registry
            )?,
            spooled_bytes: gauge!("spooled_bytes", "The size of the journal.", registry)?,
            commit_seconds: histogram_vec!(seconds, &["outcome"], registry)?,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// So that they are there before the first of them is counted.
    fn start_at_zero(&self) {
        for outcome in Outcome::ALL {
            self.callbacks.with_label_values(&[outcome.name()]);
        }
        for kind in REFUSALS {
            self.refusals.with_label_values(&[kind.as_str()]);
        }
        self.refusals.with_label_values(&[UNSTORABLE]);
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.callbacks.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a refusal by its kind: a [`RejectionKind`], or [`UNSTORABLE`].
    pub(crate) fn refused(&self, kind: &str) {
        self.refusals.with_label_values(&[kind]).inc();
    }

    pub(crate) fn stale(&self, pairs: u64) {
        self.stale_pairs.inc_by(pairs);
    }

    pub(crate) fn left_out(&self, pairs: usize) {
        self.left_out_pairs.inc_by(pairs as u64);
    }

    pub(crate) fn took(&self, outcome: Outcome, time: Duration) {
        let seconds = self.commit_seconds.with_label_values(&[outcome.name()]);
        seconds.observe(time.as_secs_f64());
    }

    /// Counts one more that waits, until the guard is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn queued(&self, pairs: usize) {
        self.queued_pairs.set(pairs as i64);
    }

    pub(crate) fn connections(&self, (all, idle): (u32, usize)) {
        for (state, count) in [
            ("idle", idle as i64),
            ("used", i64::from(all) - idle as i64),
        ] {
            self.connections.with_label_values(&[state]).set(count);
        }
    }

    pub(crate) fn journal(&self, journal: &Journal) {
        let now = Timestamp::now().as_millisecond();
        let age = journal.oldest().map_or(0, |oldest| now - oldest);
        self.spooled.set(journal.waiting() as i64);
        self.spooled_age_seconds.set(age / 1000);
        self.spooled_bytes.set(journal.bytes() as i64);
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
