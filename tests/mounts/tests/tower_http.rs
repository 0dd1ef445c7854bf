//! The layers of tower-http, outside and inside.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use mounts::{check_at, handle, layer, serve};
use tower::ServiceBuilder;
use tower_http::{
    add_extension::AddExtensionLayer,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::CorsLayer,
    csrf::CsrfLayer,
    decompression::RequestDecompressionLayer,
    limit::RequestBodyLimitLayer,
    map_request_body::MapRequestBodyLayer,
    map_response_body::MapResponseBodyLayer,
    metrics::in_flight_requests::InFlightRequestsLayer,
    normalize_path::NormalizePathLayer,
    propagate_header::PropagateHeaderLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveHeadersLayer,
    set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer},
    timeout::{RequestBodyTimeoutLayer, ResponseBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
};

/// Mounts each on either side of the layer.
macro_rules! on_both_sides {
    ($($layer:expr;)+) => {$({
        println!("{}", stringify!($layer));
        let outside = ServiceBuilder::new().layer($layer).layer(layer()).service_fn(handle);
        check_at(serve(outside).await).await;
        let inside = ServiceBuilder::new().layer(layer()).layer($layer).service_fn(handle);
        check_at(serve(inside).await).await;
    })+};
}

#[tokio::test]
async fn on_both_sides() {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let name = HeaderName::from_static("x-own");
    let value = HeaderValue::from_static("own");

    on_both_sides! {
        AddExtensionLayer::new("own");
        CatchPanicLayer::new();
        CompressionLayer::new();
        CorsLayer::permissive();
        CsrfLayer::new();
        InFlightRequestsLayer::new(Default::default());
        MapRequestBodyLayer::new(http_body_util::BodyExt::boxed);
        MapResponseBodyLayer::new(http_body_util::BodyExt::boxed);
        NormalizePathLayer::trim_trailing_slash();
        PropagateHeaderLayer::new(name.clone());
        PropagateRequestIdLayer::x_request_id();
        RequestBodyLimitLayer::new(1024 * 1024);
        RequestBodyTimeoutLayer::new(TIMEOUT);
        RequestDecompressionLayer::new();
        ResponseBodyTimeoutLayer::new(TIMEOUT);
        SetRequestHeaderLayer::if_not_present(name.clone(), value.clone());
        SetRequestIdLayer::x_request_id(MakeRequestUuid);
        SetResponseHeaderLayer::if_not_present(name.clone(), value.clone());
        SetSensitiveHeadersLayer::new([name.clone()]);
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT);
        TraceLayer::new_for_http();
    }
}
