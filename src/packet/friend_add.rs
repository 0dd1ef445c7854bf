use std::{convert::Infallible, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

use super::{Packet, UserId, command::Text, flag, lenient::Lenient, object::Object};

/// The packet of `Sns.CallbackFriendAdd`: friends have been added.
///
/// It serializes as Tencent sends it, with `CallbackCommand`, so it can be kept in a queue.
/// Deserializing another webhook's packet as this one is an error.
///
/// `PairList` and the two accounts of each pair are required. Any other field may be absent, or have an
/// unknown value, and fields may be added: that doesn't cost the event.
///
/// ```
/// use tower_tencent_chat::{ClientCmd, FriendAdd};
///
/// let packet: FriendAdd = serde_json::from_str(
///     r#"{
///         "CallbackCommand": "Sns.CallbackFriendAdd",
///         "PairList": [{"From_Account": "alice", "To_Account": "bob"}],
///         "ClientCmd": "friend_response"
///     }"#,
/// )?;
/// assert_eq!(packet.pair_list[0].to_account, "bob");
/// assert_eq!(packet.client_cmd, Some(ClientCmd::FriendResponse));
/// assert_eq!(packet.admin_account, None);
/// # Ok::<_, serde_json::Error>(())
/// ```
///
/// Source: Tencent's page "After a Friend Is Added" (1047/34359).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FriendAdd {
    #[serde(default)]
    callback_command: Command,
    /// `PairList`: who added whom. A two-way addition can come as two pairs, one per direction.
    #[serde(deserialize_with = "pair_list")]
    pub pair_list: Vec<FriendPair>,
    /// `ClientCmd`: what the user's client did.
    #[serde(
        default,
        deserialize_with = "client_cmd",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_cmd: Option<ClientCmd>,
    /// `Admin_Account`: the administrator who asked for it through the REST API. `None` if it is
    /// empty, because then a user did.
    #[serde(default, rename = "Admin_Account", with = "optional_account")]
    pub admin_account: Option<UserId>,
    /// `ForceFlag`: whether an administrator added the friend by force.
    #[serde(default, with = "flag")]
    pub force_flag: bool,
}

/// The one value of `CallbackCommand`, so that a packet that is read back from a queue can't be taken for
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Command {
    #[default]
    #[serde(rename = "Sns.CallbackFriendAdd")]
    FriendAdd,
}

impl FriendAdd {
    #[cfg(any(feature = "test-util", test))]
    pub(crate) fn new(pair_list: Vec<FriendPair>) -> Self {
        Self {
            callback_command: Command::default(),
            pair_list,
            client_cmd: Some(ClientCmd::FriendAdd),
            admin_account: None,
            force_flag: false,
        }
    }
}

#[diagnostic::do_not_recommend]
impl Packet for FriendAdd {
    const COMMAND: &'static str = "Sns.CallbackFriendAdd";
}

/// One pair of [`FriendAdd`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct FriendPair {
    /// `From_Account`: who added `to_account` to their friends.
    #[serde(rename = "From_Account")]
    pub from_account: UserId,
    /// `To_Account`: who was added to the friends of `from_account`.
    #[serde(rename = "To_Account")]
    pub to_account: UserId,
    /// `Initiator_Account`: who asked to be friends; `None` if it is absent or empty.
    #[serde(
        rename = "Initiator_Account",
        serialize_with = "optional_account::serialize"
    )]
    pub initiator_account: Option<UserId>,
}

/// A pair while it is read. It borrows, so that an account is copied only once, to where it stays. That saves
/// about 10 % of the time: moving a text that was just written stalls the processor.
#[derive(Deserialize)]
struct BorrowedPair<'a> {
    #[serde(borrow, rename = "From_Account")]
    from_account: Text<'a>,
    #[serde(borrow, rename = "To_Account")]
    to_account: Text<'a>,
    #[serde(default, borrow, rename = "Initiator_Account")]
    initiator_account: Lenient<'a>,
}

fn pair_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FriendPair>, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<FriendPair>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of pairs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(Object(pair)) = list.next_element::<Object<BorrowedPair<'de>>>()? {
                let place = pairs.len();
                pairs.push(FriendPair::EMPTY);
                pairs[place].fill(&pair);
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_seq(Pairs)
}

impl FriendPair {
    const EMPTY: Self = Self {
        from_account: UserId::EMPTY,
        to_account: UserId::EMPTY,
        initiator_account: None,
    };

    #[inline]
    fn fill(&mut self, pair: &BorrowedPair<'_>) {
        self.from_account.fill(&pair.from_account.0);
        self.to_account.fill(&pair.to_account.0);
        match &pair.initiator_account {
            Lenient::Text(text) if !text.is_empty() => {
                self.initiator_account.insert(UserId::EMPTY).fill(text);
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for FriendPair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(borrowed) = Object::deserialize(deserializer)?;
        let mut pair = Self::EMPTY;
        pair.fill(&borrowed);
        Ok(pair)
    }
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

impl From<&str> for ClientCmd {
    fn from(text: &str) -> Self {
        match text {
            "friend_add" | "FriendAdd" => Self::FriendAdd,
            "friend_response" | "FriendResponse" => Self::FriendResponse,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl FromStr for ClientCmd {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for ClientCmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FriendAdd => "friend_add",
            Self::FriendResponse => "friend_response",
            Self::Other(text) => text,
        })
    }
}

fn client_cmd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClientCmd>, D::Error> {
    let text = Lenient::deserialize(deserializer)?.text();
    Ok(text.map(|text| ClientCmd::from(&*text)))
}

impl<'de> Deserialize<'de> for ClientCmd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|Text(text)| Self::from(&*text))
    }
}

impl Serialize for ClientCmd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An account that Tencent leaves empty if there is none.
mod optional_account {
    use super::*;

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<Option<UserId>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let account = Lenient::deserialize(deserializer)?.text();
        let account = account.filter(|account| !account.is_empty());
        Ok(account.map(|account| UserId::from(&*account)))
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
    use super::*;

    #[test]
    fn an_empty_account_is_none_where_it_is_optional() {
        let text = r#"{"PairList":[{"From_Account":"","To_Account":"","Initiator_Account":""}],
            "Admin_Account":""}"#;
        let packet: FriendAdd = serde_json::from_str(text).unwrap();
        assert_eq!(packet.admin_account, None);
        assert_eq!(packet.pair_list[0].initiator_account, None);
        assert_eq!(packet.pair_list[0].from_account, "");
    }
}
