//! From a callback to the disk.

mod drain;
mod group;

use std::{fmt, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{App, change::Change, lost, metrics::Outcome, store::Failure};

/// Pairs that may wait, a callback counting as one at least. What comes then is answered FAIL at once.
const ROOM: usize = 100_000;
/// Pairs in a transaction, unless a single callback has more.
const PAIRS: usize = 4096;

pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

pub(crate) struct Job {
    change: Change,
    since: Instant,
    /// When it is written to the journal instead.
    deadline: Instant,
    done: oneshot::Sender<bool>,
    _room: OwnedSemaphorePermit,
}

/// How many pairs a transaction has: fewer after one that failed, since the database may be slow.
struct Size(usize);

impl Writer {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (queue, jobs) = mpsc::unbounded_channel();
        let writer = Self {
            queue,
            room: Arc::new(Semaphore::new(ROOM)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        (writer, jobs)
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

impl App {
    /// Starts what writes. The journal is left alone as soon as the app is told to stop.
    pub(crate) fn start_writing(
        self: &Arc<Self>,
        jobs: mpsc::UnboundedReceiver<Job>,
        stop: &CancellationToken,
    ) {
        let tasks = &self.writer.tasks;
        tasks.spawn(Arc::clone(self).drain(stop.clone()));
        tasks.spawn(Arc::clone(self).write_groups(jobs));
    }

    /// Takes a callback over at once, whether or not its sender waits. Returns whether it is on the disk.
    pub(crate) fn write(&self, change: Change, deadline: Instant) -> oneshot::Receiver<bool> {
        let (done, written) = oneshot::channel();
        let pairs = change.pairs.len().max(1) as u32;
        let Ok(room) = Arc::clone(&self.writer.room).try_acquire_many_owned(pairs) else {
            self.lost(&change, &"too many callbacks wait");
            return written;
        };
        let job = Job {
            change,
            since: Instant::now(),
            deadline,
            done,
            _room: room,
        };
        if let Err(mpsc::error::SendError(job)) = self.writer.queue.send(job) {
            self.lost(&job.change, &"the app is stopping");
        }
        written
    }

    fn lost(&self, change: &Change, why: &dyn fmt::Display) {
        if change.is_probe() {
            return tracing::warn!("callbacks can't be written: {why}");
        }
        lost::log(change, why);
        self.metrics.count(Outcome::Failed);
    }

    /// Writes to the database, and counts what is older than what is there.
    async fn commit(&self, changes: &[&Change], deadline: Instant) -> Result<(), Failure> {
        let changed = self.store.commit(changes, deadline).await?;
        let pairs: usize = changes.iter().map(|change| change.pairs.len()).sum();
        let stale = (pairs as u64).saturating_sub(changed);
        self.metrics.stale_pairs.inc_by(stale);
        Ok(())
    }
}

impl Size {
    fn adapt(&mut self, failed: bool) {
        self.0 = match failed {
            true => (self.0 / 2).max(1),
            false => (self.0 * 2).min(PAIRS),
        };
    }
}
