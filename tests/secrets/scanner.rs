//! Finds what must not be printed.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::{BODY, SPARE_TOKEN, TOKEN, common, common::token, forgery};

pub(crate) const NOW: u64 = common::TIME;
pub(crate) const LATE: u64 = NOW + 61;

/// The first piece of a secret that is in the text.
pub(crate) fn leak(text: &str) -> Option<&'static str> {
    let text = normal(text);
    let found = FORBIDDEN.iter().find(|piece| text.contains(&***piece));
    found.map(String::as_str)
}

/// Secrets are cut into pieces, so that a part of one is found as well.
static FORBIDDEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let secrets = secrets();
    let pieces = secrets.iter().flat_map(|secret| secret.chunks_exact(6));
    pieces.flat_map(forms).map(|form| normal(&form)).collect()
});

fn secrets() -> Vec<Vec<u8>> {
    let mut secrets = [TOKEN, SPARE_TOKEN, BODY, common::TOKEN]
        .map(Vec::from)
        .to_vec();
    let signed = |text: &str| [NOW, LATE].map(|time| token(text).sign(time));
    // What is expected where the time has a zero in front.
    let padded = token(&format!("{TOKEN}0")).sign(NOW);
    let expected = [TOKEN, SPARE_TOKEN].into_iter().flat_map(signed);
    for sign in expected.chain([padded, forgery(), common::SIGN.to_owned()]) {
        secrets.push(base16(&sign));
        secrets.push(sign.into());
    }
    secrets
}

fn base16(digits: &str) -> Vec<u8> {
    let bytes = (0..digits.len() / 2).map(|at| &digits[2 * at..][..2]);
    bytes
        .map(|hex| u8::from_str_radix(hex, 16).unwrap())
        .collect()
}

/// The ways in which bytes are printed: as text, as hex and as lists of numbers.
fn forms(bytes: &[u8]) -> [String; 5] {
    let join = |form: fn(&u8) -> String, separator| {
        let bytes: Vec<_> = bytes.iter().map(form).collect();
        bytes.join(separator)
    };
    [
        bytes.escape_ascii().to_string(),
        join(|byte| format!("{byte:02x}"), ""),
        join(|byte| format!("%{byte:02x}"), ""),
        join(|byte| format!("{byte}"), ","),
        join(|byte| format!("{byte:x}"), ","),
    ]
}

/// Without what differs between `{:?}` and `{:#?}`, and between upper and lower case.
fn normal(text: &str) -> String {
    let words: String = text.split_whitespace().collect();
    words.to_ascii_lowercase().replace("0x", "")
}

#[test]
fn each_secret_is_found_in_each_form() {
    for secret in secrets() {
        let bytes = Bytes::from(secret.clone());
        let text = bytes.escape_ascii().to_string();
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        for printed in [
            format!("{secret:?}"),
            format!("{secret:#?}"),
            format!("{secret:x?}"),
            format!("{secret:#X?}"),
            format!("{bytes:?}"),
            format!("{bytes:x}"),
            format!("{bytes:X}"),
            format!("{text} and more"),
            format!("only {}", bytes[..8].escape_ascii()),
            text.to_uppercase(),
            escaped,
        ] {
            assert!(leak(&printed).is_some(), "{printed}");
        }
    }
    assert_eq!(leak("the Sign parameter does not match, 1669872112"), None);
}
