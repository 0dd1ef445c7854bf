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
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Rejection, Token,
};

use crate::{
    App,
    change::{self, Change, ChangesFriends},
    lost,
    metrics::{self, Metrics, Outcome},
};

/// When a callback has to be there whole, after its head: Chat gives up after 2 seconds.
const ARRIVE: Duration = Duration::from_secs(1);
/// When the database has to be done. What remains of the 2 seconds is the journal's.
pub(crate) const COMMIT: Duration = Duration::from_millis(1400);
/// When a callback gets an answer, whatever is known.
const ANSWER: Duration = Duration::from_millis(1800);
/// Why a callback is refused of which nothing can be stored.
const UNSTORABLE: &str = "a UserID is empty, too long, or has a NUL in it";

#[derive(Clone, Copy)]
struct Arrival(Instant);

/// In the extensions of an answer whose callback the writer counts.
#[derive(Clone)]
struct HandedIn;

pub(crate) fn router(app: &App, sdk_app_id: u64, tokens: &[Token]) -> Router {
    let callbacks = CallbackRouter::new(sdk_app_id)
        .tokens(tokens.iter().cloned())
        .route::<FriendAdd>(post(write::<FriendAdd>).with_state(app.clone()))
        .route::<FriendDelete>(post(write::<FriendDelete>).with_state(app.clone()));
    let count = middleware::from_fn_with_state(app.metrics.clone(), limit_and_count);
    Router::new()
        .route_service("/callback", callbacks)
        .layer(count)
}

/// Answers OK once all pairs are on the disk, and only then.
async fn write<P: ChangesFriends>(
    State(app): State<App>,
    Extension(Arrival(arrival)): Extension<Arrival>,
    callback: Callback<P>,
) -> Response {
    let (change, left_out) = Change::new(&*callback, callback.context());
    lost::log_pairs(&change, &left_out, &UNSTORABLE);
    app.metrics.left_out(left_out.len());
    if change.pairs.is_empty() && !left_out.is_empty() {
        app.metrics.refused(metrics::UNSTORABLE);
        return answer(Outcome::Refused, CallbackResponse::fail(UNSTORABLE));
    }
    if arrival + ARRIVE <= Instant::now() {
        lost::log(&change, &"it came too late");
        return late();
    }
    let written = app.writer.write(change, arrival + COMMIT);
    let response = match timeout_at(arrival + ANSWER, written).await {
        Ok(Ok(true)) => CallbackResponse::ok(),
        _ => CallbackResponse::fail("the database is not available"),
    };
    (Extension(HandedIn), response).into_response()
}

fn late() -> Response {
    let response = CallbackResponse::fail("the callback did not arrive in time");
    answer(Outcome::TimedOut, response)
}

/// An answer that says what is to be counted, for [`limit_and_count`].
fn answer(outcome: Outcome, response: CallbackResponse) -> Response {
    (Extension(outcome), response).into_response()
}

/// What is read of the URL if no body comes after it.
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
    request.extensions_mut().insert(Arrival(arrival));
    let uri = request.uri().clone();
    // A little later than the handler, which knows more.
    let end = arrival + ANSWER + Duration::from_millis(50);
    let response = timeout_at(end, next.run(request)).await;
    let response = response.unwrap_or_else(|_| {
        let parameters = Query::<Parameters>::try_from_uri(&uri).ok();
        let request_id = parameters.and_then(|Query(parameters)| parameters.request_id);
        let request_id = request_id.as_deref().map(change::shorten);
        tracing::error!(
            request_id,
            "callback not committed: its body did not arrive"
        );
        late()
    });
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        metrics.refused(rejection.kind().as_str());
    }
    if let Some(outcome) = outcome(&response) {
        metrics.count(outcome);
    }
    response
}

/// What became of a callback; `None` if the request was none, or is counted elsewhere.
fn outcome(response: &Response) -> Option<Outcome> {
    let extensions = response.extensions();
    if extensions.get::<HandedIn>().is_some() {
        return None;
    }
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
