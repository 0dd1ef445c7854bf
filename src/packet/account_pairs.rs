//! The three webhooks beside `Sns.CallbackFriendAdd` that also carry pairs of accounts.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Packet, UserId, object::Object};

/// One pair of [`FriendDelete`], [`BlackListAdd`] or [`BlackListDelete`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct AccountPair {
    /// `From_Account`: the user whose friend list or blacklist has changed.
    #[serde(rename = "From_Account")]
    pub from_account: UserId,
    /// `To_Account`: the user who was added to that list or removed from it.
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
    ($(#[$docs:meta])+ $name:ident, $command:literal, $only:ident) => {
        /// The one value of `CallbackCommand`, so that a packet that is read back from a queue can't be taken
        /// for another.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        enum $only {
            #[default]
            #[serde(rename = $command)]
            Command,
        }

        $(#[$docs])+
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[non_exhaustive]
        pub struct $name {
            #[serde(default)]
            callback_command: $only,
            /// `PairList`: one pair for each change.
            pub pair_list: Vec<AccountPair>,
        }

        // The compiler would show this macro to whoever misses an `impl` of their own.
        #[diagnostic::do_not_recommend]
        impl Packet for $name {
            const COMMAND: &'static str = $command;
        }
    };
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackFriendDelete`: `to_account` is no longer a friend of `from_account`.
    ///
    /// A two-way deletion comes as two pairs, one per direction. Chat can also send it when a user blocks
    /// another: see [`BlackListAdd`].
    ///
    /// ```
    /// use tower_tencent_chat::{Callback, FriendDelete, test_util::CallbackRequest};
    ///
    /// let request = CallbackRequest::friend_delete(1400000000).pair("alice", "bob");
    /// let callback: Callback<FriendDelete> = request.callback();
    /// assert_eq!(callback.pair_list[0].from_account, "alice");
    /// ```
    ///
    /// Source: Tencent's page "After a Friend Is Deleted" (1047/34360).
    FriendDelete, "Sns.CallbackFriendDelete", FriendDeleteCommand
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackBlackListAdd`: `from_account` has blocked `to_account`.
    ///
    /// Blocking ends the friendship in both directions, unless the console says "Remain Friends"
    /// (保留好友关系). The packet doesn't say which, so don't delete friends on this webhook alone. Tencent's
    /// China site says that Chat sends [`FriendDelete`], too; the international site doesn't list it.
    ///
    /// Source: Tencent's page "After a User Is Added to a Blocklist" (1047/34361).
    BlackListAdd, "Sns.CallbackBlackListAdd", BlackListAddCommand
}

packet_of_pairs! {
    /// The packet of `Sns.CallbackBlackListDelete`: `from_account` has unblocked `to_account`. That doesn't
    /// make them friends again.
    ///
    /// Source: Tencent's page "After a User Is Removed from a Blocklist" (1047/34362).
    BlackListDelete, "Sns.CallbackBlackListDelete", BlackListDeleteCommand
}
