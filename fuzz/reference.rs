//! The rules of the crate's documentation, as plainly as they can be written: the reference for the fuzz
//! targets and the differential test. It shares no code with the crate, and `tests/vectors` hold for it too.

use std::net::IpAddr;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tower_tencent_chat::{
    ClientCmd, Platform,
    RejectionKind::{self, *},
};

use super::json::{self, Json, Name};

/// A request, and who receives it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) webhook: Webhook,
    pub(crate) settings: Settings,
    pub(crate) method: String,
    pub(crate) query: String,
    pub(crate) content_length: Option<usize>,
    pub(crate) body: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) sdk_app_id: u64,
    pub(crate) tokens: Vec<String>,
    pub(crate) window_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) max_body_size: usize,
}

/// What a body does when it is polled.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Pending,
    Trailers,
    /// An error, and nothing after it.
    Break,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Webhook {
    FriendAdd,
    /// One of the three that have pairs and nothing else.
    BlackListAdd,
}

impl Webhook {
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::FriendAdd => "Sns.CallbackFriendAdd",
            Self::BlackListAdd => "Sns.CallbackBlackListAdd",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    PassesThrough,
    Rejected(RejectionKind),
    Received(Received),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    /// From, to, and the initiator.
    pub(crate) pairs: Vec<(String, String, Option<String>)>,
    pub(crate) client_cmd: Option<ClientCmd>,
    pub(crate) admin_account: Option<String>,
    pub(crate) force_flag: bool,
    pub(crate) context: Context,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Context {
    pub(crate) sdk_app_id: u64,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) platform: Option<Platform>,
    pub(crate) request_id: Option<String>,
    pub(crate) request_time: Option<u64>,
}

impl Case {
    /// The bytes of the body, until it ends or breaks off.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let until = self
            .body
            .iter()
            .take_while(|step| !matches!(step, Step::Break));
        let data = until.map(|step| match step {
            Step::Data(data) => &data[..],
            _ => &[],
        });
        data.collect::<Vec<_>>().concat()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.body.iter().any(|step| matches!(step, Step::Break))
    }
}

pub(crate) fn judge(case: &Case) -> Outcome {
    let query = Query::decode(&case.query);
    let commands = query.all("CallbackCommand");
    if !commands.contains(&case.webhook.command().as_bytes()) {
        return Outcome::PassesThrough;
    }
    match receive(case, &query) {
        Ok(received) => Outcome::Received(received),
        Err(kind) => Outcome::Rejected(kind),
    }
}

fn receive(case: &Case, query: &Query) -> Result<Received, RejectionKind> {
    let context = verify(case, query)?;
    let body = read(case)?;
    let json = json::read(&body).ok_or(MalformedPacket)?;
    let packet = object(&json)?;
    match one(packet, "CallbackCommand")? {
        Some(Json::Text(command)) if command == case.webhook.command() => {}
        Some(Json::Text(_)) => return Err(CommandMismatch),
        // The URL has named the webhook.
        None => {}
        Some(_) => return Err(MalformedPacket),
    }
    let Some(Json::List(pairs)) = one(packet, "PairList")? else {
        return Err(MalformedPacket);
    };
    let is_friend_add = case.webhook == Webhook::FriendAdd;
    let optional = |object, name| match is_friend_add {
        true => text_or_nothing(object, name),
        false => Ok(None),
    };
    let pairs = pairs.iter().map(|pair| {
        let pair = object(pair)?;
        let initiator = not_empty(optional(pair, "Initiator_Account")?);
        let [from, to] = ["From_Account", "To_Account"].map(|name| match one(pair, name)? {
            Some(Json::Text(account)) => Ok(account.clone()),
            _ => Err(MalformedPacket),
        });
        Ok((from?, to?, initiator))
    });
    let force_flag = match one(packet, "ForceFlag") {
        _ if !is_friend_add => false,
        Ok(flag) => flag.map_or(Ok(false), is_set)?,
        Err(kind) => return Err(kind),
    };
    Ok(Received {
        pairs: pairs.collect::<Result<_, _>>()?,
        client_cmd: optional(packet, "ClientCmd")?.map(client_cmd),
        admin_account: not_empty(optional(packet, "Admin_Account")?),
        force_flag,
        context,
    })
}

/// The parameters, decoded as forms are, in their order.
struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    fn decode(query: &str) -> Self {
        let parameters = query.split('&').filter(|segment| !segment.is_empty());
        let parameters = parameters.map(|segment| {
            let (name, value) = segment.split_once('=').unwrap_or((segment, ""));
            (decode(name), decode(value))
        });
        Self(parameters.collect())
    }

    fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.0.iter().filter(|(given, _)| given == name.as_bytes());
        named.map(|(_, value)| &value[..]).collect()
    }

    fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).first().copied()
    }
}

fn decode(text: &str) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    u8::try_from(16 * high + low).expect("two hex digits")
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    decoded
}

fn verify(case: &Case, query: &Query) -> Result<Context, RejectionKind> {
    if case.method != "POST" {
        return Err(MethodNotAllowed);
    }
    for name in [
        "CallbackCommand",
        "SdkAppid",
        "contenttype",
        "ClientIP",
        "OptPlatform",
        "Sign",
        "RequestTime",
    ] {
        if query.all(name).len() > 1 {
            return Err(DuplicateParameter);
        }
    }
    if number(query.first("SdkAppid").ok_or(MissingParameter)?)
        != Some(case.settings.sdk_app_id.into())
    {
        return Err(SdkAppIdMismatch);
    }
    if let Some(content_type) = query.first("contenttype") {
        if !content_type.eq_ignore_ascii_case(b"json") {
            return Err(UnsupportedContentType);
        }
    }
    let text = |name| Some(String::from_utf8_lossy(query.first(name)?).into_owned());
    let ids = query
        .0
        .iter()
        .find(|(name, _)| name == b"RequestId" || name == b"RequestID");
    Ok(Context {
        sdk_app_id: case.settings.sdk_app_id,
        client_ip: text("ClientIP").and_then(|ip| ip.parse().ok()),
        platform: text("OptPlatform").map(platform),
        request_id: ids.map(|(_, id)| String::from_utf8_lossy(id).into_owned()),
        request_time: request_time(case, query)?,
    })
}

fn request_time(case: &Case, query: &Query) -> Result<Option<u64>, RejectionKind> {
    if case.settings.tokens.is_empty() {
        return Ok(None);
    }
    let time = query.first("RequestTime").ok_or(MissingParameter)?;
    let sign = query
        .first("Sign")
        .ok_or(MissingParameter)?
        .to_ascii_lowercase();
    let tokens = &case.settings.tokens;
    if !tokens
        .iter()
        .any(|token| signature(token, time).as_bytes() == sign)
    {
        return Err(SignMismatch);
    }
    // All in whole seconds, as `RequestTime` is.
    let now = u128::from(case.settings.now_ms / 1000);
    let window = u128::from(case.settings.window_ms / 1000);
    match number(time) {
        Some(time) if now.abs_diff(time) <= window => Ok(u64::try_from(time).ok()),
        _ => Err(StaleRequestTime),
    }
}

/// Lower-case hex of SHA-256 over the token directly followed by the time.
fn signature(token: &str, time: &[u8]) -> String {
    let digest = Sha256::digest([token.as_bytes(), time].concat());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decimal digits, and nothing else.
fn number(text: &[u8]) -> Option<u128> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        Some(0)
    } else {
        digits.parse().ok()
    }
}

fn platform(text: String) -> Platform {
    match text.to_ascii_lowercase().as_str() {
        "restapi" => Platform::RestApi,
        "web" => Platform::Web,
        "android" => Platform::Android,
        "ios" => Platform::Ios,
        "windows" => Platform::Windows,
        "mac" | "macos" => Platform::Mac,
        "ipad" => Platform::Ipad,
        "unknown" | "unkown" => Platform::Unknown,
        _ => Platform::Other(text),
    }
}

fn read(case: &Case) -> Result<Vec<u8>, RejectionKind> {
    let body = case.bytes();
    let limit = case.settings.max_body_size;
    if case.content_length.is_some_and(|length| length > limit) || body.len() > limit {
        return Err(BodyTooLarge);
    }
    if case.is_broken() {
        return Err(BodyUnreadable);
    }
    Ok(body)
}

type Object = [(Name, Json)];

/// An object whose names are all texts.
fn object(json: &Json) -> Result<&Object, RejectionKind> {
    match json {
        Json::Object(object) if object.iter().all(|(name, _)| name.is_some()) => Ok(object),
        _ => Err(MalformedPacket),
    }
}

/// A member that is there at most once.
fn one<'a>(object: &'a Object, name: &str) -> Result<Option<&'a Json>, RejectionKind> {
    let mut named = object
        .iter()
        .filter(|(given, _)| given.as_deref() == Some(name));
    let first = named.next();
    match named.next() {
        Some(_) => Err(MalformedPacket),
        None => Ok(first.map(|(_, value)| value)),
    }
}

/// A text. A value of any other type is as good as none.
fn text_or_nothing(object: &Object, name: &str) -> Result<Option<String>, RejectionKind> {
    match one(object, name)? {
        Some(Json::Text(text)) => Ok(Some(text.clone())),
        Some(Json::Damaged) => Err(MalformedPacket),
        _ => Ok(None),
    }
}

fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn client_cmd(text: String) -> ClientCmd {
    match text.as_str() {
        "friend_add" | "FriendAdd" => ClientCmd::FriendAdd,
        "friend_response" | "FriendResponse" => ClientCmd::FriendResponse,
        _ => ClientCmd::Other(text),
    }
}

/// Anything but zero, false, null and "".
fn is_set(flag: &Json) -> Result<bool, RejectionKind> {
    Ok(match flag {
        Json::Damaged => return Err(MalformedPacket),
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => *number != 0.0,
        // In quotes, a number may have a plus or more zeros than in JSON.
        Json::Text(text) => match text.parse::<f64>() {
            Ok(number) => number != 0.0,
            Err(_) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
        },
        Json::List(_) | Json::Object(_) => true,
    })
}
