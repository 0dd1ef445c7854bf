//! The inner service gets the callback, once, with the same request and the same bytes to read again.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{Callback, FriendAdd, Platform, RequestBody, test_util::CallbackRequest};

use crate::{
    PACKET, REQUIRED,
    common::{
        APP_ID, FRIEND_ADD, TOKEN, chat, kind, layer, now,
        script::{Script, data, trailers},
        token,
    },
    post,
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
    // Chat's time is in whole seconds.
    let late = now() + Duration::from_millis(999);
    let signed = chat().signed(&token(TOKEN), late).callback::<FriendAdd>();
    assert_eq!(signed.context().request_time, Some(now()));
    let pair = &signed.pair_list[0];
    assert_eq!(pair.to_account, "bob");
    assert_eq!(pair.initiator_account.as_deref(), Some("alice"));
}
