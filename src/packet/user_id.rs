use std::{
    borrow::Borrow,
    cmp::Ordering,
    convert::Infallible,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    str::FromStr,
};

use arrayvec::ArrayString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A UserID: the name of a user in the app. Tencent's are at most 32 bytes long.
///
/// It is a string, and takes no allocation for up to 32 bytes.
///
/// ```
/// use tower_tencent_chat::UserId;
///
/// let id = UserId::from("alice");
/// assert_eq!(id, "alice");
/// assert!(id.starts_with("al"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UserId(Repr);

/// Short whenever it can be, so that equal texts are of one kind.
///
/// Measured and not better: `compact_str` (32 bytes cost 1.7 times as much as 20), `Box<str>` (an
/// allocation for each id).
#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Short(ArrayString<32>),
    Long(Box<str>),
}

impl UserId {
    pub(super) const EMPTY: Self = Self(Repr::Short(ArrayString::new_const()));

    /// Writes the text into an empty id, in place.
    #[inline]
    pub(super) fn fill(&mut self, text: &str) {
        let fits = match &mut self.0 {
            Repr::Short(short) => short.try_push_str(text).is_ok(),
            Repr::Long(_) => false,
        };
        if !fits {
            *self = text.into();
        }
    }

    /// The UserID as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Short(text) => text,
            Repr::Long(text) => text,
        }
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

/// Lets a `&str` look up a key in a map whose keys are `UserId`s.
impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for UserId {
    #[inline]
    fn from(text: &str) -> Self {
        Self(match ArrayString::from(text) {
            Ok(short) => Repr::Short(short),
            Err(_) => Repr::Long(text.into()),
        })
    }
}

impl From<String> for UserId {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        match id.0 {
            Repr::Short(text) => text.as_str().to_owned(),
            Repr::Long(text) => text.into(),
        }
    }
}

impl FromStr for UserId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

/// Compares as strings, both ways round.
macro_rules! compares_with {
    ($($other:ty),+) => {$(
        impl PartialEq<$other> for UserId {
            fn eq(&self, other: &$other) -> bool {
                let other: &str = other.as_ref();
                self.as_str() == other
            }
        }

        impl PartialEq<UserId> for $other {
            fn eq(&self, other: &UserId) -> bool {
                other == self
            }
        }
    )+};
}

compares_with!(str, &str, String);

impl PartialOrd for UserId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for UserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
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

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = UserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UserId, E> {
                Ok(text.into())
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    const LONGEST_SHORT: &str = "a user id of thirty-two bytes!!!";
    const SHORTEST_LONG: &str = "a user id of thirty-three bytes!!";

    #[test]
    fn is_a_str_in_every_way() {
        for text in ["", "alice", "界", LONGEST_SHORT, SHORTEST_LONG] {
            let id = UserId::from(text);
            assert_eq!(id, UserId::from(text.to_owned()));
            assert_eq!(id, *text);
            assert_eq!(*text, id);
            assert_eq!(id, text);
            assert_eq!(text, id);
            assert_eq!(id, text.to_owned());
            assert_eq!(text.to_owned(), id);
            assert_eq!(String::from(id.clone()), text);
            assert_eq!(text.parse(), Ok(id.clone()));
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
        assert_ne!("bob", UserId::from("alice"));
        assert_ne!(UserId::from("alice"), "bob".to_owned());
        assert_ne!("bob".to_owned(), UserId::from("alice"));
    }

    #[test]
    fn is_found_in_a_map_by_a_str() {
        for text in ["alice", LONGEST_SHORT, SHORTEST_LONG] {
            assert!(HashSet::from([UserId::from(text)]).contains(text));
            assert!(BTreeSet::from([UserId::from(text)]).contains(text));
        }
    }
}
