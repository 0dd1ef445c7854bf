//! The one URL that Chat calls.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::time::{Instant, timeout_at};
use tower::ServiceBuilder;
use tower_tencent_chat::{
    Callback, CallbackContext, CallbackResponse, FriendAdd, FriendAddLayer, FriendPair, Rejection,
    acknowledge,
};

use crate::{
    App,
    change::{Change, Kind},
    friend_delete::FriendDelete,
    metrics::{Metrics, Outcome},
    store::Failure,
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
        .layer(friend_add.route_to(post(friend_added).with_state(app.clone())))
        .layer(friend_delete.route_to(post(friend_deleted).with_state(app.clone())))
        .service(post(acknowledge));
    Router::new()
        .route_service("/callback", callbacks)
        .layer(middleware::from_fn_with_state(app.metrics.clone(), watch))
}

async fn friend_added(
    State(app): State<App>,
    Extension(deadline): Extension<Deadline>,
    callback: Callback<FriendAdd>,
) -> Response {
    let pairs = &callback.pair_list;
    store(app, Kind::Add, pairs, callback.context(), deadline).await
}

async fn friend_deleted(
    State(app): State<App>,
    Extension(deadline): Extension<Deadline>,
    callback: Callback<FriendDelete>,
) -> Response {
    let pairs = &callback.pair_list;
    store(app, Kind::Delete, pairs, callback.context(), deadline).await
}

/// Answers OK once all pairs are committed, and only then.
async fn store(
    app: App,
    kind: Kind,
    pairs: &[FriendPair],
    context: &CallbackContext,
    Deadline(deadline): Deadline,
) -> Response {
    let change = match Change::new(kind, pairs, context) {
        Ok(change) => change,
        Err(error) => return answer(Outcome::Refused, CallbackResponse::fail(error)),
    };
    // A task of its own: where Chat hangs up, the pairs are committed all the same.
    let committed = tokio::spawn(async move {
        let start = Instant::now();
        let changed = app.store.apply(&change, deadline).await?;
        app.metrics.committed(start.elapsed());
        app.metrics.stale(change.len().saturating_sub(changed));
        Ok::<_, Failure>(())
    });
    let failure = match committed.await {
        Ok(Ok(())) => return answer(Outcome::Committed, CallbackResponse::ok()),
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => panic.to_string(),
    };
    // Chat won't send it again, so this is what tells whose friends to ask Chat for.
    let request_id = context.request_id.as_deref().unwrap_or_default();
    tracing::error!(
        // A sender may have made it as long as it likes.
        request_id = &*request_id.chars().take(64).collect::<String>(),
        pairs = pairs.len(),
        first_pair = ?pairs.first(),
        "callback not committed: {failure}"
    );
    answer(
        Outcome::Failed,
        CallbackResponse::fail("the database is not available"),
    )
}

fn answer(outcome: Outcome, response: CallbackResponse) -> Response {
    (Extension(outcome), response).into_response()
}

/// Sets the deadlines of a request, and counts what becomes of it.
async fn watch(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let _in_flight = metrics.in_flight();
    request.extensions_mut().insert(Deadline(start + COMMIT));
    let response = timeout_at(start + ANSWER, next.run(request)).await;
    let response = response.unwrap_or_else(|_| {
        let response = CallbackResponse::fail("the body did not arrive in time");
        answer(Outcome::TimedOut, response)
    });
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        metrics.refused(rejection);
    }
    if let Some(outcome) = outcome(&response) {
        metrics.answered(outcome);
    }
    response
}

/// `None` where the request is no callback.
fn outcome(response: &Response) -> Option<Outcome> {
    if response.extensions().get::<Rejection>().is_some() {
        return Some(Outcome::Refused);
    }
    let ours = response.extensions().get().copied();
    ours.or_else(|| {
        response
            .status()
            .is_success()
            .then_some(Outcome::Acknowledged)
    })
}
