//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, value_parser};
use reqwest::Url;

use crate::webhook::Event;

/// Plays Tencent Cloud Chat: posts a callback to your app, and judges the answer as Chat would
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    after_help = "\
Exit codes:
  0  Chat would count every callback as delivered, and the app answered OK
  1  Chat would call one failed: no answer within 2 s, a status other than 200, no JSON, no envelope;
     or an answer isn't what one of --vectors says
  2  the command line is wrong
  3  an envelope says FAIL: Chat counts such a callback as delivered, but the app has rejected it"
)]
pub(crate) struct Args {
    /// The app's URL, as it would be set in Tencent's console; may have parameters of its own
    #[arg(value_parser = parse_url)]
    pub(crate) url: Url,

    /// Trust the certificates in this PEM file, and no others: for an https:// URL whose certificate
    /// you have made yourself, as with mkcert
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) callback: Callback,

    #[command(flatten)]
    pub(crate) signature: Signature,

    #[command(flatten)]
    pub(crate) load: Load,

    #[command(flatten)]
    pub(crate) prepared: Prepared,
}

/// What is sent.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is sent")]
pub(crate) struct Callback {
    /// The SDKAppID that the callbacks are for; your app must reject all but its own
    #[arg(long, value_name = "ID", default_value_t = 1400000000)]
    pub(crate) app_id: u64,

    /// The webhook: to see each of your app's handlers called
    #[arg(long, value_enum, default_value_t = Event::FriendAdd)]
    pub(crate) event: Event,

    /// Who does it, such as adding a friend; each {} becomes the number of the callback, from 0 on
    #[arg(long, value_name = "USER_ID", default_value = "alice")]
    pub(crate) from: String,

    /// To whom; can be repeated, for several pairs in one callback, and have a {} too
    #[arg(long, value_name = "USER_ID", default_value = "bob")]
    pub(crate) to: Vec<String>,

    /// Send this many generated pairs, with UserIDs as long as they may be: to see whether your app,
    /// and any proxy before it, takes a large body in time
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    #[arg(value_parser = value_parser!(u32).range(..=100_000))]
    pub(crate) pairs: Option<u32>,

    /// Send a webhook that has no --event, such as State.StateChange: Chat posts all of them to the
    /// same URL, and your app has to answer those that it does not handle, too. Needs --body
    #[arg(long, conflicts_with = "event")]
    pub(crate) command: Option<String>,

    /// Send what this file holds: a body that you have captured, or one that is broken
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "pairs"])]
    pub(crate) body: Option<PathBuf>,

    /// Where the user's client runs: Web, Android, iOS, Windows, Mac, iPad, RESTAPI
    #[arg(long, default_value = "Web")]
    pub(crate) platform: String,

    /// Send what the console's verify button sends, as far as it is known: a signature, and neither
    /// webhook nor app. The console shows an error unless the app answers it
    #[arg(long)]
    #[arg(conflicts_with_all = [
        "app_id", "event", "from", "to", "pairs", "command", "body", "platform", "no_query",
    ])]
    pub(crate) console_check: bool,

    /// Send no query at all, as a proxy does that drops it: to see what your app answers and logs then.
    /// With OK it would lose every callback, and nobody would be told
    #[arg(long)]
    pub(crate) no_query: bool,
}

/// How it is signed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it is signed")]
pub(crate) struct Signature {
    /// Sign with this token, the one that your app has; of several, separated by commas, with the
    /// first [default: don't sign]
    #[arg(long, env = "CALLBACK_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// Sign by a clock that is this many seconds fast, or slow if negative: to see callbacks rejected
    /// that are more than a minute off, and what your app logs then
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    #[arg(allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(i64).range(-1_000_000_000..=1_000_000_000))]
    pub(crate) clock_skew: i64,
}

/// How often it is sent.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How often it is sent")]
pub(crate) struct Load {
    /// How many callbacks to send; with more than one, times are summed up
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u64).range(1..=100_000_000))]
    pub(crate) count: u64,

    /// Send as many as the app answers in this time instead, in seconds
    #[arg(long, value_name = "S", conflicts_with = "count")]
    #[arg(value_parser = value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: Option<u64>,

    /// How many of them at once: to see your app under load
    #[arg(long, value_name = "C", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u64).range(1..=10_000))]
    pub(crate) concurrency: u64,
}

/// Requests that were recorded, or written by hand.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is sent instead")]
pub(crate) struct Prepared {
    /// Send nothing, but listen for Chat, forward what it sends to the URL, and write it to this new file. Accounts,
    /// addresses, app ids, signatures and all other texts are replaced
    #[arg(long, value_name = "FILE", conflicts_with_all = OTHER_BODIES)]
    #[arg(conflicts_with_all = ["event", "command", "app_id", "clock_skew", "replay"])]
    pub(crate) record: Option<PathBuf>,

    /// Where --record listens
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:3001",
        requires = "record"
    )]
    pub(crate) listen: SocketAddr,

    /// Send the requests of a recording, for your app, and signed afresh if there is a token
    #[arg(long, value_name = "FILE", conflicts_with_all = OTHER_BODIES)]
    #[arg(conflicts_with_all = ["event", "command"])]
    pub(crate) replay: Option<PathBuf>,

    /// Send the test vectors in the files of this folder, such as tests/vectors, and print the answers that
    /// differ. Sends those that are for an app with this --app-id, with a handler for this --event or --command,
    /// and with authentication on if there is a --token; the path is always that of the URL
    #[arg(long, value_name = "DIR", conflicts_with_all = OTHER_BODIES)]
    #[arg(conflicts_with_all = ["record", "replay"])]
    pub(crate) vectors: Option<PathBuf>,
}

/// What says how other requests are made.
const OTHER_BODIES: [&str; 10] = [
    "from",
    "to",
    "pairs",
    "body",
    "platform",
    "console_check",
    "no_query",
    "count",
    "seconds",
    "concurrency",
];

impl Callback {
    pub(crate) fn command(&self) -> &str {
        self.command.as_deref().unwrap_or(self.event.command())
    }
}

impl Load {
    pub(crate) fn is_one(&self) -> bool {
        self.count == 1 && self.seconds.is_none()
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("not an http:// or https:// URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(options: &[&str]) -> Result<Args, ErrorKind> {
        let command = ["simulate", "http://localhost/callback"];
        Args::try_parse_from(command.iter().chain(options)).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn only_urls_of_http_are_taken() {
        for url in ["https://localhost/callback", "http://[::1]:3000"] {
            assert!(parse_url(url).is_ok(), "{url}");
        }
        for url in ["ftp://localhost/", "localhost:3000", "/callback", ""] {
            assert!(parse_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_skew_may_be_negative() {
        let args = parse(&["--token", "xxxxyyyy", "--clock-skew", "-61"]).unwrap();
        assert_eq!(args.signature.clock_skew, -61);
    }

    #[test]
    fn options_that_contradict_each_other_are_rejected() {
        for options in [
            &["--pairs", "3", "--to", "bob"][..],
            &["--body", "packet.json", "--from", "alice"],
            &[
                "--body",
                "packet.json",
                "--command",
                "A.B",
                "--event",
                "friend-add",
            ],
            &["--console-check", "--event", "friend-add"],
            &["--console-check", "--app-id", "1400000001"],
            &["--console-check", "--no-query"],
            &["--count", "2", "--seconds", "1"],
        ] {
            assert_eq!(
                parse(options).unwrap_err(),
                ErrorKind::ArgumentConflict,
                "{options:?}"
            );
        }
    }
}
