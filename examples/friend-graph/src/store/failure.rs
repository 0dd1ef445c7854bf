use std::{error::Error, fmt};

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::time::error::Elapsed;

/// Why it isn't known that the database has done its part. The details are for the log, not for those who ask.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(sqlx::Error),
    /// The database answers, and does not take this change, such as one that breaks a rule.
    Refused(sqlx::Error),
    TimedOut,
    /// What is written now would be lost at the end of the process.
    FileGone,
    /// It is set up so that the app can't work with it.
    Unsuitable(&'static str),
    /// What SQLite says of a file.
    Damaged(String),
    /// It is that of the journal.
    Journal(Box<Self>),
}

impl Failure {
    /// Whether a new connection may do better: this one was of before a restart or a switchover, or idle for too long.
    pub(crate) fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(_)) => true,
            // PostgreSQL's read_only_sql_transaction.
            Self::Database(error) => is_fatal(error) || code(error).as_deref() == Some("25006"),
            _ => false,
        }
    }

    /// Whether another transaction came between, and this one, rolled back, would succeed now.
    pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
        // PostgreSQL's serialization_failure and deadlock_detected.
        matches!(code(error).as_deref(), Some("40001" | "40P01"))
    }

    /// Whether the database may be there later, as it is set up.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            // A proxy without a server behind it hangs up, which breaks the protocol.
            Self::TimedOut
            | Self::FileGone
            | Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut,
            ) => true,
            // PgBouncer has one code for everything, and won't take these tomorrow.
            Self::Database(error) if error.to_string().contains("startup parameter") => false,
            Self::Database(error) => {
                let class = code(error).map(|code| match code.len() {
                    5 => code[..2].to_owned(),
                    _ => primary(&code).to_string(),
                });
                // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL; PostgreSQL's lost connections, read-only
                // servers, resources, locks, shutdowns, system errors.
                let known = ["5", "6", "10", "13", "08", "25", "53", "55", "57", "58"];
                class.is_some_and(|class| known.contains(&&*class))
            }
            _ => false,
        }
    }

    pub(crate) fn is_damage(&self) -> bool {
        match self {
            // SQLITE_CORRUPT, SQLITE_NOTADB.
            Self::Database(error) => {
                code(error).is_some_and(|code| matches!(primary(&code), 11 | 26))
            }
            Self::Damaged(_) => true,
            _ => false,
        }
    }

    /// Tells an answer to a change from what would be the answer to any.
    pub(crate) fn or_refused(self) -> Self {
        if self.is_outage() || self.is_of_the_connection() {
            return self;
        }
        match self {
            Self::Database(error @ sqlx::Error::Database(_)) => Self::Refused(error),
            other => other,
        }
    }
}

/// PostgreSQL's SQLSTATE, or SQLite's extended code.
fn code(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// SQLite's primary code, which is the lower byte.
fn primary(code: &str) -> u32 {
    code.parse().unwrap_or(0) & 0xff
}

/// Whether PostgreSQL, or a pooler, has ended the session.
fn is_fatal(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let severity = error.map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
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
            Self::Database(error) | Self::Refused(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the database doesn't answer in time"),
            Self::FileGone => f.write_str("its file was deleted or replaced while it was open"),
            Self::Unsuitable(why) => f.write_str(why),
            Self::Damaged(what) => f.write_str(what),
            Self::Journal(failure) => write!(f, "the journal: {failure}"),
        }
    }
}

impl Error for Failure {}
