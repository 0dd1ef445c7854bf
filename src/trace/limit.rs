//! Limits the log lines that any client can cause.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The shortest time between two lines of one kind, in seconds.
const INTERVAL: u64 = 60;

/// Lets the first line through, then one a minute, and counts the lines in between.
pub(super) struct LineLimit {
    /// The Unix time at which the next one may pass.
    open_from: AtomicU64,
    held_back: AtomicU64,
}

impl LineLimit {
    pub(super) const fn new() -> Self {
        Self {
            open_from: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// Returns how many lines were held back since the last one that passed, or `None` if this one is held back,
    /// too.
    pub(super) fn pass(&self, now: u64) -> Option<u64> {
        let open_from = self.open_from.load(Relaxed);
        // A clock that was set back must not silence the log until it has caught up.
        let is_open = now >= open_from || now + 2 * INTERVAL < open_from;
        let next = now.saturating_add(INTERVAL);
        let passes = is_open
            && self
                .open_from
                .compare_exchange(open_from, next, Relaxed, Relaxed)
                .is_ok();
        if passes {
            Some(self.held_back.swap(0, Relaxed))
        } else {
            self.held_back.fetch_add(1, Relaxed);
            None
        }
    }
}
