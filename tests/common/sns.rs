//! Two more webhooks of the same app, as a user writes them.

use serde::Deserialize;
use tower_tencent_chat::{Packet, UserId};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FriendDelete {
    pub(crate) pair_list: Vec<Pair>,
}

impl Packet for FriendDelete {
    const COMMAND: &'static str = "Sns.CallbackFriendDelete";
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BlackListAdd {
    pub(crate) pair_list: Vec<Pair>,
}

impl Packet for BlackListAdd {
    const COMMAND: &'static str = "Sns.CallbackBlackListAdd";
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pair {
    #[serde(rename = "From_Account")]
    pub(crate) from: UserId,
    #[serde(rename = "To_Account")]
    pub(crate) to: UserId,
}

/// What Tencent sends for each of the three.
pub(crate) const FRIEND_ADD: &str = include_str!("../samples/friend-add.json");
pub(crate) const FRIEND_DELETE: &str = include_str!("../samples/friend-delete.json");
pub(crate) const BLACK_LIST_ADD: &str = include_str!("../samples/black-list-add.json");
