//! The database: SQLite or PostgreSQL, whichever the URL names.

mod connection;
mod failure;
mod friends;
mod upsert;

use std::{
    path::PathBuf,
    str::FromStr,
    sync::{Mutex, MutexGuard},
};

use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
    sqlite::SqliteConnectOptions,
};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

pub(crate) use self::{
    connection::{run, run_on},
    failure::Failure,
    friends::{Friend, Friends, LastChange},
};
use crate::{
    change::Change,
    files::OpenFile,
    times::{BUSY, IDLE_IN_TRANSACTION, STATEMENT},
};

/// Connections for changes: one for callbacks and one for the journal, and as many to take their place while they are
/// being given up. With SQLite each would have a thread.
const WRITERS: u32 = 4;
const SQLITE_WRITERS: u32 = 2;
/// Connections for what is only read, so that no callback waits for that.
const READERS: u32 = 5;

pub(crate) struct Store {
    options: AnyConnectOptions,
    /// With SQLite.
    pub(crate) file: Option<OpenFile>,
    writer: AnyPool,
    /// The connection of the last commit. To give it back to the pool and get it again takes a round trip.
    last: Mutex<Option<PoolConnection<Any>>>,
    reader: AnyPool,
    /// Set once there is a database with the tables.
    ready: OnceCell<()>,
}

pub(crate) fn sqlite_file(database_url: &str) -> Option<PathBuf> {
    database_url.strip_prefix("sqlite:")?;
    let options = SqliteConnectOptions::from_str(database_url).ok()?;
    Some(options.get_filename().to_owned())
}

impl Store {
    /// Connects to nothing yet.
    pub(crate) fn new(database_url: &str) -> Result<Self, Failure> {
        sqlx::any::install_default_drivers();
        // What fails is logged where it fails, with what it was for.
        let options = AnyConnectOptions::from_str(database_url)?.disable_statement_logging();
        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .after_connect(|connection, _| Box::pin(set_time_limits(connection)))
        };
        let file = sqlite_file(database_url);
        let writers = match file {
            Some(_) => SQLITE_WRITERS,
            None => WRITERS,
        };
        // A round trip for each commit tells no more than the commit.
        let writer = pool(writers).test_before_acquire(false);
        Ok(Self {
            file: file.as_deref().map(OpenFile::new),
            writer: writer.connect_lazy_with(options.clone()),
            reader: pool(READERS).connect_lazy_with(options.clone()),
            last: Mutex::default(),
            options,
            ready: OnceCell::new(),
        })
    }

    /// Creates or migrates the tables, unless that has been done.
    pub(crate) async fn prepare(&self, deadline: Instant) -> Result<(), Failure> {
        let ready = self.ready.get_or_try_init(|| self.create_tables(deadline));
        ready.await.copied()
    }

    async fn create_tables(&self, deadline: Instant) -> Result<(), Failure> {
        timeout_at(deadline, self.migrate()).await??;
        if let Some(file) = &self.file {
            file.opened();
        }
        // Some names of files mean another one for each connection.
        self.commit(&[&Change::probe()], deadline).await.map(drop)
    }

    async fn migrate(&self) -> Result<(), Failure> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        if self.file.is_some() {
            // Kept in the file, and can't be set in a transaction.
            connection.execute("PRAGMA journal_mode = WAL").await?;
        } else {
            self.check_server(&mut connection).await?;
        }
        let mut migrator = sqlx::migrate!();
        // Of a later version of this app, or of another app.
        migrator.set_ignore_missing(true);
        let applied = "SELECT version FROM _sqlx_migrations WHERE success";
        let applied = sqlx::query_scalar(applied).fetch_all(&mut connection);
        let applied: Vec<i64> = applied.await.unwrap_or_default();
        // If they are all there, the app needs no right to create tables.
        if !migrator.iter().all(|one| applied.contains(&one.version)) {
            // As `run` does, whose future isn't `Send`.
            let migrated = migrator.run_direct(None, &mut connection, false);
            migrated.await.map_err(sqlx::Error::from)?;
        }
        Ok(connection.close().await?)
    }

    async fn check_server(&self, first: &mut AnyConnection) -> Result<(), Failure> {
        // A UserID may have any character.
        if server(first, "SELECT current_setting('server_encoding')").await? != "UTF8" {
            return Err(Failure::Unsuitable(
                "the database has to be encoded in UTF8",
            ));
        }
        // Time limits and prepared statements belong to a session, and two connections must not share one.
        let mut second = AnyConnection::connect_with(&self.options).await?;
        for _ in 0..3 {
            let session = "SELECT pg_backend_pid()::text";
            if server(first, session).await? == server(&mut second, session).await? {
                return Err(Failure::Unsuitable(
                    "the pooler in front of the database pools transactions, and has to pool sessions",
                ));
            }
        }
        Ok(second.close().await?)
    }

    /// Whether it has been there since the start.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.initialized()
    }

    /// Writes changes in their order, all or none. Returns how many pairs have changed, once they are committed. After
    /// a failure they may be committed all the same.
    ///
    /// Returns [`Failure::Refused`] only if these changes are at fault. A single change is tried again after a probe: if
    /// the probe isn't committed, either, the database takes nothing now.
    pub(crate) async fn commit(
        &self,
        changes: &[&Change],
        deadline: Instant,
    ) -> Result<u64, Failure> {
        let refused = match self.commit_as_it_is(changes, deadline).await {
            Err(Failure::Refused(error)) => error,
            other => return other,
        };
        if changes.len() > 1 {
            return Err(Failure::Refused(refused));
        }
        match self.commit_as_it_is(&[&Change::probe()], deadline).await {
            // The rule may have been removed between the two.
            Ok(_) => self.commit_as_it_is(changes, deadline).await,
            Err(_) => Err(Failure::Database(refused)),
        }
    }

    async fn commit_as_it_is(
        &self,
        changes: &[&Change],
        deadline: Instant,
    ) -> Result<u64, Failure> {
        // All connections may be of before an outage, or have been idle for too long.
        for _ in 0..WRITERS {
            match self.try_commit(changes, deadline).await {
                Err(failure) if failure.is_of_the_connection() => {}
                committed => return committed,
            }
        }
        self.try_commit(changes, deadline).await
    }

    async fn try_commit(&self, changes: &[&Change], deadline: Instant) -> Result<u64, Failure> {
        let last = self.last().take();
        let connection = match last {
            Some(connection) => connection,
            None => timeout_at(deadline, self.writer.acquire()).await??,
        };
        let (changed, connection) = run_on(connection, deadline, async |connection| {
            // Again and again, until the deadline.
            loop {
                match upsert::write(connection, changes).await {
                    Err(error) if Failure::is_conflict(&error) => {}
                    written => return written,
                }
            }
        })
        .await
        .map_err(Failure::or_refused)?;
        *self.last() = Some(connection);
        match &self.file {
            Some(file) if file.is_gone() => Err(Failure::FileGone),
            _ => Ok(changed),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<PoolConnection<Any>>> {
        self.last.lock().expect("nothing panics with it")
    }

    /// Of the connections that changes are written by, how many do nothing, and how many are in use.
    pub(crate) fn connections(&self) -> (i64, i64) {
        let idle = self.writer.num_idle() as i64 + i64::from(self.last().is_some());
        (idle, i64::from(self.writer.size()) - idle)
    }

    /// Waits for what is running, and closes all connections.
    pub(crate) async fn close(&self) {
        drop(self.last().take());
        self.writer.close().await;
        self.reader.close().await;
    }
}

/// A text that a server has for a query.
async fn server(connection: &mut AnyConnection, sql: &'static str) -> sqlx::Result<String> {
    let query = sqlx::query_scalar(sql).persistent(false);
    query.fetch_one(connection).await
}

/// Lets the database end by itself what nobody waits for any more. If the network is lost in the middle of
/// a transaction, PostgreSQL would keep its locks for hours, and every replica from those rows.
async fn set_time_limits(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let limits = match connection.backend_name() {
        "SQLite" => format!("PRAGMA busy_timeout = {}", BUSY.as_millis()),
        _ => format!(
            "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            STATEMENT.as_millis(),
            IDLE_IN_TRANSACTION.as_millis()
        ),
    };
    let limits = sqlx::AssertSqlSafe(limits);
    connection.execute(limits).await.map(drop)
}
