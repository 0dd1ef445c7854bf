//! A request is the layer's own when any `CallbackCommand` says so; all others pass through.

use std::{convert::Infallible, rc::Rc};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{Callback, FriendAdd, Rejection, RejectionKind, RequestBody};

use crate::{broken, common::text, layer, post, script::Script};

#[tokio::test]
async fn a_command_is_the_layers_own_however_it_is_escaped() {
    for command in [
        "CallbackCommand=Sns.CallbackFriendAdd",
        "CallbackCommand=Sns%2ECallbackFriendAdd",
        "CallbackCommand=Sns%2eCallbackFriendAdd",
        "CallbackCommand=%53%6Es.CallbackFriendAdd",
        "%43allbackCommand=Sns.CallbackFriendAdd",
    ] {
        let request = post(&format!("SdkAppid=1400000000&{command}"));
        assert_eq!(broken(&layer(), request).await, None, "{command}");
    }
}

#[tokio::test]
async fn a_second_command_is_refused_wherever_it_stands_and_whatever_it_says() {
    let own = "CallbackCommand=Sns.CallbackFriendAdd";
    for second in [
        "CallbackCommand=Sns.CallbackFriendAdd",
        "CallbackCommand=Sns%2ECallbackFriendAdd",
        "CallbackCommand=Sns.CallbackFriendDelete",
        "CallbackCommand=Sns%2ECallbackFriendDelete",
        "Callback%43ommand=Sns.CallbackFriendDelete",
        "CallbackCommand=",
        "CallbackCommand",
    ] {
        for query in [
            format!("{second}&{own}&SdkAppid=1400000000"),
            format!("{own}&{second}&SdkAppid=1400000000"),
            format!("{own}&SdkAppid=1400000000&{second}"),
        ] {
            let expected = (
                RejectionKind::DuplicateParameter,
                "the CallbackCommand parameter is given more than once".to_owned(),
            );
            let broken = broken(&layer(), post(&query)).await;
            assert_eq!(broken, Some(expected), "{query}");
        }
    }
}

#[tokio::test]
async fn everything_else_passes_unverified() {
    let refusing = layer().max_body_size(0);
    let inner = |request: Request<RequestBody<Script<'static>>>| async move {
        assert!(request.extensions().get::<Callback<FriendAdd>>().is_none());
        Ok::<_, Infallible>(Response::new("passed".to_owned()))
    };
    for uri in [
        "/",
        "/?",
        "*",
        "/CallbackCommand=Sns.CallbackFriendAdd",
        "/?SdkAppid=1&SdkAppid=2&contenttype=xml",
        "/?CallbackCommand",
        "/?CallbackCommand=Sns.CallbackFriendDelete",
        "/?CallbackCommand=Sns%2ECallbackFriendDelete&CallbackCommand=State.StateChange",
        "/?CallbackCommand=sns.callbackfriendadd",
        "/?CallbackCommand=Sns.CallbackFriendAdd2",
        "/?CallbackCommand=Sns.CallbackFriendAdd%20",
        "/?CallbackCommand=Sns.CallbackFriendAdd+",
        "/?CallbackCommand=Sns%252ECallbackFriendAdd",
        "/?callbackcommand=Sns.CallbackFriendAdd",
        "/?command=Sns.CallbackFriendAdd",
    ] {
        for method in [Method::POST, Method::GET, Method::OPTIONS] {
            let body = Script::new().data("some").size_hint(4, Some(4));
            let request = Request::builder().method(method).uri(uri).body(body);
            let service = refusing.layer(service_fn(inner));
            let response = service.oneshot(request.unwrap()).await.unwrap();
            assert!(response.extensions().get::<Rejection>().is_none(), "{uri}");
            assert_eq!(text(response).await, "passed", "{uri}");
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(&'static str);

/// The frames of a body: its data, and its trailers by their debug form.
async fn frames<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<Result<String, B::Error>> {
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.map(|frame: Frame<Bytes>| match frame.into_data() {
            Ok(data) => String::from_utf8(data.into()).unwrap(),
            Err(frame) => format!("{:?}", frame.trailers_ref().unwrap()),
        }));
    }
    frames
}

#[tokio::test]
async fn what_passes_is_the_same_request_and_its_answer_the_same_response() {
    let uri = "https://example.com/callback?CallbackCommand=Sns%2EOther&a=%20+b&&";
    let body = Script::new()
        .data("one")
        .data("")
        .data("two")
        .trailer("x-sum", "6")
        .size_hint(2, Some(9));
    let polled = body.polled();
    let request = Request::builder()
        .method("PATCH")
        .uri(uri)
        .version(Version::HTTP_10)
        .header("x-twice", "1")
        .header("x-twice", "2")
        .extension(Mark("request"))
        .body(body)
        .unwrap();

    let inner = service_fn(|request: Request<RequestBody<Script<'static>>>| async {
        let (head, body) = request.into_parts();
        assert_eq!(polled.get(), 0);
        assert_eq!(head.method, "PATCH");
        assert_eq!(head.uri, uri);
        assert_eq!(head.version, Version::HTTP_10);
        assert_eq!(head.headers.len(), 2);
        let twice = head.headers.get_all("x-twice").iter();
        assert!(twice.eq(["1", "2"]));
        assert_eq!(head.extensions.len(), 1);
        assert_eq!(head.extensions.get(), Some(&Mark("request")));
        let hint = body.size_hint();
        assert_eq!((hint.lower(), hint.upper()), (2, Some(9)));
        assert!(!body.is_end_stream());
        let trailers = r#"{"x-sum": "6"}"#;
        assert_eq!(
            frames(body).await,
            ["one", "", "two", trailers].map(|frame| Ok(frame.to_owned()))
        );

        let body = Script::new()
            .data("three")
            .trailer("x-sum", "5")
            .error("and then it broke")
            .size_hint(3, None);
        let response = Response::builder()
            .status(418)
            .version(Version::HTTP_2)
            .header("x-inner", "1")
            .extension(Mark("response"))
            .body(body);
        Ok::<_, Infallible>(response.unwrap())
    });
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    assert_eq!(head.status, 418);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["x-inner"], "1");
    assert_eq!(head.extensions.len(), 1);
    assert_eq!(head.extensions.get(), Some(&Mark("response")));
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (3, None));
    assert!(!body.is_end_stream());
    assert_eq!(
        frames(body).await,
        [
            Ok("three".to_owned()),
            Ok(r#"{"x-sum": "5"}"#.to_owned()),
            Err("and then it broke"),
        ]
    );
    assert_eq!(Rc::strong_count(&polled), 1);
}

#[tokio::test]
async fn an_empty_body_that_passes_is_still_at_its_end() {
    let inner = service_fn(|request: Request<RequestBody<String>>| async move {
        assert!(request.body().is_end_stream());
        assert_eq!(request.body().size_hint().exact(), Some(0));
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let request = Request::get("/").body(String::new()).unwrap();
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes() {
    let inner = service_fn(|_: Request<RequestBody<String>>| async {
        Err::<Response<String>, _>("the inner service's error")
    });
    let request = Request::get("/").body(String::new()).unwrap();
    let error = layer().layer(inner).oneshot(request).await.unwrap_err();
    assert_eq!(error, "the inner service's error");
}
