//! Requests as Chat sends them, each with a few things changed.

use std::ops::Range;

use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use crate::reference::{Webhook, signature};

pub(crate) const APP_ID: u64 = 1400000000;
const NOW: u64 = 1669872112;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) tokens: Vec<&'static str>,
    pub(crate) window_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) max_body_size: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) webhook: Webhook,
    pub(crate) settings: Settings,
    pub(crate) method: &'static str,
    /// As it is in the URL.
    pub(crate) query: String,
    pub(crate) content_length: Option<usize>,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) has_trailers: bool,
    /// Whether an error comes after the frames.
    pub(crate) is_broken: bool,
}

pub(crate) fn a_case() -> impl Strategy<Value = Case> {
    let webhook = mostly(Just(Webhook::FriendAdd), 3, Just(Webhook::BlackListAdd));
    webhook.prop_flat_map(|webhook| {
        let url = (a_query(webhook), mostly(Just("POST"), 30, select(METHODS)));
        let body = (a_body(webhook), vec(any::<Index>(), 0..4), any::<bool>());
        let is_broken = mostly(Just(false), 30, Just(true));
        (url, body, is_broken, sizes(), clock()).prop_map(
            move |((signed, method), (body, cuts, has_trailers), is_broken, sizes, clock)| {
                let (query, tokens) = signed;
                let (content_length, max_body_size) = sizes;
                let (window_ms, now_ms) = clock;
                let beside = |delta: isize| body.len().saturating_add_signed(delta);
                Case {
                    webhook,
                    settings: Settings {
                        tokens,
                        window_ms,
                        now_ms,
                        max_body_size: max_body_size.map_or(1024 * 1024, beside),
                    },
                    method,
                    query,
                    content_length: content_length.map(beside),
                    frames: cut(&body, &cuts),
                    has_trailers,
                    is_broken,
                }
            },
        )
    })
}

const METHODS: &[&str] = &["GET", "PUT", "post", "HEAD", "OPTIONS", "POSTS"];

/// The first, or once in a while the other.
fn mostly<T: std::fmt::Debug + Clone>(
    usual: impl Strategy<Value = T>,
    times: u32,
    other: impl Strategy<Value = T>,
) -> impl Strategy<Value = T> {
    prop_oneof![times => usual, 1 => other]
}

/// `Content-Length` and the limit, by how much they differ from the body's size.
fn sizes() -> impl Strategy<Value = (Option<isize>, Option<isize>)> {
    let differences = || select(vec![-1000, -1, 0, 1, 1000]);
    let content_length = prop_oneof![Just(None), Just(Some(0)), differences().prop_map(Some)];
    (
        content_length,
        mostly(Just(None), 6, differences().prop_map(Some)),
    )
}

/// The window, and what time it is.
fn clock() -> impl Strategy<Value = (u64, u64)> {
    let window = select(vec![0, 999, 59_999, 60_000, 60_000, 60_000, 3_600_000]);
    (window, select(vec![0, 1, 999])).prop_map(|(window, ms)| (window, NOW * 1000 + ms))
}

fn cut(body: &Bytes, cuts: &[Index]) -> Vec<Bytes> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(body.len());
    let mut start = 0;
    let frame = |end| {
        let frame = body.slice(start..end);
        start = end;
        frame
    };
    ends.into_iter().map(frame).collect()
}

// The URL.

/// A part between two ampersands.
type Segment = String;

const NAMES: &[&str] = &[
    "CallbackCommand",
    "SdkAppid",
    "contenttype",
    "ClientIP",
    "OptPlatform",
    "Sign",
    "RequestTime",
    "RequestId",
    "RequestID",
    "callbackcommand",
    "SDKAppID",
    "tenant",
    "",
];

const SDK_APP_IDS: &[&str] = &[
    "",
    "01400000000",
    "0000000000000000000000000000000000001400000000",
    "+1400000000",
    " 1400000000",
    "1400000000 ",
    "1400000000.0",
    "1400000001",
    "18446744075109551616",
    "\u{661}400000000",
];

const CONTENT_TYPES: &[&str] = &["", " json", "json;", "application/json", "xml"];

const CLIENT_IPS: &[&str] = &[
    "",
    "[::1]",
    "::ffff:127.0.0.1",
    "127.0.0.1, 10.0.0.1",
    "127.0.0.1:80",
    "127.0.0.01",
    " 127.0.0.1",
    "fe80::1%eth0",
];

const PLATFORMS: &[&str] = &[
    "", "RESTAPI", "macOS", "IPAD", "UNKOWN", "Watch", " Web", "\u{202e}",
];

/// Values that any parameter may have. Not all of them are texts.
const VALUES: &[&[u8]] = &[
    b"",
    b"Sns.CallbackFriendAdd",
    b"Sns.CallbackBlackListAdd",
    b"Sns.CallbackFriendAdd ",
    b"Sns.CallbackFriendAdd\0",
    b"sns.callbackfriendadd",
    b"1400000000",
    b"1400000000\xff",
    b"json",
    b"127.0.0.1",
    b"Web\xff",
    b"\xe7\x95\x8c & = + % #?",
    b"a+b",
    &[b'x'; 3000],
];

/// As somebody writes them who doesn't encode them, or wrongly.
const ODD_SEGMENTS: &[&str] = &[
    "",
    "=",
    "==",
    "CallbackCommand",
    "SdkAppid",
    "%43allbackCommand=Sns%2eCallbackFriendAdd",
    "CallbackCommand=Sns.CallbackFriendAdd=",
    "CallbackCommand==Sns.CallbackFriendAdd",
    "CallbackCommand=Sns%252ECallbackFriendAdd",
    "CallbackCommand%3DSns.CallbackFriendAdd",
    "x=CallbackCommand=Sns.CallbackFriendAdd",
    "x;CallbackCommand=Sns.CallbackFriendAdd",
    "?CallbackCommand=Sns.CallbackFriendAdd",
    "CallbackCommand[]=Sns.CallbackFriendAdd",
    "+CallbackCommand=Sns.CallbackFriendAdd",
    "SdkAppid=%1400000000",
    "SdkAppid=%",
    "SdkAppid=1400000000%",
    "ClientIP=%3",
    "contenttype=%zz",
    "OptPlatform=%E7%95",
    "%",
    "%ff",
    "+",
];

/// The query and the tokens of who receives it.
fn a_query(webhook: Webhook) -> impl Strategy<Value = (String, Vec<&'static str>)> {
    let usual = |name: &'static str, values: &'static [&str], near: &'static [&str], times| {
        let bytes = |value: &'static str| Some(value.as_bytes());
        let usual = select(values).prop_map(bytes);
        let near = select(near).prop_map(bytes);
        let other = prop_oneof![2 => near, 1 => Just(None), 1 => select(VALUES).prop_map(Some)];
        (mostly(usual, times, other), any::<Encoding>()).prop_map(move |(value, encoding)| {
            value.map(|value| encoding.segment(name.as_bytes(), value))
        })
    };
    let command = mostly(Just(webhook.command().as_bytes()), 15, select(VALUES));
    let command = (command, any::<Encoding>())
        .prop_map(|(command, encoding)| Some(encoding.segment(b"CallbackCommand", command)));
    let own = (
        command,
        usual("SdkAppid", &["1400000000"], SDK_APP_IDS, 20),
        usual("contenttype", &["json", "JSON", "Json"], CONTENT_TYPES, 30),
        usual("ClientIP", &["127.0.0.1", "::1"], CLIENT_IPS, 3),
        usual("OptPlatform", &["Web", "iOS", "MAC"], PLATFORMS, 3),
        usual("RequestId", &["1f-2e"], &["", "a b"], 2),
    );
    let own = own.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f]);
    let extra = prop_oneof![
        3 => (select(&NAMES[7..]), select(VALUES), any::<Encoding>())
            .prop_map(|(name, value, encoding)| encoding.segment(name.as_bytes(), value)),
        1 => (select(NAMES), select(VALUES), any::<Encoding>())
            .prop_map(|(name, value, encoding)| encoding.segment(name.as_bytes(), value)),
        1 => select(ODD_SEGMENTS).prop_map(str::to_owned),
    ];
    let many = (20..50_usize).prop_map(|count| vec!["own=parameter".to_owned(); count]);
    let extras = prop_oneof![20 => Just(Vec::new()), 6 => vec(extra, 1..3), 1 => many];
    let doubled = mostly(Just(None), 20, any::<Index>().prop_map(Some));
    (own, a_signature(), extras, doubled).prop_flat_map(
        |(own, (tokens, signature), extras, doubled)| {
            let own = own.into_iter().chain(signature).flatten();
            let mut segments: Vec<Segment> = own.chain(extras).collect();
            if let (Some(index), false) = (doubled, segments.is_empty()) {
                segments.push(index.get(&segments).clone());
            }
            let shuffled = Just(segments).prop_shuffle();
            shuffled.prop_map(move |segments| (segments.join("&"), tokens.clone()))
        },
    )
}

/// `Sign` and `RequestTime`, and the tokens of who receives them.
fn a_signature() -> impl Strategy<Value = (Vec<&'static str>, [Option<Segment>; 2])> {
    let tokens = select(vec![
        vec![],
        vec!["xxxxyyyy"],
        vec!["new-token", "xxxxyyyy"],
        vec!["xxxxyyyy", "a", "b", "c", "d", "new-token"],
    ]);
    let near = select(vec![-3601, -61, -60, -1, 1, 60, 61, 3601]);
    let near = mostly(Just(0), 2, near);
    let near = near.prop_map(|delta| NOW.saturating_add_signed(delta).to_string());
    let odd = select(vec![
        "",
        "0",
        "01669872112",
        "+1669872112",
        " 1669872112",
        "1669872112 ",
        "1669872112.0",
        "1669872112000",
        "16698721120000000000000000000000000000000000",
        "18446744073709551615",
        "18446744075379423728",
        "x",
    ]);
    let time = mostly(near, 8, odd.prop_map(str::to_owned));
    let forged = prop_oneof![
        Just(Sign::Absent),
        Just(Sign::NoTime),
        Just(Sign::By("guessed")),
        Just(Sign::OfAnotherTime),
        select(vec!["", "0", "f", "é"]).prop_map(Sign::Longer),
        (0..64_usize).prop_map(Sign::Shorter),
        (0..64_usize).prop_map(Sign::OneWrong),
        Just(Sign::NotAscii),
    ];
    let sign = prop_oneof![
        12 => Just(Sign::By("xxxxyyyy")),
        2 => Just(Sign::Upper),
        1 => Just(Sign::By("new-token")),
        3 => forged,
    ];
    (tokens, time, sign, any::<[Encoding; 2]>()).prop_map(|(tokens, time, sign, encodings)| {
        let good = signature("xxxxyyyy", time.as_bytes());
        let value = match &sign {
            Sign::Absent => None,
            Sign::NoTime => Some(good),
            Sign::By(token) => Some(signature(token, time.as_bytes())),
            Sign::Upper => Some(good.to_uppercase()),
            Sign::OfAnotherTime => Some(signature("xxxxyyyy", b"1669872113")),
            Sign::Longer(by) => Some(good + by),
            Sign::Shorter(length) => Some(good[..*length].to_owned()),
            Sign::OneWrong(at) => {
                let wrong = if good.as_bytes()[*at] == b'0' {
                    "1"
                } else {
                    "0"
                };
                Some(good[..*at].to_owned() + wrong + &good[at + 1..])
            }
            Sign::NotAscii => Some("é".repeat(32)),
        };
        let [of_sign, of_time] = encodings;
        let sign_segment = value.map(|sign| of_sign.segment(b"Sign", sign.as_bytes()));
        let has_time = !matches!(sign, Sign::NoTime);
        let time_segment = has_time.then(|| of_time.segment(b"RequestTime", time.as_bytes()));
        (tokens, [sign_segment, time_segment])
    })
}

#[derive(Clone, Debug)]
enum Sign {
    By(&'static str),
    Upper,
    Absent,
    NoTime,
    OfAnotherTime,
    Longer(&'static str),
    Shorter(usize),
    OneWrong(usize),
    NotAscii,
}

/// Which bytes are escaped though they need not be, by turns, and how.
#[derive(Clone, Debug)]
struct Encoding {
    escaped: u64,
    upper: bool,
    plus: bool,
}

impl Arbitrary for Encoding {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let escaped = prop_oneof![6 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()];
        (escaped, any::<bool>(), any::<bool>())
            .prop_map(|(escaped, upper, plus)| Self {
                escaped,
                upper,
                plus,
            })
            .boxed()
    }
}

impl Encoding {
    fn segment(&self, name: &[u8], value: &[u8]) -> Segment {
        let mut segment = String::new();
        for (index, text) in [name, value].into_iter().enumerate() {
            if index > 0 {
                segment.push('=');
            }
            for (at, byte) in text.iter().enumerate() {
                let is_safe = byte.is_ascii_alphanumeric() || b"-._~,:/".contains(byte);
                match byte {
                    b' ' if self.plus => segment.push('+'),
                    byte if is_safe && self.escaped >> (at % 64) & 1 == 0 => {
                        segment.push(char::from(*byte));
                    }
                    byte if self.upper => segment.push_str(&format!("%{byte:02X}")),
                    byte => segment.push_str(&format!("%{byte:02x}")),
                }
            }
        }
        segment
    }
}

// The body: fragments of JSON, as bytes since not all of them are texts.

type Fragment = Vec<u8>;

/// Strings in JSON, some of which no type can hold, and some of which aren't JSON.
const STRINGS: &[&[u8]] = &[
    b"\"alice\"",
    b"\"bob\"",
    b"\"\"",
    b"\"\xe7\x94\xa8\xe6\x88\xb7\"",
    b"\"\\u7528\\u6237\"",
    b"\"\\ud83d\\ude00\"",
    b"\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\"",
    b"\"\\u0000\"",
    b"\"\\\\\"",
    b"\"[{\"",
    b"\"0\"",
    b"\"0.0\"",
    b"\"1\"",
    b"\"false\"",
    b"\"True\"",
    b"\"friend_add\"",
    b"\"FriendResponse\"",
    b"\"12345678901234567890123456789012\"",
    b"\"123456789012345678901234567890123\"",
    b"\"Sns.CallbackFriendAdd\"",
    b"\"Sns.CallbackFriendAdd \"",
    LONG,
];

/// A text of 5,000 bytes.
const LONG: &[u8] = &{
    let mut text = [b'x'; 5002];
    (text[0], text[5001]) = (b'"', b'"');
    text
};

const DAMAGED: &[&[u8]] = &[
    b"\"\\ud800\"",
    b"\"x\\udc00\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\ud83d\\ud83d\\ude00\"",
    b"\"\\\"\\ud800\\\\\"",
    b"\"a\xff\"",
    b"\"\xed\xa0\x80\"",
    b"1e400",
    b"-1e400",
    b"1e99999999999",
];

const NOT_JSON: &[&[u8]] = &[
    b"\"a\nb\"",
    b"\"\0\"",
    b"\"\\x\"",
    b"\"\\u12g4\"",
    b"\"\\ud800",
    b"'a'",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"1e",
    b"-",
    b"NaN",
    b"Null",
    b"undefined",
    b"",
    b"[1,]",
    b"{\"a\":1,}",
    b"{a:1}",
    b"{\"a\"}",
    b"{1:1}",
    b"{null:1}",
    b"[1 2]",
    b"/**/1",
    b"\xff",
];

const SCALARS: &[&[u8]] = &[
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"0.0",
    b"0e400",
    b"1",
    b"2",
    b"-1",
    b"0.5",
    b"1E+2",
    b"18446744073709551616",
    b"1669872112000",
];

/// In quotes.
const FLAGS: &[&[u8]] = &[
    b"\"\"",
    b"\"0\"",
    b"\"1\"",
    b"\"-0\"",
    b"\"0.0\"",
    b"\"0e9\"",
    b"\"00\"",
    b"\"+0\"",
    b"\".0\"",
    b"\"0x0\"",
    b"\" 0\"",
    b"\"1e400\"",
    b"\"nan\"",
    b"\"FALSE\"",
    b"\"no\"",
    b"\"null\"",
];

fn one_of(fragments: &'static [&'static [u8]]) -> impl Strategy<Value = Fragment> + Clone {
    select(fragments).prop_map(<[u8]>::to_vec)
}

fn any_value() -> impl Strategy<Value = Fragment> + Clone {
    let leaf = prop_oneof![
        20 => one_of(STRINGS),
        20 => one_of(SCALARS),
        10 => one_of(DAMAGED),
        1 => one_of(NOT_JSON),
        1 => Just([b"[".repeat(200), b"]".repeat(200)].concat()),
        1 => Just([&b"{\"a\":".repeat(200)[..], b"0", &b"}".repeat(200)].concat()),
    ];
    leaf.prop_recursive(3, 8, 3, |value| {
        prop_oneof![
            vec(value.clone(), 0..3).prop_map(|values| list(&values)),
            vec((any_name(), value), 0..3).prop_map(|members| object(&members)),
        ]
    })
}

fn any_name() -> impl Strategy<Value = Fragment> + Clone {
    prop_oneof![
        20 => one_of(&[
            b"\"EventTime\"",
            b"\"CallbackCommand\"",
            b"\"PairList\"",
            b"\"ClientCmd\"",
            b"\"Admin_Account\"",
            b"\"ForceFlag\"",
            b"\"From_Account\"",
            b"\"To_Account\"",
            b"\"Initiator_Account\"",
            b"\"pairlist\"",
            b"\" PairList\"",
            b"\"CallbackCommand \"",
            b"\"\"",
            b"\"Callback\\u0043ommand\"",
            b"\"\\ud83d\\ude00\"",
        ]),
        1 => one_of(&[b"\"\\ud800\"", b"\"a\xff\""]),
    ]
}

fn list(values: &[Fragment]) -> Fragment {
    [b"[", &values.join(&b","[..])[..], b"]"].concat()
}

fn object(members: &[(Fragment, Fragment)]) -> Fragment {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| [name, &b":"[..], value].concat())
        .collect();
    [b"{", &members.join(&b","[..])[..], b"}"].concat()
}

/// An object of members that are mostly as they should be, in any order, one of them perhaps twice.
fn an_object(
    members: Vec<BoxedStrategy<Option<(Fragment, Fragment)>>>,
) -> impl Strategy<Value = Fragment> {
    let extra = (any_name(), any_value());
    let extras = mostly(Just(Vec::new()), 4, vec(extra, 1..3));
    let doubled = mostly(Just(None), 40, any::<Index>().prop_map(Some));
    (members, extras, doubled, any::<bool>()).prop_flat_map(|(members, extras, doubled, keep)| {
        let mut members: Vec<_> = members.into_iter().flatten().chain(extras).collect();
        if let (Some(index), false) = (doubled, members.is_empty()) {
            members.push(index.get(&members).clone());
        }
        let order = Just(members.clone()).prop_shuffle();
        order.prop_map(move |shuffled| object(if keep { &members } else { &shuffled }))
    })
}

/// A member that has a good value so many times more often than another or none.
fn member(
    name: &'static str,
    good: impl Strategy<Value = Fragment> + 'static,
    times: u32,
) -> BoxedStrategy<Option<(Fragment, Fragment)>> {
    let name = format!("\"{name}\"").into_bytes();
    prop_oneof![
        2 * times => good.prop_map(Some),
        1 => any_value().prop_map(Some),
        1 => Just(None),
    ]
    .prop_map(move |value| value.map(|value| (name.clone(), value)))
    .boxed()
}

fn a_packet(webhook: Webhook) -> impl Strategy<Value = Fragment> {
    let pair = an_object(vec![
        member("From_Account", one_of(STRINGS), 60),
        member("To_Account", one_of(STRINGS), 60),
        member("Initiator_Account", one_of(STRINGS), 2),
    ]);
    let other_pair = one_of(&[b"null", b"[]", b"{}", b"[\"alice\",\"bob\"]", b"\"alice\""]);
    let pairs = vec(mostly(pair, 60, other_pair), 0..4).prop_map(|pairs| list(&pairs));
    let command = format!("\"{}\"", webhook.command()).into_bytes();
    let escaped = command.iter().map(|byte| format!("\\u{byte:04x}"));
    let escaped = format!(
        "\"{}\"",
        escaped.collect::<Vec<_>>()[1..command.len() - 1].concat()
    );
    let command = prop_oneof![
        20 => Just(command),
        2 => Just(escaped.into_bytes()),
        1 => one_of(STRINGS),
    ];
    let flag = prop_oneof![
        one_of(&[b"0", b"1", b"true", b"false"]),
        one_of(FLAGS),
        one_of(SCALARS),
    ];
    an_object(vec![
        member("CallbackCommand", command, 20),
        member("PairList", pairs, 20),
        member("ClientCmd", one_of(STRINGS), 3),
        member("Admin_Account", one_of(STRINGS), 3),
        member("ForceFlag", flag, 2),
    ])
}

fn a_body(webhook: Webhook) -> impl Strategy<Value = Bytes> {
    let space = select(vec!["", " ", "\n", "\r\n\t "]);
    let body = (a_packet(webhook), space).prop_map(|(packet, space)| spread(&packet, space));
    let other = prop_oneof![any_value(), vec(any::<u8>(), 0..20)];
    let change = prop_oneof![8 => Just(None), 1 => a_change().prop_map(Some)];
    (mostly(body, 60, other), change).prop_map(|(mut body, change)| {
        if let Some(change) = change {
            change.apply(&mut body);
        }
        body.into()
    })
}

/// With white space around whatever may have it.
fn spread(json: &[u8], space: &str) -> Fragment {
    let mut spread = Vec::new();
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json {
        let is_mark = !is_text && b"{}[]:,".contains(byte);
        if is_mark {
            spread.extend(space.bytes());
        }
        spread.push(*byte);
        if is_mark {
            spread.extend(space.bytes());
        }
        is_text ^= *byte == b'"' && !is_escaped;
        is_escaped = is_text && *byte == b'\\' && !is_escaped;
    }
    spread
}

/// A change of the bytes, wherever that is.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, &'static [u8]),
    Replace(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    Before(&'static [u8]),
    After(&'static [u8]),
}

fn a_change() -> impl Strategy<Value = Change> {
    const ODD: &[&[u8]] = &[
        b" ",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xc2\xa0",
        b"\x0b",
        b"\x0c",
        b"\xff",
        b"\\",
        b"\"",
        b",",
        b"null",
        b"{}",
        b"//",
        b"\n\n",
        b"]",
    ];
    prop_oneof![
        (any::<Index>(), select(ODD)).prop_map(|(at, odd)| Change::Insert(at, odd)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), 1..9_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1..99_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        any::<Index>().prop_map(Change::Cut),
        select(ODD).prop_map(Change::Before),
        select(ODD).prop_map(Change::After),
        Just(Change::Before(b"\xef\xbb\xbf")),
        Just(Change::After(b"\0")),
    ]
}

impl Change {
    fn apply(&self, body: &mut Fragment) {
        let range = |at: &Index, length: usize, body: &Fragment| -> Range<usize> {
            let start = at.index(body.len() + 1);
            start..body.len().min(start + length)
        };
        match self {
            Self::Insert(at, bytes) => {
                body.splice(range(at, 0, body), bytes.iter().copied());
            }
            Self::Replace(at, byte) => {
                body.splice(range(at, 1, body), [*byte]);
            }
            Self::Remove(at, length) => {
                body.drain(range(at, *length, body));
            }
            Self::Repeat(at, length) => {
                let range = range(at, *length, body);
                let part = body[range.clone()].to_vec();
                body.splice(range.start..range.start, part);
            }
            Self::Cut(at) => body.truncate(at.index(body.len() + 1)),
            Self::Before(bytes) => {
                body.splice(0..0, bytes.iter().copied());
            }
            Self::After(bytes) => body.extend_from_slice(bytes),
        }
    }
}
