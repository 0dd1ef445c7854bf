//! What other services ask.

use std::sync::Arc;

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
    change::Change,
    store::Failure,
    times::{COMMIT, READ},
};

/// Friends on a page at the most; Chat allows a user 3,000.
const MAX_LIMIT: u32 = 1000;

pub(crate) fn router() -> Router<Arc<App>> {
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
    limit: Option<u32>,
}

async fn friends(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(Paging { after, limit }): Query<Paging>,
) -> Result<Response, Failure> {
    let limit = limit.unwrap_or(100);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let range = format!("limit: not between 1 and {MAX_LIMIT}\n");
        return Ok((StatusCode::BAD_REQUEST, range).into_response());
    }
    let deadline = Instant::now() + READ;
    let friends = app.store.friends(&id, &after, limit, deadline).await?;
    Ok(Json(friends).into_response())
}

/// Whether callbacks are written now, to the database or to the journal, and to files that will be there later.
async fn healthz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    let written = app.write(Change::probe(), Instant::now() + COMMIT);
    let written = matches!(timeout(READ, written).await, Ok(Ok(true)));
    let problem = match (written, app.are_files_gone()) {
        (true, false) => return (StatusCode::OK, "ok\n"),
        (_, true) => "a file was deleted or replaced while it was open\n",
        (false, _) => "callbacks can't be written\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, problem)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.render_metrics() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        let text = "the database is not available\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}
