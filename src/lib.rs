//! Tower middleware that receives the webhook [After a Friend Is Added][page],
//! `Sns.CallbackFriendAdd`, of Tencent Cloud Chat, and any other webhook of Chat's that you write a
//! [`Packet`] for.
//!
//! Chat calls one URL for all the webhooks that an app has switched on. [`FriendAddLayer`] takes the
//! requests that are its own, verifies them, and hands them on with a typed
//! [`Callback<FriendAdd>`](Callback) in their extensions; every other request passes through
//! untouched, so that layers for several webhooks stack.
//!
//! # Examples
//!
//! On axum, with the feature `axum`:
//!
//! ```
//! use axum::{Router, routing::post};
//! use tower::ServiceBuilder;
//! use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, FriendAddLayer, acknowledge};
//!
//! async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
//!     for pair in &callback.pair_list {
//!         println!("{} added {}", pair.from_account, pair.to_account);
//!     }
//!     CallbackResponse::ok()
//! }
//!
//! let callbacks = ServiceBuilder::new()
//!     .layer(FriendAddLayer::new(1400000000).route_to(post(friend_added)))
//!     .service(post(acknowledge));
//! let app: Router = Router::new().route_service("/callback", callbacks);
//! ```
//!
//! Without a framework, one request that is accepted, and one that is refused:
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
//!     let callback = request.extensions().get::<Callback<FriendAdd>>().unwrap();
//!     assert_eq!(callback.pair_list[0].from_account, "alice");
//!     assert_eq!(callback.pair_list[0].to_account, "bob");
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
//! # What the layer does
//!
//! 1. **Match.** A request is the layer's own where any `CallbackCommand` of its query, decoded, is
//!    the command of its packet. Every other request reaches the inner service as it came.
//! 2. **Verify**, before any of the body is read. The method is `POST`. `CallbackCommand`, `SdkAppid`,
//!    `contenttype`, `ClientIP`, `OptPlatform`, `Sign` and `RequestTime` are there once at most.
//!    `SdkAppid` is the layer's. `contenttype`, where there is one, is `json` in any case. With a
//!    [`token`](CallbackLayer::token) set, `RequestTime` is inside the
//!    [window](CallbackLayer::request_time_window) and `Sign` is its signature by one of the tokens.
//! 3. **Read**, up to [`max_body_size`](CallbackLayer::max_body_size). Where `Content-Length` or the
//!    body's size hint says more, nothing is read at all.
//! 4. **Parse.** The body is one JSON object whose `CallbackCommand` is the URL's. Fields that Tencent
//!    may add, and values that are unknown today, never cost an event.
//! 5. **Hand on.** The inner service gets the request with the [`Callback`] in its extensions and the
//!    same bytes to read again. Its response and its error come back as they are.
//! 6. **Refuse** whatever breaks a rule: status 200, `content-type: application/json`, the FAIL
//!    envelope whose `ErrorInfo` names the rule, and the [`Rejection`] in the response's extensions.
//!    The status is 200 because Chat counts any other as a webhook that failed.
//!
//! Neither a refusal nor waiting for a body holds anything of the inner service, so a stalled upload
//! takes no permit of a concurrency limit there.
//!
//! # What it can't do
//!
//! - Tencent's signature covers neither the body nor the rest of the URL, and is the same for all
//!   webhooks of one second. Whoever can read the traffic can send what they like in its place until
//!   the window closes: terminate TLS in front of the app.
//! - Without a token the app id is the only check, and it is no secret.
//! - How long a body may take is not limited here: put a `TimeoutLayer` of two seconds around the
//!   layer, since by then Chat has gone.
//! - An event can come twice and events can come in any order: see [Replicas](#replicas).
//!
//! # Replicas
//!
//! The layer has no state, so any number of replicas can stand behind any load balancer. Chat sends
//! an event again where retries are switched on and an answer took more than two seconds, and there
//! is no event id; the same two users can also become friends again, with the identical body. Let the
//! handler upsert on the pair of accounts, and answer before it works on anything slow.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `axum`: [`Callback<P>`](Callback) and `Option<Callback<P>>` are extractors, [`CallbackResponse`]
//!   is a response, and `acknowledge` a handler.
//! - `tracing`: an event for every refusal, with the target `tower_tencent_chat`. `WARN` where a
//!   request was verified and the event in it is lost, `DEBUG` where verification failed. Neither
//!   tokens nor signatures nor bodies are recorded.
//! - `test-util`: `test_util::CallbackRequest`, a request as Chat sends it.
//!
//! [page]: https://www.tencentcloud.com/document/product/1047/34359

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod callback;
#[cfg(feature = "tracing")]
mod limit;
mod packet;
mod response;
mod service;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod trace;
mod verify;

#[cfg(feature = "axum")]
pub use self::axum::acknowledge;
pub use self::{
    callback::Callback,
    packet::{
        AccountPair, BlackListAdd, BlackListDelete, ClientCmd, FriendAdd, FriendDelete, FriendPair,
        Packet, UserId,
    },
    response::{CallbackResponse, Rejection, RejectionKind},
    service::{
        Acknowledge, AcknowledgeFuture, CallbackLayer, CallbackRouter, CallbackService,
        FriendAddLayer, FriendAddService, RequestBody, ResponseBody, ResponseFuture, RouterFuture,
        SameBody, SameBodyFuture, SameBodyInner, SameBodyLayer,
    },
    verify::{CallbackContext, InvalidToken, Platform, Token},
};

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
