use serde::Deserialize;
use tower_tencent_chat::{FriendPair, Packet};

/// The packet of "After a Friend Is Deleted": its pairs are those of an addition, without the initiator.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FriendDelete {
    pub(crate) pair_list: Vec<FriendPair>,
}

impl Packet for FriendDelete {
    const COMMAND: &'static str = "Sns.CallbackFriendDelete";
}
