//! What the database did not take, kept on the local disk until it does.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions, Executor, QueryBuilder, Sqlite, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    change::Change,
    store::{Failure, run},
};

/// How long the disk may take.
const DISK: Duration = Duration::from_secs(2);
/// How long the process before this one may take to end, at the start.
const LOCK: Duration = Duration::from_secs(5);
/// Callbacks that are taken out at once.
const CALLBACKS: i64 = 1024;
/// The room that an empty file keeps.
const KEPT: u64 = 1 << 20;

/// An SQLite file of its own, synced at each commit; a last one that was torn is cut off by SQLite.
#[derive(Clone)]
pub(crate) struct Journal {
    file: PathBuf,
    /// One connection, which holds the lock of the file: what is done with it is done in turn.
    pool: SqlitePool,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Never less than there are callbacks in the file.
    waiting: AtomicU64,
    /// When the oldest of them was received, in Unix milliseconds.
    oldest: AtomicI64,
    filled: Notify,
    emptied: Notify,
    /// Whether the database takes what is in it.
    draining: AtomicBool,
}

/// A callback in the journal.
#[derive(sqlx::FromRow)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    /// A [`Change`], as JSON.
    pub(crate) change: String,
}

impl Journal {
    pub(crate) async fn open(file: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LOCK)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        let journal = Self {
            file: file.to_owned(),
            pool,
            state: Arc::default(),
        };
        let deadline = Instant::now() + LOCK + DISK;
        run(&journal.pool, deadline, async |connection| {
            let table = "CREATE TABLE IF NOT EXISTS journal (
                             id INTEGER PRIMARY KEY AUTOINCREMENT,
                             seen INTEGER NOT NULL,
                             pairs INTEGER NOT NULL,
                             change TEXT NOT NULL
                         )";
            connection.execute(table).await.map(drop)
        })
        .await?;
        journal.count().await?;
        Ok(journal)
    }

    async fn count(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + DISK;
        let count = "SELECT count(*), coalesce(min(seen), 0) FROM journal";
        let (waiting, oldest): (i64, i64) = run(&self.pool, deadline, async |connection| {
            sqlx::query_as(count).fetch_one(connection).await
        })
        .await?;
        self.state.waiting.store(waiting.unsigned_abs(), SeqCst);
        self.state.oldest.store(oldest, SeqCst);
        Ok(())
    }

    /// How many callbacks there are; 0 only if there are none.
    pub(crate) fn waiting(&self) -> u64 {
        self.state.waiting.load(SeqCst)
    }

    /// When the oldest of them was received, in Unix milliseconds.
    pub(crate) fn oldest(&self) -> Option<i64> {
        (self.waiting() > 0).then(|| self.state.oldest.load(SeqCst))
    }

    /// The size of its files.
    pub(crate) fn bytes(&self) -> u64 {
        let mut log = self.file.clone().into_os_string();
        log.push("-wal");
        let size = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
        size(&self.file) + size(Path::new(&log))
    }

    /// Returns when there is something in it.
    pub(crate) async fn filled(&self) {
        while self.waiting() == 0 {
            self.state.filled.notified().await;
        }
    }

    /// Returns when there is nothing in it.
    pub(crate) async fn emptied(&self) {
        while self.waiting() > 0 {
            self.state.emptied.notified().await;
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state.draining.load(SeqCst)
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.state.draining.store(draining, SeqCst);
    }

    /// Adds changes in their order, all or none. They are on the disk when it returns; after a failure they may be, too.
    pub(crate) async fn append(&self, changes: &[&Change]) -> Result<(), Failure> {
        let mut insert = QueryBuilder::new("INSERT INTO journal (seen, pairs, change) ");
        insert.push_values(changes, |mut row, change| {
            let json = serde_json::to_string(change).expect("a change has only texts for keys");
            row.push_bind(change.seen)
                .push_bind(change.pairs.len() as i64)
                .push_bind(json);
        });
        run::<Sqlite, _>(&self.pool, Instant::now() + DISK, async |connection| {
            if self.state.waiting.fetch_add(changes.len() as u64, SeqCst) == 0 {
                self.state
                    .oldest
                    .store(changes.first().map_or(0, |change| change.seen), SeqCst);
                self.state.filled.notify_one();
            }
            insert
                .build()
                .persistent(false)
                .execute(connection)
                .await
                .map(drop)
        })
        .await
    }

    /// The oldest callbacks, with so many pairs or little more.
    pub(crate) async fn next(&self, pairs: usize) -> Result<Vec<Entry>, Failure> {
        run(&self.pool, Instant::now() + DISK, async |connection| {
            let sizes = "SELECT id, seen, pairs FROM journal ORDER BY id LIMIT $1";
            let sizes: Vec<(i64, i64, i64)> = sqlx::query_as(sizes)
                .bind(CALLBACKS)
                .fetch_all(&mut *connection)
                .await?;
            let Some((_, oldest, _)) = sizes.first() else {
                self.state.waiting.store(0, SeqCst);
                self.state.emptied.notify_one();
                return Ok(Vec::new());
            };
            self.state.oldest.store(*oldest, SeqCst);
            let entries = "SELECT id, change FROM journal WHERE id <= $1 ORDER BY id";
            sqlx::query_as(entries)
                .bind(last(&sizes, pairs))
                .fetch_all(connection)
                .await
        })
        .await
    }

    /// Removes what came before an entry, and that.
    pub(crate) async fn remove(&self, last: i64) -> Result<(), Failure> {
        run(&self.pool, Instant::now() + DISK, async |connection| {
            let delete = sqlx::query("DELETE FROM journal WHERE id <= $1").bind(last);
            let removed = delete.execute(connection).await?.rows_affected();
            let _ = self.state.waiting.fetch_update(SeqCst, SeqCst, |waiting| {
                Some(waiting.saturating_sub(removed).max(1))
            });
            Ok(())
        })
        .await
    }

    /// Gives the room of an empty file back.
    pub(crate) async fn shrink(&self) -> Result<(), Failure> {
        if self.bytes() <= KEPT {
            return Ok(());
        }
        run(&self.pool, Instant::now() + DISK, async |connection| {
            let shrink = "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";
            connection.execute(shrink).await.map(drop)
        })
        .await
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The last of the entries, each with its pairs, that are taken out together.
fn last(entries: &[(i64, i64, i64)], most: usize) -> i64 {
    let mut pairs = 0;
    let fits = entries.iter().take_while(|(_, _, more)| {
        let fits = pairs < most as i64;
        pairs += more;
        fits
    });
    fits.last().map_or(0, |(id, _, _)| *id)
}
