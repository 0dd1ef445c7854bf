//! What is in the journal, on its way to the database.

use std::{slice, time::Duration};

use tokio::time::{Instant, sleep};

use super::{PAIRS, Size, Task, lost};
use crate::{
    change::Change,
    journal::{Entry, Journal},
    metrics::Outcome,
    store::Failure,
};

/// How long the database may take.
const DRAIN: Duration = Duration::from_secs(5);
/// The most characters of a damaged entry in the log.
const LOGGED: usize = 4096;
/// How long it is left alone after it has failed.
const PAUSE: Duration = Duration::from_millis(500);

impl Task {
    /// Brings what is in the journal to the database whenever there is something.
    pub(super) async fn drain(self, journal: Journal) {
        let (mut drained, mut failures) = (0, 0);
        let mut size = Size(PAIRS);
        while !self.stop.is_cancelled() {
            let result = self.drain_some(&journal, size.0).await;
            size.adapt(result.is_err());
            journal.set_draining(result.is_ok());
            match result {
                Ok(0) => {
                    if drained > 0 {
                        tracing::info!("the database has got {drained} callbacks of the journal");
                    }
                    (drained, failures) = (0, 0);
                    self.stop.run_until_cancelled(journal.filled()).await;
                }
                Ok(callbacks) => drained += callbacks,
                Err(failure) => {
                    if failures % 10 == 0 {
                        let waiting = journal.waiting();
                        tracing::warn!(waiting, "the journal waits for the database: {failure}");
                    }
                    failures += 1;
                    self.stop.run_until_cancelled(sleep(PAUSE)).await;
                }
            }
        }
    }

    /// Tells how many callbacks are there no more.
    async fn drain_some(&self, journal: &Journal, pairs: usize) -> Result<usize, Failure> {
        self.store.prepare(Instant::now() + DRAIN).await?;
        let entries = journal.next(pairs).await?;
        let Some(last) = entries.last() else {
            journal.shrink().await?;
            return Ok(0);
        };
        let (mut changes, mut damaged) = (Vec::new(), Vec::new());
        for entry in &entries {
            match serde_json::from_str::<Change>(&entry.change) {
                Ok(change) => changes.push(change),
                Err(_) => damaged.push(entry),
            }
        }
        match self.bring(&changes).await {
            Err(failure) if failure.is_of_the_change() => self.bring_one_by_one(&changes).await?,
            brought => brought?,
        }
        journal.remove(last.id).await?;
        // Once, however often the others had to be tried.
        damaged
            .into_iter()
            .for_each(|entry| self.log_damaged(entry));
        Ok(entries.len())
    }

    async fn bring(&self, changes: &[Change]) -> Result<(), Failure> {
        let changes: Vec<_> = changes.iter().collect();
        let changed = self.store.commit(&changes, Instant::now() + DRAIN).await?;
        self.count_stale(&changes, changed);
        Ok(())
    }

    async fn bring_one_by_one(&self, changes: &[Change]) -> Result<(), Failure> {
        for change in changes {
            match self.bring(slice::from_ref(change)).await {
                // It was answered OK, but must not keep the others for ever.
                Err(failure) if failure.is_of_the_change() => {
                    lost(&self.metrics, change, &failure);
                }
                brought => brought?,
            }
        }
        Ok(())
    }

    /// It is lost, so the log has its text, from which a person may read the accounts.
    fn log_damaged(&self, entry: &Entry) {
        let entry: String = entry.change.chars().take(LOGGED).collect();
        tracing::error!(?entry, "callback not committed: damaged in the journal");
        self.metrics.count(Outcome::Failed);
    }
}
