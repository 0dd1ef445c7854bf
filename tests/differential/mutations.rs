//! Vectors, each with a few things changed in whatever a request can vary in.

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

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// None, or one to three.
    fn changes(&mut self) -> usize {
        [0, 0, 1, 2, 3][self.below(5)]
    }
}

/// Where a query and a JSON text are cut into pieces, and what takes the place of a piece or gets into one.
const QUERY: (&[u8], &str) = (b"&=", "%00 %20 + = & % %2 %2B %FF 0 x é ;");
const JSON: (&[u8], &str) = (
    b"{}[],:",
    r#"null -0 0e400 1e400 1. NaN 18446744073709551616 [[1]] {"a":{"b":[]}} "+0" ".0" "1e400" "nan" \ " , } ]
    "PairList" "CallbackCommand" "From_Account" "\u7528\ud83d\ude00" "\ud83d\ud83d\ude00" "\x"
    "123456789012345678901234567890123""#,
);

/// One of the cases with a few changes, and its body in frames. It is the same for the same seed.
pub(crate) fn mutated(cases: &[Case], seed: u64) -> Case {
    let random = &mut Random(seed);
    let mut case = random.of(cases).clone();
    let other = random.of(cases);
    let query = changed(case.query.as_bytes(), other.query.as_bytes(), QUERY, random);
    case.query = String::from_utf8_lossy(&query).into_owned();
    if random.once_in(3) {
        sign(&mut case);
    }
    let body = changed(&case.bytes(), &other.bytes(), JSON, random);
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
        settings.max_body_size = length.saturating_add_signed(*random.of(&NEAR));
    }
    if random.once_in(10) {
        case.content_length = Some(length.saturating_add_signed(*random.of(&NEAR)));
    }
    if random.once_in(10) {
        settings.now_ms = settings.now_ms.saturating_add_signed(*random.of(&CLOCK));
    }
}

fn changed(
    text: &[u8],
    other: &[u8],
    (separators, junk): (&[u8], &str),
    random: &mut Random,
) -> Vec<u8> {
    let junk: Vec<_> = junk.split_whitespace().map(str::as_bytes).collect();
    let cut = |text: &[u8]| -> Vec<Vec<u8>> {
        let pieces = text.split_inclusive(|byte| separators.contains(byte));
        pieces.map(Vec::from).collect()
    };
    let (mut pieces, others) = (cut(text), cut(other));
    for _ in 0..random.changes() {
        if pieces.is_empty() || others.is_empty() {
            break;
        }
        let at = random.below(pieces.len());
        let other = random.of(&others);
        let piece = &mut pieces[at];
        let within = random.below(piece.len());
        match random.below(9) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, other.clone()),
            // Twice, with what is behind it.
            2 => {
                let twice = pieces[at..pieces.len().min(at + 2)].to_vec();
                pieces.splice(at..at, twice);
            }
            3 => piece.clone_from(other),
            4 => piece.truncate(within),
            5 => piece.insert(within, random.number() as u8),
            6 => drop(piece.splice(within..within, random.of(&junk).iter().copied())),
            7 => drop(piece.splice(..piece.len().saturating_sub(1), random.of(&junk).to_vec())),
            _ => *piece = escaped(piece, random.below(4)),
        }
    }
    pieces.concat()
}

/// Escapes each byte but the separators, or one in so many.
fn escaped(piece: &[u8], one_in: usize) -> Vec<u8> {
    let bytes = piece.iter().enumerate();
    let escaped = bytes.flat_map(|(at, &byte)| match byte {
        b'&' | b'=' => vec![byte],
        _ if at % one_in.max(1) > 0 => vec![byte],
        b'a'..=b'm' => format!("%{byte:02X}").into_bytes(),
        _ => format!("%{byte:02x}").into_bytes(),
    });
    escaped.collect()
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
