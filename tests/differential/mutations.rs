//! Vectors, each with a few things changed in whatever a request can vary in.

use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::checks::reference::{Case, Step};

/// Numbers that are the same for the same seed, by SplitMix64.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// None, or one to three.
    fn changes(&mut self) -> usize {
        [0, 0, 1, 2, 3][self.below(5)]
    }
}

/// One of the cases with a few changes, and its body in frames. It is the same for the same seed.
pub(crate) fn mutated(cases: &[Case], seed: u64) -> Case {
    let random = &mut Random(seed);
    let mut case = cases[random.below(cases.len())].clone();
    let other = &cases[random.below(cases.len())];
    let mut segments: Vec<_> = case.query.split('&').map(str::to_owned).collect();
    for _ in 0..random.changes() {
        change_query(&mut segments, &other.query, random);
    }
    case.query = segments.join("&");
    if random.once_in(3) {
        sign(&mut case);
    }
    let mut body = case.bytes();
    for _ in 0..random.changes() {
        change_body(&mut body, &other.bytes(), random);
    }
    change_settings(&mut case, body.len(), random);
    let is_broken = case.is_broken();
    case.body = frames(body.into(), random);
    case.body.extend(is_broken.then_some(Step::Break));
    case
}

/// Gives the case a token, and its query a signature, if it has neither.
fn sign(case: &mut Case) {
    if case.settings.tokens.is_empty() && !case.query.contains("Sign") {
        let time = case.settings.now_ms / 1000;
        let digest = Sha256::digest(format!("xxxxyyyy{time}"));
        let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        case.query += &format!("&RequestTime={time}&Sign={sign}");
        case.settings.tokens = vec!["xxxxyyyy".to_owned()];
    }
}

/// Once in a while, moves the limit and `Content-Length` to about the size of the body, and the clock.
fn change_settings(case: &mut Case, length: usize, random: &mut Random) {
    const NEAR: [isize; 5] = [-1000, -1, 0, 1, 1000];
    const CLOCK: [i64; 6] = [1, 999, 60_999, 61_000, -60_000, -60_001];

    let settings = &mut case.settings;
    if random.once_in(10) {
        settings.max_body_size = length.saturating_add_signed(random.of(&NEAR));
    }
    if random.once_in(10) {
        case.content_length = Some(length.saturating_add_signed(random.of(&NEAR)));
    }
    if random.once_in(10) {
        settings.now_ms = settings.now_ms.saturating_add_signed(random.of(&CLOCK));
    }
}

fn change_query(segments: &mut Vec<String>, other: &str, random: &mut Random) {
    const PARTS: &[&str] = &[
        "%00", "%20", "+", "=", "%", "%2", "%2B", "0", "1", "x", "é", ".", ";", "?", "%FF",
    ];

    let others: Vec<_> = other.split('&').collect();
    let to = random.below(segments.len() + 1);
    if segments.is_empty() || random.once_in(6) {
        segments.insert(to, random.of(&others).to_owned());
        return;
    }
    let at = random.below(segments.len());
    let segment = &mut segments[at];
    let end = random.below(segment.len() + 1);
    let starts = |at: &usize| segment.is_char_boundary(*at);
    let within = (0..=end).rev().find(starts).unwrap_or_default();
    match random.below(9) {
        0 => {
            let segment = segment.clone();
            segments.insert(to, segment);
        }
        1 => drop(segments.remove(at)),
        2 => random.of(&others).clone_into(segment),
        3 => segment.truncate(within),
        4 | 5 => segment.insert_str(within, random.of(PARTS)),
        _ => {
            let Some(char) = segment[within..].chars().next() else {
                return;
            };
            let is_upper = random.once_in(2);
            let escape = |byte| match is_upper {
                true => format!("%{byte:02X}"),
                false => format!("%{byte:02x}"),
            };
            let char = char.to_string();
            let escaped: String = char.bytes().map(escape).collect();
            segment.replace_range(within..within + char.len(), &escaped);
        }
    }
}

fn change_body(body: &mut Vec<u8>, other: &[u8], random: &mut Random) {
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
        b"-0",
        b"0e400",
        b"1E+2",
        b"18446744073709551616",
        b"[[1]]",
        b"{\"a\":{\"b\":[]}}",
        b"\"+0\"",
        b"\".0\"",
        b"\"nan\"",
        b"\"1e400\"",
        b"\"\\u7528\\ud83d\\ude00\"",
        b"\"PairList\"",
        b"\"CallbackCommand\"",
        b"\"From_Account\"",
        b"\"Sns.CallbackFriendAdd\"",
        b"\"123456789012345678901234567890123\"",
        b"\"\\ud83d\\ud83d\\ude00\"",
        b"\"a\xff\"",
        b"1e400",
        b"\"a\nb\"",
        b"\"\\x\"",
        b"1.",
        b"NaN",
    ];

    let start = random.below(body.len() + 1);
    match random.below(8) {
        0 => {
            let end = body.len().min(start + random.below(4));
            body.splice(start..end, random.of(BYTES).iter().copied());
        }
        1 => body.truncate(start),
        2 => {
            body.splice(0..0, random.of(BYTES).iter().copied());
            body.extend_from_slice(random.of(BYTES));
        }
        // What is between two commas comes twice.
        3 => {
            let commas: Vec<_> = (0..body.len()).filter(|&at| body[at] == b',').collect();
            let between: Vec<_> = commas.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let range = one_of(&between, random);
            let part = body[range.clone()].to_vec();
            body.splice(range.start..range.start, part);
        }
        4 | 5 => {
            let token = other[one_of(&tokens(other), random)].to_vec();
            body.splice(one_of(&tokens(body), random), token);
        }
        _ => {
            let range = one_of(&tokens(body), random);
            body.splice(range, random.of(TOKENS).iter().copied());
        }
    }
}

fn one_of(ranges: &[Range<usize>], random: &mut Random) -> Range<usize> {
    match ranges {
        [] => 0..0,
        ranges => ranges[random.below(ranges.len())].clone(),
    }
}

/// Where the texts, numbers and words of a JSON text are.
fn tokens(json: &[u8]) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < json.len() {
        let rest = &json[at..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-+.".contains(byte);
        let length = match rest[0] {
            b'"' => text_length(rest),
            _ => rest.iter().take_while(is_part).count(),
        };
        if length > 0 {
            tokens.push(at..at + length);
        }
        at += length.max(1);
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

fn frames(mut body: Bytes, random: &mut Random) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..random.below(6) {
        let end = random.below(body.len() + 1);
        steps.push(match random.below(6) {
            0 => Step::Pending,
            1 => Step::Trailers,
            _ => Step::Data(body.split_to(end)),
        });
    }
    steps.push(Step::Data(body));
    steps
}
