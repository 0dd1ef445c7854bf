use std::{error::Error, fmt};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The authentication token that an app has set for its webhooks in Tencent's console.
///
/// [`Debug`](fmt::Debug) does not show it, and two tokens can't be compared.
///
/// Signatures are compared without an early exit: the crate `subtle` looks at all of both digests, and
/// all tokens of a layer are tried. So the time that a response takes doesn't depend on how much of a forged
/// signature is right.
///
/// ```
/// use tower_tencent_chat::Token;
///
/// let token = Token::new("xxxxyyyy")?;
/// assert_eq!(
///     token.sign(1669872112),
///     "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
/// );
/// # Ok::<_, tower_tencent_chat::InvalidToken>(())
/// ```
///
/// Source: Tencent's "Webhook Overview", authentication.
#[derive(Clone)]
pub struct Token {
    /// SHA-256 after the token. The time comes next.
    state: Sha256,
}

/// The error of [`Token::new`]. It names the rule that the text breaks, and never contains the text.
#[derive(Clone, Debug)]
pub struct InvalidToken {
    reason: &'static str,
}

impl Token {
    /// Longest token, in bytes.
    const MAX_LEN: usize = 128;

    /// Takes the token as the console shows it.
    ///
    /// # Errors
    ///
    /// If the text is empty or longer than 128 bytes, or contains white space, control characters or
    /// invisible characters such as a byte order mark. So the line break at the end of a file is an error
    /// when the app starts, and does not reject every callback later.
    pub fn new(token: impl AsRef<str>) -> Result<Self, InvalidToken> {
        let token = token.as_ref();
        let reason = if token.is_empty() {
            "the token is empty"
        } else if token.len() > Self::MAX_LEN {
            "the token is longer than 128 bytes"
        } else if token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "the token contains white space or control characters"
        } else if token.contains(is_invisible) {
            "the token contains invisible characters"
        } else {
            return Ok(Self {
                state: Sha256::new_with_prefix(token),
            });
        };
        Err(InvalidToken { reason })
    }

    /// The `Sign` that Tencent Cloud Chat sends with this `RequestTime`, which is in Unix seconds. It is
    /// the SHA-256 of the token directly followed by the time, in lower-case hex.
    #[must_use]
    pub fn sign(&self, request_time: u64) -> String {
        self.sign_text(&request_time.to_string())
    }

    pub(crate) fn sign_text(&self, request_time: &str) -> String {
        base16ct::lower::encode_string(&self.digest(request_time))
    }

    /// Whether this token signed `request_time`, the text exactly as it came; in constant time. A
    /// `Choice`, unlike a `bool`, can't end a loop over several tokens early.
    pub(crate) fn has_signed(&self, request_time: &str, signature: &Signature) -> Choice {
        self.digest(request_time).ct_eq(&signature.0)
    }

    fn digest(&self, request_time: &str) -> [u8; 32] {
        self.state
            .clone()
            .chain_update(request_time)
            .finalize()
            .into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for InvalidToken {}

/// Unicode's default-ignorable characters: byte order mark, zero width, marks of direction and others
/// that nobody sees in a file.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A `Sign` parameter: 64 hex digits, in either letter case.
pub(crate) struct Signature([u8; 32]);

impl Signature {
    pub(crate) fn parse(sign: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let decoded = base16ct::mixed::decode(sign, &mut bytes).ok()?;
        (decoded.len() == bytes.len()).then_some(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_no_console_takes() {
        let space = "the token contains white space or control characters";
        let invisible = "the token contains invisible characters";
        let long = "x".repeat(129);
        let bytes = "界".repeat(43);
        for (text, reason) in [
            ("", "the token is empty"),
            (&*long, "the token is longer than 128 bytes"),
            (&*bytes, "the token is longer than 128 bytes"),
            ("secret\n", space),
            ("sec ret", space),
            ("sec\u{a0}ret", space),
            ("sec\u{7f}ret", space),
        ] {
            let error = Token::new(text).unwrap_err();
            assert_eq!(error.to_string(), reason);
            assert!(!format!("{error:?}").contains("sec"));
        }
        for hidden in "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{200b}\u{200f}\u{202a}\
                       \u{202e}\u{2060}\u{206f}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1bca0}\u{1d173}\
                       \u{e0001}\u{e0100}"
            .chars()
        {
            let error = Token::new(format!("sec{hidden}ret")).unwrap_err();
            assert_eq!(error.to_string(), invisible, "{hidden:?}");
        }
        for text in [
            "x",
            "to-ken_!~",
            "tökén",
            "😀",
            "口令",
            "&=+%#",
            &"x".repeat(128),
            &"界".repeat(42),
        ] {
            Token::new(text).expect(text);
        }
    }
}
