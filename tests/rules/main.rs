//! What the layer does, rule by rule, through the whole of it.

#[path = "../common/mod.rs"]
mod common;

mod handing_on;
mod matching;
mod packets;
mod reading;
mod refusing;
mod script;
mod types;
mod verifying;

use std::{
    convert::Infallible,
    fmt::Debug,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, RejectionKind, RequestBody,
    Token,
};

use common::{APP_ID, OK, text};

/// The known answer of Tencent's pages.
const TOKEN: &str = "xxxxyyyy";
const TIME: u64 = 1669872112;
const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

/// A packet without pairs.
const PACKET: &str = r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#;

/// The parameters that no callback does without.
const REQUIRED: &str = "SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd";

fn layer() -> FriendAddLayer {
    FriendAddLayer::new(APP_ID)
}

/// A layer that wants a signature, at the time of the known answer.
fn signed_layer() -> FriendAddLayer {
    layer().token(token(TOKEN)).clock(|| at(TIME))
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn post(query: &str) -> Request<Full<Bytes>> {
    Request::post(format!("/?{query}"))
        .body(PACKET.into())
        .unwrap()
}

/// What becomes of a callback: it reaches the inner service, or is refused.
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

/// The rule that a callback breaks, with what Chat is told; `None` where it reaches the inner service.
async fn broken<B: Body<Error: Debug>>(
    layer: &FriendAddLayer,
    request: Request<B>,
) -> Option<(RejectionKind, String)> {
    let rejection = outcome(layer, request).await.err()?;
    Some((rejection.kind(), rejection.to_string()))
}
