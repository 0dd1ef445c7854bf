//! The inner service gets the same request, and its answer is the same response. A callback is in the
//! extensions, and its body can be read again.

use std::{convert::Infallible, fmt::Debug, time::Duration};

use bytes::{Buf, Bytes, buf::Chain};
use http::{Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Channel, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    Callback, CallbackRouter, FriendAdd, Platform, RejectionKind, RequestBody,
};

use crate::{
    common::{
        APP_ID, TOKEN, chat, layer, now,
        script::{Broken, Script, Step, data, trailers},
        text, token,
    },
    outcome,
};

/// What the inner service got.
#[derive(Clone, Debug)]
struct Seen {
    head: String,
    extension: Option<u8>,
    callback: Option<Callback<FriendAdd>>,
    hint: SizeHint,
    frames: Vec<Result<String, Broken>>,
}

/// Answers with what it got, and with everything that a response can have.
async fn inner<B>(request: Request<B>) -> Result<Response<Script>, Infallible>
where
    B: Body<Data = Bytes, Error = Broken>,
{
    let (head, body) = request.into_parts();
    let seen = Seen {
        head: format!("{head:?}"),
        extension: head.extensions.get().copied(),
        callback: head.extensions.get().cloned(),
        hint: body.size_hint(),
        frames: frames(body).await,
    };
    let (body, _) = Script::new([data("three"), trailers(), Step::Fail]);
    let response = Response::builder()
        .status(418)
        .version(Version::HTTP_2)
        .header("content-length", "77")
        .header("connection", "upgrade")
        .header("set-cookie", "a=b")
        .header("set-cookie", "c=d")
        .extension(seen);
    Ok(response.body(body.size_hint(3, Some(8))).unwrap())
}

/// The frames of a body: its data, and its trailers by their debug form.
async fn frames<B: Body<Data = Bytes>>(body: B) -> Vec<Result<String, B::Error>> {
    let mut body = std::pin::pin!(body);
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.map(|frame: Frame<Bytes>| match frame.into_data() {
            Ok(data) => String::from_utf8(data.into()).unwrap(),
            Err(frame) => format!("{:?}", frame.trailers_ref().unwrap()),
        }));
        if frames.last().is_some_and(Result::is_err) {
            break;
        }
    }
    frames
}

/// Sends a request with everything that one can have, and returns what the inner service got.
async fn send<S, B>(service: S, body: Script) -> Seen
where
    S: Service<Request<Script>, Response = Response<B>, Error: Debug>,
    B: Body<Data = Bytes, Error = Broken>,
{
    let request =
        Request::post("https://example.com/im%20callback?CallbackCommand=Sns%2EOther&own=%20+b&&")
            .version(Version::HTTP_10)
            .header("content-type", "text/xml")
            .header("expect", "100-continue")
            .header("transfer-encoding", "chunked")
            .header("connection", "keep-alive")
            .header("x-twice", "1")
            .header("x-twice", "2")
            .extension(7_u8)
            // Even a callback that something else has put there.
            .extension(chat().pair("carol", "dave").callback::<FriendAdd>());
    let (head, body) = request.body(body).unwrap().into_parts();
    let sent = format!("{head:?}");
    let request = Request::from_parts(head, body);
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let seen = head.extensions.get::<Seen>().unwrap().clone();
    assert_eq!(seen.head, sent);
    assert_eq!(seen.extension, Some(7));

    assert_eq!(head.status, 418);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.headers.len(), 4);
    assert_eq!(head.headers["content-length"], "77");
    assert_eq!(head.headers["connection"], "upgrade");
    assert_eq!(head.extensions.len(), 1);
    let hint = body.size_hint();
    assert_eq!((hint.lower(), hint.upper()), (3, Some(8)));
    assert!(!body.is_end_stream());
    let [three, end] = ["three", r#"{"etag": "end"}"#].map(|frame| Ok(frame.to_owned()));
    assert_eq!(frames(body).await, [three, end, Err(Broken)]);
    seen
}

#[tokio::test]
async fn what_passes_is_untouched() {
    let steps = || [data("one"), data(""), data("two"), trailers(), Step::Fail];
    let body = || Script::new(steps()).0.size_hint(2, Some(9));
    let router = CallbackRouter::new(APP_ID)
        .max_body_size(0)
        .route::<FriendAdd>(service_fn(inner))
        .fallback(service_fn(inner));
    for seen in [
        send(layer().layer(service_fn(inner)), body()).await,
        send(router, body()).await,
    ] {
        assert_eq!(seen.callback.unwrap().pair_list.len(), 2);
        assert_eq!((seen.hint.lower(), seen.hint.upper()), (2, Some(9)));
        let frames = ["one", "", "two", r#"{"etag": "end"}"#].map(|frame| Ok(frame.to_owned()));
        assert_eq!(seen.frames[..4], frames);
        assert_eq!(seen.frames[4..], [Err(Broken)]);
    }
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
    let inner = service_fn(
        |request: Request<RequestBody<Full<Chain<Bytes, Bytes>>>>| async {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Full::new(in_two(&body))))
        },
    );
    let request = Request::get("/").body(Full::new(in_two(b"whole"))).unwrap();
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(text(response).await, "whole");
}

#[test]
fn a_request_for_tests_has_its_path_and_the_whole_query() {
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
