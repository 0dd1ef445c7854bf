//! From a callback to the disk.

mod drain;
mod group;

use std::{fmt, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    change::Change,
    journal::Journal,
    lost,
    metrics::{Metrics, Outcome},
    store::Store,
};

/// Pairs that may wait, a callback counting as one at least. What comes then is answered FAIL at once.
const ROOM: usize = 100_000;
/// Pairs in a transaction, unless a single callback has more.
const PAIRS: usize = 4096;

/// Where callbacks are handed in.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    metrics: Metrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A callback that waits to be written.
struct Job {
    change: Change,
    since: Instant,
    /// When it is written to the journal instead.
    deadline: Instant,
    done: oneshot::Sender<bool>,
    _room: OwnedSemaphorePermit,
}

/// What writes.
#[derive(Clone)]
struct Task {
    store: Store,
    journal: Option<Journal>,
    metrics: Metrics,
    stop: CancellationToken,
}

/// How many pairs a transaction has: fewer after one that failed, since the database may be slow.
struct Size(usize);

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
        tasks.spawn(task.commit_groups(jobs));
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
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(pairs) else {
            lost(&self.metrics, &change, &"too many callbacks wait");
            return written;
        };
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

impl Task {
    fn count_stale(&self, changes: &[&Change], changed: u64) {
        let pairs: usize = changes.iter().map(|change| change.pairs.len()).sum();
        self.metrics.stale((pairs as u64).saturating_sub(changed));
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

fn lost(metrics: &Metrics, change: &Change, why: &dyn fmt::Display) {
    if change.is_probe() {
        return tracing::warn!("callbacks can't be written: {why}");
    }
    lost::log(change, why);
    metrics.count(Outcome::Failed);
}
