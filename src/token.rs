use std::{error::Error, fmt};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The authentication token that an app has set for its webhooks in Tencent's console.
///
/// [`Debug`](fmt::Debug) does not show it, and two tokens can't be compared.
///
/// Comparing signatures takes no early exit: `ConstantTimeEq` of the crate `subtle` looks at all 32
/// bytes of both digests, and all of a layer's tokens are tried, whichever has signed. So the time
/// that a refusal takes does not tell how much of a forged signature was right.
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
    /// The state after the token, which a time is added to.
    state: Sha256,
}

/// A text that can't be a token; says which rule it breaks, and does not repeat it.
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
    /// Where the text is empty, longer than 128 bytes, or has white space or control characters in
    /// it: a line break that came along from a file is found at start, not by the first callback.
    pub fn new(token: impl Into<String>) -> Result<Self, InvalidToken> {
        let token = token.into();
        let reason = if token.is_empty() {
            "the token is empty"
        } else if token.len() > Self::MAX_LEN {
            "the token is longer than 128 bytes"
        } else if token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "the token contains white space or control characters"
        } else {
            return Ok(Self {
                state: Sha256::new_with_prefix(token),
            });
        };
        Err(InvalidToken { reason })
    }

    /// The `Sign` that Tencent Cloud Chat sends with a `RequestTime` of so many Unix seconds: the
    /// SHA-256 of the token directly followed by the time, in lower-case hex.
    #[must_use]
    pub fn sign(&self, request_time: u64) -> String {
        base16ct::lower::encode_string(&self.digest(&request_time.to_string()))
    }

    /// Whether this token signed `request_time`, the text exactly as it came; in constant time. It is
    /// a `Choice` and no `bool`, so that whoever asks several tokens can't stop at the first.
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

/// A `Sign` parameter: 64 hex digits, in either case.
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
        ] {
            let error = Token::new(text).unwrap_err();
            assert_eq!(error.to_string(), reason);
            assert!(!format!("{error:?}").contains("sec"));
        }
        assert!(Token::new("x".repeat(128)).is_ok());
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
