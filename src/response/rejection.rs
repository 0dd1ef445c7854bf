use std::{borrow::Cow, error::Error, fmt};

use bytes::Bytes;
use http::Response;
use memchr::memmem;
use serde_json::error::Category;

use super::{close_connection, json};
#[cfg(feature = "axum")]
use crate::handed_on::HandedOn;

/// Why a request was rejected.
///
/// Every response to a rejected request has its `Rejection` in the extensions. So an outer layer can count
/// rejections, map them to another status, or respond in its own way:
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
/// Its [`Display`](fmt::Display) is the `ErrorInfo` of the response. It names the rule that was broken and
/// repeats nothing of the request. [`Debug`](fmt::Debug) adds what helps to find the cause, such as the app id
/// in the URL, or by how many seconds the time is off. It never contains a signature or a part of the body.
#[derive(Clone)]
pub struct Rejection {
    rule: &'static Rule,
    command: Cow<'static, str>,
    detail: Option<Detail>,
    /// Whether an HTTP/1 server will close the connection, since the request's body is left unread.
    closes_connection: bool,
}

/// The rule that a rejected request broke.
///
/// [`as_str`](Self::as_str) and [`Display`](fmt::Display) give a label for metrics, such as
/// `sign_mismatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The method is not `POST`.
    MethodNotAllowed,
    /// `SdkAppid` is absent, or a token is set and `Sign` or `RequestTime` is absent.
    MissingParameter,
    /// One of Tencent's parameters is given more than once. `RequestId` may be.
    DuplicateParameter,
    /// `SdkAppid` is not the layer's.
    SdkAppIdMismatch,
    /// `contenttype` is present and not `json`.
    UnsupportedContentType,
    /// `RequestTime` is too far from now, or is not in Unix seconds. One of the tokens has signed it, so
    /// a clock is wrong, or the request was sent again later.
    StaleRequestTime,
    /// `Sign` was made by none of the tokens, or for another time.
    SignMismatch,
    /// The body is larger than [`max_body_size`](crate::CallbackLayer::max_body_size).
    BodyTooLarge,
    /// The body ended in an error, such as a connection that broke.
    BodyUnreadable,
    /// The body is not a packet of this webhook.
    MalformedPacket,
    /// The body's `CallbackCommand` differs from the URL's.
    CommandMismatch,
    /// A handler or [`receive`](crate::CallbackLayer::receive) wanted a callback, and the request isn't that
    /// callback, or no layer has read it.
    MissingCallback,
}

impl RejectionKind {
    /// Every kind, to register a label for each.
    ///
    /// ```
    /// use tower_tencent_chat::RejectionKind;
    ///
    /// let labels: Vec<_> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    /// assert!(labels.contains(&"sign_mismatch"));
    /// ```
    pub const ALL: &[Self] = &[
        Self::MethodNotAllowed,
        Self::MissingParameter,
        Self::DuplicateParameter,
        Self::SdkAppIdMismatch,
        Self::UnsupportedContentType,
        Self::StaleRequestTime,
        Self::SignMismatch,
        Self::BodyTooLarge,
        Self::BodyUnreadable,
        Self::MalformedPacket,
        Self::CommandMismatch,
        Self::MissingCallback,
    ];

    /// The name in snake case, such as `sign_mismatch`.
    ///
    /// ```
    /// use tower_tencent_chat::RejectionKind;
    ///
    /// assert_eq!(RejectionKind::SignMismatch.as_str(), "sign_mismatch");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MissingParameter => "missing_parameter",
            Self::DuplicateParameter => "duplicate_parameter",
            Self::SdkAppIdMismatch => "sdk_app_id_mismatch",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::StaleRequestTime => "stale_request_time",
            Self::SignMismatch => "sign_mismatch",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnreadable => "body_unreadable",
            Self::MalformedPacket => "malformed_packet",
            Self::CommandMismatch => "command_mismatch",
            Self::MissingCallback => "missing_callback",
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Rejection {
    /// The rule that the request broke.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.rule.kind
    }

    /// The `CallbackCommand` of the webhook that was rejected, such as `Sns.CallbackFriendAdd`.
    ///
    /// By it, an outer layer can respond in its own way to a webhook before an event: see [Webhooks before an
    /// event](crate::Packet#webhooks-before-an-event).
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    pub(crate) fn of(self, command: impl Into<Cow<'static, str>>) -> Self {
        Self {
            command: command.into(),
            ..self
        }
    }

    pub(crate) fn with(self, detail: impl Into<Option<Detail>>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn closing_connection(self, closes_connection: bool) -> Self {
        Self {
            closes_connection,
            ..self
        }
    }

    #[cfg(any(feature = "axum", feature = "tracing"))]
    pub(crate) fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }

    pub(crate) fn response(self) -> Response<Bytes> {
        let mut response = json(Bytes::from_static(self.rule.envelope.as_bytes()));
        if self.closes_connection {
            close_connection(&mut response);
        }
        response.extensions_mut().insert(self);
        response
    }

    pub(super) fn error_info(&self) -> &'static str {
        self.rule.error_info
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("Rejection");
        debug.field(&self.kind());
        if let Some(detail) = &self.detail {
            debug.field(&format_args!("{detail}"));
        }
        debug.finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error_info())
    }
}

impl Error for Rejection {}

/// What helps to find the cause of a rejection: for the log, not for the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    SdkAppId(u64),
    SdkAppIdNotANumber,
    Behind {
        seconds: u64,
    },
    Ahead {
        seconds: u64,
    },
    NotInSeconds,
    #[cfg(feature = "axum")]
    OtherHandler(HandedOn),
    #[cfg(feature = "axum")]
    NoLayer,
    #[cfg(feature = "axum")]
    OtherWebhook,
    #[cfg(feature = "axum")]
    NoParameters,
    Json {
        category: Category,
        line: usize,
        column: usize,
        /// A missing or doubled field of the packet's type.
        field: Option<String>,
    },
}

impl Detail {
    /// Keeps where serde_json stopped and why, but not its message, which repeats parts of the body.
    pub(crate) fn json(error: &serde_json::Error, body: &[u8]) -> Self {
        Self::Json {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
            field: field(error, body),
        }
    }
}

/// The field that serde names in backticks, if it is missing or doubled. The error of a user's own type may
/// repeat any text of the body. If the body has no backtick, it can't have made this one up.
///
/// Any client can send a malformed body, so it is searched only if the error names a field.
fn field(error: &serde_json::Error, body: &[u8]) -> Option<String> {
    const MAX_LEN: usize = 64;
    const BACKTICK: [&str; 2] = ["`", r"\u0060"];

    let text = error.to_string();
    let (what, rest) = text.split_once(" field `")?;
    let (name, _) = rest.split_once('`')?;
    let is_in_body = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let is_field = matches!(what, "missing" | "duplicate")
        && name.len() <= MAX_LEN
        && !BACKTICK.into_iter().any(is_in_body);
    is_field.then(|| format!("{what} field {name}"))
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SdkAppId(id) => write!(f, "SdkAppid is {id}"),
            Self::SdkAppIdNotANumber => f.write_str("SdkAppid is not a number"),
            Self::Behind { seconds } => write!(f, "RequestTime is {seconds} s behind"),
            Self::Ahead { seconds } => write!(f, "RequestTime is {seconds} s ahead"),
            Self::NotInSeconds => f.write_str("RequestTime is not in Unix seconds"),
            #[cfg(feature = "axum")]
            Self::OtherHandler(_) => f.write_str("the handler takes another callback"),
            #[cfg(feature = "axum")]
            Self::NoLayer => f.write_str("no layer has read the callback"),
            #[cfg(feature = "axum")]
            Self::OtherWebhook => f.write_str("the request is another webhook"),
            #[cfg(feature = "axum")]
            Self::NoParameters => f.write_str("the URL has none of Tencent's parameters"),
            Self::Json {
                category,
                line,
                column,
                field,
            } => {
                if let Some(field) = field {
                    write!(f, "{field}: ")?;
                }
                write!(f, "{category:?} error at line {line} column {column}")
            }
        }
    }
}

/// One way to break a rule, with the envelope that says so.
struct Rule {
    kind: RejectionKind,
    error_info: &'static str,
    envelope: &'static str,
}

/// Declares every rejection. The envelopes are put together at compile time, so that a rejection allocates
/// none.
macro_rules! rejections {
    ($($name:ident: $kind:ident, $error_info:literal;)+) => {
        impl Rejection {
            $(pub(crate) const $name: Self = Self {
                rule: &Rule {
                    kind: RejectionKind::$kind,
                    error_info: $error_info,
                    envelope: concat!(
                        r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":""#, $error_info, r#""}"#,
                    ),
                },
                command: Cow::Borrowed(""),
                detail: None,
                closes_connection: false,
            };)+
        }
    };
}

rejections! {
    METHOD: MethodNotAllowed, "the method is not POST";
    COMMAND_TWICE: DuplicateParameter, "the CallbackCommand parameter is given more than once";
    SDK_APP_ID_TWICE: DuplicateParameter, "the SdkAppid parameter is given more than once";
    CONTENT_TYPE_TWICE: DuplicateParameter, "the contenttype parameter is given more than once";
    CLIENT_IP_TWICE: DuplicateParameter, "the ClientIP parameter is given more than once";
    OPT_PLATFORM_TWICE: DuplicateParameter, "the OptPlatform parameter is given more than once";
    SIGN_TWICE: DuplicateParameter, "the Sign parameter is given more than once";
    REQUEST_TIME_TWICE: DuplicateParameter, "the RequestTime parameter is given more than once";
    NO_SDK_APP_ID: MissingParameter, "the SdkAppid parameter is missing";
    NO_SIGN: MissingParameter, "the Sign parameter is missing";
    NO_REQUEST_TIME: MissingParameter, "the RequestTime parameter is missing";
    SDK_APP_ID: SdkAppIdMismatch, "the SdkAppid parameter does not match this app";
    CONTENT_TYPE: UnsupportedContentType, "the contenttype parameter is not json";
    REQUEST_TIME: StaleRequestTime, "the RequestTime parameter is too far from now";
    SIGN: SignMismatch, "the Sign parameter does not match";
    TOO_LARGE: BodyTooLarge, "the body is too large";
    UNREADABLE: BodyUnreadable, "the body can't be read";
    MALFORMED: MalformedPacket, "the body is not a packet of this webhook";
    COMMAND: CommandMismatch, "the CallbackCommand of the body differs from the URL's";
    NO_CALLBACK: MissingCallback, "the request has no callback for this handler";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_unless_the_body_can_have_made_it_up() {
        use serde::de::Error;

        for (text, body, expected) in [
            (
                "missing field `GroupId`",
                "{}",
                Some("missing field GroupId"),
            ),
            ("duplicate field `Id`", "{}", Some("duplicate field Id")),
            ("missing field `evil`", "\"missing field `evil`\"", None),
            (
                "missing field `evil`",
                r#""missing field \u0060evil`""#,
                None,
            ),
            ("unknown field `evil`", "{}", None),
            ("no such field `evil`", "{}", None),
            ("missing field evil", "{}", None),
            ("secret", "{}", None),
        ] {
            let error = serde_json::Error::custom(text);
            assert_eq!(
                field(&error, body.as_bytes()).as_deref(),
                expected,
                "{body}"
            );
        }
    }
}
