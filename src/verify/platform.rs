use std::{borrow::Cow, convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The platform of the user's client: `OptPlatform`.
///
/// Parsing ignores letter case and knows every spelling on Tencent's pages, so `Mac` and `macOS` are
/// the same. An unknown platform is kept as it came.
///
/// ```
/// use tower_tencent_chat::Platform;
///
/// assert_eq!("macos".parse(), Ok(Platform::Mac));
/// assert_eq!("Watch".parse(), Ok(Platform::Other("Watch".into())));
/// assert_eq!(Platform::RestApi.to_string(), "RESTAPI");
/// ```
///
/// Source: `OptPlatform` on Tencent's "Webhook Overview".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// `RESTAPI`: an app backend, through the REST API.
    RestApi,
    /// `Web`
    Web,
    /// `Android`
    Android,
    /// `iOS`
    Ios,
    /// `Windows`
    Windows,
    /// `Mac`, also spelled `macOS`
    Mac,
    /// `iPad`
    Ipad,
    /// `Unknown`: a device that Tencent can't tell; also spelled `Unkown`.
    Unknown,
    /// A value that this crate doesn't know, as it came.
    Other(String),
}

static SPELLINGS: [(&str, Platform); 10] = [
    ("RESTAPI", Platform::RestApi),
    ("Web", Platform::Web),
    ("Android", Platform::Android),
    ("iOS", Platform::Ios),
    ("Windows", Platform::Windows),
    ("Mac", Platform::Mac),
    ("macOS", Platform::Mac),
    ("iPad", Platform::Ipad),
    ("Unknown", Platform::Unknown),
    ("Unkown", Platform::Unknown),
];

impl From<&str> for Platform {
    fn from(text: &str) -> Self {
        SPELLINGS
            .iter()
            .find(|(spelling, _)| spelling.eq_ignore_ascii_case(text))
            .map_or_else(|| Self::Other(text.to_owned()), |(_, known)| known.clone())
    }
}

impl FromStr for Platform {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self::from(&*text))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RestApi => "RESTAPI",
            Self::Web => "Web",
            Self::Android => "Android",
            Self::Ios => "iOS",
            Self::Windows => "Windows",
            Self::Mac => "Mac",
            Self::Ipad => "iPad",
            Self::Unknown => "Unknown",
            Self::Other(text) => text,
        })
    }
}
