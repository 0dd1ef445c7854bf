//! The apps on axum: the layer, the router, and what they are measured against.

use axum::{Router, routing::post};
use tower_tencent_chat::{Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer};

use crate::{APP, Check, now, query_and_json, token};

type Handler = fn(Check) -> Router;

pub(crate) const HANDLERS: [(&str, Handler); 3] = [
    ("Query + Json", query_and_json::app),
    ("layer", layer),
    ("router", router),
];

/// The app of that name.
pub(crate) fn app(name: &str) -> Option<Router> {
    if name == "nothing" {
        return Some(nothing());
    }
    let (_, handler) = HANDLERS.into_iter().find(|(found, _)| *found == name)?;
    Some(handler(Check::Unsigned))
}

pub(crate) fn nothing() -> Router {
    Router::new().route("/", post(async || ()))
}

fn layer(check: Check) -> Router {
    let layer = FriendAddLayer::new(APP).clock(now);
    let layer = match check {
        Check::Unsigned => layer,
        Check::Signed => layer.token(token()),
    };
    Router::new().route("/", post(friend_added)).layer(layer)
}

fn router(check: Check) -> Router {
    let router = CallbackRouter::new(APP).clock(now);
    let router = match check {
        Check::Unsigned => router,
        Check::Signed => router.token(token()),
    };
    let callbacks = router.route::<FriendAdd>(post(friend_added));
    Router::new().route_service("/", callbacks)
}

async fn friend_added(_: Option<Callback<FriendAdd>>) -> CallbackResponse {
    CallbackResponse::ok()
}
