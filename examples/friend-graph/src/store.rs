//! The database: SQLite or PostgreSQL, whichever the URL names.

mod failure;
mod friends;

use std::{str::FromStr, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::{
    failure::Failure,
    friends::{Addition, Friend, Totals},
};
use crate::change::Change;

/// Connections that callbacks wait for. SQLite has one writer at a time: who waits for a connection gets it in
/// turn, who waits for the lock of the file by chance.
const WRITERS: u32 = 10;
const SQLITE_WRITERS: u32 = 1;
/// Connections for what is only read, so that no callback waits for that.
const READERS: u32 = 5;
/// How long after the deadline of a query its connection is waited for.
const GIVE_UP: Duration = Duration::from_secs(3);
/// How long the database may take at the start.
const START: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Store {
    writer: AnyPool,
    reader: AnyPool,
    /// A connection of its own, since counting takes long, and an SQLite that counts can't be stopped.
    counter: AnyPool,
}

impl Store {
    /// Connects, and creates or migrates the tables.
    pub(crate) async fn open(database_url: &str) -> Result<Self, Failure> {
        sqlx::any::install_default_drivers();
        // What fails is logged where it fails, with what it was for.
        let options = AnyConnectOptions::from_str(database_url)?.disable_statement_logging();
        let migrate = async {
            let mut connection = AnyConnection::connect_with(&options).await?;
            if connection.backend_name() == "SQLite" {
                // Kept in the file, and can't be set in a transaction.
                connection.execute("PRAGMA journal_mode = WAL").await?;
            }
            sqlx::migrate!().run(&mut connection).await?;
            let backend = connection.backend_name().to_owned();
            connection.close().await?;
            Ok::<_, sqlx::Error>(backend)
        };
        let start = Instant::now() + START;
        let backend = timeout_at(start, migrate).await??;

        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .after_connect(|connection, _| Box::pin(set_time_limits(connection)))
                .connect_lazy_with(options.clone())
        };
        let writers = match &*backend {
            "SQLite" => SQLITE_WRITERS,
            _ => WRITERS,
        };
        let store = Self {
            writer: pool(writers),
            reader: pool(READERS),
            counter: pool(1),
        };
        // Some names of files mean another one for each connection.
        store.check(start).await?;
        Ok(store)
    }

    /// Tells how many pairs have changed, once they are committed. After a failure they may be committed
    /// all the same.
    pub(crate) async fn apply(&self, change: &Change, deadline: Instant) -> Result<u64, Failure> {
        run(&self.writer, deadline, async |connection| {
            // Again and again, until the deadline.
            loop {
                match change.commit(connection).await {
                    Err(error) if is_conflict(&error) => {}
                    committed => return committed,
                }
            }
        })
        .await
    }

    /// Whether the table can be written to. Writes nothing: no UserID is empty.
    pub(crate) async fn check(&self, deadline: Instant) -> Result<(), Failure> {
        run(&self.writer, deadline, async |connection| {
            let update = "UPDATE friends SET last_seen = last_seen WHERE from_account = ''";
            connection.execute(update).await.map(drop)
        })
        .await
    }

    /// Waits for what is running, and closes all connections.
    pub(crate) async fn close(&self) {
        for pool in [&self.writer, &self.reader, &self.counter] {
            pool.close().await;
        }
    }
}

/// Lets the database end by itself what nobody waits for any more. Where the network is lost in the middle of
/// a transaction, PostgreSQL would keep its locks for hours, and every replica from those rows.
async fn set_time_limits(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let limits = match connection.backend_name() {
        "SQLite" => "PRAGMA busy_timeout = 1000",
        _ => "SET statement_timeout = '1s'; SET idle_in_transaction_session_timeout = '2s'",
    };
    connection.execute(limits).await.map(drop)
}

/// Runs a query, and takes care that its connection finds back into the pool, or a new one its place: a
/// database that is gone may never say so.
///
/// A connection whose query failed is never used again. SQLite rolls some transactions back by itself, a full
/// disk's for one, and sqlx, which counts them, then takes each later one for a part of it and commits none.
/// And a PostgreSQL that has become a standby would refuse every change for as long as its session lasts.
async fn run<T>(
    pool: &AnyPool,
    deadline: Instant,
    query: impl AsyncFnOnce(&mut AnyConnection) -> sqlx::Result<T>,
) -> Result<T, Failure> {
    let mut connection = timeout_at(deadline, pool.acquire()).await??;
    let result = timeout_at(deadline, query(&mut connection)).await;
    let failed = !matches!(result, Ok(Ok(_)));
    let release = async move {
        if failed {
            // First the database ends a statement that was cut short, so that it never has more of them than
            // the pool has connections.
            let _ = connection.ping().await;
            let _ = connection.close().await;
        } else {
            // As dropping it does, though without an end.
            connection.return_to_pool().await;
        }
    };
    tokio::spawn(timeout_at(deadline + GIVE_UP, release));
    Ok(result??)
}

/// Whether another transaction came between, and this one, rolled back, would succeed now.
fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // PostgreSQL's serialization_failure and deadlock_detected.
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
