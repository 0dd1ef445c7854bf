//! What the database did not take, kept on the local disk until it does.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions, Executor, QueryBuilder, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use tokio::{sync::watch, time::Instant};

use crate::{
    change::Change,
    files::OpenFile,
    store::{Failure, run},
    times::{CHECK, DISK, LOCK},
};

/// Callbacks that are taken out at once.
pub(crate) const CALLBACKS: u64 = 1024;
/// The room that an empty file keeps.
const KEPT: u64 = 1 << 20;
/// The room on the disk that is kept for emptying the file: SQLite writes what it removes to its log, and moves up to
/// 4 MiB of that into the file at once.
const RESERVE: usize = 8 << 20;

const TABLES: &str = "CREATE TABLE IF NOT EXISTS journal (
                          id INTEGER PRIMARY KEY AUTOINCREMENT,
                          seen INTEGER NOT NULL,
                          pairs INTEGER NOT NULL,
                          change TEXT NOT NULL
                      );
                      CREATE TABLE IF NOT EXISTS refused (
                          id INTEGER PRIMARY KEY,
                          seen INTEGER NOT NULL,
                          pairs INTEGER NOT NULL,
                          change TEXT NOT NULL,
                          why TEXT NOT NULL
                      )";

/// An SQLite file of its own, synced at each commit; a last one that was torn is cut off by SQLite.
pub(crate) struct Journal {
    pub(crate) file: OpenFile,
    /// One connection, which holds the lock of the file: what is done with it is done in turn.
    pool: SqlitePool,
    /// Never less than there are callbacks that wait.
    waiting: watch::Sender<u64>,
    /// When the oldest of them was received, and the newest, in Unix milliseconds.
    oldest: AtomicI64,
    newest: AtomicI64,
    refused: AtomicU64,
    /// Whether the database takes what is in it.
    draining: AtomicBool,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    seen: i64,
    /// A [`Change`], as JSON.
    pub(crate) change: String,
}

impl Entry {
    pub(crate) fn change(&self) -> serde_json::Result<Change> {
        let mut change: Change = serde_json::from_str(&self.change)?;
        change.seen = self.seen;
        change.waited = true;
        Ok(change)
    }
}

impl Journal {
    /// Opens a file, which is created if it isn't there; a damaged one gets another name.
    pub(crate) async fn open(file: &Path) -> Result<Self, Failure> {
        let journal = Self::new(file);
        match journal.prepare().await {
            Err(failure) if failure.is_damage() => {
                journal.pool.close().await;
                let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
                let damaged = with_suffix(file, &format!(".damaged-{now}"));
                fs::rename(file, &damaged).map_err(|error| Failure::Database(error.into()))?;
                // It belongs to the file, and nothing else may take it for its own.
                let _ = fs::rename(with_suffix(file, "-wal"), with_suffix(&damaged, "-wal"));
                let damaged = damaged.display();
                tracing::error!(
                    "the journal was damaged ({failure}), and is {damaged} now: see README.md"
                );
            }
            prepared => return prepared.map(|()| journal),
        }
        let journal = Self::new(file);
        journal.prepare().await?;
        Ok(journal)
    }

    fn new(file: &Path) -> Self {
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
        Self {
            file: OpenFile::new(file),
            pool,
            waiting: watch::Sender::default(),
            oldest: AtomicI64::default(),
            newest: AtomicI64::default(),
            refused: AtomicU64::default(),
            draining: AtomicBool::default(),
        }
    }

    async fn prepare(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + LOCK + CHECK;
        let check = run::<Sqlite, _>(&self.pool, deadline, async |connection| {
            connection.execute(TABLES).await?;
            let count = "SELECT count(*), coalesce(min(seen), 0), coalesce(max(seen), 0),
                             (SELECT count(*) FROM refused)
                         FROM journal";
            let count: (i64, i64, i64, i64) =
                sqlx::query_as(count).fetch_one(&mut *connection).await?;
            self.waiting.send_replace(count.0 as u64);
            self.oldest.store(count.1, SeqCst);
            self.newest.store(count.2, SeqCst);
            self.refused.store(count.3 as u64, SeqCst);
            let check = sqlx::query_scalar("PRAGMA quick_check(1)");
            check.fetch_one(connection).await
        });
        let check: String = check.await?;
        if check != "ok" {
            return Err(Failure::Damaged(check.replace('\n', " ")));
        }
        self.file.opened();
        if self.waiting() == 0 {
            self.keep_reserve();
        }
        Ok(())
    }

    /// How many callbacks wait; 0 only if there are none.
    pub(crate) fn waiting(&self) -> u64 {
        *self.waiting.borrow()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }

    /// When the oldest of those that wait was received, in Unix milliseconds.
    pub(crate) fn oldest(&self) -> Option<i64> {
        (self.waiting() > 0).then(|| self.oldest.load(SeqCst))
    }

    pub(crate) fn bytes(&self) -> u64 {
        let size = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
        size(&self.file.path) + size(&with_suffix(&self.file.path, "-wal"))
    }

    /// Returns when there is something in it.
    pub(crate) async fn filled(&self) {
        let mut waiting = self.waiting.subscribe();
        let _ = waiting.wait_for(|waiting| *waiting > 0).await;
    }

    /// Returns when there is nothing in it.
    pub(crate) async fn emptied(&self) {
        let mut waiting = self.waiting.subscribe();
        let _ = waiting.wait_for(|waiting| *waiting == 0).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, SeqCst);
    }

    /// Adds changes in their order, all or none. They are on the disk when it returns; after a failure they may be, too.
    pub(crate) async fn append(&self, changes: &[&Change]) -> Result<(), Failure> {
        let mut insert = QueryBuilder::new("INSERT INTO journal (seen, pairs, change) ");
        insert.push_values(changes, |mut row, change| {
            let json = serde_json::to_string(change).expect("a change has only texts for keys");
            // They keep their order though the clock may be set back.
            let newest = self.newest.fetch_max(change.seen, SeqCst);
            row.push_bind(newest.max(change.seen))
                .push_bind(change.pairs.len() as i64)
                .push_bind(json);
        });
        self.run(async |connection| {
            if self.waiting() == 0 {
                let oldest = changes.first().map_or(0, |change| change.seen);
                self.oldest.store(oldest, SeqCst);
            }
            self.waiting
                .send_modify(|waiting| *waiting += changes.len() as u64);
            let insert = insert.build().persistent(false);
            insert.execute(connection).await.map(drop)
        })
        .await?;
        match self.file.is_gone() {
            true => Err(Failure::Journal(Box::new(Failure::FileGone))),
            false => Ok(()),
        }
    }

    /// The oldest callbacks, with so many pairs or little more.
    pub(crate) async fn next(&self, pairs: usize) -> Result<Vec<Entry>, Failure> {
        self.run(async |connection| {
            let entries = "SELECT id, seen, change FROM journal
                           WHERE id <= (
                               SELECT max(id) FROM (
                                   SELECT id, sum(pairs) OVER (ORDER BY id) - pairs AS before
                                   FROM (SELECT id, pairs FROM journal ORDER BY id LIMIT $1)
                               ) WHERE before < $2
                           ) ORDER BY id";
            let entries: Vec<Entry> = sqlx::query_as(entries)
                .bind(CALLBACKS as i64)
                .bind(pairs as i64)
                .fetch_all(connection)
                .await?;
            if let Some(first) = entries.first() {
                self.oldest.store(first.seen, SeqCst);
            } else {
                self.newest.store(0, SeqCst);
                self.waiting.send_replace(0);
            }
            Ok(entries)
        })
        .await
    }

    /// Removes what came before an entry, and that.
    pub(crate) async fn remove(&self, last: i64) -> Result<(), Failure> {
        self.run(async |connection| {
            let delete = sqlx::query("DELETE FROM journal WHERE id <= $1").bind(last);
            let removed = delete.execute(connection).await?.rows_affected();
            self.removed(removed);
            Ok(())
        })
        .await
    }

    /// Moves an entry that the database refuses to the table `refused`, so that the others are not held up.
    pub(crate) async fn refuse(&self, id: i64, why: &str) -> Result<(), Failure> {
        self.run(async |connection| {
            let mut transaction = sqlx::Connection::begin(connection).await?;
            let insert = "INSERT INTO refused (seen, pairs, change, why)
                          SELECT seen, pairs, change, $2 FROM journal WHERE id = $1";
            let insert = sqlx::query(insert).bind(id).bind(why);
            insert.execute(&mut *transaction).await?;
            let delete = sqlx::query("DELETE FROM journal WHERE id = $1").bind(id);
            delete.execute(&mut *transaction).await?;
            transaction.commit().await?;
            self.refused.fetch_add(1, SeqCst);
            self.removed(1);
            Ok(())
        })
        .await
    }

    /// It is known to be empty only once nothing more is found.
    fn removed(&self, removed: u64) {
        self.waiting
            .send_modify(|waiting| *waiting = waiting.saturating_sub(removed).max(1));
    }

    /// Gives the room of an empty file back, and makes sure of the room that emptying it takes.
    pub(crate) async fn shrink(&self) -> Result<(), Failure> {
        if self.bytes() > KEPT {
            self.execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
                .await?;
        }
        self.keep_reserve();
        Ok(())
    }

    fn keep_reserve(&self) {
        let reserve = self.reserve();
        if reserve.exists() {
            return;
        }
        if let Err(error) = fs::write(&reserve, vec![0; RESERVE]) {
            tracing::warn!("the journal has no reserve for a full disk: {error}");
            let _ = fs::remove_file(reserve);
        }
    }

    /// Gives the reserve up, since the disk may be full.
    pub(crate) async fn use_reserve(&self) {
        if fs::remove_file(self.reserve()).is_ok() {
            tracing::warn!("the journal gives its reserve up");
            let _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
    }

    fn reserve(&self) -> PathBuf {
        with_suffix(&self.file.path, ".reserve")
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn execute(&self, sql: &'static str) -> Result<(), Failure> {
        self.run(async |connection| connection.execute(sql).await.map(drop))
            .await
    }

    async fn run<T>(
        &self,
        query: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> Result<T, Failure> {
        let result = run::<Sqlite, _>(&self.pool, Instant::now() + DISK, query).await;
        result.map_err(|failure| Failure::Journal(Box::new(failure)))
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut file = file.to_owned().into_os_string();
    file.push(suffix);
    file.into()
}
