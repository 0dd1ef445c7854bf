//! A request that isn't the layer's own passes through untouched.

use std::convert::Infallible;

use bytes::{Buf, Bytes, buf::Chain};
use http::{Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Channel, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{Callback, FriendAdd, RejectionKind, RequestBody};

use crate::{
    common::{
        chat, layer,
        script::{Broken, Script, Step, data, trailers},
        text,
    },
    outcome,
};

/// The frames of a body: its data, and its trailers by their debug form.
async fn frames<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<Result<String, B::Error>> {
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        let is_last = frame.is_err();
        frames.push(frame.map(|frame: Frame<Bytes>| match frame.into_data() {
            Ok(data) => String::from_utf8(data.into()).unwrap(),
            Err(frame) => format!("{:?}", frame.trailers_ref().unwrap()),
        }));
        if is_last {
            break;
        }
    }
    frames
}

#[tokio::test]
async fn what_passes_is_the_same_request_and_its_answer_the_same_response() {
    let uri = "https://example.com/callback?CallbackCommand=Sns%2EOther&a=%20+b&&";
    let (body, probe) = Script::new([data("one"), data(""), data("two"), trailers()]);
    let old = chat().callback::<FriendAdd>();
    let request = Request::builder()
        .method("PATCH")
        .uri(uri)
        .version(Version::HTTP_10)
        .header("x-twice", "1")
        .header("x-twice", "2")
        .extension(7_u8)
        // Even a callback that something else has put there.
        .extension(old.clone())
        .body(body.size_hint(2, Some(9)))
        .unwrap();

    let inner = service_fn(|request: Request<RequestBody<Script>>| async {
        let (head, body) = request.into_parts();
        assert_eq!(probe.polls(), 0);
        assert_eq!(head.method, "PATCH");
        assert_eq!(head.uri, uri);
        assert_eq!(head.version, Version::HTTP_10);
        assert_eq!(head.headers.len(), 2);
        let twice = head.headers.get_all("x-twice").iter();
        assert!(twice.eq(["1", "2"]));
        assert_eq!(head.extensions.len(), 2);
        assert_eq!(head.extensions.get(), Some(&7_u8));
        let callback = head.extensions.get::<Callback<FriendAdd>>().unwrap();
        assert!(std::ptr::eq(&**callback, &*old));
        let hint = body.size_hint();
        assert_eq!((hint.lower(), hint.upper()), (2, Some(9)));
        assert!(!body.is_end_stream());
        let expected = ["one", "", "two", r#"{"etag": "end"}"#].map(|frame| Ok(frame.to_owned()));
        assert_eq!(frames(body).await, expected);

        let (body, _) = Script::new([data("three"), trailers(), Step::Fail]);
        let response = Response::builder()
            .status(418)
            .version(Version::HTTP_2)
            .header("content-length", "77")
            .extension(7_u8)
            .body(body.size_hint(3, None));
        Ok::<_, Infallible>(response.unwrap())
    });
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    assert_eq!(head.status, 418);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["content-length"], "77");
    assert_eq!(head.extensions.len(), 1);
    assert_eq!(head.extensions.get(), Some(&7_u8));
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (3, None));
    assert!(!body.is_end_stream());
    let expected = [
        Ok("three".to_owned()),
        Ok(r#"{"etag": "end"}"#.to_owned()),
        Err(Broken),
    ];
    assert_eq!(frames(body).await, expected);
    assert!(probe.is_dropped());
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

/// A frame that is not in one piece, as of a body that chains buffers.
fn in_two(text: &[u8]) -> Chain<Bytes, Bytes> {
    let (first, second) = text.split_at(text.len() / 2);
    Bytes::copy_from_slice(first).chain(Bytes::copy_from_slice(second))
}

#[tokio::test]
async fn a_frame_need_not_be_in_one_piece() {
    let packet = chat().body();
    for (limit, expected) in [
        (packet.len(), None),
        (packet.len() - 1, Some(RejectionKind::BodyTooLarge)),
    ] {
        for frames in [1, 2] {
            let (mut sender, body) = Channel::<Chain<Bytes, Bytes>>::new(2);
            for frame in packet.chunks(packet.len().div_ceil(frames)) {
                sender.try_send(Frame::data(in_two(frame))).unwrap();
            }
            drop(sender);
            let request = chat().build::<Bytes>().map(|_| body);
            let received = outcome(&layer().max_body_size(limit), request).await;
            let kind = received.err().map(|rejection| rejection.kind());
            assert_eq!(kind, expected, "{frames}");
        }
    }
    let inner = service_fn(|request: Request<RequestBody<_>>| async {
        let body: RequestBody<Full<Chain<Bytes, Bytes>>> = request.into_body();
        Ok::<_, Infallible>(Response::new(Full::new(in_two(
            &body.collect().await.unwrap().to_bytes(),
        ))))
    });
    let request = Request::get("/").body(Full::new(in_two(b"whole"))).unwrap();
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(text(response).await, "whole");
}
