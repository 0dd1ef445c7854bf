//! How a connection is used, and when it is given up.

use sqlx::{Connection, Database, Pool, pool::PoolConnection};
use tokio::time::{Instant, timeout_at};

use super::Failure;
use crate::times::GIVE_UP;

/// Runs a query, and returns its connection to the pool, or gives it up so that a new one can take its place:
/// a database that is gone may never say so.
pub(crate) async fn run<DB: Database, T>(
    pool: &Pool<DB>,
    deadline: Instant,
    query: impl AsyncFnOnce(&mut DB::Connection) -> sqlx::Result<T>,
) -> Result<T, Failure> {
    let connection = timeout_at(deadline, pool.acquire()).await??;
    let (result, mut connection) = run_on(connection, deadline, query).await?;
    // As dropping it does, though without an end.
    tokio::spawn(timeout_at(deadline + GIVE_UP, connection.return_to_pool()));
    Ok(result)
}

/// Runs a query on a connection, which comes back only if that went well.
///
/// A connection whose query failed is never used again. SQLite rolls some transactions back by itself, a full
/// disk's for one, and sqlx, which counts them, then takes each later one for a part of it and commits none.
/// And a PostgreSQL that has become a standby would refuse every change for as long as its session lasts.
pub(crate) async fn run_on<DB: Database, T>(
    mut connection: PoolConnection<DB>,
    deadline: Instant,
    query: impl AsyncFnOnce(&mut DB::Connection) -> sqlx::Result<T>,
) -> Result<(T, PoolConnection<DB>), Failure> {
    let result = timeout_at(deadline, query(&mut connection)).await;
    match result.map_err(Failure::from).and_then(|result| Ok(result?)) {
        Ok(result) => Ok((result, connection)),
        Err(failure) => {
            tokio::spawn(timeout_at(deadline + GIVE_UP, close(connection)));
            Err(failure)
        }
    }
}

/// First the database ends a statement that was cut short, so that it never has more of them than the pool has
/// connections.
async fn close<DB: Database>(mut connection: PoolConnection<DB>) {
    // If time is up, dropping it must not wait for an answer once more, and without an end.
    connection.close_on_drop();
    let _ = connection.ping().await;
    let _ = connection.close().await;
}
