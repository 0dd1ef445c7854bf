//! How a connection is used, and when it is given up.

use std::time::Duration;

use sqlx::{Connection, Database, Pool};
use tokio::time::{Instant, timeout_at};

use super::Failure;

/// How long after the deadline of a query its connection is waited for.
const GIVE_UP: Duration = Duration::from_secs(3);

/// Runs a query, and takes care that its connection finds back into the pool, or a new one its place: a
/// database that is gone may never say so.
///
/// A connection whose query failed is never used again. SQLite rolls some transactions back by itself, a full
/// disk's for one, and sqlx, which counts them, then takes each later one for a part of it and commits none.
/// And a PostgreSQL that has become a standby would refuse every change for as long as its session lasts.
pub(crate) async fn run<DB: Database, T>(
    pool: &Pool<DB>,
    deadline: Instant,
    query: impl AsyncFnOnce(&mut DB::Connection) -> sqlx::Result<T>,
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
