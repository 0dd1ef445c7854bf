//! How Chat would judge an answer.

use std::fmt;

use reqwest::StatusCode;
use serde_json::Value;
use tower_tencent_chat::CallbackResponse;

/// How much of an answer is read, in bytes; an envelope takes about 50.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// From the best to the worst.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Delivered,
    Rejected(String),
    Failed(String),
}

pub(crate) fn judge(answer: Result<Answer, String>) -> Verdict {
    let Answer { status, body } = match answer {
        Ok(answer) => answer,
        Err(reason) => return Verdict::Failed(reason),
    };
    if status != StatusCode::OK {
        return Verdict::Failed(format!("the status is {status}, not 200"));
    }
    if body.len() > MAX_ANSWER {
        return Verdict::Failed(format!("the answer is longer than {MAX_ANSWER} bytes"));
    }
    let Ok(json) = serde_json::from_slice::<Value>(&body) else {
        return Verdict::Failed("the answer is not JSON".to_owned());
    };
    if !json.is_object() {
        return Verdict::Failed("the answer is not the envelope, which is an object".to_owned());
    }
    let info = json["ErrorInfo"].as_str().unwrap_or_default().to_owned();
    match serde_json::from_value::<CallbackResponse>(json) {
        Err(error) => Verdict::Failed(format!("the answer is not the envelope: {error}")),
        Ok(envelope) if envelope.is_ok() => Verdict::Delivered,
        Ok(_) => Verdict::Rejected(info),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("delivered"),
            Self::Rejected(info) => write!(f, "the app rejected it: {}", printable(info)),
            Self::Failed(reason) => write!(f, "Chat would call it failed: {}", printable(reason)),
        }
    }
}

/// Text of the app's, which must not control the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c| match c {
        '"' | '\'' | '\\' => String::from(c),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: impl Into<Vec<u8>>) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        let body = body.into();
        judge(Ok(Answer { status, body })).to_string()
    }

    #[test]
    fn answers_are_judged() {
        let ok = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
        let fail = r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"wrong app"}"#;
        let failed = "Chat would call it failed: ";
        for (status, body, expected) in [
            (200, ok, "delivered".to_owned()),
            (200, fail, "the app rejected it: wrong app".to_owned()),
            (
                204,
                ok,
                format!("{failed}the status is 204 No Content, not 200"),
            ),
            (
                401,
                fail,
                format!("{failed}the status is 401 Unauthorized, not 200"),
            ),
            (200, "", format!("{failed}the answer is not JSON")),
            (200, "OK", format!("{failed}the answer is not JSON")),
            (
                200,
                r#""OK""#,
                format!("{failed}the answer is not the envelope, which is an object"),
            ),
            (
                200,
                r#"{"ActionStatus":"OK","ErrorCode":0}"#,
                format!("{failed}the answer is not the envelope: missing field `ErrorInfo`"),
            ),
        ] {
            assert_eq!(verdict(status, body), expected, "{status} {body:?}");
        }
        assert_eq!(
            verdict(200, vec![b' '; MAX_ANSWER + 1]),
            format!("{failed}the answer is longer than {MAX_ANSWER} bytes")
        );
    }

    #[test]
    fn an_answer_does_not_control_the_terminal() {
        assert_eq!(printable("a \"b\"\n\u{1b}[2J"), "a \"b\"\\n\\u{1b}[2J");
    }
}
