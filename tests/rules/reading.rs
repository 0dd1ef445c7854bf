//! Of the body is read as much as the limit allows, whatever the sender says of its size.

use std::{convert::Infallible, future::ready, rc::Rc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    CallbackResponse,
    RejectionKind::{self, BodyTooLarge, BodyUnreadable, MalformedPacket},
    RequestBody,
};

use crate::{PACKET, REQUIRED, broken, layer, script::Script};

const LIMIT: usize = PACKET.len();

fn callback<'a>(body: Script<'a>, content_length: Option<&str>) -> Request<Script<'a>> {
    let mut request = Request::post(format!("/?{REQUIRED}")).body(body).unwrap();
    if let Some(length) = content_length {
        let length = length.parse().unwrap();
        request.headers_mut().insert("content-length", length);
    }
    request
}

/// The packet and so many spaces, in frames of so many bytes.
fn packet_in_frames(spaces: usize, frame: usize) -> Script<'static> {
    let packet = format!("{PACKET}{}", " ".repeat(spaces));
    let pieces = packet.as_bytes().chunks(frame);
    pieces.fold(Script::new(), |body, piece| {
        body.data(str::from_utf8(piece).unwrap())
    })
}

async fn kind(request: Request<Script<'_>>) -> Option<RejectionKind> {
    let layer = layer().max_body_size(LIMIT);
    broken(&layer, request).await.map(|(kind, _)| kind)
}

#[tokio::test]
async fn the_limit_is_inclusive_however_the_body_comes() {
    for frame in [1, 2, 7, LIMIT - 1, LIMIT, LIMIT + 1] {
        let fits = LIMIT.to_string();
        let exceeds = (LIMIT + 1).to_string();
        for (spaces, content_length, expected) in [
            (0, None, None),
            (0, Some(&*fits), None),
            (1, None, Some(BodyTooLarge)),
            (1, Some(&*exceeds), Some(BodyTooLarge)),
            // Who announces less is not believed.
            (1, Some(&*fits), Some(BodyTooLarge)),
            (1, Some("0"), Some(BodyTooLarge)),
            (LIMIT * 3, None, Some(BodyTooLarge)),
        ] {
            let request = callback(packet_in_frames(spaces, frame), content_length);
            let case = format!("{frame} {spaces} {content_length:?}");
            assert_eq!(kind(request).await, expected, "{case}");
        }
    }
}

#[tokio::test]
async fn the_limit_is_one_mebibyte_where_nothing_is_set() {
    for (size, expected) in [(1024 * 1024, None), (1024 * 1024 + 1, Some(BodyTooLarge))] {
        let packet = PACKET.to_owned() + &" ".repeat(size - PACKET.len());
        for body in [
            Script::new().data(&packet),
            Script::new().data(&packet).size_hint(size as u64, None),
        ] {
            let broken = broken(&layer(), callback(body, None)).await;
            assert_eq!(broken.map(|(kind, _)| kind), expected, "{size}");
        }
    }
}

#[tokio::test]
async fn a_body_announced_over_the_limit_is_refused_without_a_poll() {
    let limit = LIMIT as u64;
    for (content_length, lower, expected) in [
        (None, limit, None),
        (Some(limit), 0, None),
        (Some(limit), limit, None),
        (None, limit + 1, Some(BodyTooLarge)),
        (None, u64::MAX, Some(BodyTooLarge)),
        (Some(limit + 1), 0, Some(BodyTooLarge)),
        (Some(u64::MAX), 0, Some(BodyTooLarge)),
        (Some(limit), limit + 1, Some(BodyTooLarge)),
        (Some(limit + 1), limit, Some(BodyTooLarge)),
    ] {
        let body = Script::new().data(PACKET).size_hint(lower, None);
        let polled = body.polled();
        let content_length = content_length.map(|length| length.to_string());
        let kind = kind(callback(body, content_length.as_deref())).await;
        let case = format!("{content_length:?} {lower}");
        assert_eq!(kind, expected, "{case}");
        assert_eq!(polled.get() == 0, expected.is_some(), "{case}");
    }
}

#[tokio::test]
async fn an_upper_bound_over_the_limit_announces_nothing() {
    for upper in [LIMIT as u64 + 1, u64::MAX] {
        let body = Script::new().data(PACKET).size_hint(0, Some(upper));
        assert_eq!(kind(callback(body, None)).await, None, "{upper}");
    }
}

#[tokio::test]
async fn a_content_length_that_is_no_number_announces_nothing() {
    for content_length in ["", "junk", "-1", "1e9", "\u{e9}"] {
        let request = callback(packet_in_frames(0, 7), Some(content_length));
        assert_eq!(kind(request).await, None, "{content_length}");
    }
}

#[tokio::test]
async fn reading_stops_at_the_frame_that_passes_the_limit() {
    let body = Script::new()
        .data(&PACKET[..10])
        .data(&PACKET[10..])
        .data(" ")
        .data("should not be read");
    let polled = body.polled();
    assert_eq!(kind(callback(body, None)).await, Some(BodyTooLarge));
    assert_eq!(polled.get(), 3);
}

#[tokio::test]
async fn a_body_ends_where_it_says_so_and_nowhere_else() {
    let (start, end) = PACKET.split_at(20);
    for body in [
        Script::new().data("").data(PACKET),
        Script::new().data(PACKET).data(""),
        Script::new().data(start).data("").data("").data(end),
        Script::new().data(PACKET).trailer("x-sum", "1"),
        Script::new().data(start).trailer("x-sum", "1").data(end),
    ] {
        assert_eq!(kind(callback(body, None)).await, None);
    }
}

#[tokio::test]
async fn a_limit_of_nothing_lets_an_empty_body_be_read() {
    let layer = layer().max_body_size(0);
    for (body, expected) in [
        (Script::new(), MalformedPacket),
        (Script::new().data(""), MalformedPacket),
        (Script::new().data("{"), BodyTooLarge),
    ] {
        let broken = broken(&layer, callback(body, None)).await;
        assert_eq!(broken.map(|(kind, _)| kind), Some(expected));
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_no_packet_even_where_it_looks_whole() {
    for body in [
        Script::new().error("broken"),
        Script::new().data(&PACKET[..20]).error("broken"),
        Script::new().data(PACKET).error("broken"),
        Script::new().data(PACKET).error("broken").data(" "),
        Script::new().data("junk").error("broken"),
    ] {
        let kind = kind(callback(body, None)).await;
        assert_eq!(kind, Some(BodyUnreadable));
    }
}

#[tokio::test]
async fn the_original_body_is_gone_when_the_inner_service_is_called() {
    let body = Script::new().data(PACKET);
    let polled = body.polled();
    let inner = service_fn(|_: Request<RequestBody<Script<'static>>>| {
        assert_eq!(Rc::strong_count(&polled), 1);
        ready(Ok::<Response<Full<Bytes>>, Infallible>(
            CallbackResponse::ok().into(),
        ))
    });
    let response = layer().layer(inner).oneshot(callback(body, None)).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(polled.get(), 2);
}
