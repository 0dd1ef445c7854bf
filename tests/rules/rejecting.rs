//! A rejection is an answer that Chat understands, whatever was wrong.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{CallbackResponse, FriendAdd, Packet, Rejection, RequestBody};

use crate::{
    REQUIRED,
    common::{
        OK, SIGN, TIME, fail,
        script::{Script, data},
        signed_layer, text,
        vectors::{Verdict, rejected},
    },
};

async fn should_not_be_called<B>(
    _: Request<RequestBody<B>>,
) -> Result<Response<String>, Infallible> {
    panic!("the inner service was called with a request to be rejected")
}

#[tokio::test]
async fn a_rejection_is_the_fail_envelope_with_status_200() {
    for vector in rejected() {
        let service = vector
            .layer::<FriendAdd>()
            .layer(service_fn(should_not_be_called));
        let response = service.oneshot(vector.build().0).await.unwrap();
        let (head, mut body) = response.into_parts();
        let Verdict::Reject { kind, error_info } = vector.verdict else {
            unreachable!("it is rejected")
        };
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.version, Version::HTTP_11);
        let names = head.headers.keys().filter(|name| *name != "connection");
        assert!(names.eq(["content-type"]));
        assert_eq!(head.headers["content-type"], "application/json");

        let envelope = fail(&error_info);
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(envelope.len() as u64));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), envelope);
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());

        assert_eq!(head.extensions.len(), 1);
        let rejection = head.extensions.get::<Rejection>().unwrap();
        assert_eq!(rejection.kind().as_str(), kind);
        assert_eq!(rejection.to_string(), error_info);
        assert_eq!(rejection.command(), FriendAdd::COMMAND);
        let parsed = serde_json::from_str::<CallbackResponse>(&envelope).unwrap();
        assert_eq!(parsed, rejection.clone().into());
    }
}

#[tokio::test]
async fn a_rejection_repeats_nothing_of_the_request() {
    let own = "CallbackCommand=Sns.CallbackFriendAdd";
    let marked = "contenttype=ECHO&ClientIP=ECHO&OptPlatform=ECHO&Sign=ECHO&RequestTime=ECHO\
                  &RequestId=ECHO&own=ECHO";
    for query in [
        format!("{own}&SdkAppid=ECHO&{marked}"),
        format!("{own}&{marked}&CallbackCommand=ECHO"),
        format!("{REQUIRED}&{marked}"),
        format!("{REQUIRED}&RequestTime={TIME}&Sign=ECHO"),
        format!("{REQUIRED}&RequestTime={TIME}&Sign={SIGN}&own=ECHO"),
    ] {
        let (body, _) = Script::new([data(r#"{"CallbackCommand":"ECHO","ECHO":"ECHO"}"#)]);
        let request = Request::post(format!("/ECHO?{query}"))
            .header("x-echo", "ECHO")
            .body(body)
            .unwrap();
        let service = signed_layer().layer(service_fn(should_not_be_called));
        let response = service.oneshot(request).await.unwrap();
        let shown = format!("{response:?}");
        let body = text(response).await;
        assert!(body.starts_with(r#"{"ActionStatus":"FAIL","#), "{query}");
        assert!(!body.contains("ECHO") && !shown.contains("ECHO"), "{query}");
    }
}

#[tokio::test]
async fn code_and_text_of_an_envelope_are_sent_as_they_are() {
    let long = "why ".repeat(10_000);
    let discard = CallbackResponse::ok().with_error_code(2);
    let told = OK.replace(r#""ErrorInfo":"""#, r#""ErrorInfo":"all is well""#);
    let ok_with_text: CallbackResponse = serde_json::from_str(&told).unwrap();
    for (envelope, expected) in [
        (CallbackResponse::fail(long.clone()), fail(&long)),
        (discard, OK.replace('0', "2")),
        (ok_with_text, told),
    ] {
        let response: Response<Full<Bytes>> = envelope.into();
        assert_eq!(text(response).await, expected);
    }
}
