//! The database: SQLite or PostgreSQL, whichever the URL names.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Executor, FromRow, Row,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
};
use tokio::time::{Instant, timeout_at};

use crate::change::Change;

/// Connections that callbacks wait for. SQLite has one writer at a time: who waits for a connection gets it in
/// turn, who waits for the lock of the file by chance.
const WRITERS: u32 = 10;
const SQLITE_WRITERS: u32 = 1;
/// Connections that everybody else waits for, so that no callback has to.
const READERS: u32 = 5;
/// How long after its deadline a query is waited for.
const GIVE_UP: Duration = Duration::from_secs(3);
/// How long the database may take at the start.
const START: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Store {
    writer: AnyPool,
    reader: AnyPool,
    /// A single connection, since counting takes long, and an SQLite that counts can't be stopped.
    counter: AnyPool,
}

/// Why the database did nothing that is known of. The details are for the log, not for those who ask.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(sqlx::Error),
    TimedOut,
}

#[derive(FromRow)]
pub(crate) struct Totals {
    pub(crate) pairs: i64,
    pub(crate) users: i64,
}

#[derive(Serialize)]
pub(crate) struct Friend {
    pub(crate) user_id: String,
    /// Whether the user is a friend of the friend, too.
    pub(crate) mutual: bool,
    pub(crate) initiator: Option<String>,
    pub(crate) platform: Option<String>,
    #[serde(serialize_with = "in_milliseconds")]
    pub(crate) first_seen: Timestamp,
    #[serde(serialize_with = "in_milliseconds")]
    pub(crate) last_seen: Timestamp,
}

pub(crate) struct Addition {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) initiator: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) first_seen: Timestamp,
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
            // Until the deadline.
            loop {
                match change.commit(connection).await {
                    Err(error) if is_conflict(&error) => {}
                    committed => return committed,
                }
            }
        })
        .await
    }

    /// The friends of a user whose UserIDs are behind `after`, in the order of the database.
    pub(crate) async fn friends(
        &self,
        user_id: &str,
        after: &str,
        limit: u32,
        deadline: Instant,
    ) -> Result<Vec<Friend>, Failure> {
        // PostgreSQL takes none for a text, and no UserID in the table has one.
        if user_id.contains('\0') || after.contains('\0') {
            return Ok(Vec::new());
        }
        run(&self.reader, deadline, async |connection| {
            let query = sqlx::query_as(
                "SELECT to_account, initiator, platform, first_seen, last_seen,
                     CASE WHEN EXISTS (
                         SELECT 1 FROM friends AS back
                         WHERE back.from_account = friends.to_account
                             AND back.to_account = friends.from_account
                             AND back.deleted_at IS NULL
                     ) THEN 1 ELSE 0 END AS mutual
                 FROM friends
                 WHERE from_account = $1 AND to_account > $2 AND deleted_at IS NULL
                 ORDER BY to_account
                 LIMIT $3",
            );
            query
                .bind(user_id)
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await
        })
        .await
    }

    pub(crate) async fn latest(
        &self,
        limit: u32,
        deadline: Instant,
    ) -> Result<Vec<Addition>, Failure> {
        run(&self.reader, deadline, async |connection| {
            let query = sqlx::query_as(
                "SELECT from_account, to_account, initiator, platform, first_seen
                 FROM friends
                 WHERE deleted_at IS NULL
                 ORDER BY first_seen DESC
                 LIMIT $1",
            );
            query.bind(i64::from(limit)).fetch_all(connection).await
        })
        .await
    }

    pub(crate) async fn totals(&self, deadline: Instant) -> Result<Totals, Failure> {
        run(&self.counter, deadline, async |connection| {
            let query = sqlx::query_as(
                "SELECT count(*) AS pairs, count(DISTINCT from_account) AS users
                 FROM friends
                 WHERE deleted_at IS NULL",
            );
            query.fetch_one(connection).await
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

    /// Waits for what is being written.
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

/// Runs a query. Where it is late its connection is used again once the database has ended it, and given up
/// where that doesn't come to pass: a database that is gone may never say so.
async fn run<T>(
    pool: &AnyPool,
    deadline: Instant,
    query: impl AsyncFnOnce(&mut AnyConnection) -> sqlx::Result<T>,
) -> Result<T, Failure> {
    let mut connection = timeout_at(deadline, pool.acquire()).await??;
    if let Ok(result) = timeout_at(deadline, query(&mut connection)).await {
        return Ok(result?);
    }
    tokio::spawn(async move {
        let ended = timeout_at(deadline + GIVE_UP, connection.ping()).await;
        if !matches!(ended, Ok(Ok(()))) {
            drop(connection.detach());
        }
    });
    Err(Failure::TimedOut)
}

/// Whether another transaction came between, and this one, rolled back, would succeed now.
fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // PostgreSQL's serialization_failure and deadlock_detected.
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

impl FromRow<'_, AnyRow> for Friend {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            user_id: row.try_get("to_account")?,
            mutual: row.try_get::<i64, _>("mutual")? != 0,
            initiator: row.try_get("initiator")?,
            platform: row.try_get("platform")?,
            first_seen: timestamp(row, "first_seen")?,
            last_seen: timestamp(row, "last_seen")?,
        })
    }
}

impl FromRow<'_, AnyRow> for Addition {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            from: row.try_get("from_account")?,
            to: row.try_get("to_account")?,
            initiator: row.try_get("initiator")?,
            platform: row.try_get("platform")?,
            first_seen: timestamp(row, "first_seen")?,
        })
    }
}

/// All with the same number of digits, so that they sort as texts.
fn in_milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

fn timestamp(row: &AnyRow, column: &str) -> sqlx::Result<Timestamp> {
    Timestamp::from_millisecond(row.try_get(column)?)
        .map_err(|error| sqlx::Error::Decode(error.into()))
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::TimedOut
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the database doesn't answer in time"),
        }
    }
}

impl std::error::Error for Failure {}
