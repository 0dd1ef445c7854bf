//! What is asked of the table.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sqlx::{FromRow, Row, any::AnyRow};
use tokio::time::Instant;

use super::{Failure, Store, run};

#[derive(Default, Serialize)]
pub(crate) struct Friends {
    pub(crate) friends: Vec<Friend>,
    /// What `after` has to be for the next page; `null` on the last one.
    pub(crate) next: Option<String>,
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

/// An addition or a deletion, the last of its pair.
pub(crate) struct LastChange {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) deleted: bool,
    /// Of an addition: the table doesn't say who asked for a deletion.
    pub(crate) initiator: Option<String>,
    pub(crate) platform: Option<String>,
    /// When this app heard of it.
    pub(crate) time: Timestamp,
}

impl Store {
    /// The friends of a user whose UserIDs are behind `after`, in the order of the database, at most `limit`
    /// of them.
    pub(crate) async fn friends(
        &self,
        user_id: &str,
        after: &str,
        limit: u32,
        deadline: Instant,
    ) -> Result<Friends, Failure> {
        // PostgreSQL takes none for a text, and no UserID in the table has one.
        if user_id.contains('\0') || after.contains('\0') {
            return Ok(Friends::default());
        }
        // One more tells whether there is another page.
        let with_next = i64::from(limit) + 1;
        let mut friends: Vec<Friend> = run(&self.reader, deadline, async |connection| {
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
                .bind(with_next)
                .fetch_all(connection)
                .await
        })
        .await?;
        let more = friends.len() > limit as usize;
        friends.truncate(limit as usize);
        let last = friends.last().filter(|_| more);
        let next = last.map(|friend| friend.user_id.clone());
        Ok(Friends { friends, next })
    }

    /// The latest changes, the last one first.
    pub(crate) async fn latest(
        &self,
        limit: u32,
        deadline: Instant,
    ) -> Result<Vec<LastChange>, Failure> {
        run(&self.reader, deadline, async |connection| {
            // Each half has an index of its own, so that nothing else is read. The empty UserID is a probe's.
            let query = sqlx::query_as(
                "SELECT * FROM (
                     SELECT from_account, to_account, initiator, platform, first_seen AS time, 0 AS deleted
                     FROM friends WHERE deleted_at IS NULL
                     ORDER BY first_seen DESC LIMIT $1
                 ) AS added
                 UNION ALL
                 SELECT * FROM (
                     SELECT from_account, to_account, NULL, NULL, deleted_at, 1
                     FROM friends WHERE deleted_at IS NOT NULL AND from_account <> ''
                     ORDER BY deleted_at DESC LIMIT $1
                 ) AS deleted
                 ORDER BY time DESC LIMIT $1",
            );
            query.bind(i64::from(limit)).fetch_all(connection).await
        })
        .await
    }
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

impl FromRow<'_, AnyRow> for LastChange {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            from: row.try_get("from_account")?,
            to: row.try_get("to_account")?,
            deleted: row.try_get::<i64, _>("deleted")? != 0,
            initiator: row.try_get("initiator")?,
            platform: row.try_get("platform")?,
            time: timestamp(row, "time")?,
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
