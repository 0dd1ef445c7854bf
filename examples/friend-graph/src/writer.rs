//! From a callback to the disk: one transaction for all that wait, and the journal if the database is away.

use std::{fmt, slice, sync::Arc, time::Duration};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, UnboundedReceiver},
        oneshot,
    },
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    change::Change,
    journal::{Entry, Journal},
    lost,
    metrics::{Metrics, Outcome},
    store::{Failure, Store},
};

/// Pairs that may wait, a callback counting as one at least. What comes then is answered FAIL at once.
const ROOM: usize = 100_000;
/// Callbacks in a transaction.
const CALLBACKS: usize = 256;
/// Pairs in a transaction, unless a single callback has more.
const PAIRS: usize = 4096;
/// How long the database may take with what was in the journal.
const DRAIN: Duration = Duration::from_secs(5);
/// How much of its time a callback doesn't wait for those before it.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long the database is left alone after that has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Where callbacks are handed in.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    metrics: Metrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The database did not commit.
struct Failed;

struct Job {
    change: Change,
    since: Instant,
    /// When it is written to the journal instead.
    deadline: Instant,
    done: oneshot::Sender<bool>,
    _room: OwnedSemaphorePermit,
}

impl Writer {
    pub(crate) fn start(store: Store, journal: Option<Journal>, metrics: Metrics) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let task = Task {
            store,
            journal,
            metrics: metrics.clone(),
            stop: stop.clone(),
        };
        if let Some(journal) = task.journal.clone() {
            tasks.spawn(task.clone().drain(journal));
        }
        tasks.spawn(task.run(jobs));
        Self {
            queue,
            room: Arc::new(Semaphore::new(ROOM)),
            metrics,
            stop,
            tasks,
        }
    }

    /// Takes a callback over at once, whether or not its sender waits. Tells whether it is on the disk.
    pub(crate) fn write(&self, change: Change, deadline: Instant) -> oneshot::Receiver<bool> {
        let (done, written) = oneshot::channel();
        let pairs = change.pairs.len().max(1) as u32;
        match Arc::clone(&self.room).try_acquire_many_owned(pairs) {
            Ok(room) => {
                let job = Job {
                    change,
                    since: Instant::now(),
                    deadline,
                    done,
                    _room: room,
                };
                if let Err(mpsc::error::SendError(job)) = self.queue.send(job) {
                    lost(&self.metrics, &job.change, &"the app is stopping");
                }
            }
            Err(_) => lost(&self.metrics, &change, &"too many callbacks wait"),
        }
        written
    }

    /// Pairs that wait.
    pub(crate) fn queued(&self) -> usize {
        ROOM - self.room.available_permits()
    }

    /// Writes what was handed in by now, and ends.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// How many pairs a transaction has: fewer after one that failed, since the database may be slow.
struct Size(usize);

impl Size {
    fn adapt(&mut self, failed: bool) {
        self.0 = match failed {
            true => (self.0 / 2).max(1),
            false => (self.0 * 2).min(PAIRS),
        };
    }
}

#[derive(Clone)]
struct Task {
    store: Store,
    journal: Option<Journal>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Task {
    async fn run(self, mut jobs: UnboundedReceiver<Job>) {
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
        match &self.journal {
            _ if failure.is_of_the_change() && batch.len() > 1 => {
                return self.write_one_by_one(batch).await;
            }
            Some(journal) if !failure.is_of_the_change() => {
                tracing::warn!("callbacks go to the journal: {failure}");
                journal.set_draining(false);
                self.keep(journal, batch).await;
            }
            _ => self.not_written(batch, &failure),
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
            Err(failure) => self.not_written(batch, &format_args!("the journal: {failure}")),
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

    /// Brings what is in the journal to the database whenever there is something.
    async fn drain(self, journal: Journal) {
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
        let changes: Vec<_> = entries.iter().filter_map(parse).collect();
        match self.bring(&changes).await {
            Err(failure) if failure.is_of_the_change() => self.bring_one_by_one(&changes).await?,
            brought => brought?,
        }
        journal.remove(last.id).await?;
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

    fn count_stale(&self, changes: &[&Change], changed: u64) {
        let pairs: usize = changes.iter().map(|change| change.pairs.len()).sum();
        self.metrics.stale((pairs as u64).saturating_sub(changed));
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

fn parse(entry: &Entry) -> Option<Change> {
    let change = serde_json::from_str(&entry.change);
    change
        .inspect_err(|error| tracing::error!(entry = entry.id, "damaged in the journal: {error}"))
        .ok()
}

fn lost(metrics: &Metrics, change: &Change, why: &dyn fmt::Display) {
    if change.is_probe() {
        return tracing::warn!("callbacks can't be written: {why}");
    }
    lost::log(change, why);
    metrics.count(Outcome::Failed);
}
