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

    const TIME: &str = "1669872112";
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

    fn accepts(token: &str, sign: &str, time: &str) -> bool {
        let signature = Signature::parse(sign).unwrap();
        Token::new(token)
            .unwrap()
            .has_signed(time, &signature)
            .into()
    }

    #[test]
    fn signs_as_tencent_does() {
        assert_eq!(Token::new("xxxxyyyy").unwrap().sign(1669872112), SIGN);
        let misprint = Token::new("xxxyyy").unwrap().sign(1669872112);
        assert!(misprint.starts_with("e78a8547") && misprint.ends_with("35de"));
    }

    #[test]
    fn accepts_its_own_signature_alone() {
        assert!(accepts("xxxxyyyy", SIGN, TIME));
        assert!(accepts("xxxxyyyy", &SIGN.to_uppercase(), TIME));
        assert!(!accepts("xxxxyyyz", SIGN, TIME));
        assert!(!accepts("xxxxyyyy", SIGN, "1669872113"));
        assert!(!accepts("xxxxyyyy", SIGN, "01669872112"));
        assert!(!accepts("xxxxyyyy", &SIGN.replace("061", "062"), TIME));
    }

    #[test]
    fn a_signature_is_64_hex_digits() {
        assert!(Signature::parse(SIGN).is_some());
        for wrong in [
            "",
            &SIGN[..62],
            &SIGN[..63],
            &format!("{SIGN}0"),
            &format!("{SIGN}00"),
            &SIGN.replace('7', "g"),
            &SIGN.replace("17", "+7"),
            &"é".repeat(32),
            &"界".repeat(64),
        ] {
            assert!(Signature::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn refuses_what_no_console_takes() {
        for (text, reason) in [
            ("", "the token is empty"),
            (&*"x".repeat(129), "the token is longer than 128 bytes"),
            (
                "secret\n",
                "the token contains white space or control characters",
            ),
            (
                "sec ret",
                "the token contains white space or control characters",
            ),
            (
                "sec\u{a0}ret",
                "the token contains white space or control characters",
            ),
            (
                "sec\u{7f}ret",
                "the token contains white space or control characters",
            ),
            ("\u{feff}secret", "the token contains invisible characters"),
            ("secret\u{200b}", "the token contains invisible characters"),
            ("sec\u{200f}ret", "the token contains invisible characters"),
            ("sec\u{202e}ret", "the token contains invisible characters"),
            ("sec\u{2066}ret", "the token contains invisible characters"),
        ] {
            let error = Token::new(text).unwrap_err();
            assert_eq!(error.to_string(), reason);
            assert!(!format!("{error:?}").contains("sec"));
        }
        assert!(Token::new("x".repeat(128)).is_ok());
        // The limit counts bytes: this is 43 characters.
        assert!(Token::new("界".repeat(43)).is_err());
        assert!(Token::new("界".repeat(42)).is_ok());
        assert!(Token::new("x").is_ok());
    }

    #[test]
    fn debug_is_redacted() {
        assert_eq!(
            format!("{:?}", Token::new("xxxxyyyy").unwrap()),
            "Token(..)"
        );
    }
}
