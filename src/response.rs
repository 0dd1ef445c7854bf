use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};

/// The envelope that Tencent Cloud Chat expects as the answer to every webhook.
///
/// It converts into an [`http::Response`] with status 200 and `content-type: application/json`;
/// with the `axum` feature a handler can return it as it is. Chat does not act on the answer to
/// `Sns.CallbackFriendAdd`: a failure undoes nothing and causes no retry.
///
/// ```
/// use http::Response;
/// use tower_tencent_chat::CallbackResponse;
///
/// let response: Response<bytes::Bytes> = CallbackResponse::ok().into();
/// assert_eq!(response.body(), r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#);
/// ```
///
/// Source: "Response packet fields" on Tencent's page "After a Friend Is Added".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CallbackResponse {
    action_status: ActionStatus,
    error_code: i64,
    error_info: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ActionStatus {
    Ok,
    Fail,
}

/// [`CallbackResponse::ok`], serialized.
const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

impl CallbackResponse {
    /// The callback was processed: `ActionStatus` `OK`, `ErrorCode` 0.
    #[must_use]
    pub fn ok() -> Self {
        Self {
            action_status: ActionStatus::Ok,
            error_code: 0,
            error_info: Cow::Borrowed(""),
        }
    }

    /// The callback was not processed, and why: `ActionStatus` `FAIL`, `ErrorCode` 1.
    #[must_use]
    pub fn fail(error_info: impl Into<Cow<'static, str>>) -> Self {
        Self {
            action_status: ActionStatus::Fail,
            error_code: 1,
            error_info: error_info.into(),
        }
    }

    /// Whether this says that the callback was processed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.action_status == ActionStatus::Ok && self.error_code == 0
    }
}

impl<B: From<Bytes>> From<CallbackResponse> for Response<B> {
    fn from(response: CallbackResponse) -> Self {
        // Nearly every answer is this one.
        let body = if response == CallbackResponse::ok() {
            Bytes::from_static(OK.as_bytes())
        } else {
            serde_json::to_vec(&response)
                .expect("strings and integers always serialize")
                .into()
        };
        json(body).map(B::from)
    }
}

/// Always status 200, since Chat counts any other as a webhook that failed.
pub(crate) fn json(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn envelopes_are_the_documented_bytes() {
        for (response, expected) in [
            (
                CallbackResponse::ok(),
                r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
            ),
            (
                CallbackResponse::fail("no \"database\""),
                r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"no \"database\""}"#,
            ),
        ] {
            let http: Response<Bytes> = response.clone().into();
            assert_eq!(http.status(), StatusCode::OK);
            assert_eq!(http.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(http.body(), expected);
            assert_eq!(serde_json::to_string(&response).unwrap(), expected);
            assert_eq!(
                serde_json::from_str::<CallbackResponse>(expected).unwrap(),
                response
            );
        }
    }

    #[test]
    fn all_three_fields_are_required() {
        for incomplete in [
            r#"{"ErrorCode":0,"ErrorInfo":""}"#,
            r#"{"ActionStatus":"OK","ErrorInfo":""}"#,
            r#"{"ActionStatus":"OK","ErrorCode":0}"#,
            r#"{"ActionStatus":"Ok","ErrorCode":0,"ErrorInfo":""}"#,
        ] {
            assert!(
                serde_json::from_str::<CallbackResponse>(incomplete).is_err(),
                "{incomplete}"
            );
        }
    }

    #[test]
    fn only_ok_is_ok() {
        assert!(CallbackResponse::ok().is_ok());
        assert!(!CallbackResponse::fail("").is_ok());
        let odd = r#"{"ActionStatus":"OK","ErrorCode":1,"ErrorInfo":""}"#;
        assert!(
            !serde_json::from_str::<CallbackResponse>(odd)
                .unwrap()
                .is_ok()
        );
    }
}
