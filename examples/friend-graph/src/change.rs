//! What a callback changes, and the order of changes.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use jiff::Timestamp;
use sqlx::{Acquire, AnyConnection, AssertSqlSafe};
use tower_tencent_chat::{CallbackContext, FriendAdd, FriendPair, Packet, UserId};

use crate::friend_delete::FriendDelete;

/// Rows in a statement. SQLite takes 32,766 parameters in one, PostgreSQL 65,535.
const ROWS: usize = 500;
/// As many rows as most callbacks have; statements of up to so many are prepared once and kept.
const FEW_ROWS: usize = 4;
/// The bytes of a text. A UserID has 32 today; an entry of PostgreSQL's indexes has room for two of these.
const MAX_TEXT: usize = 1024;

/// The pairs of one callback, which are written together or not at all.
pub(crate) struct Change {
    kind: Kind,
    /// Sorted, so that transactions lock the rows they share in the same order, and each pair once, since
    /// a statement must not change a row twice.
    pairs: BTreeMap<(UserId, UserId), Option<UserId>>,
    /// When it was received, in Unix milliseconds.
    seen: i64,
    /// When Chat signed it, in Unix seconds; `None` where signatures aren't verified.
    request_time: Option<i64>,
    platform: Option<String>,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Add,
    Delete,
}

/// A webhook whose pairs become friends, or cease to be.
pub(crate) trait ChangesFriends: Packet {
    const KIND: Kind;

    fn pairs(&self) -> &[FriendPair];
}

impl ChangesFriends for FriendAdd {
    const KIND: Kind = Kind::Add;

    fn pairs(&self) -> &[FriendPair] {
        &self.pair_list
    }
}

impl ChangesFriends for FriendDelete {
    const KIND: Kind = Kind::Delete;

    fn pairs(&self) -> &[FriendPair] {
        &self.pair_list
    }
}

impl Change {
    /// Refuses what PostgreSQL can't store, so that SQLite doesn't either.
    pub(crate) fn new<P: ChangesFriends>(
        packet: &P,
        context: &CallbackContext,
    ) -> Result<Self, &'static str> {
        let pairs = packet.pairs();
        let mut ids = pairs.iter().flat_map(|pair| {
            let both = [&pair.from_account, &pair.to_account];
            both.into_iter().chain(&pair.initiator_account)
        });
        if !ids.all(|id| is_storable(id)) {
            return Err("a UserID is empty, too long, or has a NUL in it");
        }
        let platform = context.platform.as_ref().map(ToString::to_string);
        Ok(Self {
            kind: P::KIND,
            pairs: pairs
                .iter()
                .map(|pair| {
                    let key = (pair.from_account.clone(), pair.to_account.clone());
                    (key, pair.initiator_account.clone())
                })
                .collect(),
            seen: Timestamp::now().as_millisecond(),
            request_time: request_time(context),
            platform: platform.filter(|platform| is_storable(platform)),
        })
    }

    /// How many pairs there are.
    pub(crate) fn len(&self) -> u64 {
        self.pairs.len() as u64
    }

    /// Writes all pairs or none. Tells how many have changed; the others are older than what is known already.
    pub(crate) async fn commit(&self, connection: &mut AnyConnection) -> sqlx::Result<u64> {
        if self.pairs.len() <= ROWS {
            // One statement is a transaction by itself.
            return self.write(connection).await;
        }
        let mut transaction = connection.begin().await?;
        let changed = self.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    async fn write(&self, connection: &mut AnyConnection) -> sqlx::Result<u64> {
        let mut changed = 0;
        let pairs: Vec<_> = self.pairs.iter().collect();
        for pairs in pairs.chunks(ROWS) {
            let sql = upsert(self.kind, pairs.len());
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .persistent(pairs.len() <= FEW_ROWS)
                .bind(self.seen)
                .bind(self.request_time)
                .bind(self.platform.as_deref());
            for ((from, to), initiator) in pairs {
                query = query
                    .bind(from.as_str())
                    .bind(to.as_str())
                    .bind(initiator.as_deref());
            }
            changed += query.execute(&mut *connection).await?.rows_affected();
        }
        Ok(changed)
    }
}

fn is_storable(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.contains('\0')
}

fn request_time(context: &CallbackContext) -> Option<i64> {
    let since_epoch = context.request_time?.duration_since(UNIX_EPOCH).ok()?;
    since_epoch.as_secs().try_into().ok()
}

/// The statement that changes so many pairs.
///
/// A deletion is written into the row rather than removing it, so that an older addition that arrives
/// later is recognized. Where both sides have a `RequestTime`, the larger one decides; where it is the
/// same second, or one side has none, what is committed last.
fn upsert(kind: Kind, rows: usize) -> String {
    let (deleted_at, set) = match kind {
        Kind::Add => (
            "NULL",
            "initiator = excluded.initiator, platform = excluded.platform, deleted_at = NULL,
             first_seen = CASE
                 WHEN friends.deleted_at IS NULL AND friends.first_seen < excluded.first_seen
                 THEN friends.first_seen ELSE excluded.first_seen END,
             last_seen = CASE
                 WHEN friends.last_seen > excluded.last_seen
                 THEN friends.last_seen ELSE excluded.last_seen END",
        ),
        Kind::Delete => ("$1", "deleted_at = excluded.deleted_at"),
    };
    let values: Vec<_> = (0..rows)
        .map(|row| {
            let (from, to, initiator) = (row * 3 + 4, row * 3 + 5, row * 3 + 6);
            format!("(${from}, ${to}, ${initiator}, $3, $1, $1, {deleted_at}, $2)")
        })
        .collect();
    format!(
        "INSERT INTO friends (from_account, to_account, initiator, platform,
             first_seen, last_seen, deleted_at, request_time)
         VALUES {}
         ON CONFLICT (from_account, to_account) DO UPDATE
         SET {set}, request_time = excluded.request_time
         WHERE friends.request_time IS NULL OR excluded.request_time IS NULL
             OR friends.request_time <= excluded.request_time",
        values.join(", "),
    )
}
