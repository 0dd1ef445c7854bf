use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{
    command::{self, Command},
    rejection::{Rejection, rejection},
};

/// The body of one webhook: a type and the command that names it.
///
/// [`FriendAdd`](crate::FriendAdd) is one. Any other webhook of Tencent's takes ten lines, and then
/// [`CallbackLayer`](crate::CallbackLayer) receives it:
///
/// ```
/// use serde::Deserialize;
/// use tower_tencent_chat::{CallbackLayer, Packet, UserId};
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct FriendDelete {
///     pair_list: Vec<DeletedPair>,
/// }
///
/// #[derive(Deserialize)]
/// struct DeletedPair {
///     #[serde(rename = "From_Account")]
///     from_account: UserId,
///     #[serde(rename = "To_Account")]
///     to_account: UserId,
/// }
///
/// impl Packet for FriendDelete {
///     const COMMAND: &'static str = "Sns.CallbackFriendDelete";
/// }
///
/// let layer = CallbackLayer::<FriendDelete>::new(1400000000);
/// ```
///
/// The layer compares the packet's `CallbackCommand` itself; the type may name the field, but need
/// not. Leave `deny_unknown_fields` away: Tencent adds fields as it goes. A refusal doesn't say which
/// field was wrong, so test the type on a body that Chat has sent, with `serde_json::from_str`.
pub trait Packet: DeserializeOwned + Send + Sync + 'static {
    /// The `CallbackCommand` of the webhook, such as `Sns.CallbackFriendAdd`.
    const COMMAND: &'static str;
}

/// Reads one packet whose `CallbackCommand` is `P`'s.
pub(crate) fn parse<P: Packet>(body: &[u8]) -> Result<P, Rejection> {
    let malformed = rejection!(MalformedPacket, "the body is not a packet of this webhook");
    let mismatch = rejection!(
        CommandMismatch,
        "the body's CallbackCommand is not the URL's"
    );

    // Once for the whole body: serde_json would check every string by itself.
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(malformed);
    };
    match command::read::<P>(text, P::COMMAND) {
        Ok((packet, Command::Expected)) => Ok(packet),
        Ok((_, Command::Other)) => Err(mismatch),
        Ok((_, Command::Absent)) => Err(malformed),
        // Another webhook's packet seldom has the fields of this one; say what is really wrong.
        Err(_) => match command::read::<IgnoredAny>(text, P::COMMAND) {
            Ok((_, Command::Other)) => Err(mismatch),
            _ => Err(malformed),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::{FriendAdd, RejectionKind};

    const PAGE: &[u8] = include_bytes!("../tests/samples/friend-add.json");
    const TWO_WAY: &[u8] = include_bytes!("../tests/samples/friend-add-two-way.json");

    fn kind<P: Packet>(body: impl AsRef<[u8]>) -> Option<RejectionKind> {
        parse::<P>(body.as_ref())
            .err()
            .map(|rejection| rejection.kind())
    }

    #[test]
    fn reads_the_pages_own_packet() {
        let packet = parse::<FriendAdd>(PAGE).unwrap();
        assert_eq!(packet.pair_list.len(), 3);
        assert_eq!(packet.pair_list[2].to_account, "id3");
        assert!(packet.force_flag);
        assert_eq!(packet, serde_json::from_slice(PAGE).unwrap());
    }

    #[test]
    fn reads_a_two_way_addition() {
        let packet = parse::<FriendAdd>(TWO_WAY).unwrap();
        let [there, back] = &packet.pair_list[..] else {
            panic!("{packet:?}")
        };
        assert_eq!(
            (&*there.from_account, &*there.to_account),
            ("411172", "425914")
        );
        assert_eq!(
            (&*back.from_account, &*back.to_account),
            ("425914", "411172")
        );
        assert_eq!(back.initiator_account.as_deref(), Some("411172"));
        assert_eq!(packet.admin_account.as_deref(), Some("administrator"));
    }

    #[test]
    fn the_command_may_stand_anywhere_and_be_escaped() {
        for body in [
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
            r#"{"PairList":[],"CallbackCommand":"Sns.CallbackFriendAdd"}"#,
            r#" {"PairList":[], "Callback\u0043ommand" : "Sns\u002eCallbackFriendAdd"} "#,
            r#"{"New":{"CallbackCommand":1},"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
        ] {
            assert_eq!(kind::<FriendAdd>(body), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_packet_is_malformed() {
        let deep = format!(
            r#"{{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000),
        );
        for body in [
            "",
            " ",
            "null",
            "true",
            "1",
            r#""Sns.CallbackFriendAdd""#,
            "[]",
            r#"["Sns.CallbackFriendAdd",[]]"#,
            r#"["Sns.CallbackFriendDelete"]"#,
            "{}",
            "{",
            "\u{feff}{}",
            r#"{"PairList":[]}"#,
            r#"{"CallbackCommand":null,"PairList":[]}"#,
            r#"{"CallbackCommand":1,"PairList":[]}"#,
            r#"{"CallbackCommand":["Sns.CallbackFriendAdd"],"PairList":[]}"#,
            r#"{"CallbackCommand":{"$serde_json::private::Number":"1"},"PairList":[]}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd"}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":null}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}{}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[],}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[],"PairList":[]}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","CallbackCommand":"Other","PairList":[]}"#,
            r#"{"callbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
            r#"{"CallbackCommand":"Other","PairList":[]"#,
            "CallbackCommand=Sns.CallbackFriendAdd",
            &deep,
        ] {
            let shown = &body[..body.len().min(120)];
            assert_eq!(
                kind::<FriendAdd>(body),
                Some(RejectionKind::MalformedPacket),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_whole_body_is_utf_8() {
        for bytes in [
            &b"\xff"[..],
            b"{\"New\":\"\xc3\",",
            b"{\"New\":\"\xed\xa0\x80\",",
        ] {
            let rest = br#""CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#;
            let body = [bytes, rest].concat();
            assert_eq!(
                kind::<FriendAdd>(body),
                Some(RejectionKind::MalformedPacket)
            );
        }
    }

    #[test]
    fn another_webhooks_packet_is_a_mismatch_wherever_it_says_so() {
        for body in [
            r#"{"CallbackCommand":"Sns.CallbackFriendDelete","PairList":[]}"#,
            r#"{"PairList":[],"CallbackCommand":"Sns.CallbackFriendDelete"}"#,
            r#"{"CallbackCommand":"","PairList":[]}"#,
            r#"{"CallbackCommand":"sns.callbackfriendadd","PairList":[]}"#,
            r#"{"CallbackCommand":"Group.CallbackAfterSendMsg"}"#,
            r#"{"PairList":7,"CallbackCommand":"Group.CallbackAfterSendMsg"}"#,
        ] {
            assert_eq!(
                kind::<FriendAdd>(body),
                Some(RejectionKind::CommandMismatch),
                "{body}"
            );
        }
    }

    /// Declares packet types of every shape that a user might write.
    mod shapes {
        use super::*;

        #[derive(Deserialize)]
        pub(super) struct Newtype(pub(super) BTreeMap<String, Value>);

        #[derive(Deserialize)]
        pub(super) struct Maybe(pub(super) Option<BTreeMap<String, Value>>);

        #[derive(Deserialize)]
        #[serde(transparent)]
        pub(super) struct Transparent(pub(super) Value);

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

        impl Packet for Newtype {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Maybe {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Transparent {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Named {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Tagged {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Typed {
            const COMMAND: &'static str = "X";
        }
        impl Packet for Empty {
            const COMMAND: &'static str = "X";
        }
    }

    #[test]
    fn a_packet_may_have_any_shape() {
        let body = br#"{"CallbackCommand":"X","y":1}"#;
        let whole = serde_json::from_slice::<Value>(body).unwrap();

        assert_eq!(
            parse::<shapes::Newtype>(body).unwrap().0["CallbackCommand"],
            "X"
        );
        assert_eq!(parse::<shapes::Maybe>(body).unwrap().0.unwrap()["y"], 1);
        assert_eq!(parse::<shapes::Transparent>(body).unwrap().0, whole);
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

        let absent = br#"{"y":1}"#;
        assert_eq!(
            kind::<shapes::Named>(absent),
            Some(RejectionKind::MalformedPacket)
        );
        assert_eq!(
            kind::<shapes::Transparent>(absent),
            Some(RejectionKind::MalformedPacket)
        );
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
