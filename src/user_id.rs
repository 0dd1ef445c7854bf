use std::{fmt, ops::Deref};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A UserID: the name of a user in the app, at most 32 bytes long where it comes from Tencent.
///
/// A string slice that owns its text; 24 bytes and less are stored without an allocation.
///
/// ```
/// use tower_tencent_chat::UserId;
///
/// let id = UserId::from("alice");
/// assert_eq!(id, "alice");
/// assert!(id.starts_with("al"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(CompactString);

impl UserId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for UserId {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for UserId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for UserId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for UserId {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for UserId {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_str_in_every_way() {
        for text in ["", "alice", "a user id of thirty-two bytes!!!", "界"] {
            let id = UserId::from(text);
            assert_eq!(id, UserId::from(text.to_owned()));
            assert_eq!(id, *text);
            assert_eq!(id, text);
            assert_eq!(id.as_str(), text);
            assert_eq!(AsRef::<str>::as_ref(&id), text);
            assert_eq!(id.to_string(), text);
            assert_eq!(format!("{id:?}"), format!("{text:?}"));
            assert_eq!(
                serde_json::to_string(&id).unwrap(),
                serde_json::to_string(text).unwrap()
            );
            assert_eq!(serde_json::from_value::<UserId>(text.into()).unwrap(), id);
        }
        assert_ne!(UserId::from("alice"), *"bob");
        assert_ne!(UserId::from("alice"), "bob");
    }

    #[test]
    fn orders_and_pads_as_a_str_does() {
        let (alice, bob) = (UserId::from("alice"), UserId::from("bob"));
        assert!(alice < bob);
        assert_eq!(format!("{bob:>6}"), "   bob");
    }
}
