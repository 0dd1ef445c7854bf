use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Packet, UserId, flag};

/// The packet of `Sns.CallbackFriendAdd`: friends have been added.
///
/// Serialized it is a packet as Tencent sends it, `CallbackCommand` included.
///
/// Source: Tencent's page "After a Friend Is Added". Only `PairList` is required here: an event is
/// not refused for a field that Tencent leaves out, adds, or fills with a value unknown today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "CallbackCommand",
    rename = "Sns.CallbackFriendAdd",
    rename_all = "PascalCase"
)]
#[non_exhaustive]
pub struct FriendAdd {
    /// `PairList`: who added whom. A two-way addition can come as two pairs, one per direction.
    pub pair_list: Vec<FriendPair>,
    /// `ClientCmd`: what the user's client did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cmd: Option<ClientCmd>,
    /// `Admin_Account`: the administrator who asked for it through the REST API; `None` where
    /// Tencent sends `""`, which says that no administrator did.
    #[serde(default, rename = "Admin_Account", with = "optional_account")]
    pub admin_account: Option<UserId>,
    /// `ForceFlag`: whether an administrator added the friend by force.
    #[serde(default, with = "flag")]
    pub force_flag: bool,
}

impl Packet for FriendAdd {
    const COMMAND: &'static str = "Sns.CallbackFriendAdd";
}

/// One pair of [`FriendAdd`]; the pairs of the sibling webhooks are alike, without the initiator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FriendPair {
    /// `From_Account`: who added `to_account` to their friends.
    #[serde(rename = "From_Account")]
    pub from_account: UserId,
    /// `To_Account`: who was added to the friends of `from_account`.
    #[serde(rename = "To_Account")]
    pub to_account: UserId,
    /// `Initiator_Account`: who asked to be friends; `None` where it is absent or empty.
    #[serde(default, rename = "Initiator_Account", with = "optional_account")]
    pub initiator_account: Option<UserId>,
}

/// What the user's client did: `ClientCmd`, in either of Tencent's spellings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCmd {
    /// `friend_add` or `FriendAdd`: a request that needed no answer.
    FriendAdd,
    /// `friend_response` or `FriendResponse`: a request was answered with yes.
    FriendResponse,
    /// A value that this crate doesn't know, as it came.
    Other(String),
}

impl<'de> Deserialize<'de> for ClientCmd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A `UserId` because a short one needs no allocation.
        let text = UserId::deserialize(deserializer)?;
        Ok(match &*text {
            "friend_add" | "FriendAdd" => Self::FriendAdd,
            "friend_response" | "FriendResponse" => Self::FriendResponse,
            other => Self::Other(other.to_owned()),
        })
    }
}

impl Serialize for ClientCmd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::FriendAdd => "friend_add",
            Self::FriendResponse => "friend_response",
            Self::Other(text) => text,
        })
    }
}

/// An account that Tencent leaves empty where there is none.
mod optional_account {
    use super::*;

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<Option<UserId>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let account = Option::<UserId>::deserialize(deserializer)?;
        Ok(account.filter(|account| !account.is_empty()))
    }

    pub(super) fn serialize<S: Serializer>(
        account: &Option<UserId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        account.as_deref().unwrap_or_default().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(packet: serde_json::Value) -> FriendAdd {
        serde_json::from_value(packet).unwrap()
    }

    fn pair(from: &str, to: &str, initiator: Option<&str>) -> FriendPair {
        FriendPair {
            from_account: from.into(),
            to_account: to.into(),
            initiator_account: initiator.map(UserId::from),
        }
    }

    #[test]
    fn only_the_pair_list_is_required() {
        let expected = FriendAdd {
            pair_list: vec![pair("a", "b", None)],
            client_cmd: None,
            admin_account: None,
            force_flag: false,
        };
        for packet in [
            json!({"PairList": [{"From_Account": "a", "To_Account": "b"}]}),
            json!({
                "PairList": [{"From_Account": "a", "To_Account": "b", "Initiator_Account": null}],
                "ClientCmd": null,
                "Admin_Account": null,
                "ForceFlag": null,
            }),
            json!({
                "PairList": [{"From_Account": "a", "To_Account": "b", "Initiator_Account": ""}],
                "Admin_Account": "",
            }),
            json!({
                "EventTime": 1669872112000_u64,
                "PairList": [{"From_Account": "a", "To_Account": "b", "New": [{}]}],
                "Deep": {"New": [[[]]]},
            }),
        ] {
            assert_eq!(parse(packet), expected);
        }
        assert!(parse(json!({"PairList": []})).pair_list.is_empty());
    }

    #[test]
    fn what_is_missing_or_mistyped_is_an_error() {
        for packet in [
            json!({}),
            json!({"PairList": null}),
            json!({"PairList": {}}),
            json!({"PairList": [null]}),
            json!({"PairList": [{"From_Account": "a"}]}),
            json!({"PairList": [{"To_Account": "b"}]}),
            json!({"PairList": [{"From_Account": 1, "To_Account": "b"}]}),
            json!({"PairList": [{"From_Account": null, "To_Account": "b"}]}),
            json!({"PairList": [], "ClientCmd": 1}),
            json!({"PairList": [], "Admin_Account": 1}),
        ] {
            serde_json::from_value::<FriendAdd>(packet.clone()).expect_err(&packet.to_string());
        }
    }

    #[test]
    fn client_cmd_has_two_spellings_and_is_open() {
        for (text, expected) in [
            ("friend_add", ClientCmd::FriendAdd),
            ("FriendAdd", ClientCmd::FriendAdd),
            ("friend_response", ClientCmd::FriendResponse),
            ("FriendResponse", ClientCmd::FriendResponse),
            ("friend_import", ClientCmd::Other("friend_import".into())),
            ("", ClientCmd::Other(String::new())),
        ] {
            let packet = parse(json!({"PairList": [], "ClientCmd": text}));
            assert_eq!(packet.client_cmd, Some(expected));
        }
    }

    #[test]
    fn serializes_as_tencent_sends_it() {
        let mut packet = FriendAdd {
            pair_list: vec![pair("id", "id1", Some("id")), pair("id1", "id", None)],
            client_cmd: Some(ClientCmd::FriendResponse),
            admin_account: None,
            force_flag: false,
        };
        let text = r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[
            {"From_Account":"id","To_Account":"id1","Initiator_Account":"id"},
            {"From_Account":"id1","To_Account":"id","Initiator_Account":""}
            ],"ClientCmd":"friend_response","Admin_Account":"","ForceFlag":0}"#;
        let compact: String = text.split_whitespace().collect();
        assert_eq!(serde_json::to_string(&packet).unwrap(), compact);
        assert_eq!(serde_json::from_str::<FriendAdd>(text).unwrap(), packet);

        packet.client_cmd = Some(ClientCmd::Other("friend_import".into()));
        packet.admin_account = Some("administrator".into());
        packet.force_flag = true;
        let value = serde_json::to_value(&packet).unwrap();
        assert_eq!(value["ClientCmd"], "friend_import");
        assert_eq!(value["Admin_Account"], "administrator");
        assert_eq!(value["ForceFlag"], 1);
        assert_eq!(parse(value), packet);

        packet.client_cmd = None;
        assert_eq!(parse(serde_json::to_value(&packet).unwrap()), packet);
    }
}
