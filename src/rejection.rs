use std::{error::Error, fmt};

use bytes::Bytes;
use http::Response;

use crate::response::json;

/// Why a request was refused.
///
/// Every response that the layer itself makes carries its `Rejection` in the extensions, so that an
/// outer layer can count refusals or map them to a status of its own:
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_tencent_chat::{Rejection, RejectionKind};
///
/// fn forbid_forgeries<B>(mut response: Response<B>) -> Response<B> {
///     let kind = response.extensions().get::<Rejection>().map(Rejection::kind);
///     if kind == Some(RejectionKind::SignMismatch) {
///         *response.status_mut() = StatusCode::FORBIDDEN;
///     }
///     response
/// }
/// # let response = forbid_forgeries(Response::new(()));
/// # assert_eq!(response.status(), StatusCode::OK);
/// ```
///
/// Its text is what Tencent Cloud Chat is told in `ErrorInfo`: the rule that was broken, and nothing
/// of the request.
#[derive(Clone)]
pub struct Rejection {
    reason: &'static Reason,
}

/// The rule that a refused request broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The method is not `POST`.
    MethodNotAllowed,
    /// `SdkAppid` is absent, or `Sign` or `RequestTime` where a token is set.
    MissingParameter,
    /// A parameter of Tencent's is given more than once.
    DuplicateParameter,
    /// `SdkAppid` is not the layer's.
    SdkAppIdMismatch,
    /// `contenttype` is present and not `json`.
    UnsupportedContentType,
    /// `RequestTime` is not a time, or too far from now.
    StaleRequestTime,
    /// `Sign` was made with none of the tokens, or for another time.
    SignMismatch,
    /// The body is larger than [`max_body_size`](crate::CallbackLayer::max_body_size).
    BodyTooLarge,
    /// The body ended in an error, such as a connection that broke.
    BodyUnreadable,
    /// The body is not a packet of this webhook.
    MalformedPacket,
    /// The body's `CallbackCommand` is another than the URL's.
    CommandMismatch,
}

impl Rejection {
    /// The rule that the request broke.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.reason.kind
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = json(Bytes::from_static(self.reason.envelope.as_bytes()));
        response.extensions_mut().insert(self);
        response
    }

    pub(crate) const fn new(reason: &'static Reason) -> Self {
        Self { reason }
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejection").field(&self.kind()).finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.error_info)
    }
}

impl Error for Rejection {}

/// One way to break a rule, with the envelope that says so.
pub(crate) struct Reason {
    pub(crate) kind: RejectionKind,
    pub(crate) error_info: &'static str,
    pub(crate) envelope: &'static str,
}

/// A [`Rejection`] with a text that is put together at compile time, so that refusing costs little.
macro_rules! rejection {
    ($kind:ident, $($text:literal),+) => {
        $crate::rejection::Rejection::new(&$crate::rejection::Reason {
            kind: $crate::rejection::RejectionKind::$kind,
            error_info: concat!($($text),+),
            envelope: concat!(
                r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":""#, $($text,)+ r#""}"#,
            ),
        })
    };
}
pub(crate) use rejection;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallbackResponse;

    #[test]
    fn the_constant_envelope_is_the_one_that_callback_response_makes() {
        let rejection = rejection!(
            MissingParameter,
            "the ",
            "SdkAppid",
            " parameter is missing"
        );
        assert_eq!(rejection.to_string(), "the SdkAppid parameter is missing");

        let expected: Response<Bytes> = CallbackResponse::fail(rejection.to_string()).into();
        let response = rejection.into_response();
        assert_eq!(response.body(), expected.body());
        assert_eq!(response.headers(), expected.headers());
        assert_eq!(response.status(), expected.status());
    }

    #[test]
    fn debug_names_the_kind() {
        let rejection = rejection!(SignMismatch, "the text");
        assert_eq!(format!("{rejection:?}"), "Rejection(SignMismatch)");
    }
}
