use std::{error::Error, fmt};

use tokio::time::error::Elapsed;

/// Why it isn't known that the database has done its part. The details are for the log, not for those who ask.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(sqlx::Error),
    TimedOut,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
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
        }
    }
}

impl Error for Failure {}
