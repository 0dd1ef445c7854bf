use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sqlx::{AnyConnection, Connection, Row as _};
use tempfile::TempDir;

use super::{Postgres, skip};

pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(Postgres),
}

pub(crate) type Pairs = BTreeSet<(String, String)>;

pub(crate) fn pair(from: impl Into<String>, to: impl Into<String>) -> (String, String) {
    (from.into(), to.into())
}

/// Alice with each of these.
pub(crate) fn alices(friends: impl IntoIterator<Item = impl Into<String>>) -> Pairs {
    let pairs = friends.into_iter();
    pairs.map(|friend| pair("alice", friend)).collect()
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) pair: (String, String),
    pub(crate) initiator: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) first_seen: i64,
    pub(crate) last_seen: i64,
    pub(crate) deleted_at: Option<i64>,
    pub(crate) request_time: Option<i64>,
}

impl Database {
    /// Both, empty; without PostgreSQL if it is not installed.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Some(Self::sqlite()), Self::postgres()]
            .into_iter()
            .flatten()
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    pub(crate) fn sqlite_in(folder: &Path) -> Self {
        Self::Sqlite(TempDir::new_in(folder).unwrap())
    }

    pub(crate) fn postgres() -> Option<Self> {
        let postgres = Postgres::start();
        if postgres.is_none() {
            skip("PostgreSQL");
        }
        postgres.map(Self::Postgres)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => {
                let file = directory.path().join("friends.db");
                format!("sqlite:{}?mode=rwc", file.display())
            }
            Self::Postgres(postgres) => postgres.url(),
        }
    }

    /// As the app has it.
    pub(crate) fn app_url(&self) -> String {
        match self {
            Self::Sqlite(_) => self.url(),
            Self::Postgres(postgres) => postgres.url_at(postgres.socket()),
        }
    }

    /// Panics if there is none.
    pub(crate) fn server(&self) -> &Postgres {
        match self {
            Self::Sqlite(_) => panic!("SQLite has no server"),
            Self::Postgres(postgres) => postgres,
        }
    }

    pub(crate) async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url()).await.unwrap()
    }

    /// The whole table, sorted, without what `/healthz` writes.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let mut connection = self.connect().await;
        let rows = sqlx::query("SELECT * FROM friends WHERE from_account <> ''")
            .fetch_all(&mut connection);
        let mut rows: Vec<_> = (rows.await.unwrap().iter())
            .map(|row| Row {
                pair: (row.get("from_account"), row.get("to_account")),
                initiator: row.get("initiator"),
                platform: row.get("platform"),
                first_seen: row.get("first_seen"),
                last_seen: row.get("last_seen"),
                deleted_at: row.get("deleted_at"),
                request_time: row.get("request_time"),
            })
            .collect();
        rows.sort_by(|a, b| a.pair.cmp(&b.pair));
        rows
    }

    /// The pairs that are friends.
    pub(crate) async fn friends(&self) -> Pairs {
        let rows = self.rows().await.into_iter();
        let friends = rows.filter(|row| row.deleted_at.is_none());
        friends.map(|row| row.pair).collect()
    }

    /// How many friends each user has; none is counted twice, since the pair is the primary key.
    pub(crate) async fn friend_counts(&self) -> BTreeMap<String, usize> {
        let sql = "SELECT from_account, count(*) FROM friends
                   WHERE deleted_at IS NULL GROUP BY from_account";
        let mut connection = self.connect().await;
        let rows: Vec<(String, i64)> = sqlx::query_as(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let count = |(user, friends)| (user, friends as usize);
        rows.into_iter().map(count).collect()
    }
}
