//! Log lines for callbacks that are lost here, from which a script can ask Chat for the friends of those in them.

use std::fmt;

use crate::change::{Change, Kind, Pair};

/// Pairs in a line.
const PAIRS: usize = 50;
/// The characters of a UserID, which has 32 bytes today.
const USER_ID: usize = 64;

pub(crate) fn log(change: &Change, why: &dyn fmt::Display) {
    log_pairs(change, &change.pairs, why);
}

/// Logs some pairs of a callback, each of which may be any text.
pub(crate) fn log_pairs(change: &Change, pairs: &[Pair], why: &dyn fmt::Display) {
    let request_id = change.request_id.as_deref();
    let kind = match change.kind {
        Kind::Add => "add",
        Kind::Delete => "delete",
    };
    for pairs in pairs.chunks(PAIRS) {
        let lost = json(pairs);
        tracing::error!(request_id, change = kind, %lost, "callback not committed: {why}");
    }
}

/// A list of `[from, to]`, all in one line.
fn json(pairs: &[Pair]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| [cut(&pair.from), cut(&pair.to)])
        .collect();
    let json = serde_json::to_string(&pairs).expect("texts");
    json.chars().fold(String::new(), escape)
}

fn cut(user_id: &str) -> String {
    match user_id.char_indices().nth(USER_ID) {
        Some((end, _)) => format!("{}…", &user_id[..end]),
        None => user_id.to_owned(),
    }
}

/// JSON leaves some characters as they are that move a terminal's cursor or turn the direction of writing.
fn escape(mut json: String, c: char) -> String {
    match c {
        '\u{7f}'..='\u{9f}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => {
            json += &format!("\\u{:04x}", u32::from(c));
        }
        _ => json.push(c),
    }
    json
}
