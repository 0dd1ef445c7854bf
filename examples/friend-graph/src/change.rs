//! What a callback changes.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tower_tencent_chat::{CallbackContext, FriendAdd, FriendDelete, Packet, UserId};

/// The bytes of a text. A UserID has 32 today; an entry of PostgreSQL's indexes has room for two of these.
const MAX_TEXT: usize = 1024;
/// The characters of a `RequestId` that are kept: a sender may have made it as long as it likes.
const REQUEST_ID: usize = 64;

/// The pairs of one callback, which are written together or not at all. The journal keeps it as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// Each pair once.
    pub(crate) pairs: Vec<Pair>,
    /// When it was received, in Unix milliseconds.
    pub(crate) seen: i64,
    /// When Chat signed it, in Unix seconds; `None` if signatures aren't verified.
    pub(crate) request_time: Option<i64>,
    pub(crate) platform: Option<String>,
    /// For the log.
    pub(crate) request_id: Option<String>,
    /// Whether it has been in the journal, so that something newer may have been written meanwhile.
    #[serde(skip)]
    pub(crate) waited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Add,
    Delete,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) from: UserId,
    pub(crate) to: UserId,
    pub(crate) initiator: Option<UserId>,
}

/// A webhook whose pairs become friends, or cease to be.
pub(crate) trait ChangesFriends: Packet {
    const KIND: Kind;

    fn pairs(&self) -> impl Iterator<Item = Pair>;
}

impl ChangesFriends for FriendAdd {
    const KIND: Kind = Kind::Add;

    fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.pair_list.iter().map(|pair| Pair {
            from: pair.from_account.clone(),
            to: pair.to_account.clone(),
            initiator: pair.initiator_account.clone(),
        })
    }
}

impl ChangesFriends for FriendDelete {
    const KIND: Kind = Kind::Delete;

    fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.pair_list.iter().map(|pair| Pair {
            from: pair.from_account.clone(),
            to: pair.to_account.clone(),
            initiator: None,
        })
    }
}

impl Change {
    /// Also returns the pairs that are left out, since PostgreSQL can't store them. SQLite could, and doesn't, either.
    pub(crate) fn new<P: ChangesFriends>(
        packet: &P,
        context: &CallbackContext,
    ) -> (Self, Vec<Pair>) {
        let (pairs, left_out): (Vec<_>, _) = packet
            .pairs()
            .partition(|pair| is_storable(&pair.from) && is_storable(&pair.to));
        let platform = context.platform.as_ref().map(ToString::to_string);
        let request_id = context.request_id.as_deref();
        let change = Self {
            request_time: request_time(context),
            platform: platform.filter(|platform| is_storable(platform)),
            request_id: request_id.map(|id| id.chars().take(REQUEST_ID).collect()),
            ..Self::of(P::KIND, once_each(pairs))
        };
        (change, left_out)
    }

    /// A deletion that changes nobody's friends, since no UserID is empty: to see whether changes are written.
    pub(crate) fn probe() -> Self {
        let nobody = Pair {
            from: "".into(),
            to: "".into(),
            initiator: None,
        };
        Self::of(Kind::Delete, vec![nobody])
    }

    fn of(kind: Kind, pairs: Vec<Pair>) -> Self {
        Self {
            kind,
            pairs,
            seen: Timestamp::now().as_millisecond(),
            request_time: None,
            platform: None,
            request_id: None,
            waited: false,
        }
    }

    pub(crate) fn is_probe(&self) -> bool {
        self.pairs.first().is_some_and(|pair| pair.from.is_empty())
    }
}

/// The initiator is only informative, and no reason to lose a pair.
fn once_each(pairs: Vec<Pair>) -> Vec<Pair> {
    let pairs = pairs.into_iter().map(|mut pair| {
        pair.initiator = pair.initiator.filter(|id| is_storable(id));
        ((pair.from.clone(), pair.to.clone()), pair)
    });
    pairs.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn is_storable(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.contains('\0')
}

fn request_time(context: &CallbackContext) -> Option<i64> {
    let since_epoch = context.request_time?.duration_since(UNIX_EPOCH).ok()?;
    since_epoch.as_secs().try_into().ok()
}
