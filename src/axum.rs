//! With axum, a callback is an extractor and the envelope is a response.

use std::convert::Infallible;

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::request::Parts;
use tower_service::Service;

use crate::{Acknowledge, Callback, CallbackResponse, Packet, trace};

/// Extracts the callback that the layer has put into the request.
///
/// If there is none, the answer is a FAIL envelope that says so. A handler that serves several
/// webhooks takes an `Option<Callback<P>>` of each.
impl<S: Send + Sync, P: Packet> FromRequestParts<S> for Callback<P> {
    type Rejection = CallbackResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CallbackResponse> {
        parts.extensions.get().cloned().ok_or_else(|| {
            trace::not_extracted(&parts.method, &parts.uri, P::COMMAND);
            CallbackResponse::fail(format!("no {} callback came with the request", P::COMMAND))
        })
    }
}

impl<S: Send + Sync, P: Packet> OptionalFromRequestParts<S> for Callback<P> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        let callback = parts.extensions.get().cloned();
        if callback.is_none() {
            trace::not_taken(&parts.uri, P::COMMAND);
        }
        Ok(callback)
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
