//! A refusal is an answer that Chat understands, whatever was wrong.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{CallbackResponse, Rejection, RequestBody};

use crate::{
    PACKET, REQUIRED,
    common::{
        OK, SIGN, TIME, fail, kind,
        refused::{self, refused},
        script::{Script, Step, data},
        signed, text,
    },
};

async fn should_not_be_called<B>(
    _: Request<RequestBody<B>>,
) -> Result<Response<String>, Infallible> {
    panic!("the inner service was called with what was to be refused")
}

#[tokio::test]
async fn a_refusal_is_the_fail_envelope_with_status_200() {
    for row in refused() {
        let service = refused::layer().layer(service_fn(should_not_be_called));
        let response = service.oneshot(row.request().0).await.unwrap();
        let (head, mut body) = response.into_parts();
        let text = row.error_info;

        assert_eq!(head.status, StatusCode::OK, "{text}");
        assert_eq!(head.version, Version::HTTP_11, "{text}");
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        if !row.is_read() {
            headers.insert("connection", "close".parse().unwrap());
        }
        assert_eq!(head.headers, headers, "{text}");

        let envelope = fail(text);
        assert!(!body.is_end_stream(), "{text}");
        assert_eq!(body.size_hint().exact(), Some(envelope.len() as u64));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), envelope);
        assert!(body.frame().await.is_none(), "{text}");
        assert!(body.is_end_stream(), "{text}");

        let rejection = head.extensions.get::<Rejection>().expect(text);
        assert_eq!(rejection.kind(), row.kind);
        assert_eq!(rejection.to_string(), text);
        let detail = row.detail.map(|detail| format!(", {detail}"));
        let debug = format!("Rejection({:?}{})", row.kind, detail.unwrap_or_default());
        assert_eq!(format!("{rejection:?}"), debug);
        assert_eq!(head.extensions.len(), 1, "{text}");
        let parsed = serde_json::from_str::<CallbackResponse>(&envelope).unwrap();
        assert_eq!(parsed, rejection.clone().into());
    }
}

#[tokio::test]
async fn a_refusal_closes_the_connection_only_on_http_1_and_only_if_the_body_is_not_at_its_end() {
    let forged = || vec![data(PACKET)];
    let cut_off = || vec![Step::Fail];
    for (version, is_end_stream, sign, body, closes) in [
        (Version::HTTP_09, false, "0", forged(), true),
        (Version::HTTP_10, false, "0", forged(), true),
        (Version::HTTP_11, false, "0", forged(), true),
        (Version::HTTP_11, true, "0", vec![], false),
        (Version::HTTP_2, false, "0", forged(), false),
        (Version::HTTP_3, false, "0", forged(), false),
        (Version::HTTP_11, false, SIGN, cut_off(), true),
        (Version::HTTP_11, false, SIGN, vec![data("{}")], false),
        (Version::HTTP_2, false, SIGN, cut_off(), false),
    ] {
        let (body, _) = Script::new(body);
        let body = body.says_end_of_stream(is_end_stream);
        let uri = signed().query("Sign", sign).uri();
        let request = Request::post(uri).version(version).body(body);
        let service = refused::layer().layer(service_fn(should_not_be_called));
        let response = service.oneshot(request.unwrap()).await.unwrap();
        assert!(kind(&response).is_some());
        let close = response.headers().get("connection");
        assert_eq!(
            close.is_some_and(|value| value == "close"),
            closes,
            "{version:?} {sign}"
        );
    }
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_the_request() {
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
        let service = refused::layer().layer(service_fn(should_not_be_called));
        let response = service.oneshot(request).await.unwrap();
        let shown = format!("{response:?}");
        let body = text(response).await;
        assert!(body.starts_with(r#"{"ActionStatus":"FAIL","#), "{query}");
        assert!(!body.contains("ECHO") && !shown.contains("ECHO"), "{query}");
    }
}

#[tokio::test]
async fn code_and_text_of_an_envelope_are_told_as_they_are() {
    let long = "why ".repeat(10_000);
    let discard = CallbackResponse::ok().with_error_code(2);
    for (envelope, expected) in [
        (CallbackResponse::fail(long.clone()), fail(&long)),
        (discard, OK.replace("0", "2")),
    ] {
        let response: Response<Full<Bytes>> = envelope.into();
        assert_eq!(text(response).await, expected);
    }
}
