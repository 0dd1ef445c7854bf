//! One request for each way to be refused, with all that is said of it.

use http::{Method, Request};
use tower_tencent_chat::{
    FriendAdd, FriendAddLayer, Packet,
    RejectionKind::{self, *},
    test_util::CallbackRequest,
};

use super::{
    APP_ID, SIGN, TIME, TOKEN, at, chat, now,
    script::{Probe, Script, Step, data},
    signed, token,
};

/// The size of the largest body that [`layer`] reads.
pub(crate) const LIMIT: usize = 1000;

/// The layer that refuses them.
pub(crate) fn layer() -> FriendAddLayer {
    let layer = FriendAddLayer::new(APP_ID).token(token(TOKEN)).clock(now);
    layer.max_body_size(LIMIT)
}

pub(crate) struct Refused {
    pub(crate) kind: RejectionKind,
    /// What Chat is told.
    pub(crate) error_info: &'static str,
    /// What else the log says, and `Debug` of the rejection.
    pub(crate) detail: Option<&'static str>,
    head: Request<()>,
    body: Vec<Step>,
    announced: u64,
}

impl Refused {
    pub(crate) fn request(&self) -> (Request<Script>, Probe) {
        let (body, probe) = Script::new(self.body.iter().cloned());
        let body = body.size_hint(self.announced, None);
        (self.head.clone().map(|()| body), probe)
    }

    /// Whether the URL is enough to know, so that nothing is read.
    pub(crate) fn by_url(&self) -> bool {
        !matches!(
            self.kind,
            BodyTooLarge | BodyUnreadable | MalformedPacket | CommandMismatch
        )
    }

    /// Whether the body is read to its end.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.kind, MalformedPacket | CommandMismatch)
    }
}

/// Every row of the table; each kind of rejection is there.
pub(crate) fn refused() -> Vec<Refused> {
    [by_url(), by_body()].into_iter().flatten().collect()
}

fn by_url() -> Vec<Refused> {
    let row = |kind, error_info, request: CallbackRequest| Refused {
        kind,
        error_info,
        detail: None,
        head: request.build::<bytes::Bytes>().map(drop),
        body: vec![data(chat().body())],
        announced: 0,
    };
    let with_detail = |row, detail| Refused {
        detail: Some(detail),
        ..row
    };
    let app = |id| {
        let error_info = "the SdkAppid parameter does not match this app";
        row(SdkAppIdMismatch, error_info, signed().query("SdkAppid", id))
    };
    let stale = |time: &str, request| {
        let error_info = "the RequestTime parameter is too far from now";
        let row = row(StaleRequestTime, error_info, request);
        assert!(row.head.uri().query().unwrap().contains(time));
        row
    };
    // The parameter is left out by giving it another name.
    let without = |name: &str, kind, error_info| {
        let mut row = row(kind, error_info, signed());
        let uri = row.head.uri().to_string();
        let uri = uri.replace(&format!("{name}="), &format!("own{name}="));
        *row.head.uri_mut() = uri.parse().unwrap();
        row
    };
    let twice = |name: &str, error_info| {
        let mut row = row(DuplicateParameter, error_info, signed());
        let uri = format!("{}&{name}=", row.head.uri());
        *row.head.uri_mut() = uri.parse().unwrap();
        row
    };
    let mut get = row(MethodNotAllowed, "the method is not POST", signed());
    *get.head.method_mut() = Method::GET;
    let missing = MissingParameter;
    vec![
        get,
        twice(
            "CallbackCommand",
            "the CallbackCommand parameter is given more than once",
        ),
        twice("SdkAppid", "the SdkAppid parameter is given more than once"),
        twice(
            "contenttype",
            "the contenttype parameter is given more than once",
        ),
        twice("ClientIP", "the ClientIP parameter is given more than once"),
        twice(
            "OptPlatform",
            "the OptPlatform parameter is given more than once",
        ),
        twice("Sign", "the Sign parameter is given more than once"),
        twice(
            "RequestTime",
            "the RequestTime parameter is given more than once",
        ),
        without("SdkAppid", missing, "the SdkAppid parameter is missing"),
        without("Sign", missing, "the Sign parameter is missing"),
        without(
            "RequestTime",
            missing,
            "the RequestTime parameter is missing",
        ),
        with_detail(app("7"), "SdkAppid is 7"),
        with_detail(app("1400000000x"), "SdkAppid is not a number"),
        row(
            UnsupportedContentType,
            "the contenttype parameter is not json",
            signed().query("contenttype", "xml"),
        ),
        with_detail(
            stale("811", chat().signed(&token(TOKEN), at(TIME - 301))),
            "RequestTime is 301 s behind",
        ),
        with_detail(
            stale("173", chat().signed(&token(TOKEN), at(TIME + 61))),
            "RequestTime is 61 s ahead",
        ),
        with_detail(
            stale("112000", chat().signed(&token(TOKEN), at(TIME * 1000))),
            "RequestTime is not in Unix seconds",
        ),
        row(
            SignMismatch,
            "the Sign parameter does not match",
            signed().query("Sign", &SIGN.replace("061", "062")),
        ),
    ]
}

fn by_body() -> Vec<Refused> {
    let row = |kind, error_info, detail, body| Refused {
        kind,
        error_info,
        detail,
        head: signed().build::<bytes::Bytes>().map(drop),
        body,
        announced: 0,
    };
    let too_large = |body| row(BodyTooLarge, "the body is too large", None, body);
    let unreadable = |body| row(BodyUnreadable, "the body can't be read", None, body);
    let malformed = |body: &str, detail| {
        let error_info = "the body is not a packet of this webhook";
        row(MalformedPacket, error_info, Some(detail), vec![data(body)])
    };
    let command = FriendAdd::COMMAND;
    let other = r#"{"CallbackCommand":"Sns.CallbackFriendDelete","PairList":[]}"#;

    let mut by_length = too_large(vec![data("{}")]);
    let length = "1000000000000".parse().unwrap();
    by_length
        .head
        .headers_mut()
        .insert("content-length", length);
    let mut by_hint = too_large(vec![data("{}")]);
    by_hint.announced = LIMIT as u64 + 1;
    vec![
        by_length,
        by_hint,
        too_large(vec![data([b' '; LIMIT]), data(" "), data("{}")]),
        unreadable(vec![Step::Fail]),
        unreadable(vec![data(chat().body()), Step::Fail]),
        malformed("", "Eof error at line 1 column 0"),
        malformed(
            "{}",
            "missing field PairList: Data error at line 1 column 2",
        ),
        malformed(
            &format!("{{\"CallbackCommand\":\"{command}\",\n\"PairList\":[[]]}}"),
            "Data error at line 2 column 12",
        ),
        malformed(
            &format!(r#"{{"CallbackCommand":"{command}","PairList":[}}"#),
            "Syntax error at line 1 column 56",
        ),
        row(
            CommandMismatch,
            "the CallbackCommand of the body differs from the URL's",
            None,
            vec![data(other)],
        ),
    ]
}
