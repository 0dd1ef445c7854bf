//! The three webhooks beside `Sns.CallbackFriendAdd` that also carry pairs of accounts.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Packet, UserId, command::CommandOf, object::Object};

/// One pair of [`FriendDelete`], [`BlackListAdd`] or [`BlackListDelete`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct AccountPair {
    /// `From_Account`: whose list of friends or blacklist has changed.
    #[serde(rename = "From_Account")]
    pub from_account: UserId,
    /// `To_Account`: who is on that list now, or isn't any more.
    #[serde(rename = "To_Account")]
    pub to_account: UserId,
}

impl<'de> Deserialize<'de> for AccountPair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Pair {
            #[serde(rename = "From_Account")]
            from_account: UserId,
            #[serde(rename = "To_Account")]
            to_account: UserId,
        }

        let Object(Pair {
            from_account,
            to_account,
        }) = Object::deserialize(deserializer)?;
        Ok(Self {
            from_account,
            to_account,
        })
    }
}

/// Declares a packet that has nothing but pairs of accounts.
macro_rules! packet_of_pairs {
    ($(#[$docs:meta])+ $name:ident, $command:literal) => {
        $(#[$docs])+
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[non_exhaustive]
        pub struct $name {
            #[serde(default)]
            callback_command: CommandOf<Self>,
            /// `PairList`: whose list, and who is on it or isn't any more.
            pub pair_list: Vec<AccountPair>,
        }

        impl Packet for $name {
            const COMMAND: &'static str = $command;
        }
    };
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackFriendDelete`: `from_account` has no longer `to_account` as a friend.
    ///
    /// A two-way deletion comes as two pairs, one per direction. Chat can also send it when a user blocks
    /// another: see [`BlackListAdd`].
    ///
    /// Source: Tencent's page "After a Friend Is Deleted" (1047/34360).
    FriendDelete, "Sns.CallbackFriendDelete"
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackBlackListAdd`: `from_account` has blocked `to_account`.
    ///
    /// Blocking ends the friendship in both directions, unless the console says "Remain Friends"
    /// (保留好友关系). Nothing here tells which, so don't delete friends by this alone: Tencent's China site
    /// says that [`FriendDelete`] comes as well, the international one does not list it.
    ///
    /// Source: Tencent's page "After a User Is Added to a Blocklist" (1047/34361).
    BlackListAdd, "Sns.CallbackBlackListAdd"
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackBlackListDelete`: `from_account` has unblocked `to_account`. Whoever was
    /// a friend before does not become one again.
    ///
    /// Source: Tencent's page "After a User Is Removed from a Blocklist" (1047/34362).
    BlackListDelete, "Sns.CallbackBlackListDelete"
}
