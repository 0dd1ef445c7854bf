//! Requests that break a rule, each with secrets where they could be repeated from.

use std::sync::LazyLock;

use http::Request;
use tower_tencent_chat::RejectionKind::{self, *};

use crate::{
    BODY, LATE, LIMIT, NOW, Refusable, SPARE_TOKEN, TOKEN, at, callback, forgery, json, packet,
    script::Script, signature, token,
};

const ONCE: &str = "CallbackCommand SdkAppid contenttype ClientIP OptPlatform Sign RequestTime";

type Body = Script<'static>;
type Refused = (RejectionKind, Refusable);

/// Every way to break a rule.
pub(crate) fn refused() -> Vec<Refused> {
    let parameters = [TOKEN, SPARE_TOKEN, BODY, &forgery()].map(parameters);
    let tables = parameters
        .into_iter()
        .chain([methods(), signatures(), bodies()]);
    tables.flatten().collect()
}

fn post(uri: &str, body: Body) -> Refusable {
    let request = Request::post(uri).header("own", TOKEN);
    request.header(BODY, SPARE_TOKEN).body(body).unwrap()
}

fn whole(body: &str) -> Body {
    Script::new().data(body)
}

fn signed(sign: &str) -> String {
    callback().query("Sign", sign).uri().to_string()
}

fn methods() -> Vec<Refused> {
    let request = |method: &str| {
        let mut request = post(&signed(&signature()), whole(&packet()));
        *request.method_mut() = method.parse().unwrap();
        (MethodNotAllowed, request)
    };
    ["GET", "PUT", TOKEN, BODY].map(request).into()
}

fn parameters(secret: &str) -> Vec<Refused> {
    // Where a request is verified these two are recorded as they came, so they are here alone.
    let callback = callback().query("OptPlatform", secret);
    let callback = callback.query("RequestId", secret);
    let right = callback.uri().to_string();
    let mut table = Vec::new();
    let mut refuse = |kind, uri: &str| table.push((kind, post(uri, whole(&packet()))));
    for (kind, name) in [
        (SdkAppIdMismatch, "SdkAppid"),
        (UnsupportedContentType, "contenttype"),
        (StaleRequestTime, "RequestTime"),
        (SignMismatch, "Sign"),
    ] {
        let wrong = callback.clone().query(name, secret);
        refuse(kind, &wrong.uri().to_string());
    }
    for name in ["SdkAppid", "RequestTime", "Sign"] {
        refuse(MissingParameter, &right.replace(name, "own"));
    }
    for name in ONCE.split(' ') {
        refuse(DuplicateParameter, &format!("{right}&{name}={secret}"));
    }
    table
}

/// Signatures that are nearly right, or right at another time.
fn signatures() -> Vec<Refused> {
    let right = signature();
    let flipped = |at: usize| {
        let digit = if &right[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &right[..at], &right[at + 1..])
    };
    let near = [
        &right[..63],
        &format!("{right}0"),
        &format!("{right}\0"),
        &format!("{}g", &right[..63]),
        &flipped(0),
        &flipped(63).to_uppercase(),
        &token(TOKEN).sign(LATE),
        &token(SPARE_TOKEN).sign(LATE),
    ];
    let padded = callback().query("RequestTime", &format!("0{NOW}"));
    let late = callback().signed(&token(TOKEN), at(LATE));
    let mut table = Vec::from(near.map(|sign| (SignMismatch, signed(sign))));
    table.push((SignMismatch, padded.uri().to_string()));
    table.push((StaleRequestTime, late.uri().to_string()));
    let request = |(kind, uri): (_, String)| (kind, post(&uri, whole(&packet())));
    table.into_iter().map(request).collect()
}

/// Signed requests, in each spelling of the signature and by each token.
fn bodies() -> Vec<Refused> {
    let right = signature();
    let spellings = [
        signed(&right),
        signed(&right.to_uppercase()),
        signed(&right).replace(&right, &right.replace('7', "%37")),
        signed(&token(SPARE_TOKEN).sign(NOW)),
    ];
    let mut table = Vec::new();
    for uri in &spellings {
        let scripts = scripts().into_iter();
        table.extend(scripts.map(|(kind, body)| (kind, post(uri, body))));
        let templates = templates().into_iter();
        table.extend(templates.map(|(kind, body)| (kind, post(uri, whole(&json(body))))));
    }
    let mut announced = post(&spellings[0], whole(&packet()));
    let headers = announced.headers_mut();
    headers.insert("content-length", (LIMIT + 1).into());
    table.push((BodyTooLarge, announced));
    table
}

/// Bodies that are too large, or no text, or break with an error that tells everything.
fn scripts() -> [(RejectionKind, Body); 7] {
    static TELLTALE: LazyLock<String> =
        LazyLock::new(|| format!("{BODY} {TOKEN} {} {}", signature(), forgery()));

    let large = BODY.repeat(LIMIT / BODY.len() + 1);
    let (half, rest) = large.split_at(LIMIT / 2);
    let announced = whole(&packet()).size_hint(LIMIT as u64 + 1, None);
    [
        (BodyTooLarge, announced),
        (BodyTooLarge, whole(&large)),
        (BodyTooLarge, whole(half).data(rest)),
        (
            MalformedPacket,
            Script::new().data([BODY.as_bytes(), b"\xff"].concat()),
        ),
        (BodyUnreadable, Script::new().error(&TELLTALE)),
        (BodyUnreadable, whole(&packet()).error(&TELLTALE)),
        (BodyUnreadable, whole(half).data(BODY).error(&TELLTALE)),
    ]
}

/// Packets that are none, for [`json`].
fn templates() -> Vec<(RejectionKind, &'static str)> {
    let other = [
        r#"{"CallbackCommand":"@"}"#,
        r#"{"CallbackCommand":"@","PairList":[]}"#,
        r#"{"CallbackCommand":"@","PairList":["@"]}"#,
    ];
    let malformed = [
        r#"{"CallbackCommand":"@","PairList":"#,
        r#"{"CallbackCommand":["@"],"PairList":[]}"#,
        r#"{"CallbackCommand":{"@":"@"},"PairList":[]}"#,
        r#"{"CallbackCommand":null,"@":"@"}"#,
        r#"{"@":"@"}"#,
        r#""@""#,
        r#"["@"]"#,
        "@",
        r#"{!,"PairList":"@"}"#,
        r#"{!,"PairList":["@"]}"#,
        r#"{!,"PairList":[{"From_Account":"@"}]}"#,
        r#"{!,"PairList":[{"From_Account":["@"],"To_Account":""}]}"#,
        r#"{!,"PairList":[],"ClientCmd":{"@":"@"}}"#,
        r#"{!,"PairList":[],"Admin_Account":["@"]}"#,
        r#"{!,"PairList":[],"PairList":["@"]}"#,
        r#"{!,"PairList":[],"CallbackCommand":"@"}"#,
        r#"{!,"PairList":[],"@"}"#,
        r#"{!,"PairList":[]}@"#,
    ];
    let other = other.map(|body| (CommandMismatch, body));
    let malformed = malformed.map(|body| (MalformedPacket, body));
    other.into_iter().chain(malformed).collect()
}
