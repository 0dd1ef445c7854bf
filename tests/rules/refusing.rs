//! A refusal is an answer that Chat understands, whatever was wrong.

use std::convert::Infallible;

use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    CallbackResponse, Rejection,
    RejectionKind::{
        self, BodyTooLarge, BodyUnreadable, CommandMismatch, DuplicateParameter, MalformedPacket,
        MethodNotAllowed, MissingParameter, SdkAppIdMismatch, SignMismatch, StaleRequestTime,
        UnsupportedContentType,
    },
    RequestBody,
};

use crate::{
    PACKET, REQUIRED, SIGN, TIME,
    common::{fail, text},
    script::Script,
    signed_layer,
};

async fn should_not_be_called(
    _: Request<RequestBody<Script<'static>>>,
) -> Result<Response<String>, Infallible> {
    panic!("the inner service was called with what was to be refused")
}

fn signed() -> String {
    format!("{REQUIRED}&Sign={SIGN}&RequestTime={TIME}")
}

/// Every way to be refused: the request, the rule that it breaks, and the text that Chat gets.
fn refused() -> Vec<(Request<Script<'static>>, RejectionKind, String)> {
    let post = |query: &str, body| Request::post(format!("/?{query}")).body(body).unwrap();
    let mut refused = Vec::new();
    let mut refuse = |request, kind, text: &str| refused.push((request, kind, text.to_owned()));

    let mut get = post(&signed(), Script::new());
    *get.method_mut() = Method::GET;
    refuse(get, MethodNotAllowed, "the method is not POST");

    let own = "CallbackCommand=Sns.CallbackFriendAdd";
    let untimed = format!("{REQUIRED}&Sign={SIGN}");
    let unsigned = format!("{REQUIRED}&RequestTime={TIME}");
    for (query, name) in [
        (own, "SdkAppid"),
        (&*untimed, "RequestTime"),
        (&*unsigned, "Sign"),
    ] {
        let text = format!("the {name} parameter is missing");
        refuse(post(query, Script::new()), MissingParameter, &text);
    }
    for (name, second) in [
        ("CallbackCommand", "CallbackCommand="),
        ("SdkAppid", "SdkAppid="),
        ("contenttype", "contenttype=&contenttype="),
        ("ClientIP", "ClientIP=&ClientIP="),
        ("OptPlatform", "OptPlatform=&OptPlatform="),
        ("Sign", "Sign="),
        ("RequestTime", "RequestTime="),
    ] {
        let query = format!("{}&{second}", signed());
        let text = format!("the {name} parameter is given more than once");
        refuse(post(&query, Script::new()), DuplicateParameter, &text);
    }
    for (query, kind, text) in [
        (
            format!("{own}&SdkAppid=1400000001"),
            SdkAppIdMismatch,
            "the SdkAppid parameter does not match this app",
        ),
        (
            format!("{}&contenttype=xml", signed()),
            UnsupportedContentType,
            "the contenttype parameter is not json",
        ),
        (
            format!(
                "{REQUIRED}&Sign={}&RequestTime=1",
                crate::token(crate::TOKEN).sign(1)
            ),
            StaleRequestTime,
            "the RequestTime parameter is too far from now",
        ),
        (
            format!("{unsigned}&Sign=0"),
            SignMismatch,
            "the Sign parameter does not match",
        ),
    ] {
        refuse(post(&query, Script::new()), kind, text);
    }
    for (body, kind, text) in [
        (
            Script::new().size_hint(u64::MAX, None),
            BodyTooLarge,
            "the body is too large",
        ),
        (
            Script::new().data(PACKET).data(" ".repeat(1024 * 1024)),
            BodyTooLarge,
            "the body is too large",
        ),
        (
            Script::new().data(PACKET).error("broken"),
            BodyUnreadable,
            "the body can't be read",
        ),
        (
            Script::new(),
            MalformedPacket,
            "the body is not a packet of this webhook",
        ),
        (
            Script::new().data(r#"{"CallbackCommand":"Other"}"#),
            CommandMismatch,
            "the CallbackCommand of the body differs from the URL's",
        ),
    ] {
        refuse(post(&signed(), body), kind, text);
    }
    refused
}

#[test]
fn every_kind_of_rejection_is_in_the_table() {
    let refused = refused();
    for kind in [
        MethodNotAllowed,
        MissingParameter,
        DuplicateParameter,
        SdkAppIdMismatch,
        UnsupportedContentType,
        StaleRequestTime,
        SignMismatch,
        BodyTooLarge,
        BodyUnreadable,
        MalformedPacket,
        CommandMismatch,
    ] {
        assert!(refused.iter().any(|row| row.1 == kind), "{kind:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_the_fail_envelope_with_status_200() {
    for (request, kind, text) in refused() {
        let service = signed_layer().layer(service_fn(should_not_be_called));
        let response = service.oneshot(request).await.unwrap();
        let (head, mut body) = response.into_parts();

        assert_eq!(head.status, StatusCode::OK, "{text}");
        assert_eq!(head.version, Version::HTTP_11, "{text}");
        let at_its_end = matches!(kind, MalformedPacket | CommandMismatch);
        assert_eq!(head.headers.len(), if at_its_end { 1 } else { 2 }, "{text}");
        let close = head.headers.get("connection");
        assert_eq!(close.is_none_or(|close| close == "close"), true, "{text}");
        assert_eq!(head.headers["content-type"], "application/json");

        let envelope = fail(&text);
        assert!(!body.is_end_stream(), "{text}");
        assert_eq!(body.size_hint().exact(), Some(envelope.len() as u64));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), envelope);
        assert!(body.frame().await.is_none(), "{text}");
        assert!(body.is_end_stream(), "{text}");
        assert_eq!(
            serde_json::from_str::<CallbackResponse>(&envelope).unwrap(),
            CallbackResponse::fail(text.clone())
        );

        let rejection = head.extensions.get::<Rejection>().expect(&text);
        assert_eq!(rejection.kind(), kind);
        assert_eq!(rejection.to_string(), text);
        assert_eq!(head.extensions.len(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_the_request() {
    let marked = "SdkAppid=ECHO&contenttype=ECHO&ClientIP=ECHO&OptPlatform=ECHO&Sign=ECHO\
                  &RequestTime=ECHO&RequestId=ECHO&own=ECHO";
    let (app, rest) = marked.split_once('&').unwrap();
    let own = "CallbackCommand=Sns.CallbackFriendAdd";
    for query in [
        format!("{own}&{marked}"),
        format!("{own}&{marked}&CallbackCommand=ECHO"),
        format!("{REQUIRED}&{rest}"),
        format!("{own}&{app}"),
        format!("{REQUIRED}&RequestTime=ECHO&Sign=ECHO"),
        format!("{REQUIRED}&RequestTime={TIME}&Sign=ECHO"),
        format!("{}&own=ECHO", signed()),
    ] {
        let body = Script::new().data(r#"{"CallbackCommand":"ECHO","ECHO":"ECHO"}"#);
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
