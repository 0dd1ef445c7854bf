//! What other services ask.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::{
    App,
    callback::COMMIT,
    change::Change,
    store::{Failure, Friends},
};

/// How long a reader waits for the database.
pub(crate) const READ: Duration = Duration::from_secs(2);
/// Friends on a page at the most; Chat allows a user 3,000.
const MAX_LIMIT: u32 = 1000;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/users/{id}/friends", get(friends))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
}

#[derive(Deserialize)]
struct Paging {
    /// The last UserID of the page before.
    #[serde(default)]
    after: String,
    #[serde(default)]
    limit: Limit,
}

#[derive(Deserialize)]
#[serde(try_from = "u32")]
struct Limit(u32);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(limit: u32) -> Result<Self, String> {
        match limit {
            1..=MAX_LIMIT => Ok(Self(limit)),
            _ => Err(format!("not between 1 and {MAX_LIMIT}")),
        }
    }
}

async fn friends(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(Paging { after, limit }): Query<Paging>,
) -> Result<Json<Friends>, Failure> {
    let Limit(limit) = limit;
    let deadline = Instant::now() + READ;
    let friends = app.store.friends(&id, &after, limit, deadline).await?;
    Ok(Json(friends))
}

/// Whether callbacks are written now, to the database or to the journal.
async fn healthz(State(app): State<App>) -> (StatusCode, &'static str) {
    let written = app.writer.write(Change::probe(), Instant::now() + COMMIT);
    match timeout(READ, written).await {
        Ok(Ok(true)) => (StatusCode::OK, "ok\n"),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "callbacks can't be written\n",
        ),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    match app.render_metrics() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database is not available\n",
        )
            .into_response()
    }
}
