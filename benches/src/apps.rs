//! The apps that are compared: the layer on axum, and what people write without it.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    middleware,
    response::IntoResponse,
    routing::post,
};
use tower_tencent_chat::{Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer};

use crate::{APP, TOKEN, handwritten, now, token};

#[derive(Clone, Copy)]
pub(crate) enum Check {
    Unsigned,
    Signed,
}

type Handler = fn(Check) -> Router;

pub(crate) const HANDLERS: [(&str, Handler); 4] = [
    ("Query + Json", query_and_json),
    ("from_fn", from_fn),
    ("layer", layer),
    ("router", router),
];

/// The names of all apps.
pub fn apps() -> impl Iterator<Item = String> {
    let handlers = HANDLERS.map(|(name, _)| name);
    let signed = handlers.map(|name| format!("{name}, signed"));
    ["nothing"]
        .into_iter()
        .chain(handlers)
        .map(str::to_owned)
        .chain(signed)
        .chain(["Query + Json, printing".to_owned()])
}

/// The app of that name.
#[must_use]
pub fn app(name: &str) -> Option<Router> {
    match name {
        "nothing" => return Some(nothing()),
        "Query + Json, printing" => return Some(query_and_json_printing()),
        _ => {}
    }
    let (name, check) = match name.strip_suffix(", signed") {
        Some(name) => (name, Check::Signed),
        None => (name, Check::Unsigned),
    };
    let (_, handler) = HANDLERS.into_iter().find(|(found, _)| *found == name)?;
    Some(handler(check))
}

pub(crate) fn nothing() -> Router {
    Router::new().route("/", post(async || ()))
}

fn query_and_json(check: Check) -> Router {
    Router::new()
        .route("/", post(handwritten::handler))
        .with_state(handwritten_app(check))
}

/// Prints what `examples/axum.rs` prints.
fn query_and_json_printing() -> Router {
    async fn printing(
        app: State<handwritten::App>,
        parameters: Query<handwritten::Parameters>,
        Json(packet): Json<handwritten::FriendAdd>,
    ) -> impl IntoResponse {
        let mut lines = String::new();
        for pair in &packet.pair_list {
            let from = pair.from_account.escape_debug();
            let to = pair.to_account.escape_debug();
            let _ = writeln!(lines, "{from} added {to}");
        }
        let _ = io::stdout().write_all(lines.as_bytes());
        handwritten::handler(app, parameters, Json(packet)).await
    }

    Router::new()
        .route("/", post(printing))
        .with_state(handwritten_app(Check::Unsigned))
}

fn from_fn(check: Check) -> Router {
    let app = handwritten_app(check);
    Router::new()
        .route("/", post(handwritten::behind_middleware))
        .layer(middleware::from_fn_with_state(app, handwritten::middleware))
}

fn handwritten_app(check: Check) -> handwritten::App {
    handwritten::App {
        sdk_app_id: APP,
        token: match check {
            Check::Unsigned => None,
            Check::Signed => Some(Arc::from(TOKEN)),
        },
        now,
    }
}

fn layer(check: Check) -> Router {
    Router::new()
        .route("/", post(friend_added))
        .layer(friend_add_layer(check))
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

fn friend_add_layer(check: Check) -> FriendAddLayer {
    let layer = FriendAddLayer::new(APP).clock(now);
    match check {
        Check::Unsigned => layer,
        Check::Signed => layer.token(token()),
    }
}

async fn friend_added(_: Option<Callback<FriendAdd>>) -> CallbackResponse {
    CallbackResponse::ok()
}
