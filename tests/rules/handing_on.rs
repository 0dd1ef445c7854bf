//! The inner service gets the callback, once, with the same request and the same bytes to read again.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    Callback, CallbackContext, FriendAdd, Platform, Rejection, RequestBody,
    test_util::CallbackRequest,
};

use crate::{
    PACKET, REQUIRED, TIME, TOKEN, at,
    common::{APP_ID, text},
    layer, outcome, post,
    script::Script,
    signed_layer, token,
};

#[derive(Clone, Debug, PartialEq)]
struct Mark(&'static str);

#[tokio::test]
async fn the_pages_own_packet_reaches_the_inner_service_byte_for_byte() {
    let page = include_bytes!("../samples/friend-add.json");
    let in_one_frame = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, &page[..])
        .build::<Full<Bytes>>()
        .map(|_| Script::new().data(str::from_utf8(page).unwrap()));
    let in_many = Request::post(in_one_frame.uri()).body(
        page.chunks(5)
            .fold(Script::new(), |body, piece| {
                body.data(str::from_utf8(piece).unwrap())
            })
            .trailer("x-sum", "1"),
    );
    for request in [in_one_frame, in_many.unwrap()] {
        let inner = service_fn(|request: Request<RequestBody<Script<'static>>>| async {
            let mut body = request.into_body();
            assert_eq!(format!("{body:?}"), "RequestBody { .. }");
            assert_eq!(body.size_hint().exact(), Some(page.len() as u64));
            assert!(!body.is_end_stream());
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), &page[..]);
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.frame().await.is_none());
            assert!(body.frame().await.is_none());
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let response = layer().layer(inner).oneshot(request).await.unwrap();
        assert!(response.extensions().get::<Rejection>().is_none());
    }
}

#[tokio::test]
async fn the_callback_is_added_to_the_same_request() {
    let uri = format!("http://example.com/im%20callback/v1?own=%20+&{REQUIRED}&&");
    let request = Request::post(&uri)
        .version(Version::HTTP_10)
        .header("content-type", "application/json")
        .header("content-length", PACKET.len())
        .header("x-twice", "1")
        .header("x-twice", "2")
        .extension(Mark("request"))
        .body(PACKET.to_owned())
        .unwrap();
    let calls = AtomicUsize::new(0);
    let inner = service_fn(|request: Request<RequestBody<String>>| {
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), &*uri);
        assert_eq!(request.version(), Version::HTTP_10);
        assert_eq!(request.headers().len(), 4);
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["content-length"], "57");
        let twice = request.headers().get_all("x-twice").iter();
        assert!(twice.eq(["1", "2"]));
        assert_eq!(request.extensions().get(), Some(&Mark("request")));
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        assert_eq!(callback.unwrap().context().sdk_app_id, APP_ID);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(calls.into_inner(), 1);
}

#[tokio::test]
async fn the_answer_to_a_callback_is_the_inner_services_own() {
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        let response = Response::builder()
            .status(500)
            .version(Version::HTTP_10)
            .header("content-type", "text/plain")
            .extension(Mark("response"))
            .body(Script::new().data("one").data("two").size_hint(1, Some(8)));
        Ok::<_, Infallible>(response.unwrap())
    });
    let response = layer().layer(inner).oneshot(post(REQUIRED)).await.unwrap();
    let (head, mut body) = response.into_parts();
    assert_eq!(head.status, 500);
    assert_eq!(head.version, Version::HTTP_10);
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(head.extensions.len(), 1);
    assert_eq!(head.extensions.get(), Some(&Mark("response")));
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (1, Some(8)));
    for data in ["one", "two"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), data);
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_its_own() {
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        Err::<Response<String>, _>("the inner service's error")
    });
    let error = layer().layer(inner).oneshot(post(REQUIRED)).await;
    assert_eq!(error.unwrap_err(), "the inner service's error");
}

async fn context(query: &str) -> CallbackContext {
    let request = post(&format!("{REQUIRED}&{query}"));
    outcome(&layer(), request).await.unwrap().context().clone()
}

#[tokio::test]
async fn the_client_ip_is_an_address_or_none() {
    for (value, expected) in [
        ("127.0.0.1", Some(IpAddr::from([127, 0, 0, 1]))),
        ("192.0.2.178", Some(IpAddr::from([192, 0, 2, 178]))),
        ("::1", Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))),
        (
            "2001%3Adb8%3A%3A7",
            Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7])),
        ),
        ("", None),
        ("garbage", None),
        ("127.0.0.1:80", None),
        ("127.0.0.256", None),
        ("127.0.0.1+", None),
    ] {
        let context = context(&format!("ClientIP={value}")).await;
        assert_eq!(context.client_ip, expected, "{value}");
    }
    assert_eq!(context("").await.client_ip, None);
}

#[tokio::test]
async fn the_platform_is_one_that_is_known_or_kept_as_it_came() {
    for (value, expected) in [
        ("RESTAPI", Platform::RestApi),
        ("Web", Platform::Web),
        ("Android", Platform::Android),
        ("iOS", Platform::Ios),
        ("IOS", Platform::Ios),
        ("Windows", Platform::Windows),
        ("Mac", Platform::Mac),
        ("macOS", Platform::Mac),
        ("iPad", Platform::Ipad),
        ("IPad", Platform::Ipad),
        ("Unknown", Platform::Unknown),
        ("Unkown", Platform::Unknown),
        ("Harmony%4FS", Platform::Other("HarmonyOS".into())),
        ("", Platform::Other(String::new())),
    ] {
        let context = context(&format!("OptPlatform={value}")).await;
        assert_eq!(context.platform, Some(expected), "{value}");
    }
    assert_eq!(context("").await.platform, None);
}

#[tokio::test]
async fn the_request_id_has_two_spellings_and_the_first_counts() {
    for (query, expected) in [
        ("", None),
        ("requestid=a", None),
        ("RequestId=8f14e45f-ceea", Some("8f14e45f-ceea")),
        ("RequestID=8f14e45f-ceea", Some("8f14e45f-ceea")),
        ("RequestId=a%0Ab", Some("a\nb")),
        ("RequestId=", Some("")),
        ("RequestId=a&RequestID=b", Some("a")),
        ("RequestID=a&RequestId=b", Some("a")),
        ("RequestId=a&RequestId=b", Some("a")),
    ] {
        let context = context(query).await;
        assert_eq!(context.request_id.as_deref(), expected, "{query}");
    }
}

#[tokio::test]
async fn the_request_time_is_there_only_where_a_token_vouches_for_it() {
    let request = || CallbackRequest::friend_add(APP_ID).signed(&token(TOKEN), at(TIME));
    for (layer, expected) in [(layer(), None), (signed_layer(), Some(at(TIME)))] {
        let request = request().build::<Full<Bytes>>();
        let callback = outcome(&layer, request).await.unwrap();
        assert_eq!(callback.context().request_time, expected);
    }
}

#[tokio::test]
async fn the_captured_urls_are_understood() {
    let expected = [
        Some(("127.0.0.1", Platform::Web, None)),
        Some((
            "192.0.2.178",
            Platform::Ios,
            Some("8f14e45f-ceea-467f-a0e6-1d1b1b1b1b01"),
        )),
        Some((
            "192.0.2.178",
            Platform::RestApi,
            Some("8f14e45f-ceea-467f-a0e6-1d1b1b1b1b02"),
        )),
        Some(("192.0.2.60", Platform::Web, None)),
        Some(("127.0.0.1", Platform::Web, None)),
        None,
        None,
    ];
    let inner = service_fn(|request: Request<RequestBody<String>>| async move {
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        Ok::<_, Infallible>(Response::new(callback.map_or_else(
            String::new,
            |callback| {
                let context = callback.context();
                let (ip, platform) = (context.client_ip.unwrap(), context.platform.as_ref());
                format!("{ip} {} {:?}", platform.unwrap(), context.request_id)
            },
        )))
    });
    let urls: Vec<_> = include_str!("../samples/urls.txt").lines().collect();
    assert_eq!(urls.len(), expected.len());
    for (url, expected) in urls.into_iter().zip(expected) {
        let request = Request::post(url).body(PACKET.to_owned()).unwrap();
        let response = layer().layer(inner).oneshot(request).await.unwrap();
        let expected = expected.map(|(ip, platform, id)| format!("{ip} {platform} {id:?}"));
        assert!(response.extensions().get::<Rejection>().is_none(), "{url}");
        assert_eq!(text(response).await, expected.unwrap_or_default(), "{url}");
    }
}
