//! What the layer does with whole requests, as far as a vector can't say it.

#[path = "../common/mod.rs"]
mod common;

mod handing_on;
mod packets;
mod types;
mod verifying;

use std::{convert::Infallible, fmt::Debug};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, RejectionKind, RequestBody,
};

use common::{OK, text};

/// A packet without pairs.
const PACKET: &str = r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#;

/// The parameters that no callback does without.
const REQUIRED: &str = "SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd";

/// What becomes of a callback: it reaches the inner service, or is rejected.
async fn outcome<B: Body<Error: Debug>>(
    layer: &FriendAddLayer,
    request: Request<B>,
) -> Result<Callback<FriendAdd>, Rejection> {
    let inner = service_fn(|request: Request<RequestBody<B>>| async move {
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        let mut response: Response<Full<Bytes>> = CallbackResponse::ok().into();
        let extensions = response.extensions_mut();
        extensions.insert(callback.expect("a callback").clone());
        Ok::<_, Infallible>(response)
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        return Err(rejection.clone());
    }
    let callback = response.extensions().get().cloned();
    assert_eq!(text(response).await, OK);
    Ok(callback.expect("the inner service has been called"))
}

/// The rule that a callback breaks; `None` if it reaches the inner service.
async fn broken(layer: &FriendAddLayer, request: Request<Full<Bytes>>) -> Option<RejectionKind> {
    let rejection = outcome(layer, request).await.err()?;
    Some(rejection.kind())
}
