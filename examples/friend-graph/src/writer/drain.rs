//! What is in the journal, on its way to the database.

use std::sync::Arc;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{PAIRS, Size};
use crate::{
    App,
    change::Change,
    journal::{Entry, Journal},
    lost,
    store::Failure,
    times::{DRAIN, PAUSE},
};

/// The most characters of a damaged entry in the log.
const LOGGED: usize = 4096;

impl App {
    /// Brings what is in the journal to the database whenever there is something.
    pub(super) async fn drain(self: Arc<Self>, stop: CancellationToken) {
        let Some(journal) = &self.journal else {
            return;
        };
        let (mut drained, mut failures) = (0, 0);
        let mut size = Size(PAIRS);
        while !stop.is_cancelled() {
            let result = self.drain_some(journal, size.0, &stop).await;
            size.adapt(result.is_err());
            journal.set_draining(result.is_ok());
            match result {
                Ok(0) => {
                    if drained > 0 {
                        tracing::info!("the database has got {drained} callbacks of the journal");
                    }
                    (drained, failures) = (0, 0);
                    stop.run_until_cancelled(journal.filled()).await;
                }
                Ok(callbacks) => drained += callbacks,
                Err(failure) => {
                    let is_first = failures % 10 == 0;
                    self.not_drained(journal, &failure, is_first).await;
                    failures += 1;
                    stop.run_until_cancelled(sleep(PAUSE)).await;
                }
            }
        }
    }

    async fn not_drained(&self, journal: &Journal, failure: &Failure, is_logged: bool) {
        let waiting = journal.waiting();
        if matches!(failure, Failure::Journal(_)) {
            if is_logged {
                tracing::error!(waiting, "callbacks stay in the journal: {failure}");
            }
            journal.use_reserve().await;
        } else if is_logged {
            tracing::warn!(waiting, "the journal waits for the database: {failure}");
        }
    }

    /// Returns how many callbacks it has taken out of the journal.
    async fn drain_some(
        &self,
        journal: &Journal,
        pairs: usize,
        stop: &CancellationToken,
    ) -> Result<usize, Failure> {
        self.store.prepare(Instant::now() + DRAIN).await?;
        let entries = journal.next(pairs).await?;
        if entries.is_empty() {
            journal.shrink().await?;
        }
        let mut changes = Vec::new();
        for entry in &entries {
            match entry.change() {
                Ok(change) => changes.push((entry.id, change)),
                Err(error) => {
                    journal.refuse(entry.id, &error.to_string()).await?;
                    log_damaged(entry);
                }
            }
        }
        // While a part has a change that the database refuses, it is halved.
        let mut parts = vec![&changes[..]];
        while let Some(part) = parts.pop() {
            let Some((last, change)) = part.last() else {
                break;
            };
            let all: Vec<&Change> = part.iter().map(|(_, change)| change).collect();
            match self.commit(&all, Instant::now() + DRAIN).await {
                Ok(()) => journal.remove(*last).await?,
                Err(Failure::Refused(_)) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(failure @ Failure::Refused(_)) => {
                    journal.refuse(*last, &failure.to_string()).await?;
                    let why = format!("{failure}; it is in the table `refused` of the journal");
                    lost::log(change, &why);
                }
                Err(failure) => return Err(failure),
            }
            if stop.is_cancelled() {
                break;
            }
        }
        Ok(entries.len())
    }
}

/// The log has its text, from which a person may read the accounts.
fn log_damaged(entry: &Entry) {
    let entry: String = entry.change.chars().take(LOGGED).collect();
    tracing::error!(
        ?entry,
        "callback not committed: damaged; it is in the table `refused` of the journal"
    );
}
