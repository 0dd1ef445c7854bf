//! Plays Tencent Cloud Chat, which cannot reach your laptop: posts callbacks to your app, and judges
//! the answers as Chat would.
//!
//! Run it with `cargo run --example simulate -- http://127.0.0.1:3000/callback`; `--help` says what
//! else it can send.

use std::{
    error::Error,
    fmt, fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use clap::{CommandFactory, Parser, error::ErrorKind};
use indicatif::ProgressBar;
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tower_tencent_chat::{CallbackResponse, FriendAdd, Packet, Token, test_util::CallbackRequest};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much of an answer is read, in bytes; an envelope takes about 50.
const MAX_ANSWER: usize = 64 * 1024;

/// Plays Tencent Cloud Chat: posts a callback to your app, and judges the answer as Chat would
#[derive(Parser)]
#[command(
    name = "simulate",
    after_help = "\
Exit codes:
  0  Chat would count every callback as delivered, and the app answered OK
  1  Chat would call one failed: no answer within 2 s, a status other than 200, no JSON, no envelope
  2  the command line is wrong
  3  an envelope says FAIL: Chat counts such a callback as delivered, but the app has refused it"
)]
struct Args {
    /// The app's URL, as it would be set in Tencent's console; may have parameters of its own
    #[arg(value_parser = parse_url)]
    url: Url,

    /// The SDKAppID that the callbacks are for
    #[arg(long, value_name = "ID", default_value_t = 1400000000)]
    app_id: u64,

    /// Sign with this token; of several, separated by commas, the first [default: don't sign]
    #[arg(long, env = "CALLBACK_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Where the user's client runs: Web, Android, iOS, Windows, Mac, iPad, RESTAPI
    #[arg(long, default_value = "Web")]
    platform: String,

    /// Who adds a friend; each {} becomes the number of the callback, from 0 on
    #[arg(long, value_name = "USER_ID", default_value = "alice")]
    from: String,

    /// Whom they add; can be repeated, and have a {} too
    #[arg(long, value_name = "USER_ID", default_value = "bob")]
    to: Vec<String>,

    /// Send this many generated pairs instead, with UserIDs as long as they may be
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    #[arg(value_parser = clap::value_parser!(u32).range(..=100_000))]
    pairs: Option<u32>,

    /// Send another webhook than Sns.CallbackFriendAdd
    #[arg(long, requires = "body")]
    command: Option<String>,

    /// Send what this file holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "pairs"])]
    body: Option<PathBuf>,

    /// How many callbacks to send
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    count: u64,

    /// Send as many as the app answers in this time instead, in seconds
    #[arg(long, value_name = "S", conflicts_with = "count")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,

    /// How many of them at once
    #[arg(long, value_name = "C", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    concurrency: u64,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("not an http:// or https:// URL".to_owned()),
    }
}

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime starts");
    let code = runtime.block_on(simulate());
    // Chat has gone by now, whatever the app or the resolver still does.
    runtime.shutdown_background();
    code
}

async fn simulate() -> ExitCode {
    let args = Args::parse();
    let chat = match Chat::new(args) {
        Ok(chat) => chat,
        Err(error) => Args::command()
            .error(ErrorKind::ValueValidation, error)
            .exit(),
    };
    let (report, worst) = match chat.args {
        Args {
            count: 1,
            seconds: None,
            ..
        } => one(&chat).await,
        _ => many(chat).await,
    };
    // Whoever reads the report may have seen enough of it; the exit code stays right.
    let _ = io::stdout().write_all(report.as_bytes());
    match worst {
        Verdict::Delivered => ExitCode::SUCCESS,
        Verdict::Refused(_) => ExitCode::from(3),
        Verdict::Failed(_) => ExitCode::from(1),
    }
}

/// Posts one callback, and shows the whole answer.
async fn one(chat: &Chat) -> (String, Verdict) {
    let start = Instant::now();
    let answer = chat.post(0).await;
    let time = start.elapsed();
    let shown = match &answer {
        Ok(Answer { status, body }) => {
            let body = printable(&String::from_utf8_lossy(body));
            format!("{status} in {time:.1?}\n{body}\n")
        }
        Err(_) => String::new(),
    };
    let verdict = judge(answer);
    (format!("{shown}{verdict}\n"), verdict)
}

/// Posts many callbacks, and sums up what became of them.
async fn many(chat: Chat) -> (String, Verdict) {
    let Args {
        count,
        seconds,
        concurrency,
        ..
    } = chat.args;
    let start = Instant::now();
    let (count, end, bar) = match seconds {
        Some(seconds) => {
            let end = start + Duration::from_secs(seconds);
            (u64::MAX, Some(end), ProgressBar::no_length())
        }
        None => (count, None, ProgressBar::new(count)),
    };
    let shared = Arc::new((chat, bar.clone(), AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.min(count) {
        let shared = Arc::clone(&shared);
        workers.spawn(async move {
            let (chat, bar, sent) = &*shared;
            let mut results = Vec::new();
            loop {
                let start = Instant::now();
                let number = sent.fetch_add(1, Relaxed);
                if number >= count || end.is_some_and(|end| start >= end) {
                    return results;
                }
                let answer = chat.post(number).await;
                results.push((start.elapsed(), judge(answer)));
                bar.inc(1);
            }
        });
    }
    let results = workers.join_all().await.concat();
    let elapsed = start.elapsed();
    bar.finish_and_clear();

    let (mut times, mut verdicts): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    times.sort_unstable();
    verdicts.sort_unstable();
    let count = times.len();
    let rate = count as f64 / elapsed.as_secs_f64();
    let mut report = format!("{count} callbacks in {elapsed:.2?}, {rate:.0} requests/s\nlatency:");
    for (name, percent) in [
        ("min", 0),
        ("p50", 50),
        ("p90", 90),
        ("p99", 99),
        ("max", 100),
    ] {
        let rank = (count * percent).div_ceil(100).max(1);
        report += &format!(" {name} {:.1?}", times[rank - 1]);
    }
    for alike in verdicts.chunk_by(PartialEq::eq) {
        report += &format!("\n{:>8} × {}", alike.len(), alike[0]);
    }
    let worst = verdicts.pop().unwrap_or(Verdict::Delivered);
    (report + "\n", worst)
}

/// What is sent, and where to.
struct Chat {
    client: Client,
    args: Args,
    /// What every callback says, where they all say the same.
    body: Option<Bytes>,
    token: Option<Token>,
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Chat {
    fn new(args: Args) -> Result<Self, String> {
        let body = match (&args.body, args.pairs) {
            (Some(path), _) => {
                let body = fs::read(path);
                Some(
                    body.map_err(|error| format!("--body {}: {error}", path.display()))?
                        .into(),
                )
            }
            (None, Some(pairs)) => Some(generated(pairs)),
            (None, None) => None,
        };
        let tokens = args.token.as_deref().unwrap_or_default();
        let first = tokens.split(',').next().filter(|_| !tokens.is_empty());
        let token = first.map(Token::new).transpose();
        // An error would say that there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Chat comes straight from Tencent, and takes a redirect for a failure.
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Ok(Self {
            client: client.build().map_err(|error| cause(&error))?,
            token: token.map_err(|error| format!("--token: {error}"))?,
            args,
            body,
        })
    }

    async fn post(&self, number: u64) -> Result<Answer, String> {
        let callback = self.callback(number);
        let request = self.client.post(self.url(&callback)).body(callback.body());
        let exchange = async { read(request.send().await?).await };
        match timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(|error| format!("no whole answer: {}", cause(&error))),
            Err(_) => Err(format!("no whole answer within {TIMEOUT:?}")),
        }
    }

    /// One of the callbacks, signed now.
    fn callback(&self, number: u64) -> CallbackRequest {
        let Args {
            app_id,
            command,
            from,
            to,
            platform,
            ..
        } = &self.args;
        let request = match &self.body {
            Some(body) => {
                let command = command.as_deref().unwrap_or(FriendAdd::COMMAND);
                CallbackRequest::new(command, *app_id, body.clone())
            }
            None => {
                let numbered = |user_id: &str| user_id.replace("{}", &number.to_string());
                to.iter()
                    .fold(CallbackRequest::friend_add(*app_id), |request, to| {
                        request.pair(&numbered(from), &numbered(to))
                    })
            }
        };
        let request = request.query("OptPlatform", platform);
        match &self.token {
            Some(token) => request.signed(token, SystemTime::now()),
            None => request,
        }
    }

    /// The app's URL with Tencent's parameters after its own.
    fn url(&self, callback: &CallbackRequest) -> Url {
        let uri = callback.uri();
        let mut url = self.args.url.clone();
        let parameters = [url.query(), uri.query()].into_iter().flatten();
        let parameters: Vec<_> = parameters.filter(|query| !query.is_empty()).collect();
        let query = parameters.join("&");
        url.set_query(Some(&query));
        url
    }
}

/// A packet of so many pairs, with UserIDs as long as they may be.
fn generated(pairs: u32) -> Bytes {
    let request = (0..pairs).fold(CallbackRequest::friend_add(0), |request, n| {
        request.pair(&format!("from{n:028}"), &format!("to{n:030}"))
    });
    request.body()
}

async fn read(mut response: Response) -> reqwest::Result<Answer> {
    let mut body = Vec::new();
    while body.len() <= MAX_ANSWER
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ANSWER + 1);
    let status = response.status();
    Ok(Answer { status, body })
}

/// The innermost cause; what is around it repeats the URL, with the signature.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// From the best to the worst.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Delivered,
    Refused(String),
    Failed(String),
}

fn judge(answer: Result<Answer, String>) -> Verdict {
    let Answer { status, body } = match answer {
        Ok(answer) => answer,
        Err(reason) => return Verdict::Failed(reason),
    };
    if status != StatusCode::OK {
        return Verdict::Failed(format!("the status is {status}, not 200"));
    }
    if body.len() > MAX_ANSWER {
        return Verdict::Failed(format!("the answer is longer than {MAX_ANSWER} bytes"));
    }
    let Ok(json) = serde_json::from_slice::<Value>(&body) else {
        return Verdict::Failed("the answer is not JSON".to_owned());
    };
    if !json.is_object() {
        return Verdict::Failed("the answer is not the envelope, which is an object".to_owned());
    }
    let info = json["ErrorInfo"].as_str().unwrap_or_default().to_owned();
    match serde_json::from_value::<CallbackResponse>(json) {
        Err(error) => Verdict::Failed(format!("the answer is not the envelope: {error}")),
        Ok(envelope) if envelope.is_ok() => Verdict::Delivered,
        Ok(_) => Verdict::Refused(info),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("delivered"),
            Self::Refused(info) => write!(f, "the app refused: {}", printable(info)),
            Self::Failed(reason) => write!(f, "Chat would call it failed: {}", printable(reason)),
        }
    }
}

/// Text of the app's, which must not control the terminal.
fn printable(text: &str) -> String {
    let escape = |c| match c {
        '"' | '\'' | '\\' => String::from(c),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}
