//! `--record` and `--replay`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tower_tencent_chat::Token;

use crate::{
    TOKEN,
    app::{self, App, Real},
    file, simulate,
};

/// The proxy, until it goes out of scope.
struct Recorder {
    process: Child,
    url: String,
    lines: BufReader<ChildStdout>,
}

impl Recorder {
    fn new(app: &str, recording: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_simulate"))
            .arg(app)
            .args(["--listen", "127.0.0.1:0", "--record"])
            .arg(recording)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut recorder = Self {
            process,
            url: String::new(),
            lines,
        };
        let line = recorder.line();
        let (address, target) = line
            .strip_prefix("Listening on ")
            .and_then(|rest| rest.split_once(", forwarding to "))
            .unwrap_or_else(|| panic!("{line}"));
        assert_eq!(target, app);
        recorder.url = format!("{address}/callback");
        recorder
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn new_file(name: &str) -> PathBuf {
    let path = file(name, "");
    fs::remove_file(&path).unwrap();
    path
}

#[test]
fn a_recording_has_what_was_sent_and_nothing_private() {
    let path = new_file("recording.jsonl");
    let app = App::new();
    let mut recorder = Recorder::new(&format!("{}?key=my-key", app.url), &path);
    let options = ["--from", "alice", "--to", "bob", "--to", "alice"];
    let signed = ["--app-id", "1412345678", "--token", TOKEN];
    let run = simulate(
        &format!("{}?tenant=my-tenant", recorder.url),
        &[&options[..], &signed].concat(),
    );
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(recorder.line(), "Sns.CallbackFriendAdd: delivered");

    let forwarded = app.received();
    let parameters = forwarded.parameters();
    assert_eq!(parameters["key"], "my-key");
    assert_eq!(parameters["tenant"], "my-tenant");
    assert_eq!(parameters["SdkAppid"], "1412345678");
    assert_eq!(forwarded.json()["PairList"][0]["From_Account"], "alice");
    let (_, host) = app.url.split_once("//").unwrap();
    assert_eq!(format!("{}/callback", forwarded.headers["host"]), host);

    let text = fs::read_to_string(&path).unwrap();
    let private = [
        "alice",
        "bob",
        "1412345678",
        "127.0.0.1",
        TOKEN,
        "tenant",
        "key",
        parameters["Sign"],
        parameters["RequestTime"],
    ];
    for private in private {
        assert!(!text.contains(private), "{private} is in {text}");
    }
    let recorded: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(recorded["method"], "POST");
    assert_eq!(
        recorded["query"],
        format!(
            "xxxxxx=xx-xxxxxx&SdkAppid=1000000000&CallbackCommand=Sns.CallbackFriendAdd\
             &contenttype=json&ClientIP=192.0.2.1&OptPlatform=Web&Sign={}&RequestTime=1000000000",
            "x".repeat(64)
        )
    );
    let body: Value = serde_json::from_str(recorded["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        body["PairList"],
        json!([
            { "From_Account": "name1", "To_Account": "name2", "Initiator_Account": "name1" },
            { "From_Account": "name1", "To_Account": "name1", "Initiator_Account": "name1" },
        ])
    );
    let headers = recorded["headers"].as_array().unwrap();
    let length = forwarded.body.len().to_string();
    assert!(
        headers.contains(&json!(["content-length", length])),
        "{text}"
    );
}

#[test]
fn chat_gets_the_answer_of_the_app() {
    let fail = r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"wrong app"}"#;
    let path = new_file("answers.jsonl");
    let app = App::answering("200 OK", fail);
    let recorder = Recorder::new(&app.url, &path);
    let run = simulate(&recorder.url, &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains(fail), "{}", run.stdout);
    drop(recorder);

    fs::remove_file(&path).unwrap();
    let mut recorder = Recorder::new("http://127.0.0.1:1/callback", &path);
    let run = simulate(&recorder.url, &[]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.starts_with("502 Bad Gateway"), "{}", run.stdout);
    let line = recorder.line();
    assert!(
        line.contains("Chat would call it failed: no whole answer"),
        "{line}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_recording_is_never_overwritten() {
    let path = file("there-already.jsonl", "kept");
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--record",
        path.to_str().unwrap(),
    ];
    let run = simulate("http://127.0.0.1:1/callback", &options);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("--record "), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}

fn line(query: &str, body: &str) -> String {
    let headers = json!([["content-type", "text/plain"], ["x-other", "xxx"]]);
    json!({ "method": "POST", "query": query, "headers": headers, "body": body }).to_string() + "\n"
}

const SIGNED: &str = "RequestId=xx-x&Sign=xxxx&SdkAppid=1000000000&RequestTime=1000000000\
                      &CallbackCommand=Sns.CallbackFriendAdd";

fn recording() -> String {
    line(SIGNED, "{ \"PairList\": [] }") + &line("OptPlatform=iOS", "")
}

#[test]
fn a_recording_is_sent_for_the_app_and_signed_afresh() {
    let path = file("replayed.jsonl", &recording());
    let app = App::new();
    let options = [
        "--replay",
        path.to_str().unwrap(),
        "--app-id",
        "7",
        "--token",
        TOKEN,
    ];
    let run = simulate(&app.url, &options);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        run.stdout,
        "Sns.CallbackFriendAdd: delivered\nno CallbackCommand: delivered\n"
    );

    let received = app.all_received();
    assert_eq!(received[0].body, b"{ \"PairList\": [] }");
    assert_eq!(received[0].headers["content-type"], "text/plain");
    assert!(!received[0].headers.contains_key("x-other"));
    let parameters = received[0].parameters();
    assert_eq!(parameters["SdkAppid"], "7");
    assert_eq!(parameters["RequestId"], "xx-x");
    let time = parameters["RequestTime"];
    assert_ne!(time, "1000000000");
    let token = Token::new(TOKEN).unwrap();
    assert_eq!(parameters["Sign"], token.sign(time.parse().unwrap()));
    let parameters: Vec<_> = received[1].parameters().into_keys().collect();
    assert_eq!(parameters, ["OptPlatform", "RequestTime", "Sign"]);
}

#[test]
fn without_a_token_a_recording_is_sent_unsigned() {
    let path = file("unsigned.jsonl", &recording());
    let app = App::answering("404 Not Found", app::OK);
    let run = simulate(&app.url, &["--replay", path.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    for received in app.all_received() {
        assert!(!received.target.contains("Sign"), "{}", received.target);
        assert!(
            !received.target.contains("RequestTime"),
            "{}",
            received.target
        );
    }
}

#[test]
fn the_worst_answer_to_a_recording_decides() {
    let good = r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#;
    let recording = line(SIGNED, "broken") + &line(SIGNED, good);
    let path = file("worst.jsonl", &recording);
    let run = simulate(&Real::new(None).url, &["--replay", path.to_str().unwrap()]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(
        run.stdout.ends_with("Sns.CallbackFriendAdd: delivered\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_no_recording_is_an_error_of_the_command_line() {
    let path = file("no-recording.jsonl", "{}\n");
    for (options, said) in [
        (&["--replay", "/nonexistent"][..], "--replay /nonexistent: "),
        (
            &["--replay", path.to_str().unwrap()],
            "line 1: missing field `method`",
        ),
        (&["--replay", "x", "--record", "y"], "cannot be used with"),
        (&["--record", "x", "--to", "bob"], "cannot be used with"),
        (&["--listen", "127.0.0.1:0"], "--record <FILE>"),
    ] {
        let run = simulate("http://127.0.0.1:1/", options);
        assert_eq!(run.code, 2, "{options:?}: {}", run.stdout);
        assert!(run.stderr.contains(said), "{options:?}: {}", run.stderr);
    }
}
