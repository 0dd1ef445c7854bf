//! What the body of a webhook says.

mod account_pairs;
mod command;
mod flag;
mod friend_add;
mod lenient;
mod object;
mod user_id;

use serde::de::DeserializeOwned;

use crate::{Rejection, response::Detail};

use self::command::BodyCommand;
pub use self::{
    account_pairs::{AccountPair, BlackListAdd, BlackListDelete, FriendDelete},
    friend_add::{ClientCmd, FriendAdd, FriendPair},
    user_id::UserId,
};

/// The body of one webhook: a type and the command that names it.
///
/// This crate has [`FriendAdd`], [`FriendDelete`], [`BlackListAdd`] and [`BlackListDelete`]. For any
/// other webhook, write a type of your own, and give it to a [`CallbackLayer`](crate::CallbackLayer) or
/// a [`CallbackRouter`](crate::CallbackRouter):
///
/// ```
/// use serde::Deserialize;
/// use tower_tencent_chat::{CallbackLayer, Packet, UserId};
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct StateChange {
///     info: Info,
/// }
///
/// #[derive(Deserialize)]
/// struct Info {
///     #[serde(rename = "Action")]
///     action: String,
///     #[serde(rename = "To_Account")]
///     to_account: UserId,
/// }
///
/// impl Packet for StateChange {
///     const COMMAND: &'static str = "State.StateChange";
/// }
///
/// let layer = CallbackLayer::<StateChange>::new(1400000000);
/// ```
///
/// Any type that `serde_json::from_slice` can read from an object works. Test yours on a body that Chat has
/// sent. The type doesn't need a field for `CallbackCommand`, since the layer compares it, if the body has one.
/// Don't use `deny_unknown_fields`: the type would reject `CallbackCommand` itself, and every field that Tencent
/// adds.
///
/// # Webhooks before an event
///
/// Webhooks such as `C2C.CallbackBeforeSendMsg` ask for permission, and Chat acts on the response: `ErrorCode` 0
/// allows the event, and 1 forbids it. A rejection has code 1, so with a wrong token or clock **every message of
/// the app is forbidden**. Put a layer around the router, or around this webhook's layer, that responds to such
/// a [`Rejection`] as you choose:
///
/// ```
/// use axum::{Router, middleware::map_response, response::{IntoResponse, Response}, routing::post};
/// use tower_tencent_chat::{Callback, CallbackResponse, CallbackRouter, Packet, Rejection, UserId};
///
/// #[derive(serde::Deserialize)]
/// struct BeforeSendMsg {
///     #[serde(rename = "From_Account")]
///     from_account: UserId,
/// }
///
/// impl Packet for BeforeSendMsg {
///     const COMMAND: &'static str = "C2C.CallbackBeforeSendMsg";
/// }
///
/// async fn before_send_msg(callback: Callback<BeforeSendMsg>) -> CallbackResponse {
///     if callback.from_account == "spammer" {
///         return CallbackResponse::ok().with_error_code(2); // discards the message
///     }
///     CallbackResponse::ok() // allows it
/// }
///
/// /// Allows messages that can't be verified: count them, and alert on them.
/// async fn allow_if_rejected(response: Response) -> Response {
///     let rejection = response.extensions().get::<Rejection>();
///     match rejection.map(Rejection::command) {
///         Some(BeforeSendMsg::COMMAND) => CallbackResponse::ok().into_response(),
///         _ => response,
///     }
/// }
///
/// let callbacks = CallbackRouter::new(1400000000).route::<BeforeSendMsg>(post(before_send_msg));
/// let app: Router = Router::new()
///     .route_service("/callback", callbacks)
///     .layer(map_response(allow_if_rejected));
/// ```
///
/// A layer around the route alone does nothing, since a rejected callback does not reach it. The third choice is
/// not to respond in time: the console has a setting for what Chat does then.
///
/// Source: Tencent's page "Before Sending a One-to-One Message" (1047/34364) and those beside it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the packet of a webhook",
    label = "a packet is expected, such as `FriendAdd`",
    note = "implement `Packet` for it: a `Deserialize` type and the `CallbackCommand` that names it"
)]
pub trait Packet: DeserializeOwned + Send + Sync + 'static {
    /// The `CallbackCommand` of the webhook, such as `Sns.CallbackFriendAdd`.
    const COMMAND: &'static str;
}

/// Reads one packet. If its body has a `CallbackCommand`, that is `P`'s.
///
/// Measured: two passes for every body take 66 % more instructions for 3 pairs, and twice as many for 1,000.
pub(crate) fn parse<P: Packet>(body: &[u8]) -> Result<P, Rejection> {
    parse_in_one_pass(body).map_or_else(|| parse_in_two_passes(body), Ok)
}

/// Reads nearly every body. The other way says what is wrong with a body, and reads what this one can't:
/// types that want more than an object with string keys, such as enums and `RawValue`, and bodies that
/// aren't UTF-8 in a field that nobody reads.
fn parse_in_one_pass<P: Packet>(body: &[u8]) -> Option<P> {
    // Checked once for the whole body: serde_json would check every string by itself.
    let text = std::str::from_utf8(body).ok()?;
    let json = serde_json::Deserializer::from_str(text);
    match command::read(json, P::COMMAND) {
        Ok((packet, BodyCommand::Expected | BodyCommand::Absent)) => Some(packet),
        _ => None,
    }
}

#[cold]
fn parse_in_two_passes<P: Packet>(body: &[u8]) -> Result<P, Rejection> {
    let malformed = |error| Rejection::MALFORMED.with(Detail::json(&error, body));
    match command::find(body, P::COMMAND).map_err(malformed)? {
        BodyCommand::Expected | BodyCommand::Absent => {
            serde_json::from_slice(body).map_err(malformed)
        }
        BodyCommand::Other => Err(Rejection::COMMAND),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, value::RawValue};

    use super::*;
    use crate::{FriendAdd, RejectionKind};

    fn kind<P: Packet>(body: impl AsRef<[u8]>) -> Option<RejectionKind> {
        parse::<P>(body.as_ref())
            .err()
            .map(|rejection| rejection.kind())
    }

    #[test]
    fn a_rejection_says_where_the_body_is_wrong() {
        for (body, expected) in [
            ("", "Eof error at line 1 column 0"),
            ("null", "Data error at line 1 column 4"),
            (
                "{}",
                "missing field PairList: Data error at line 1 column 2",
            ),
            (
                r#"{"PairList":[],"PairList":[]}"#,
                "duplicate field PairList: Data error at line 1 column 25",
            ),
            (
                r#"{"PairList":[{"From_Account":"`"}]}"#,
                "Data error at line 1 column 33",
            ),
            (
                r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[}"#,
                "Syntax error at line 1 column 56",
            ),
            (
                "{\"CallbackCommand\":\"Sns.CallbackFriendAdd\",\n\"PairList\":[{\"From_Account\":1}]}",
                "Data error at line 2 column 29",
            ),
        ] {
            let rejection = parse::<FriendAdd>(body.as_bytes()).unwrap_err();
            let expected = format!("Rejection(MalformedPacket, {expected})");
            assert_eq!(format!("{rejection:?}"), expected, "{body}");
        }
    }

    /// Declares packet types of every shape that a user might write.
    mod shapes {
        use super::*;

        #[derive(Deserialize)]
        pub(super) struct Named {
            #[serde(rename = "CallbackCommand")]
            pub(super) command: Option<Name>,
            #[serde(flatten)]
            pub(super) rest: BTreeMap<Name, Value>,
        }

        #[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) struct Name(pub(super) String);

        #[derive(Deserialize)]
        #[serde(tag = "CallbackCommand")]
        pub(super) enum Tagged {
            X { y: u8 },
        }

        #[derive(Deserialize)]
        pub(super) struct Typed {
            #[serde(rename = "CallbackCommand")]
            pub(super) command: Command,
        }

        #[derive(Debug, Deserialize, PartialEq)]
        pub(super) enum Command {
            X,
        }

        #[derive(Deserialize)]
        pub(super) struct Empty {}

        /// What `packet::parse` needs its second way for.
        #[derive(Deserialize)]
        pub(super) struct Raw(pub(super) Box<RawValue>);

        #[derive(Debug, Deserialize, PartialEq)]
        pub(super) enum External {
            CallbackCommand(String),
        }

        macro_rules! packets {
            ($($name:ident),+) => {
                $(impl Packet for $name {
                    const COMMAND: &'static str = "X";
                })+
            };
        }

        packets!(Named, Tagged, Typed, Empty, Raw, External);
    }

    #[test]
    fn a_packet_may_have_any_shape() {
        let body = br#"{"CallbackCommand":"X","y":1}"#;
        let named = parse::<shapes::Named>(body).unwrap();
        assert_eq!(named.command, Some(shapes::Name("X".into())));
        assert_eq!(named.rest[&shapes::Name("y".into())], 1);
        let shapes::Tagged::X { y } = parse(body).unwrap();
        assert_eq!(y, 1);
        assert_eq!(
            parse::<shapes::Typed>(body).unwrap().command,
            shapes::Command::X
        );
        let shapes::Empty {} = parse(body).unwrap();

        let text = std::str::from_utf8(body).unwrap();
        assert_eq!(parse::<shapes::Raw>(body).unwrap().0.get(), text);
        let only_the_command = br#"{"CallbackCommand":"X"}"#;
        assert_eq!(
            parse::<shapes::External>(only_the_command).unwrap(),
            shapes::External::CallbackCommand("X".into())
        );

        let absent = br#"{"y":1}"#;
        assert_eq!(parse::<shapes::Named>(absent).unwrap().command, None);
        let other = br#"{"CallbackCommand":"Y"}"#;
        assert_eq!(
            kind::<shapes::Typed>(other),
            Some(RejectionKind::CommandMismatch)
        );
        assert_eq!(
            kind::<shapes::Empty>(other),
            Some(RejectionKind::CommandMismatch)
        );
    }
}
