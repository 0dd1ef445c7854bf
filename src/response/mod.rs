//! What Chat is answered.

mod rejection;

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CONNECTION, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::rejection::Detail;
pub use self::rejection::{Rejection, RejectionKind};

/// The envelope that Tencent Cloud Chat expects as the answer to every webhook.
///
/// It converts into an [`http::Response`] with status 200 and `content-type: application/json`. With
/// the feature `axum`, a handler can return it directly. Chat does not act on the answer to
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
/// The response to some webhooks, such as `Sns.CallbackPrevFriendAdd`, has more fields than the envelope. Put
/// the envelope into a struct of your own:
///
/// ```
/// use serde::Serialize;
/// use tower_tencent_chat::{CallbackResponse, UserId};
///
/// #[derive(Serialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct PrevFriendAddResponse {
///     #[serde(flatten)]
///     envelope: CallbackResponse,
///     result_item: Vec<ResultItem>,
/// }
///
/// #[derive(Serialize)]
/// struct ResultItem {
///     #[serde(rename = "To_Account")]
///     to_account: UserId,
///     #[serde(rename = "ResultCode")]
///     result_code: i64,
///     #[serde(rename = "ResultInfo")]
///     result_info: String,
/// }
///
/// let response = PrevFriendAddResponse {
///     envelope: CallbackResponse::ok(),
///     result_item: vec![ResultItem {
///         to_account: "bob".into(),
///         result_code: 0,
///         result_info: String::new(),
///     }],
/// };
/// assert_eq!(
///     serde_json::to_string(&response)?,
///     r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"To_Account":"bob","ResultCode":0,"ResultInfo":""}]}"#,
/// );
/// # Ok::<_, serde_json::Error>(())
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

    /// Replaces the `ErrorCode`. It is for webhooks before an event: Chat acts on the code of the answer.
    ///
    /// For `C2C.CallbackBeforeSendMsg`, 0 allows the message, 1 forbids it, and 2 discards it in silence.
    /// Codes from 120001 to 130000 are sent to the client.
    ///
    /// ```
    /// use tower_tencent_chat::CallbackResponse;
    ///
    /// let discard = CallbackResponse::ok().with_error_code(2);
    /// assert_eq!(discard.error_code(), 2);
    /// ```
    #[must_use]
    pub fn with_error_code(mut self, error_code: i64) -> Self {
        self.error_code = error_code;
        self
    }

    /// Whether the callback was processed: `ActionStatus` is `OK` and `ErrorCode` is 0.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.action_status == ActionStatus::Ok && self.error_code == 0
    }

    /// `ErrorCode`: 0 for success, 1 for failure, or what [`with_error_code`](Self::with_error_code)
    /// was given.
    #[must_use]
    pub fn error_code(&self) -> i64 {
        self.error_code
    }

    /// `ErrorInfo`: why the callback was not processed; empty on success.
    #[must_use]
    pub fn error_info(&self) -> &str {
        &self.error_info
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

impl From<Rejection> for CallbackResponse {
    fn from(rejection: Rejection) -> Self {
        Self::fail(rejection.error_info())
    }
}

/// Always status 200, since Chat counts any other as a webhook that failed.
fn json(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds `connection: close`. An HTTP/1 server closes the connection after a body that was left unread, and a
/// client that doesn't know would lose its next request on it.
pub(crate) fn close_connection<B>(response: &mut Response<B>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn envelopes_are_the_documented_bytes() {
        let told = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"all is well"}"#;
        for (response, expected) in [
            (serde_json::from_str(told).unwrap(), told),
            (
                CallbackResponse::ok().with_error_code(2),
                r#"{"ActionStatus":"OK","ErrorCode":2,"ErrorInfo":""}"#,
            ),
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
        assert!(!CallbackResponse::ok().with_error_code(2).is_ok());
        let odd = r#"{"ActionStatus":"OK","ErrorCode":1,"ErrorInfo":""}"#;
        assert!(
            !serde_json::from_str::<CallbackResponse>(odd)
                .unwrap()
                .is_ok()
        );
    }
}
