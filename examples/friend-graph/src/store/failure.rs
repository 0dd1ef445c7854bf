use std::{error::Error, fmt};

use tokio::time::error::Elapsed;

/// Why it isn't known that the database has done its part. The details are for the log, not for those who ask.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(sqlx::Error),
    TimedOut,
    /// There is a pooler that gives each transaction another connection.
    TransactionPooling,
}

impl Failure {
    /// Whether the database would take other changes: one that breaks a rule of its own, say.
    pub(crate) fn is_of_the_change(&self) -> bool {
        // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH; data, integrity, views, limits of a statement, triggers.
        let codes = ["18", "19", "20", "22", "23", "44", "54", "P0"];
        self.code().is_some_and(|code| codes.contains(&&*code))
    }

    /// Whether a new connection may do better: this one was of before a restart or a switchover.
    pub(crate) fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(_)) => true,
            // PostgreSQL's read_only_sql_transaction, admin_shutdown and crash_shutdown.
            Self::Database(error) => error
                .as_database_error()
                .and_then(|error| error.code())
                .is_some_and(|code| ["25006", "57P01", "57P02"].contains(&&*code)),
            _ => false,
        }
    }

    /// Whether another transaction came between, and this one, rolled back, would succeed now.
    pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(|error| error.code());
        // PostgreSQL's serialization_failure and deadlock_detected.
        matches!(code.as_deref(), Some("40001" | "40P01"))
    }

    /// Whether the database may be there later, as it is set up. Otherwise the app must not start.
    pub(crate) fn is_outage(&self) -> bool {
        // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL.
        let sqlite = ["5", "6", "10", "13"];
        // Lost connections, read-only servers, resources, locks, shutdowns, system errors.
        let postgres = ["08", "25", "53", "55", "57", "58"];
        match self {
            // A proxy without a server behind it hangs up, which breaks the protocol.
            Self::TimedOut
            | Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut,
            ) => true,
            // PgBouncer has one code for everything, and won't take these tomorrow.
            Self::Database(error) if error.to_string().contains("startup parameter") => false,
            _ => self
                .code()
                .is_some_and(|code| sqlite.iter().chain(&postgres).any(|known| code == *known)),
        }
    }

    /// SQLite's primary code, or the class of PostgreSQL's.
    fn code(&self) -> Option<String> {
        let Self::Database(error) = self else {
            return None;
        };
        let code = error.as_database_error()?.code()?;
        match code.len() {
            5 => code.get(..2).map(str::to_owned),
            _ => Some((code.parse::<u32>().ok()? & 0xff).to_string()),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
        // What failed in a migration may be the database all the same.
        match error {
            sqlx::Error::Migrate(error) => match *error {
                Execute(error) | ExecuteMigration(error, _) => Self::Database(error),
                error => Self::Database(error.into()),
            },
            error => Self::Database(error),
        }
    }
}

impl From<Elapsed> for Failure {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the database doesn't answer in time"),
            Self::TransactionPooling => f.write_str(
                "the pooler in front of the database pools transactions, and has to pool sessions",
            ),
        }
    }
}

impl Error for Failure {}
