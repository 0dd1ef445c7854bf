//! Group commit: one transaction for all callbacks that wait, and the journal if the database is away.

use std::{fmt, time::Duration};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, timeout_at},
};

use super::{Job, PAIRS, Size, Task, lost};
use crate::{journal::Journal, metrics::Outcome};

/// Callbacks in a transaction.
const CALLBACKS: usize = 256;
/// How much of its time a callback doesn't wait for those before it.
const PATIENCE: Duration = Duration::from_millis(700);

/// The database did not commit.
struct Failed;

impl Task {
    pub(super) async fn commit_groups(self, mut jobs: UnboundedReceiver<Job>) {
        let mut size = Size(PAIRS);
        loop {
            let first = tokio::select! {
                first = jobs.recv() => first,
                () = self.stop.cancelled(), if !jobs.is_closed() => {
                    jobs.close();
                    continue;
                }
            };
            let Some(first) = first else {
                return;
            };
            let failed = self.write(batch(first, &mut jobs, size.0)).await.is_err();
            size.adapt(failed);
        }
    }

    /// Answers callbacks. Tells whether the database has failed.
    async fn write(&self, batch: Vec<Job>) -> Result<(), Failed> {
        match &self.journal {
            Some(journal) if !self.is_next(journal, &batch).await => {
                self.keep(journal, batch).await;
                Ok(())
            }
            _ => self.commit(batch).await,
        }
    }

    /// Whether nothing is in the journal that must come before. If the database takes it, that is worth waiting for:
    /// otherwise senders that are faster than the database would fill the journal for ever.
    async fn is_next(&self, journal: &Journal, batch: &[Job]) -> bool {
        if journal.waiting() > 0 && journal.is_draining() {
            let _ = timeout_at(earliest(batch) - PATIENCE, journal.emptied()).await;
        }
        journal.waiting() == 0 && self.store.is_ready()
    }

    async fn commit(&self, batch: Vec<Job>) -> Result<(), Failed> {
        // Whoever is late must not wait for the others, unless there is nothing but the database.
        let deadline = match self.journal {
            Some(_) => earliest(&batch),
            None => latest(&batch),
        };
        let changes: Vec<_> = batch.iter().map(|job| &job.change).collect();
        let failure = match self.store.commit(&changes, deadline).await {
            Ok(changed) => {
                self.count_stale(&changes, changed);
                self.written(batch, Outcome::Committed);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if failure.is_of_the_change() {
            match batch.len() {
                1 => self.not_written(batch, &failure),
                _ => return self.write_one_by_one(batch).await,
            }
            return Ok(());
        }
        match &self.journal {
            Some(journal) => {
                tracing::warn!("callbacks go to the journal: {failure}");
                journal.set_draining(false);
                self.keep(journal, batch).await;
            }
            None => self.not_written(batch, &failure),
        }
        Err(Failed)
    }

    async fn write_one_by_one(&self, batch: Vec<Job>) -> Result<(), Failed> {
        let mut written = Ok(());
        for job in batch {
            written = Box::pin(self.write(vec![job])).await.and(written);
        }
        written
    }

    async fn keep(&self, journal: &Journal, batch: Vec<Job>) {
        let changes: Vec<_> = batch.iter().map(|job| &job.change).collect();
        match journal.append(&changes).await {
            Ok(()) => self.written(batch, Outcome::Spooled),
            // Its disk may be full, and the database back. What is in it is older, so it doesn't overtake these.
            Err(failure) => match self.store.commit(&changes, earliest(&batch)).await {
                Ok(changed) => {
                    self.count_stale(&changes, changed);
                    self.written(batch, Outcome::Committed);
                }
                Err(_) => self.not_written(batch, &format_args!("the journal: {failure}")),
            },
        }
    }

    fn written(&self, batch: Vec<Job>, outcome: Outcome) {
        for job in batch {
            if !job.change.is_probe() {
                self.metrics.count(outcome);
                self.metrics.took(outcome, job.since.elapsed());
            }
            let _ = job.done.send(true);
        }
    }

    fn not_written(&self, batch: Vec<Job>, why: &dyn fmt::Display) {
        for job in batch {
            lost(&self.metrics, &job.change, why);
            self.metrics.took(Outcome::Failed, job.since.elapsed());
            let _ = job.done.send(false);
        }
    }
}

fn earliest(batch: &[Job]) -> Instant {
    let deadlines = batch.iter().map(|job| job.deadline);
    deadlines.min().unwrap_or_else(Instant::now)
}

fn latest(batch: &[Job]) -> Instant {
    let deadlines = batch.iter().map(|job| job.deadline);
    deadlines.max().unwrap_or_else(Instant::now)
}

/// What waits by now, as much as is written at once.
fn batch(first: Job, jobs: &mut UnboundedReceiver<Job>, most: usize) -> Vec<Job> {
    let mut pairs = first.change.pairs.len();
    let mut batch = vec![first];
    while batch.len() < CALLBACKS && pairs < most {
        let Ok(job) = jobs.try_recv() else {
            break;
        };
        pairs += job.change.pairs.len();
        batch.push(job);
    }
    batch
}
