//! Vectors, each with a few things changed in whatever a request can vary in.

use std::{fmt::Debug, ops::Range, sync::Arc};

use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use sha2::{Digest, Sha256};

use crate::checks::reference::{Case, Step};

/// A vector whose query and body were changed, and whose body comes in frames.
pub(crate) fn mutated(cases: Vec<Case>) -> impl Strategy<Value = Case> {
    let cases: Arc<[Case]> = cases.into();
    let others = (any::<Index>(), any::<Index>());
    let query = (some(a_query_change()), prop::bool::weighted(0.3));
    let body = some(a_body_change());
    (others, query, body, settings(), vec(a_cut(), 0..6)).prop_map(
        move |((one, other), (query, is_signed), body, settings, cuts)| {
            let mut case = one.get(&cases).clone();
            let other = other.get(&cases);
            let mut segments = case.query.split('&').map(str::to_owned).collect();
            let others: Vec<_> = other.query.split('&').collect();
            query
                .iter()
                .for_each(|change| change.apply(&mut segments, &others));
            case.query = segments.join("&");
            if is_signed {
                sign(&mut case);
            }
            let mut bytes = case.bytes();
            let donor = other.bytes();
            body.iter()
                .for_each(|change| change.apply(&mut bytes, &donor));
            settings.apply(&mut case, bytes.len());
            let is_broken = case.is_broken();
            case.body = cut(bytes.into(), &cuts);
            case.body.extend(is_broken.then_some(Step::Break));
            case
        },
    )
}

/// None of them, or one to three.
fn some<T: Debug + Clone>(change: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![2 => Just(Vec::new()), 3 => vec(change, 1..4)]
}

/// Gives the case a token, and its query a signature if it has none.
fn sign(case: &mut Case) {
    if case.settings.tokens.is_empty() && !case.query.contains("Sign") {
        let time = case.settings.now_ms / 1000;
        let digest = Sha256::digest(format!("xxxxyyyy{time}"));
        let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        case.query += &format!("&RequestTime={time}&Sign={sign}");
        case.settings.tokens = vec!["xxxxyyyy".to_owned()];
    }
}

/// By how much the limit and `Content-Length` differ from the size of the body, and the clock from now.
#[derive(Clone, Debug)]
struct SettingsChange {
    limit: Option<isize>,
    content_length: Option<isize>,
    now_ms: Option<i64>,
}

fn settings() -> impl Strategy<Value = SettingsChange> {
    let near = || rarely(select(vec![-1000, -1, 0, 1, 1000]));
    let clock = rarely(select(vec![1, 999, 60_999, 61_000, -60_000, -60_001]));
    (near(), near(), clock).prop_map(|(limit, content_length, now_ms)| SettingsChange {
        limit,
        content_length,
        now_ms,
    })
}

fn rarely<T: Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.1, value)
}

impl SettingsChange {
    fn apply(&self, case: &mut Case, length: usize) {
        let beside = |delta| length.saturating_add_signed(delta);
        let settings = &mut case.settings;
        settings.max_body_size = self.limit.map_or(settings.max_body_size, beside);
        let now_ms = self.now_ms.unwrap_or_default();
        settings.now_ms = settings.now_ms.saturating_add_signed(now_ms);
        case.content_length = self.content_length.map(beside).or(case.content_length);
    }
}

#[derive(Clone, Debug)]
enum QueryChange {
    Double(Index, Index),
    Remove(Index),
    FromAnother(Index, Index),
    Escape(Index, Index, bool),
    Insert(Index, Index, &'static str),
    Cut(Index, Index),
}

fn a_query_change() -> impl Strategy<Value = QueryChange> {
    const PARTS: &[&str] = &[
        "%00", "%20", "+", "=", "%", "%2", "%2B", "0", "1", "x", "é", ".", ";", "?", "%FF",
    ];
    let at = any::<Index>;
    prop_oneof![
        1 => (at(), at()).prop_map(|(from, to)| QueryChange::Double(from, to)),
        1 => at().prop_map(QueryChange::Remove),
        4 => (at(), at()).prop_map(|(from, to)| QueryChange::FromAnother(from, to)),
        3 => (at(), at(), any::<bool>()).prop_map(|(a, b, upper)| QueryChange::Escape(a, b, upper)),
        1 => (at(), at(), select(PARTS)).prop_map(|(a, b, part)| QueryChange::Insert(a, b, part)),
        1 => (at(), at()).prop_map(|(segment, at)| QueryChange::Cut(segment, at)),
    ]
}

impl QueryChange {
    fn apply(&self, segments: &mut Vec<String>, others: &[&str]) {
        let count = segments.len();
        if count == 0 {
            return;
        }
        // Within a segment: where a character begins.
        let within = |segment: &str, at: &Index| {
            let at = at.index(segment.len() + 1);
            (0..=at)
                .rev()
                .find(|at| segment.is_char_boundary(*at))
                .unwrap_or_default()
        };
        match self {
            Self::Double(from, to) => {
                let segment = segments[from.index(count)].clone();
                segments.insert(to.index(count + 1), segment);
            }
            Self::Remove(at) => drop(segments.remove(at.index(count))),
            Self::FromAnother(from, to) => {
                let segment = others[from.index(others.len())].to_owned();
                segments.insert(to.index(count + 1), segment);
            }
            Self::Escape(segment, at, upper) => {
                let segment = &mut segments[segment.index(count)];
                let at = within(segment, at);
                let Some(char) = segment[at..].chars().next() else {
                    return;
                };
                let char = char.to_string();
                let escaped = char.bytes().map(|byte| match upper {
                    true => format!("%{byte:02X}"),
                    false => format!("%{byte:02x}"),
                });
                let escaped: String = escaped.collect();
                segment.replace_range(at..at + char.len(), &escaped);
            }
            Self::Insert(segment, at, part) => {
                let segment = &mut segments[segment.index(count)];
                segment.insert_str(within(segment, at), part);
            }
            Self::Cut(segment, at) => {
                let segment = &mut segments[segment.index(count)];
                segment.truncate(within(segment, at));
            }
        }
    }
}

#[derive(Clone, Debug)]
enum BodyChange {
    /// So many bytes become others.
    Bytes(Index, usize, Vec<u8>),
    Cut(Index),
    /// One text, number or word becomes something else.
    Token(Index, &'static [u8]),
    /// One text, number or word becomes one of another vector.
    FromAnother(Index, Index),
    /// What is between two commas comes twice.
    Double(Index),
    Ends(&'static [u8], &'static [u8]),
}

fn a_body_change() -> impl Strategy<Value = BodyChange> {
    const BYTES: &[&[u8]] = &[
        b" ",
        b"\0",
        b"\xff",
        b"\\",
        b"\"",
        b",",
        b"]",
        b"}",
        b"[",
        b":",
        b"\xc2\xa0",
        b"null",
    ];
    const TOKENS: &[&[u8]] = &[
        b"null",
        b"true",
        b"0",
        b"-0",
        b"0e400",
        b"1E+2",
        b"18446744073709551616",
        b"[]",
        b"[[1]]",
        b"{}",
        b"{\"a\":{\"b\":[]}}",
        b"\"\"",
        b"\"+0\"",
        b"\".0\"",
        b"\"nan\"",
        b"\"1e400\"",
        b"\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\"",
        b"\"\\u7528\\ud83d\\ude00\"",
        b"\"PairList\"",
        b"\"CallbackCommand\"",
        b"\"From_Account\"",
        b"\"ClientCmd\"",
        b"\"Callback\\u0043ommand\"",
        b"\"Sns.CallbackFriendAdd\"",
        b"\"123456789012345678901234567890123\"",
        b"\"\\ud800\"",
        b"\"\\ud83d\\ud83d\\ude00\"",
        b"\"a\xff\"",
        b"1e400",
        b"\"a\nb\"",
        b"\"\\x\"",
        b"01",
        b"1.",
        b"NaN",
    ];
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), 0..4_usize, vec(any::<u8>(), 0..2)).prop_map(|(at, count, bytes)| BodyChange::Bytes(at, count, bytes)),
        1 => (at(), select(BYTES)).prop_map(|(at, bytes)| BodyChange::Bytes(at, 0, bytes.to_vec())),
        1 => at().prop_map(BodyChange::Cut),
        6 => (at(), select(TOKENS)).prop_map(|(at, token)| BodyChange::Token(at, token)),
        3 => (at(), at()).prop_map(|(to, from)| BodyChange::FromAnother(to, from)),
        2 => at().prop_map(BodyChange::Double),
        1 => (select(BYTES), select(BYTES)).prop_map(|(start, end)| BodyChange::Ends(start, end)),
    ]
}

impl BodyChange {
    fn apply(&self, body: &mut Vec<u8>, donor: &[u8]) {
        let one_of = |at: &Index, ranges: &[Range<usize>]| match ranges {
            [] => 0..0,
            ranges => at.get(ranges).clone(),
        };
        match self {
            Self::Bytes(at, count, bytes) => {
                let start = at.index(body.len() + 1);
                body.splice(start..body.len().min(start + count), bytes.iter().copied());
            }
            Self::Cut(at) => body.truncate(at.index(body.len() + 1)),
            Self::Token(at, token) => {
                body.splice(one_of(at, &tokens(body)), token.iter().copied());
            }
            Self::FromAnother(to, from) => {
                let token = donor[one_of(from, &tokens(donor))].to_vec();
                body.splice(one_of(to, &tokens(body)), token);
            }
            Self::Double(at) => {
                let commas: Vec<_> = (0..body.len()).filter(|&at| body[at] == b',').collect();
                let between: Vec<_> = commas.windows(2).map(|pair| pair[0]..pair[1]).collect();
                let range = one_of(at, &between);
                let part = body[range.clone()].to_vec();
                body.splice(range.start..range.start, part);
            }
            Self::Ends(start, end) => {
                body.splice(0..0, start.iter().copied());
                body.extend_from_slice(end);
            }
        }
    }
}

/// Where the texts, numbers and words of a JSON text are.
fn tokens(json: &[u8]) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < json.len() {
        let rest = &json[at..];
        let length = match rest[0] {
            b'"' => text_length(rest),
            byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-+.".contains(byte);
                rest.iter().take_while(is_part).count()
            }
            _ => {
                at += 1;
                continue;
            }
        };
        tokens.push(at..at + length);
        at += length;
    }
    tokens
}

fn text_length(json: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = json[1..].iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

#[derive(Clone, Debug)]
enum Cut {
    At(Index),
    Pending,
    Trailers,
}

fn a_cut() -> impl Strategy<Value = Cut> {
    prop_oneof![4 => any::<Index>().prop_map(Cut::At), 1 => Just(Cut::Pending), 1 => Just(Cut::Trailers)]
}

fn cut(mut body: Bytes, cuts: &[Cut]) -> Vec<Step> {
    let steps = cuts.iter().map(|cut| match cut {
        Cut::At(at) => Step::Data(body.split_to(at.index(body.len() + 1))),
        Cut::Pending => Step::Pending,
        Cut::Trailers => Step::Trailers,
    });
    let mut steps: Vec<_> = steps.collect();
    steps.push(Step::Data(body));
    steps
}
