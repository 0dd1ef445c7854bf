//! On axum: the layer, and what people write without it.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, header},
    middleware,
    routing::post,
};
use bytes::Bytes;
use http::Request;
use tower::ServiceBuilder;
use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, FriendAddLayer, acknowledge};

use super::{
    APP, OTHER_WEBHOOK, Row, TOKEN, Work, callback, handwritten, now, send, signed, token,
};

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
    ("route_to", route_to),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![Row::new("nothing", || {
        work(nothing(), callback(3, 20).build())
    })];
    for (name, handler) in HANDLERS.into_iter().skip(1) {
        rows.push(Row::new(format!("{name}, pass-through"), move || {
            let request = Request::post(OTHER_WEBHOOK).body(Bytes::from_static(b"{}"));
            let request = request.expect("the URL is valid");
            work(handler(Check::Unsigned), request)
        }));
    }
    for pairs in [3, 1000] {
        for (name, handler) in HANDLERS {
            rows.push(Row::new(format!("{name}, {pairs} pairs"), move || {
                work(handler(Check::Unsigned), callback(pairs, 20).build())
            }));
        }
        for (name, handler) in HANDLERS {
            let name = format!("{name}, {pairs} pairs, signed");
            rows.push(Row::new(name, move || {
                work(handler(Check::Signed), signed(callback(pairs, 20)).build())
            }));
        }
    }
    rows
}

/// With the headers that `Json` asks for, and any server passes on.
fn work(app: Router, mut request: Request<Bytes>) -> Work {
    let length = request.body().len().into();
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    send::<_, Body>(app.into_service(), request)
}

pub(crate) fn nothing() -> Router {
    Router::new().route("/", post(async || ()))
}

fn query_and_json(check: Check) -> Router {
    Router::new()
        .route("/", post(handwritten::handler))
        .with_state(handwritten_app(check))
}

fn from_fn(check: Check) -> Router {
    let app = handwritten_app(check);
    Router::new()
        .route("/", post(handwritten::behind_middleware))
        .layer(middleware::from_fn_with_state(app, handwritten::middleware))
}

pub(crate) fn handwritten_app(check: Check) -> handwritten::App {
    handwritten::App {
        sdk_app_id: APP,
        token: match check {
            Check::Unsigned => None,
            Check::Signed => Some(TOKEN.into()),
        },
        now,
    }
}

fn layer(check: Check) -> Router {
    Router::new()
        .route("/", post(friend_added))
        .layer(friend_add_layer(check))
}

fn route_to(check: Check) -> Router {
    let callbacks = ServiceBuilder::new()
        .layer(friend_add_layer(check).route_to(post(friend_added)))
        .service(post(acknowledge));
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
