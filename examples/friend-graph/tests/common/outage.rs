use sqlx::{AnyConnection, Executor};

use super::Database;

/// Something that takes the database away.
pub(crate) trait Outage {
    async fn begin(&mut self);
    async fn end(&mut self);
}

/// Another process that holds the lock for writing.
pub(crate) struct Locked {
    pub(crate) connection: AnyConnection,
    statements: &'static str,
}

impl Locked {
    pub(crate) async fn new(database: &Database) -> Self {
        Self {
            connection: database.connect().await,
            statements: match database {
                Database::Sqlite(_) => "BEGIN IMMEDIATE",
                Database::Postgres(_) => "BEGIN; LOCK TABLE friends IN SHARE MODE",
            },
        }
    }

    pub(crate) async fn begun(database: &Database) -> Self {
        let mut locked = Self::new(database).await;
        locked.begin().await;
        locked
    }

    /// Ends with a change of the database that is seen as soon as the lock is.
    pub(crate) async fn end_with(&mut self, statements: &'static str) {
        self.connection.execute(statements).await.unwrap();
        self.connection.execute("COMMIT").await.unwrap();
    }
}

impl Outage for Locked {
    async fn begin(&mut self) {
        self.connection.execute(self.statements).await.unwrap();
    }

    async fn end(&mut self) {
        self.connection.execute("ROLLBACK").await.unwrap();
    }
}

/// A PostgreSQL whose sessions can only read, as in a switchover.
pub(crate) struct ReadOnly(pub(crate) AnyConnection);

impl Outage for ReadOnly {
    async fn begin(&mut self) {
        let read_only = "ALTER DATABASE postgres SET default_transaction_read_only = on";
        self.0.execute(read_only).await.unwrap();
        let end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.0.execute(end_sessions).await.unwrap();
    }

    async fn end(&mut self) {
        let writable = "ALTER DATABASE postgres RESET default_transaction_read_only";
        self.0.execute(writable).await.unwrap();
    }
}

/// The server ends at once, and starts again.
pub(crate) struct Stopped<'a>(pub(crate) &'a Database);

impl Outage for Stopped<'_> {
    async fn begin(&mut self) {
        self.0.server().stop();
    }

    async fn end(&mut self) {
        self.0.server().start_again();
    }
}
