//! What the layer promises to the services around it and to the body that it reads: who is called
//! when, who holds what, and who wakes whom.

mod common;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
};

use bytes::Bytes;
use http::{
    Request, Response, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT},
};
use http_body::Body;
use http_body_util::Full;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, limit::ConcurrencyLimitLayer};
use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, RejectionKind, RequestBody};
use tower_test::mock;

use common::{
    Counted, chat, kind, layer,
    script::{Broken, Probe, Script, Step, data, trailers},
    stalled,
    vectors::{Vector, rejected},
};

type Handle = mock::Handle<Request<RequestBody<Script>>, Response<&'static str>>;

fn packet() -> Bytes {
    chat().body()
}

/// A callback with this body.
fn callback(body: Script) -> Request<Script> {
    Request::post(chat().uri()).body(body).unwrap()
}

fn complete() -> Request<Script> {
    callback(Script::new([data(packet())]).0)
}

fn pass_through(body: Script) -> Request<Script> {
    Request::post("/?CallbackCommand=State.StateChange")
        .body(body)
        .unwrap()
}

fn visitor() -> Request<Script> {
    pass_through(Script::new([]).0)
}

/// The layer around whatever `inner` makes of a mock.
macro_rules! mocked {
    ($layer:expr) => {
        mocked!($layer, |mock| mock)
    };
    ($layer:expr, $inner:expr) => {{
        let inner = $inner;
        let (service, handle): (_, Handle) =
            mock::spawn_with(|mock| Layer::layer(&$layer, inner(mock)));
        (service, handle)
    }};
}

/// Waits until a service is ready, and calls it.
macro_rules! call {
    ($service:expr, $request:expr) => {{
        assert_ready_ok!($service.poll_ready::<Request<Script>>());
        task::spawn($service.call($request))
    }};
}

fn limited<S>(inner: S) -> tower::limit::ConcurrencyLimit<S> {
    ConcurrencyLimitLayer::new(1).layer(inner)
}

/// Answers the next request that the inner service has got.
macro_rules! answer {
    ($handle:expr) => {{
        let (request, response) = assert_ready!($handle.poll_request()).expect("a request");
        response.send_response(Response::new("inner"));
        request
    }};
}

fn untouched(handle: &mut Handle) {
    assert_pending!(handle.poll_request());
}

fn rejected_by_url() -> impl Iterator<Item = Vector> {
    rejected().filter(Vector::is_rejected_by_url)
}

mod readiness {
    use super::*;

    #[test]
    fn an_unready_inner_service_makes_the_layer_unready() {
        let (mut service, mut handle) = mocked!(layer());
        handle.allow(0);
        assert_pending!(service.poll_ready::<Request<Script>>());
        assert!(!service.is_woken());
        handle.allow(1);
        assert!(service.is_woken());
        let mut response = call!(service, visitor());
        assert_pending!(response.poll());
        answer!(handle);
        assert_eq!(assert_ready_ok!(response.poll()).status(), 200);
    }

    #[test]
    fn a_same_body_layer_is_ready_when_the_inner_service_is() {
        type Whole = Full<Bytes>;
        let (mut service, mut handle): (_, mock::Handle<Request<Whole>, Response<Whole>>) =
            mock::spawn_with(|mock| layer().same_body().layer(mock));
        handle.allow(0);
        assert_pending!(service.poll_ready::<Request<Whole>>());
        handle.allow(1);
        assert_ready_ok!(service.poll_ready::<Request<Whole>>());
        handle.send_error("out of order");
        assert_ready_err!(service.poll_ready::<Request<Whole>>());
    }

    #[test]
    fn a_callback_waits_until_the_inner_service_is_ready_again() {
        let (mut service, mut handle) = mocked!(layer());
        let (request, probe) = stalled();
        let mut response = call!(service, request);
        assert_pending!(response.poll());
        handle.allow(0);

        // The mock panics where it is called before it is ready.
        probe.wake();
        assert_pending!(response.poll());
        assert_pending!(response.poll());
        untouched(&mut handle);

        handle.allow(1);
        assert!(response.is_woken());
        assert_pending!(response.poll());
        answer!(handle);
        assert_eq!(kind(&assert_ready_ok!(response.poll())), None);
    }

    #[test]
    fn an_error_of_poll_ready_after_the_body_comes_through() {
        let (mut service, mut handle) = mocked!(layer());
        let (request, probe) = stalled();
        let mut response = call!(service, request);
        assert_pending!(response.poll());
        handle.send_error("out of order");
        probe.wake();
        let error = assert_ready_err!(response.poll());
        assert_eq!(error.to_string(), "out of order");
        untouched(&mut handle);
    }
}

mod permits {
    use super::*;

    #[test]
    fn a_stalled_upload_holds_none() {
        let (mut service, mut handle) = mocked!(layer(), limited);
        let mut clone = service.clone();

        let (request, probe) = stalled();
        let mut upload = call!(service, request);
        assert_pending!(upload.poll());

        // Through the same handle, through a clone from before, and through one from after.
        for round in 0..3 {
            let handed_out = match round {
                0 => &mut service,
                1 => &mut clone,
                _ => &mut service.clone(),
            };
            assert_ready_ok!(handed_out.poll_ready::<Request<Script>>());
            let mut response = task::spawn(handed_out.call(complete()));
            assert_pending!(response.poll());
            answer!(handle);
            assert_eq!(kind(&assert_ready_ok!(response.poll())), None);
        }

        probe.wake();
        assert_pending!(upload.poll());
        answer!(handle);
        assert_eq!(kind(&assert_ready_ok!(upload.poll())), None);
    }

    #[test]
    fn a_rejection_holds_none() {
        for vector in rejected() {
            let (mut service, mut handle) = mocked!(vector.layer::<FriendAdd>(), limited);
            let mut response = call!(service, vector.build().0);
            if vector.is_rejected_by_url() {
                // Even before it is polled.
                assert_ready_ok!(service.poll_ready::<Request<Script>>());
            }
            let answer = assert_ready_ok!(response.poll());
            assert_eq!(kind(&answer).map(RejectionKind::as_str), vector.kind());
            assert_ready_ok!(service.poll_ready::<Request<Script>>());
            untouched(&mut handle);
        }
    }

    #[test]
    fn the_one_that_was_taken_is_kept_until_the_body_is_pending() {
        let (mut service, mut handle) = mocked!(layer(), limited);
        for (request, keeps) in [(complete(), true), (stalled().0, false)] {
            let mut response = call!(service, request);
            assert_pending!(service.poll_ready::<Request<Script>>());
            assert_pending!(response.poll());
            // The call that was complete has gone through, with the permit.
            let called = handle.poll_request().is_ready();
            assert_eq!(called, keeps);
            drop(response);
            assert!(service.is_woken());
            assert_ready_ok!(service.poll_ready::<Request<Script>>());
            // What was taken just now is given back.
            service = service.clone();
        }
    }
}

mod rejections {
    use super::*;

    /// Whether a rejection by the URL closes the connection, and what was done to the body before.
    fn rejected_with(
        head: http::request::Builder,
        body: (Script, Probe),
    ) -> (task::Spawn<impl Future<Output = Option<bool>>>, Probe) {
        let (script, probe) = body;
        let request = head
            .method("POST")
            .uri("/?CallbackCommand=Sns.CallbackFriendAdd");
        let inner = tower::service_fn(should_not_be_called);
        let mut service = layer().max_body_size(10).layer(inner);
        let response = service.call(request.body(script).unwrap());
        let closes = async {
            let response = response.await.unwrap();
            assert_eq!(kind(&response), Some(RejectionKind::MissingParameter));
            let connection = response.headers().get(CONNECTION);
            connection.map(|value| value == "close")
        };
        (task::spawn(closes), probe)
    }

    async fn should_not_be_called(
        _: Request<RequestBody<Script>>,
    ) -> Result<Response<Bytes>, Broken> {
        panic!("a rejected request has reached the inner service")
    }

    #[test]
    fn by_the_url_reads_the_body_to_its_end_before_it_answers() {
        let is_http_1 = |vector: &Vector| vector.request.headers.is_empty();
        for vector in rejected_by_url().filter(is_http_1) {
            let (mut service, mut handle) = mocked!(vector.layer::<FriendAdd>());
            let (body, probe) =
                Script::new([data("{"), Step::Wait, data(""), data("}"), trailers()]);
            let request = vector.build().0.map(|_| body);
            let mut response = call!(service, request);
            assert_eq!(probe.polls(), 0, "{}", vector.name);
            assert_pending!(response.poll());
            assert!(!response.is_woken());
            probe.wake();
            let response = assert_ready_ok!(response.poll());
            assert!(kind(&response).is_some());
            assert!(!response.headers().contains_key(CONNECTION));
            assert_eq!(probe.polls(), 6, "{}", vector.name);
            untouched(&mut handle);
        }
    }

    #[test]
    fn reads_up_to_the_limit_and_closes_the_connection_past_it() {
        for (frames, polls, closes) in [
            (vec![data("12345"), data("67890")], 3, None),
            (
                vec![data("12345"), data("678901"), data("2")],
                2,
                Some(true),
            ),
            (vec![data("12345678901"), data("2")], 1, Some(true)),
            (vec![data("12345"), Step::Fail], 2, Some(true)),
            (vec![Step::Fail], 1, Some(true)),
        ] {
            let (mut closed, probe) = rejected_with(Request::builder(), Script::new(frames));
            assert_eq!(assert_ready!(closed.poll()), closes);
            assert_eq!(probe.polls(), polls);
        }
    }

    #[test]
    fn reads_nothing_that_is_too_large_held_back_or_on_http_2() {
        let head = Request::builder;
        for (head, polls, closes) in [
            (head().header(CONTENT_LENGTH, "11"), 0, Some(true)),
            (head().header(EXPECT, "100-continue"), 0, Some(true)),
            (head().version(Version::HTTP_10), 2, None),
            (head().version(Version::HTTP_2), 0, None),
        ] {
            let (mut closed, probe) = rejected_with(head, Script::new([data("1")]));
            assert_eq!(assert_ready!(closed.poll()), closes);
            assert_eq!(probe.polls(), polls);
        }
    }

    #[test]
    fn what_is_sent_after_100_continue_is_read_to_its_end() {
        let (body, probe) = Script::new([data(" ".repeat(11)), data("1")]);
        let request = Request::post(chat().uri()).header(EXPECT, "100-continue");
        let inner = tower::service_fn(should_not_be_called);
        let mut service = layer().max_body_size(10).layer(inner);
        let mut response = task::spawn(service.call(request.body(body).unwrap()));
        let response = assert_ready_ok!(response.poll());
        assert_eq!(response.headers().get(CONNECTION), None);
        assert_eq!(probe.polls(), 3);
    }

    #[test]
    fn of_a_body_that_is_announced_too_large_polls_it_zero_times() {
        let with_length = |length: &str, body| {
            let mut request = callback(body);
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, length.parse().unwrap());
            request
        };
        let body = || Script::new([data(packet())]);
        let hinted = |upper| {
            let (body, probe) = body();
            (callback(body.size_hint(1001, upper)), probe)
        };
        let announced = |length, lower| {
            let (body, probe) = body();
            (with_length(length, body.size_hint(lower, None)), probe)
        };
        for (request, probe) in [
            hinted(None),
            hinted(Some(1001)),
            announced("1001", 0),
            announced("1000000000000", 2),
            announced("1", 1001),
        ] {
            let (mut service, mut handle) = mocked!(layer().max_body_size(1000));
            let mut response = call!(service, request);
            let answer = assert_ready_ok!(response.poll());
            assert_eq!(kind(&answer), Some(RejectionKind::BodyTooLarge));
            assert_eq!(answer.headers()[CONNECTION], "close");
            assert_eq!(probe.polls(), 0);
            untouched(&mut handle);
        }
    }
}

/// What comes of a callback whose body plays `script`, with `max_body_size(limit)`: the bytes that
/// the inner service got, or why there are none. Also how often the body was polled.
fn play(limit: usize, script: (Script, Probe)) -> (Result<Bytes, RejectionKind>, usize) {
    let (body, probe) = script;
    let (mut service, mut handle) = mocked!(layer().max_body_size(limit));
    let mut response = call!(service, callback(body));
    loop {
        // Only the body wakes the task, and only it is waited for.
        let polls = probe.polls();
        match response.poll() {
            Poll::Ready(Ok(answer)) => {
                untouched(&mut handle);
                return (Err(kind(&answer).unwrap()), probe.polls());
            }
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending if probe.is_dropped() => break,
            Poll::Pending => {
                assert!(probe.polls() > polls);
                assert!(!response.is_woken());
                probe.wake();
                assert!(response.is_woken());
            }
        }
    }
    let (request, send) = assert_ready!(handle.poll_request()).unwrap();
    assert!(!response.is_woken());
    assert!(request.extensions().get::<Callback<FriendAdd>>().is_some());
    send.send_response(Response::new("inner"));
    assert!(response.is_woken());
    assert_eq!(kind(&assert_ready_ok!(response.poll())), None);
    (Ok(whole(request.into_body())), probe.polls())
}

/// The bytes of a body that was read before: one frame, announced exactly, and the end.
fn whole(body: RequestBody<Script>) -> Bytes {
    let length = body.size_hint().exact().expect("the length is known");
    let mut body = task::spawn(body);
    let mut next = || body.enter(|cx, body| body.poll_frame(cx));
    let frame = assert_ready!(next()).expect("a frame").unwrap();
    assert!(assert_ready!(next()).is_none());
    assert!(assert_ready!(next()).is_none());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    let bytes = frame.into_data().unwrap();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

mod the_body {
    use super::*;

    #[test]
    fn is_dropped_before_the_inner_service_is_called() {
        let (body, probe) = Script::new([data(packet())]);
        let at_call = probe.clone();
        let service = tower::service_fn(move |_: Request<RequestBody<Script>>| {
            assert!(at_call.is_dropped());
            async { Ok::<_, Broken>(Response::<Bytes>::from(CallbackResponse::ok())) }
        });
        let mut response = task::spawn(layer().layer(service).call(callback(body)));
        assert_eq!(kind(&assert_ready_ok!(response.poll())), None);
        assert_eq!(probe.polls(), 2);
    }

    #[test]
    fn may_wait_between_any_two_bytes() {
        let packet = packet();
        let steps = packet.iter().flat_map(|byte| [Step::Wait, data([*byte])]);
        let script = Script::new(steps.chain([Step::Wait]));
        let (outcome, polls) = play(packet.len(), script);
        assert_eq!(outcome, Ok(packet.clone()));
        assert_eq!(polls, 2 * packet.len() + 2);
    }

    #[test]
    fn that_is_pending_clones_the_inner_service_once() {
        let counted = Counted::default();
        let clones = Arc::clone(&counted.0);
        let inner = tower::service_fn(move |_: Request<RequestBody<Script>>| {
            let _ = &counted;
            async { Ok::<_, Broken>(Response::<Bytes>::default()) }
        });
        let (body, probe) = Script::new([Step::Wait, data("{"), Step::Wait, data("}"), Step::Wait]);
        let mut response = task::spawn(layer().layer(inner).call(callback(body)));
        for _ in 0..3 {
            assert_pending!(response.poll());
            probe.wake();
        }
        assert_ready_ok!(response.poll());
        // One has stayed in the layer's service, and one is for this callback.
        assert_eq!(clones.load(Relaxed), 2);
    }

    #[test]
    fn lets_others_have_a_turn_if_its_frames_are_always_there() {
        for step in [data(""), trailers()] {
            let frames = std::iter::repeat_n(step, 3000).chain([data(packet())]);
            let (body, probe) = Script::new(frames);
            let (mut service, mut handle) = mocked!(layer());
            let mut response = call!(service, callback(body));
            for turn in 1.. {
                assert_pending!(response.poll());
                if handle.poll_request().is_ready() {
                    assert!(turn > 3);
                    break;
                }
                assert!(response.is_woken());
                // In one turn at least as many as a mebibyte comes in.
                let polls = probe.polls();
                assert!((64 * turn..1000 * turn).contains(&polls), "{polls}");
            }
            assert_eq!(probe.polls(), 3002);
        }
    }

    #[test]
    fn may_fail_at_any_frame() {
        let packet = packet();
        let frames: Vec<Step> = packet.chunks(10).map(data).collect();
        for at in 0..=frames.len() {
            // What has come may be a whole packet: without its end it is none.
            let steps = frames[..at].iter().cloned().chain([Step::Fail]);
            assert_eq!(
                play(packet.len(), Script::new(steps)),
                (Err(RejectionKind::BodyUnreadable), at + 1)
            );
            let steps = frames[..at].iter().cloned();
            let script = Script::new(steps.chain([Step::Wait, Step::Fail]));
            assert_eq!(
                play(packet.len(), script),
                (Err(RejectionKind::BodyUnreadable), at + 2)
            );
        }
    }

    #[test]
    fn may_come_in_any_frames_and_announce_any_size() {
        const LIMIT: u64 = 1000;
        let packet = packet();
        let size = packet.len() as u64;
        let (first, second) = packet.split_at(20);
        let whole = || Ok(packet.clone());
        let hints = [0, 1, 20, size - 1, size, size + 1, LIMIT];
        let uppers = [None, Some(0), Some(20), Some(size), Some(u64::MAX)];
        for (steps, expected) in [
            (vec![data(first), data(second)], whole()),
            (
                vec![data(""), data(first), data(""), data(second), data("")],
                whole(),
            ),
            (vec![data(&packet), trailers()], whole()),
            (
                vec![trailers(), data(first), trailers(), data(second)],
                whole(),
            ),
            (
                vec![data(&packet), Step::Wait, trailers(), Step::Wait],
                whole(),
            ),
            (
                vec![data(&packet), data(""), data(" ")],
                Ok([&*packet, b" "].concat().into()),
            ),
            (
                vec![data(&packet), data("}")],
                Err(RejectionKind::MalformedPacket),
            ),
            (vec![data("")], Err(RejectionKind::MalformedPacket)),
        ] {
            for (lower, upper) in hints
                .iter()
                .flat_map(|lower| uppers.map(|upper| (lower, upper)))
            {
                for says_end in [false, true] {
                    let (body, probe) = Script::new(steps.clone());
                    let upper = upper.filter(|upper| upper >= lower);
                    let body = body.size_hint(*lower, upper).says_end_of_stream(says_end);
                    let (outcome, polls) = play(LIMIT as usize, (body, probe));
                    assert_eq!((outcome, polls), (expected.clone(), steps.len() + 1));
                }
            }
        }
    }

    #[test]
    fn is_rejected_at_the_first_frame_past_the_limit() {
        for (lower, upper) in [(0, None), (0, Some(0)), (5, Some(5)), (10, Some(10))] {
            // Endless, as far as anybody can tell.
            let frames = std::iter::repeat_n(data("1234"), 1000);
            let (body, probe) = Script::new(frames);
            let script = (body.size_hint(lower, upper), probe);
            // Three frames are too many, and of three more the last one is not dropped in silence.
            assert_eq!(play(10, script), (Err(RejectionKind::BodyTooLarge), 6));
        }
    }
}
