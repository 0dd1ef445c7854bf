//! The inner service gets the callback, once, with the same request and the same bytes to read again.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    Callback, CallbackContext, FriendAdd, Platform, RequestBody, test_util::CallbackRequest,
};

use crate::{
    PACKET, REQUIRED,
    common::{
        APP_ID, FRIEND_ADD, TOKEN, chat, kind, layer, now,
        script::{Script, data, trailers},
        text, token,
    },
    outcome, post,
};

#[tokio::test]
async fn the_pages_own_packet_reaches_the_inner_service_byte_for_byte() {
    let uri = CallbackRequest::friend_add(APP_ID).uri();
    let in_many = FRIEND_ADD.as_bytes().chunks(5).map(data);
    let scripts = [
        Script::new([data(FRIEND_ADD)]),
        Script::new(in_many.chain([trailers()])),
    ];
    for (body, _) in scripts {
        let inner = service_fn(|request: Request<RequestBody<Script>>| async {
            let mut clone = request.into_body().clone();
            assert_eq!(
                clone.clone().collect().await.unwrap().to_bytes(),
                FRIEND_ADD
            );
            let body = &mut clone;
            assert_eq!(body.size_hint().exact(), Some(FRIEND_ADD.len() as u64));
            assert!(!body.is_end_stream());
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), FRIEND_ADD);
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.frame().await.is_none());
            assert!(body.frame().await.is_none());
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let request = Request::post(uri.clone()).body(body).unwrap();
        let response = layer().layer(inner).oneshot(request).await.unwrap();
        assert_eq!(kind(&response), None);
    }
}

#[tokio::test]
async fn the_callback_is_added_to_the_same_request() {
    let uri = format!("http://example.com/im%20callback/v1?own=%20+&{REQUIRED}&&");
    let mut headers = HeaderMap::new();
    for name in [
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-own",
    ] {
        headers.append(name, "1".parse().unwrap());
        headers.append(name, "2".parse().unwrap());
    }
    headers.insert("content-length", PACKET.len().into());
    let mut request = Request::post(&uri)
        .version(Version::HTTP_10)
        .extension(7_u8)
        .body(PACKET.to_owned())
        .unwrap();
    *request.headers_mut() = headers.clone();
    let calls = AtomicUsize::new(0);
    let inner = service_fn(|request: Request<RequestBody<String>>| {
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), &*uri);
        assert_eq!(request.version(), Version::HTTP_10);
        assert_eq!(request.headers(), &headers);
        assert_eq!(request.extensions().get(), Some(&7_u8));
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        assert_eq!(callback.unwrap().context().sdk_app_id, APP_ID);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(calls.into_inner(), 1);
}

#[tokio::test]
async fn the_answer_to_a_callback_is_the_inner_services_own() {
    let mut headers = HeaderMap::new();
    for name in ["connection", "content-length", "content-type", "set-cookie"] {
        headers.append(name, "1".parse().unwrap());
        headers.append(name, "2".parse().unwrap());
    }
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        let (body, _) = Script::new([data("one"), data("two")]);
        let mut response = Response::builder()
            .status(500)
            .version(Version::HTTP_10)
            .extension(7_u8)
            .body(body.size_hint(1, Some(8)))
            .unwrap();
        *response.headers_mut() = headers.clone();
        Ok::<_, Infallible>(response)
    });
    let response = layer().layer(inner).oneshot(post(REQUIRED)).await.unwrap();
    let (head, mut body) = response.into_parts();
    assert_eq!(head.status, 500);
    assert_eq!(head.version, Version::HTTP_10);
    assert_eq!(head.headers, headers);
    assert_eq!(head.extensions.len(), 1);
    assert_eq!(head.extensions.get(), Some(&7_u8));
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (1, Some(8)));
    for data in ["one", "two"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), data);
    }
    assert!(body.frame().await.is_none());
}

async fn context(query: &str) -> CallbackContext {
    let request = post(&format!("{REQUIRED}&{query}"));
    outcome(&layer(), request).await.unwrap().context().clone()
}

#[tokio::test]
async fn the_client_ip_is_an_address_or_none() {
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    assert!(mapped.is_ipv6());
    for (value, expected) in [
        ("127.0.0.1", Some(IpAddr::from([127, 0, 0, 1]))),
        ("2001%3Adb8%3A%3A7", Some("2001:db8::7".parse().unwrap())),
        ("::ffff:192.0.2.1", Some(mapped)),
        ("", None),
        ("127.0.0.1:80", None),
        ("[::1]", None),
        ("127.0.0.1,%20127.0.0.2", None),
        ("127.0.0.1%00", None),
        ("%20127.0.0.1", None),
        ("127.0.0.256", None),
        ("0127.0.0.1", None),
        ("localhost", None),
    ] {
        let context = context(&format!("ClientIP={value}")).await;
        assert_eq!(context.client_ip, expected, "{value}");
    }
    assert_eq!(context("").await.client_ip, None);
}

#[tokio::test]
async fn what_the_url_says_is_kept_whole_as_it_came() {
    let long = "x".repeat(5_000) + "界";
    let escaped = long.replace('界', "%E7%95%8C");
    for (value, expected) in [
        ("macOS", Platform::Mac),
        ("Unkown", Platform::Unknown),
        ("Harmony%4FS", Platform::Other("HarmonyOS".into())),
        ("%20Web", Platform::Other(" Web".into())),
        ("", Platform::Other(String::new())),
        (&*escaped, Platform::Other(long.clone())),
    ] {
        let context = context(&format!("OptPlatform={value}")).await;
        assert_eq!(context.platform, Some(expected), "{value}");
    }
    assert_eq!(context("").await.platform, None);
    for (query, expected) in [
        ("", None),
        ("requestid=a", None),
        ("RequestID=8f14e45f-ceea", Some("8f14e45f-ceea")),
        ("RequestId=%20a%0Ab%00", Some(" a\nb\0")),
        ("RequestId=", Some("")),
        ("RequestID=a&RequestId=b", Some("a")),
        (&format!("RequestId={escaped}"), Some(&*long)),
    ] {
        let context = context(query).await;
        assert_eq!(context.request_id.as_deref(), expected, "{query}");
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
        let told = callback.map(|callback| {
            let context = callback.context();
            let (ip, platform) = (context.client_ip.unwrap(), context.platform.as_ref());
            format!("{ip} {} {:?}", platform.unwrap(), context.request_id)
        });
        Ok::<_, Infallible>(Response::new(told.unwrap_or_default()))
    });
    let urls: Vec<_> = include_str!("../samples/urls.txt").lines().collect();
    assert_eq!(urls.len(), expected.len());
    for (url, expected) in urls.into_iter().zip(expected) {
        let request = Request::post(url).body(PACKET.to_owned()).unwrap();
        let response = layer().layer(inner).oneshot(request).await.unwrap();
        let expected = expected.map(|(ip, platform, id)| format!("{ip} {platform} {id:?}"));
        assert_eq!(kind(&response), None, "{url}");
        assert_eq!(text(response).await, expected.unwrap_or_default(), "{url}");
    }
}

#[test]
fn a_request_for_tests_has_the_path_it_was_given_and_the_whole_query() {
    for (path, expected) in [
        ("/", "/?SdkAppid="),
        ("/cb", "/cb?SdkAppid="),
        ("/cb?own=1", "/cb?own=1&SdkAppid="),
        ("/cb?", "/cb?&SdkAppid="),
        ("/cb#x", "/cb?SdkAppid="),
        ("/cb?own=1#x?y", "/cb?own=1&SdkAppid="),
    ] {
        let uri: Uri = chat().path(path).uri();
        assert!(uri.to_string().starts_with(expected), "{uri}");
        let callback = chat().path(path).callback::<FriendAdd>();
        assert_eq!(callback.context().platform, Some(Platform::Web), "{path}");
    }
    let signed = chat().signed(&token(TOKEN), now()).callback::<FriendAdd>();
    assert_eq!(signed.context().request_time, Some(now()));
    let pair = &signed.pair_list[0];
    assert_eq!(pair.to_account, "bob");
    assert_eq!(pair.initiator_account.as_deref(), Some("alice"));
}
