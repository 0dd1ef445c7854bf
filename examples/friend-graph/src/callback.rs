//! The one URL that Chat calls.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::time::{Instant, timeout_at};
use tower_tencent_chat::{
    Acknowledged, Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Rejection,
};

use crate::{
    App,
    change::{Change, ChangesFriends},
    config::Config,
    lost,
    metrics::{self, Outcome},
    times::{ANSWER, ARRIVE, COMMIT, CUT_OFF},
};

/// Why a callback is rejected of which nothing can be stored.
const UNSTORABLE: &str = "a UserID is empty, too long, or has a NUL in it";

#[derive(Clone, Copy)]
struct Arrival(Instant);

pub(crate) fn router(app: &Arc<App>, config: &Config) -> Router {
    let callbacks = CallbackRouter::new(config.sdk_app_id)
        .tokens(config.tokens.iter().cloned())
        .route::<FriendAdd>(post(write::<FriendAdd>).with_state(Arc::clone(app)))
        .route::<FriendDelete>(post(write::<FriendDelete>).with_state(Arc::clone(app)));
    let count = middleware::from_fn_with_state(Arc::clone(app), limit_and_count);
    Router::new()
        .route_service("/callback", callbacks.clone())
        .route_service("/callback/", callbacks)
        .layer(count)
}

/// Answers OK once all pairs are on the disk, and only then.
async fn write<P: ChangesFriends>(
    State(app): State<Arc<App>>,
    Extension(Arrival(arrival)): Extension<Arrival>,
    callback: Callback<P>,
) -> CallbackResponse {
    let (change, left_out) = Change::new(&*callback, callback.context());
    lost::log_pairs(&change, &left_out, &UNSTORABLE);
    app.metrics.left_out_pairs.inc_by(left_out.len() as u64);
    if change.pairs.is_empty() && !left_out.is_empty() {
        app.metrics.count_rejection(metrics::UNSTORABLE);
        return CallbackResponse::fail(UNSTORABLE);
    }
    if arrival + ARRIVE <= Instant::now() {
        lost::log(&change, &"it came too late");
        return late(&app);
    }
    let written = app.write(change, arrival + COMMIT);
    match timeout_at(arrival + ANSWER, written).await {
        Ok(Ok(true)) => CallbackResponse::ok(),
        _ => CallbackResponse::fail("the database is not available"),
    }
}

fn late(app: &App) -> CallbackResponse {
    app.metrics.count(Outcome::TimedOut);
    CallbackResponse::fail("the callback did not arrive in time")
}

/// Sets the deadlines of a request, and counts what doesn't come to a handler.
async fn limit_and_count(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrival = Instant::now();
    app.metrics.in_flight.inc();
    // Also if the sender hangs up, and with it the request is dropped.
    let _in_flight = InFlight(&app);
    request.extensions_mut().insert(Arrival(arrival));
    let Ok(response) = timeout_at(arrival + CUT_OFF, next.run(request)).await else {
        // The layer logs it, with its RequestId.
        return late(&app).into_response();
    };
    let extensions = response.extensions();
    if let Some(rejection) = extensions.get::<Rejection>() {
        app.metrics.count_rejection(rejection.kind().as_str());
    } else if extensions.get::<Acknowledged>().is_some() {
        app.metrics.count(Outcome::Acknowledged);
    }
    response
}

struct InFlight<'a>(&'a App);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}
