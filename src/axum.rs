//! With axum, a callback is an extractor and the envelope is a response.

use std::{borrow::Cow, convert::Infallible};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, Uri, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    request::Parts,
};
use tower_service::Service;

use crate::{
    Acknowledge, AnyCallback, Callback, CallbackResponse, Packet, Rejection, handed_on::HandedOn,
    response::Detail, trace::Line, verify::query,
};

/// Extracts the callback that the layer has put into the request.
///
/// If there is none, the answer is a FAIL envelope with a [`Rejection`] of the kind
/// [`MissingCallback`](crate::RejectionKind::MissingCallback) in its extensions. A handler that serves
/// several webhooks takes an `Option<Callback<P>>` of each.
impl<S: Send + Sync, P: Packet> FromRequestParts<S> for Callback<P> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let callback = parts.extensions.get().cloned();
        callback.ok_or_else(|| missing(parts, P::COMMAND))
    }
}

impl<S: Send + Sync, P: Packet> OptionalFromRequestParts<S> for Callback<P> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        let callback = parts.extensions.get().cloned();
        let is_read = HandedOn::find(&parts.extensions).is_some();
        if callback.is_none() && !is_read && query::is_command(&parts.uri, P::COMMAND) {
            Line::without_layer(P::COMMAND, &parts.uri).without_callback();
        }
        Ok(callback)
    }
}

/// Extracts the webhook that [`CallbackRouter::route_others`](crate::CallbackRouter::route_others) has put
/// into the request. If there is none, the answer is that of a missing [`Callback`].
impl<S: Send + Sync> FromRequestParts<S> for AnyCallback {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let callback = parts.extensions.get().cloned();
        callback.ok_or_else(|| {
            let command = query::commands(&parts.uri).next().unwrap_or_default();
            missing(parts, command.into_owned())
        })
    }
}

fn missing(parts: &Parts, command: impl Into<Cow<'static, str>>) -> Rejection {
    let command = command.into();
    let handed_on = HandedOn::find(&parts.extensions);
    let cause = if let Some(mark) = handed_on {
        Some(Detail::OtherHandler(mark))
    } else if query::is_command(&parts.uri, &command) {
        Some(Detail::NoLayer)
    } else if query::is_from_tencent(&parts.uri) {
        Some(Detail::OtherWebhook)
    } else {
        (parts.method == Method::POST).then_some(Detail::NoParameters)
    };
    // The extractor has no body that it could read. A layer that has handed the request on has read it.
    let is_http_1 = parts.version < Version::HTTP_2;
    let closes_connection = is_http_1 && handed_on.is_none() && has_body(&parts.headers);
    Rejection::NO_CALLBACK
        .of(command)
        .with(cause)
        .closing_connection(closes_connection)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    length.is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING)
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        // Not when it is made: for a handler that takes a `Result`, nothing is lost.
        log(&self);
        self.response().map(Body::from)
    }
}

fn log(rejection: &Rejection) {
    let uri = Uri::default();
    let line = Line::without_layer(rejection.command(), &uri);
    match rejection.detail() {
        Some(Detail::OtherHandler(mark)) => line.other_handler(*mark),
        Some(Detail::NoLayer) => line.without_callback(),
        Some(Detail::OtherWebhook) => line.other_webhook(),
        Some(Detail::NoParameters) => line.not_a_webhook(&Method::POST),
        _ => {}
    }
}

impl IntoResponse for CallbackResponse {
    fn into_response(self) -> Response {
        self.into()
    }
}

/// [`Acknowledge`] as an axum handler: it answers OK to every webhook that no layer before it has
/// taken, and 404 to requests that aren't webhooks.
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub async fn acknowledge(request: Request) -> Response {
    let Ok(response) = Acknowledge::new().call(request).await;
    response
}
