//! The statement that writes changes, and which of two changes of a pair holds.

use std::collections::BTreeMap;

use sqlx::{Acquire, AnyConnection, AssertSqlSafe};

use crate::change::{Change, Kind, Pair};

/// Rows in a statement. For PostgreSQL each is a round trip, and it takes 65,535 parameters. SQLite has no round trips,
/// but looks for each parameter among all those of the statement.
const ROWS: usize = 500;
const SQLITE_ROWS: usize = 16;
/// Statements of up to so many rows are prepared once and kept, which spares PostgreSQL a round trip.
const FEW_ROWS: usize = 16;

struct Row<'a> {
    change: &'a Change,
    pair: &'a Pair,
}

/// Writes changes in their order, all or none. Returns how many pairs have changed; the others are older than what is
/// known already.
pub(super) async fn write(
    connection: &mut AnyConnection,
    changes: &[&Change],
) -> sqlx::Result<u64> {
    let rows = match connection.backend_name() {
        "SQLite" => SQLITE_ROWS,
        _ => ROWS,
    };
    let statements = statements(changes, rows);
    // One statement is a transaction by itself.
    if let [rows] = &statements[..] {
        return execute(connection, rows).await;
    }
    let mut transaction = connection.begin().await?;
    let mut changed = 0;
    for rows in &statements {
        changed += execute(&mut transaction, rows).await?;
    }
    transaction.commit().await?;
    Ok(changed)
}

/// The rows of each statement, no more than `most`. They are sorted, so that transactions lock the rows they share in the same order. And
/// since a statement must not change a row twice, each further change of a pair is in a later one.
fn statements<'a>(changes: &[&'a Change], most: usize) -> Vec<Vec<Row<'a>>> {
    let mut rounds: Vec<BTreeMap<_, _>> = Vec::new();
    for change in changes {
        for pair in &change.pairs {
            let key = (&*pair.from, &*pair.to);
            let round = rounds.iter().position(|round| !round.contains_key(&key));
            let round = round.unwrap_or_else(|| {
                rounds.push(BTreeMap::new());
                rounds.len() - 1
            });
            rounds[round].insert(key, Row { change, pair });
        }
    }
    let mut statements = Vec::new();
    for round in rounds {
        let mut rows = round.into_values().peekable();
        while rows.peek().is_some() {
            statements.push(rows.by_ref().take(most).collect());
        }
    }
    statements
}

async fn execute(connection: &mut AnyConnection, rows: &[Row<'_>]) -> sqlx::Result<u64> {
    let have_waited = rows.iter().any(|row| row.change.waited);
    let sql = upsert(rows.len(), have_waited);
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(rows.len() <= FEW_ROWS);
    for Row { change, pair } in rows {
        let deleted_at = (change.kind == Kind::Delete).then_some(change.seen);
        query = query
            .bind(&*pair.from)
            .bind(&*pair.to)
            .bind(pair.initiator.as_deref())
            .bind(change.platform.as_deref())
            .bind(change.seen)
            .bind(deleted_at)
            .bind(change.request_time);
    }
    Ok(query.execute(connection).await?.rows_affected())
}

/// A deletion is written into the row rather than removing it, so that an older addition that arrives later is
/// recognized.
///
/// If both sides have a `RequestTime`, the larger one decides. If it is the same second, or one side has none, then what
/// comes last holds, but for what has waited in a journal: a replica may have written a newer change meanwhile, so the
/// clocks have to decide.
fn upsert(rows: usize, have_waited: bool) -> String {
    let unless_newer = match have_waited {
        true => "AND COALESCE(friends.deleted_at, friends.last_seen) <= excluded.last_seen",
        false => "",
    };
    let values: Vec<_> = (0..rows)
        .map(|row| {
            let [from, to, initiator, platform, seen, deleted_at, request_time] =
                std::array::from_fn(|n| row * 7 + n + 1);
            format!(
                "(${from}, ${to}, ${initiator}, ${platform}, ${seen}, ${seen}, ${deleted_at}, ${request_time})"
            )
        })
        .collect();
    format!(
        "INSERT INTO friends (from_account, to_account, initiator, platform,
             first_seen, last_seen, deleted_at, request_time)
         VALUES {}
         ON CONFLICT (from_account, to_account) DO UPDATE
         SET initiator = CASE WHEN excluded.deleted_at IS NULL
                 THEN excluded.initiator ELSE friends.initiator END,
             platform = CASE WHEN excluded.deleted_at IS NULL
                 THEN excluded.platform ELSE friends.platform END,
             first_seen = CASE WHEN excluded.deleted_at IS NULL AND
                     (friends.deleted_at IS NOT NULL OR friends.first_seen > excluded.first_seen)
                 THEN excluded.first_seen ELSE friends.first_seen END,
             last_seen = CASE WHEN excluded.deleted_at IS NULL
                 THEN excluded.last_seen ELSE friends.last_seen END,
             deleted_at = excluded.deleted_at,
             request_time = excluded.request_time
         WHERE friends.request_time < excluded.request_time
             OR (friends.request_time = excluded.request_time
                     OR friends.request_time IS NULL OR excluded.request_time IS NULL)
                 {unless_newer}",
        values.join(", "),
    )
}
