//! How many pairs and users there are. Counting takes longer than anybody waits, so it happens in the
//! background, while the last result is shown.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::store::{Store, Totals};

/// How many times as long as a count took the next one is put off, so that counting costs a small part of the
/// database however large the table is.
const PAUSE: u32 = 10;

#[derive(Clone)]
pub(crate) struct Counter {
    store: Store,
    state: Arc<Mutex<State>>,
}

struct State {
    last: Option<Count>,
    schedule: Schedule,
}

#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) totals: Totals,
    pub(crate) at: Timestamp,
}

impl Counter {
    pub(crate) fn new(store: Store) -> Self {
        let state = State {
            last: None,
            schedule: Schedule::Due(Instant::now()),
        };
        Self {
            store,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The last count, if there has been one.
    pub(crate) fn last(&self) -> Option<Count> {
        self.state().last
    }

    /// Starts a count if one is due. Waits for nothing.
    pub(crate) fn refresh(&self) {
        if self.state().schedule.start(Instant::now()) {
            tokio::spawn(self.clone().count());
        }
    }

    async fn count(self) {
        let (at, start) = (Timestamp::now(), Instant::now());
        let totals = self.store.totals().await;
        let mut state = self.state();
        state.schedule.end(Instant::now(), start.elapsed());
        match totals {
            Ok(totals) => state.last = Some(Count { totals, at }),
            Err(failure) => tracing::warn!("the pairs are not counted: {failure}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to count: one count at a time, and a pause after each.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Schedule {
    Due(Instant),
    Counting,
}

impl Schedule {
    /// Whether a count starts now.
    fn start(&mut self, now: Instant) -> bool {
        let due = matches!(self, Self::Due(due) if *due <= now);
        if due {
            *self = Self::Counting;
        }
        due
    }

    fn end(&mut self, now: Instant, took: Duration) {
        *self = Self::Due(now + took * PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_count_at_a_time_and_a_pause_after_each() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::Due(start);
        assert!(schedule.start(at(0)));
        assert!(!schedule.start(at(0)));
        assert!(!schedule.start(at(1000)));
        schedule.end(at(1000), Duration::from_secs(2));
        assert!(!schedule.start(at(1019)));
        assert!(schedule.start(at(1020)));
        assert!(!schedule.start(at(1020)));
    }
}
