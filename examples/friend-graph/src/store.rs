//! The database: SQLite or PostgreSQL, whichever the URL names.

mod connection;
mod failure;
mod friends;
mod upsert;

use std::{
    str::FromStr,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout, timeout_at},
};

pub(crate) use self::{
    connection::{run, run_on},
    failure::Failure,
    friends::{Friend, Friends, LastChange, Totals},
};
use crate::change::Change;

/// Connections for changes: one for callbacks and one for the journal, and as many to take their place while they are
/// being given up. With SQLite each would have a thread.
const WRITERS: u32 = 4;
const SQLITE_WRITERS: u32 = 2;
/// Connections for what is only read, so that no callback waits for that.
const READERS: u32 = 5;
/// How long a count is waited for when the app stops.
const COUNT_END: Duration = Duration::from_secs(1);
/// How often a commit is tried: the first connections may be of before an outage.
const TRIES: u32 = 3;

#[derive(Clone)]
pub(crate) struct Store {
    options: AnyConnectOptions,
    is_sqlite: bool,
    writer: AnyPool,
    /// The connection of the last commit. To give it back to the pool and get it again takes a round trip.
    last: Arc<Mutex<Option<PoolConnection<Any>>>>,
    reader: AnyPool,
    /// A connection of its own, since counting takes long, and an SQLite that counts can't be stopped.
    counter: AnyPool,
    /// Set once there is a database with the tables.
    ready: Arc<OnceCell<()>>,
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
        let is_sqlite = database_url.starts_with("sqlite:");
        let writers = if is_sqlite { SQLITE_WRITERS } else { WRITERS };
        // A round trip for each commit tells no more than the commit.
        let writer = pool(writers).test_before_acquire(false);
        Ok(Self {
            is_sqlite,
            writer: writer.connect_lazy_with(options.clone()),
            reader: pool(READERS).connect_lazy_with(options.clone()),
            counter: pool(1).connect_lazy_with(options.clone()),
            last: Arc::default(),
            options,
            ready: Arc::default(),
        })
    }

    /// Creates or migrates the tables, unless that has been done.
    pub(crate) async fn prepare(&self, deadline: Instant) -> Result<(), Failure> {
        let ready = self.ready.get_or_try_init(|| self.create_tables(deadline));
        ready.await.copied()
    }

    async fn create_tables(&self, deadline: Instant) -> Result<(), Failure> {
        timeout_at(deadline, self.migrate()).await??;
        // Some names of files mean another one for each connection.
        self.commit(&[&Change::probe()], deadline).await.map(drop)
    }

    async fn migrate(&self) -> Result<(), Failure> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        if self.is_sqlite {
            // Kept in the file, and can't be set in a transaction.
            connection.execute("PRAGMA journal_mode = WAL").await?;
        } else {
            self.refuse_transaction_pooling(&mut connection).await?;
        }
        // As `run` does, whose future isn't `Send`.
        let migrated = sqlx::migrate!().run_direct(None, &mut connection, false);
        migrated.await.map_err(sqlx::Error::from)?;
        Ok(connection.close().await?)
    }

    /// Time limits and prepared statements belong to a session, and two connections must not share one.
    async fn refuse_transaction_pooling(&self, first: &mut AnyConnection) -> Result<(), Failure> {
        const SESSION: &str = "SELECT pg_backend_pid()";
        let mut second = AnyConnection::connect_with(&self.options).await?;
        for _ in 0..3 {
            let one: i32 = sqlx::query_scalar(SESSION)
                .persistent(false)
                .fetch_one(&mut *first)
                .await?;
            let other: i32 = sqlx::query_scalar(SESSION)
                .persistent(false)
                .fetch_one(&mut second)
                .await?;
            if one == other {
                return Err(Failure::TransactionPooling);
            }
        }
        Ok(second.close().await?)
    }

    /// Whether it has been there since the start.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.initialized()
    }

    /// Writes changes in their order, all or none. Tells how many pairs have changed, once they are committed. After a
    /// failure they may be committed all the same.
    pub(crate) async fn commit(
        &self,
        changes: &[&Change],
        deadline: Instant,
    ) -> Result<u64, Failure> {
        for _ in 1..TRIES {
            match self.try_commit(changes, deadline).await {
                Err(failure) if failure.is_of_the_connection() => {}
                committed => return committed,
            }
        }
        self.try_commit(changes, deadline).await
    }

    async fn try_commit(&self, changes: &[&Change], deadline: Instant) -> Result<u64, Failure> {
        let connection = match self.take_last() {
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
        .await?;
        *self.last.lock().expect("nothing panics with it") = Some(connection);
        Ok(changed)
    }

    fn take_last(&self) -> Option<PoolConnection<Any>> {
        self.last.lock().expect("nothing panics with it").take()
    }

    /// The connections that changes are written by, and how many of them do nothing.
    pub(crate) fn connections(&self) -> (u32, usize) {
        let last = self.last.lock().expect("nothing panics with it").is_some();
        (
            self.writer.size(),
            self.writer.num_idle() + usize::from(last),
        )
    }

    /// Waits for what is running, except for a count that takes long, and closes all connections.
    pub(crate) async fn close(&self) {
        drop(self.take_last());
        for pool in [&self.writer, &self.reader] {
            pool.close().await;
        }
        let _ = timeout(COUNT_END, self.counter.close()).await;
    }
}

/// Lets the database end by itself what nobody waits for any more. If the network is lost in the middle of
/// a transaction, PostgreSQL would keep its locks for hours, and every replica from those rows.
async fn set_time_limits(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let limits = match connection.backend_name() {
        "SQLite" => "PRAGMA busy_timeout = 1000",
        _ => "SET statement_timeout = '1s'; SET idle_in_transaction_session_timeout = '2s'",
    };
    connection.execute(limits).await.map(drop)
}
