//! Group commit: one transaction for all callbacks that wait, and the journal if the database is away.

use std::{fmt, sync::Arc};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, timeout_at},
};

use super::{Job, PAIRS, Size};
use crate::{
    App,
    change::Change,
    journal::{self, Journal},
    metrics::Outcome,
    store::Failure,
    times::PATIENCE,
};

/// Callbacks in a transaction.
const CALLBACKS: usize = 256;

impl App {
    pub(super) async fn write_groups(self: Arc<Self>, mut jobs: UnboundedReceiver<Job>) {
        let mut size = Size(PAIRS);
        loop {
            let first = tokio::select! {
                first = jobs.recv() => first,
                () = self.writer.stop.cancelled(), if !jobs.is_closed() => {
                    jobs.close();
                    continue;
                }
            };
            let Some(first) = first else {
                return;
            };
            let batch = batch(first, &mut jobs, size.0);
            size.adapt(self.write_group(batch).await.is_err());
        }
    }

    /// Answers callbacks. Returns an error if the database has failed.
    async fn write_group(&self, batch: Vec<Job>) -> Result<(), Failure> {
        if let Some(journal) = &self.journal
            && !self.is_next(journal, &batch).await
        {
            self.keep(journal, batch).await;
            return Ok(());
        }
        let Err((left, failure)) = self.commit_batch(batch).await else {
            return Ok(());
        };
        match &self.journal {
            None => self.not_written(left, &failure),
            Some(journal) => {
                tracing::warn!("callbacks go to the journal: {failure}");
                journal.set_draining(false);
                self.keep(journal, left).await;
            }
        }
        Err(failure)
    }

    /// Whether nothing is in the journal that must come before. If that is little, and the database takes it, it is
    /// worth waiting for: otherwise senders would have to pause for the journal to be empty.
    async fn is_next(&self, journal: &Journal, batch: &[Job]) -> bool {
        if (1..=journal::CALLBACKS).contains(&journal.waiting()) && journal.is_draining() {
            let _ = timeout_at(earliest(batch) - PATIENCE, journal.emptied()).await;
        }
        journal.waiting() == 0 && self.store.is_ready()
    }

    /// Writes to the database; a callback that it refuses is answered FAIL. Returns those that it doesn't take now.
    async fn commit_batch(&self, batch: Vec<Job>) -> Result<(), (Vec<Job>, Failure)> {
        // While a part has a change that the database refuses, it is halved.
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            // A late callback must not wait for the others, unless there is no journal.
            let deadline = match self.journal {
                Some(_) => earliest(&part),
                None => latest(&part),
            };
            match self.commit(&changes(&part), deadline).await {
                Ok(()) => self.written(part, Outcome::Committed),
                Err(Failure::Refused(_)) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(failure @ Failure::Refused(_)) => self.not_written(part, &failure),
                Err(failure) => {
                    parts.push(part);
                    return Err((parts.into_iter().rev().flatten().collect(), failure));
                }
            }
        }
        Ok(())
    }

    async fn keep(&self, journal: &Journal, batch: Vec<Job>) {
        let Err(failure) = journal.append(&changes(&batch)).await else {
            return self.written(batch, Outcome::Spooled);
        };
        // Its disk may be full, and the database back. What is in it is older, so it doesn't overtake these.
        if let Err((left, _)) = self.commit_batch(batch).await {
            self.not_written(left, &failure);
        }
    }

    fn written(&self, batch: Vec<Job>, outcome: Outcome) {
        for job in batch {
            if !job.change.is_probe() {
                self.metrics.count(outcome);
                self.metrics.took(outcome, job.since);
            }
            let _ = job.done.send(true);
        }
    }

    fn not_written(&self, batch: Vec<Job>, why: &dyn fmt::Display) {
        for job in batch {
            self.lost(&job.change, why);
            self.metrics.took(Outcome::Failed, job.since);
            let _ = job.done.send(false);
        }
    }
}

fn changes(batch: &[Job]) -> Vec<&Change> {
    batch.iter().map(|job| &job.change).collect()
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
