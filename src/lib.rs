//! Tower middleware for the webhook [After a Friend Is Added][page], `Sns.CallbackFriendAdd`, of
//! Tencent Cloud Chat, and for any other webhook of Chat that has a [`Packet`].
//!
//! Chat calls one URL for all the webhooks that an app has switched on. [`FriendAddLayer`] verifies and
//! parses the callbacks of its own webhook, and hands them on with a typed
//! [`Callback<FriendAdd>`](Callback) in the request's extensions. Every other request passes through
//! untouched, so layers for several webhooks stack. [`CallbackRouter`] has a handler for each webhook
//! instead, and acknowledges webhooks without a handler. [`CallbackLayer::receive`] applies the same rules
//! without Tower.
//!
//! # Examples
//!
//! The layer on axum, with the feature `axum`:
//!
//! ```
//! use axum::{Router, routing::post};
//! use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, FriendAddLayer};
//!
//! async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
//!     for pair in &callback.pair_list {
//!         println!("{:?} added {:?}", pair.from_account, pair.to_account);
//!     }
//!     CallbackResponse::ok()
//! }
//!
//! let friend_add = FriendAddLayer::new(1400000000).acknowledge_others();
//! let app: Router = Router::new().route("/callback", post(friend_added).layer(friend_add));
//! ```
//!
//! The router, for several webhooks on the URL:
//!
//! ```
//! # use axum::{Router, routing::post};
//! # use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd};
//! use tower_tencent_chat::{CallbackRouter, FriendDelete};
//!
//! # async fn friend_added(_: Callback<FriendAdd>) -> CallbackResponse {
//! #     CallbackResponse::ok()
//! # }
//! async fn friend_deleted(callback: Callback<FriendDelete>) -> CallbackResponse {
//!     println!("{} deleted", callback.pair_list.len());
//!     CallbackResponse::ok()
//! }
//!
//! let callbacks = CallbackRouter::new(1400000000)
//!     .route::<FriendAdd>(post(friend_added))
//!     .route::<FriendDelete>(post(friend_deleted));
//! let app: Router = Router::new().route_service("/callback", callbacks);
//! ```
//!
//! The service without a framework, as on hyper, with one request that is accepted and one that is
//! rejected:
//!
//! ```
//! use std::{convert::Infallible, time::SystemTime};
//!
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_tencent_chat::{
//!     Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, RejectionKind,
//!     RequestBody, Token, test_util::CallbackRequest,
//! };
//!
//! async fn friend_added(
//!     request: Request<RequestBody<Full<Bytes>>>,
//! ) -> Result<Response<Full<Bytes>>, Infallible> {
//!     // Other webhooks, and requests that aren't webhooks, pass through the layer.
//!     let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() else {
//!         return Ok(CallbackResponse::fail("not a callback").into());
//!     };
//!     println!("{} added", callback.pair_list.len());
//!     Ok(CallbackResponse::ok().into())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Token::new("xxxxyyyy")?;
//! let service = ServiceBuilder::new()
//!     .layer(FriendAddLayer::new(1400000000).token(token.clone()))
//!     .service_fn(friend_added);
//!
//! let callback = CallbackRequest::friend_add(1400000000).pair("alice", "bob");
//! let signed = callback.clone().signed(&token, SystemTime::now());
//! let response = service.clone().oneshot(signed.build()).await?;
//! let body = response.into_body().collect().await?.to_bytes();
//! assert_eq!(body, r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#);
//!
//! let forged = callback.signed(&Token::new("guessed")?, SystemTime::now());
//! let response = service.oneshot(forged.build()).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! let rejection = response.extensions().get::<Rejection>().unwrap();
//! assert_eq!(rejection.kind(), RejectionKind::SignMismatch);
//! # Ok(())
//! # }
//! ```
//!
//! On hyper, `hyper_util::service::TowerToHyperService::new(service)` serves it:
//! `examples/hyper.rs` is a whole server.
//!
//! # What the layer does
//!
//! 1. **Match.** A request is the layer's own if any `CallbackCommand` in its query, decoded, is the command
//!    of the packet. Every other request reaches the inner service untouched.
//! 2. **Verify**, before any of the body is read. The method is `POST`. `CallbackCommand`, `SdkAppid`,
//!    `contenttype`, `ClientIP`, `OptPlatform`, `Sign` and `RequestTime` come at most once each. `SdkAppid`
//!    is the layer's. `contenttype`, if present, is `json` in any letter case. If a
//!    [`token`](CallbackLayer::token) is set, `Sign` is the signature of `RequestTime` by one of the tokens,
//!    and `RequestTime` is inside the [window](CallbackLayer::request_time_window).
//! 3. **Read**, at most [`max_body_size`](CallbackLayer::max_body_size) bytes. If `Content-Length` or the
//!    body's size hint is larger, nothing is read.
//! 4. **Parse.** The body is one JSON object. If it has a `CallbackCommand`, that is the URL's. In the packets
//!    of this crate, a field that Tencent adds, or an unknown value of an optional field, does not lose the
//!    event.
//! 5. **Hand on.** The inner service gets the request with the [`Callback`] in its extensions and the same
//!    bytes to read again. Its response and its error come back untouched.
//! 6. **Reject** a request that breaks a rule: status 200, `content-type: application/json`, a FAIL envelope
//!    whose `ErrorInfo` names the rule, and the [`Rejection`] in the response's extensions. The status is 200
//!    because Chat counts any other as a failed webhook. On HTTP/1, the rest of the body is read and dropped
//!    before the response, so that a proxy can send it to its end. If the body was announced as larger than
//!    `max_body_size`, or if the client waits for `100 Continue`, it is left unread, and the response says
//!    `connection: close`.
//! 7. **Log** every event that is lost, with the feature `tracing`: see [Logging](#logging).
//!
//! While a body is being read, and after a rejection, the layer reserves no capacity of the inner service. So
//! a stalled upload takes no permit of a concurrency limit there.
//!
//! # Limits of the protocol
//!
//! - Tencent's signature covers a token and a time, but neither the body nor the rest of the URL, and it is the
//!   same for all webhooks of one second. Anyone who can read the traffic can send other events until the
//!   window closes. TLS in front of the app prevents that.
//! - Without a token, anyone who knows the app id can send events.
//! - While the inner service isn't ready, a request waits outside the layer. If the client disconnects while it
//!   waits, the event is lost without a log line. [`CallbackRouter`] is always ready.
//! - The layer does not limit how long a body may take. Put a `TimeoutLayer` of two seconds around it: Chat
//!   waits no longer.
//! - Chat can deliver an event more than once and in any order. If retries are switched on in the console, Chat
//!   sends an event again when the response took more than two seconds. Events have no id, and the same two
//!   users can become friends again with an identical body. So the handler should upsert on the pair of
//!   accounts, and respond before it does anything slow. The layer is stateless, so running several replicas
//!   raises no further issues.
//!
//! # Mounting
//!
//! - **Paths.** `post(handler).layer(..)`, `Router::route_layer` and `Router::route_service` of axum receive
//!   callbacks on their own path only. `Router::layer` receives them on every path: a callback for an unknown
//!   path is verified and then gets 404, which is not logged. It covers only routes that were added before it,
//!   so add it last.
//! - **Other webhooks.** Chat sends `Alert.RequestOverLimit` and every webhook that is switched on to the same
//!   URL. A handler behind a plain layer gets them without a callback. Use a [`CallbackRouter`],
//!   [`acknowledge_others`](CallbackLayer::acknowledge_others) or [`Acknowledge`], which read their bodies and
//!   respond with OK.
//! - **Several layers.** Put them into one `ServiceBuilder`. After two calls of `post(handler).layer(..)` in a
//!   row, the compiler asks for the type of an error.
//! - **State.** A handler of a [`CallbackRouter`] gets its state by `post(handler).with_state(state)`.
//! - **The whole router.** `layer.same_body().layer(router)` puts the layer around an axum `Router`, which is
//!   the cheapest place. For `axum::serve`, wrap the result in `tower::make::Shared::new(..)`.
//! - **Bodies.** A handler can take `Bytes` besides the [`Callback`]. With the feature `axum`, axum's own limit
//!   of 2 MB does not apply to a body that the layer has read. `Json` responds with 415, because Chat sends no
//!   content type. Behind the layer the request has a [`RequestBody`], and before it the response has a
//!   [`ResponseBody`]; [`same_body`](CallbackLayer::same_body) keeps both types as they were.
//! - **Other bodies.** [`CallbackResponse`] converts into a response with any body that is `From<Bytes>`. For
//!   other bodies, as with tonic or Lambda, make a `Response<Bytes>` and `map` its body.
//! - **Other frameworks.** The feature `axum` is for axum 0.8. The layer and the router need only Tower and the
//!   crate `http` 1, and [`receive`](CallbackLayer::receive) needs only `http`.
//! - **Several apps.** A layer or router belongs to one app, and rejects callbacks of other apps. Give each app a
//!   URL of its own, or choose the router by `SdkAppid`.
//! - **Proxies.** A proxy must pass the query on, and its limit for bodies must not be larger than
//!   [`max_body_size`](CallbackLayer::max_body_size).
//! - **No system clock**, as on `wasm32-unknown-unknown`: set [`clock`](CallbackLayer::clock).
//!
//! # Logging
//!
//! The feature `tracing` records events with the target `tower_tencent_chat`. A line has the layer's
//! `sdk_app_id`, the `command`, and the `request_id` and `client_ip` of the URL. A rejection also has its `kind`
//! and, as `detail`, what helps to find the cause: the app id in the URL, by how many seconds the time is off,
//! or where in the body the JSON is wrong. A line never contains a token, a signature or a part of a body.
//!
//! - If a verified event is lost, that is a `WARN` each time: it was rejected, its future was dropped while
//!   its body was read, it was only acknowledged although a layer had handed it on, or its axum handler takes
//!   another callback. What the inner service does with the event is not logged.
//! - Log lines that any client can trigger are rate-limited: the first of each kind is a `WARN`, then at most
//!   one a minute, with the number of lines in between as `held_back`. The lines in between are `DEBUG`. Without
//!   a token no event is verified, so all lines are rate-limited.
//! - A signed callback that reaches a layer without a token is such a `WARN`: authentication is switched on in the
//!   console, and the app doesn't check it.
//! - A `POST` without any of Tencent's parameters, such as behind a proxy that drops the query, is logged by
//!   [`CallbackRouter`], [`Acknowledge`] and axum's extractor of a [`Callback`]. A plain layer lets it pass.
//! - A webhook that is acknowledged because it has no handler is `DEBUG`.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `axum`: [`Callback<P>`](Callback), `Option<Callback<P>>` and [`AnyCallback`] are extractors,
//!   [`CallbackResponse`] and [`Rejection`] are responses, and `acknowledge` is a handler.
//! - `tracing`: lost events are logged.
//! - `test-util`: `test_util::CallbackRequest` is a request as Chat sends it, for tests.
//!
//! [page]: https://www.tencentcloud.com/document/product/1047/34359

#![cfg_attr(docsrs, feature(doc_cfg))]

mod any_callback;
#[cfg(feature = "axum")]
mod axum;
mod callback;
mod configuration;
mod handed_on;
mod packet;
mod response;
mod service;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
mod token;
#[cfg_attr(not(feature = "tracing"), path = "trace/untraced.rs")]
mod trace;
mod verify;

#[cfg(feature = "axum")]
pub use self::axum::acknowledge;
pub use self::{
    any_callback::AnyCallback,
    callback::Callback,
    packet::{
        AccountPair, BlackListAdd, BlackListDelete, ClientCmd, FriendAdd, FriendDelete, FriendPair,
        Packet, UserId,
    },
    response::{CallbackResponse, Rejection, RejectionKind},
    service::{
        Acknowledge, Acknowledged, CallbackLayer, CallbackRouter, CallbackService, FriendAddLayer,
        FriendAddService, RequestBody, ResponseBody,
    },
    token::{InvalidToken, Token},
    verify::{CallbackContext, Platform},
};

pub mod acknowledge_others {
    //! What [`CallbackLayer::acknowledge_others`](crate::CallbackLayer::acknowledge_others) makes.

    pub use crate::service::acknowledge_others::{AcknowledgeOthers, AcknowledgeOthersLayer};
}

pub mod future {
    //! The response futures of the services.

    pub use crate::service::{
        acknowledge::AcknowledgeFuture, acknowledge_others::AcknowledgeOthersFuture,
        future::ResponseFuture, router::RouterFuture, same_body::SameBodyFuture,
    };
}

pub mod same_body {
    //! What [`CallbackLayer::same_body`](crate::CallbackLayer::same_body) makes.

    pub use crate::service::same_body::{SameBody, SameBodyLayer};
}

/// The examples of the pages, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../SECURITY.md")]
#[doc = include_str!("../docs/recipes.md")]
struct Pages;
