//! The one URL that Chat calls.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tower::ServiceBuilder;
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, acknowledge,
};

use crate::{
    App,
    change::{Change, ChangesFriends},
    friend_delete::FriendDelete,
    metrics::{Metrics, Outcome},
};

/// When a callback has to be committed, after it came: Chat gives up after 2 seconds.
const COMMIT: Duration = Duration::from_millis(1500);
/// When a callback whose body is still on its way gets its answer.
const ANSWER: Duration = Duration::from_millis(1800);

#[derive(Clone, Copy)]
struct Deadline(Instant);

pub(crate) fn router(app: &App, friend_add: FriendAddLayer) -> Router {
    let friend_delete = friend_add.for_packet::<FriendDelete>();
    let callbacks = ServiceBuilder::new()
        .layer(friend_add.route_to(post(commit::<FriendAdd>).with_state(app.clone())))
        .layer(friend_delete.route_to(post(commit::<FriendDelete>).with_state(app.clone())))
        .service(post(acknowledge));
    Router::new()
        .route_service("/callback", callbacks)
        .layer(middleware::from_fn_with_state(
            app.metrics.clone(),
            limit_and_count,
        ))
}

/// Answers OK once all pairs are committed, and only then.
async fn commit<P: ChangesFriends>(
    State(app): State<App>,
    Extension(Deadline(deadline)): Extension<Deadline>,
    callback: Callback<P>,
) -> Response {
    if deadline <= Instant::now() {
        log("it came too late", &callback);
        return late();
    }
    // A task of its own: where Chat hangs up, the pairs are committed all the same, or it is logged.
    let committed = app.commits.clone().spawn(async move {
        let change = match Change::new(&*callback, callback.context()) {
            Ok(change) => change,
            Err(error) => {
                log(error, &callback);
                app.metrics.refused("UnstorableUserId");
                return answer(Outcome::Refused, CallbackResponse::fail(error));
            }
        };
        let start = Instant::now();
        match app.store.apply(&change, deadline).await {
            Ok(changed) => {
                app.metrics.committed(start.elapsed());
                app.metrics.stale(change.len().saturating_sub(changed));
                answer(Outcome::Committed, CallbackResponse::ok())
            }
            Err(failure) => {
                log(&failure.to_string(), &callback);
                unavailable()
            }
        }
    });
    committed.await.unwrap_or_else(|_| unavailable())
}

/// Chat won't send the callback again, so this is what tells whose friends to ask Chat for.
fn log<P: ChangesFriends>(error: &str, callback: &Callback<P>) {
    tracing::error!(
        request_id = start(callback.context().request_id.as_deref()),
        pairs = callback.pairs().len(),
        first_pair = ?callback.pairs().first(),
        "callback not committed: {error}"
    );
}

fn unavailable() -> Response {
    let response = CallbackResponse::fail("the database is not available");
    answer(Outcome::Failed, response)
}

/// A sender may have made it as long as it likes.
fn start(request_id: Option<&str>) -> Option<String> {
    request_id.map(|request_id| request_id.chars().take(64).collect())
}

fn late() -> Response {
    let response = CallbackResponse::fail("the callback did not arrive in time");
    answer(Outcome::TimedOut, response)
}

/// An answer that says what is to be counted, for [`limit_and_count`].
fn answer(outcome: Outcome, response: CallbackResponse) -> Response {
    (Extension(outcome), response).into_response()
}

/// What is read of the URL where no body came after it.
#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "RequestId", alias = "RequestID")]
    request_id: Option<String>,
}

/// Sets the deadlines of a request, and counts what becomes of it.
async fn limit_and_count(
    State(metrics): State<Metrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrival = Instant::now();
    let _in_flight = metrics.in_flight();
    request.extensions_mut().insert(Deadline(arrival + COMMIT));
    let uri = request.uri().clone();
    let response = timeout_at(arrival + ANSWER, next.run(request)).await;
    let response = response.unwrap_or_else(|_| {
        let parameters = Query::<Parameters>::try_from_uri(&uri).ok();
        let request_id = parameters.and_then(|Query(parameters)| parameters.request_id);
        let request_id = start(request_id.as_deref());
        tracing::error!(
            request_id,
            "callback not committed: its body did not arrive"
        );
        late()
    });
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        metrics.refused(&format!("{:?}", rejection.kind()));
    }
    if let Some(outcome) = outcome(&response) {
        metrics.answered(outcome);
    }
    response
}

/// What became of a callback; `None` where the request was none.
fn outcome(response: &Response) -> Option<Outcome> {
    let extensions = response.extensions();
    if let Some(outcome) = extensions.get() {
        return Some(*outcome);
    }
    if extensions.get::<Rejection>().is_some() {
        return Some(Outcome::Refused);
    }
    // The fallback answers OK to webhooks, and 404 to the rest.
    response
        .status()
        .is_success()
        .then_some(Outcome::Acknowledged)
}
