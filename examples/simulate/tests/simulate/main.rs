//! Runs `simulate` against an app, and looks at what reaches it, what is said, and the exit code.

mod app;
mod recording;
mod vectors;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::json;
use tower_tencent_chat::Token;

use self::app::App;

const TOKEN: &str = "xxxxyyyy";

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn simulate(url: &str, options: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .arg(url)
        .args(options)
        .env_remove("CALLBACK_TOKEN")
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What an app receives that answers OK.
fn received(options: &[&str]) -> app::Received {
    let app = App::new();
    let run = simulate(&app.url, options);
    assert_eq!(run.code, 0, "{options:?}: {}{}", run.stdout, run.stderr);
    app.received()
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn without_options_alice_adds_bob() {
    let received = received(&[]);
    assert_eq!(
        received.target,
        "/callback?SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd&contenttype=json\
         &ClientIP=127.0.0.1&OptPlatform=Web"
    );
    assert_eq!(
        received.json(),
        json!({
            "CallbackCommand": "Sns.CallbackFriendAdd",
            "PairList": [
                { "From_Account": "alice", "To_Account": "bob", "Initiator_Account": "alice" },
            ],
            "ClientCmd": "friend_add",
            "Admin_Account": "",
            "ForceFlag": 0,
        })
    );
}

#[test]
fn the_siblings_have_their_command_and_pairs() {
    for (event, command) in [
        ("friend-delete", "Sns.CallbackFriendDelete"),
        ("black-list-add", "Sns.CallbackBlackListAdd"),
        ("black-list-delete", "Sns.CallbackBlackListDelete"),
    ] {
        let received = received(&["--event", event, "--to", "bob", "--to", "user{}"]);
        assert_eq!(received.parameters()["CallbackCommand"], command);
        assert_eq!(
            received.json(),
            json!({
                "CallbackCommand": command,
                "PairList": [
                    { "From_Account": "alice", "To_Account": "bob" },
                    { "From_Account": "alice", "To_Account": "user0" },
                ],
            })
        );
    }
}

#[test]
fn any_event_can_have_many_pairs() {
    for event in ["friend-add", "black-list-delete"] {
        let received = received(&["--event", event, "--pairs", "6000"]);
        let pairs = &received.json()["PairList"];
        assert_eq!(pairs.as_array().unwrap().len(), 6000);
        let last = pairs[5999]["To_Account"].as_str().unwrap();
        assert_eq!((last.len(), &last[..2]), (32, "to"));
    }
}

#[test]
fn a_file_is_sent_as_it_is() {
    let path = file("state-change.json", "{ broken");
    let path = path.to_str().unwrap();
    for (options, command) in [
        (&["--command", "State.StateChange"][..], "State.StateChange"),
        (&["--event", "friend-delete"], "Sns.CallbackFriendDelete"),
        (&[], "Sns.CallbackFriendAdd"),
    ] {
        let received = received(&[&["--body", path], options].concat());
        assert_eq!(received.parameters()["CallbackCommand"], command);
        assert_eq!(received.body, b"{ broken");
    }
}

#[test]
fn what_the_url_says_comes_first() {
    let app = App::new();
    simulate(&format!("{}?tenant=7", app.url), &["--app-id", "7"]);
    let target = app.received().target;
    assert!(
        target.starts_with("/callback?tenant=7&SdkAppid=7&"),
        "{target}"
    );
}

#[test]
fn the_signature_is_that_of_a_clock_which_is_off() {
    for (skew, shift) in [("0", 0), ("3600", 3600), ("-61", -61)] {
        let before = now();
        let received = received(&["--token", TOKEN, "--clock-skew", skew]);
        let after = now();
        let parameters = received.parameters();
        let time: u64 = parameters["RequestTime"].parse().unwrap();
        let range = before.strict_add_signed(shift)..=after.strict_add_signed(shift);
        assert!(range.contains(&time), "{skew}: {time} is not in {range:?}");
        assert_eq!(parameters["Sign"], Token::new(TOKEN).unwrap().sign(time));
    }
}

fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap().as_secs()
}

#[test]
fn the_consoles_check_names_neither_webhook_nor_app() {
    let signed = received(&["--console-check", "--token", TOKEN]);
    let parameters: Vec<_> = signed.parameters().into_keys().collect();
    assert_eq!(parameters, ["RequestTime", "Sign"]);
    assert_eq!(signed.body, b"{}");
}

#[test]
fn a_proxy_drops_the_query_of_the_url_too() {
    let app = App::new();
    let run = simulate(
        &format!("{}?tenant=7", app.url),
        &["--no-query", "--token", TOKEN],
    );
    assert_eq!(run.code, 0);
    let received = app.received();
    assert_eq!(received.target, "/callback");
    assert_eq!(received.json()["CallbackCommand"], "Sns.CallbackFriendAdd");
}

#[test]
fn the_exit_code_says_what_chat_would() {
    for (status, body, code, said) in [
        ("200 OK", app::OK, 0, "delivered"),
        (
            "200 OK",
            r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"wrong app"}"#,
            3,
            "the app rejected it: wrong app",
        ),
        (
            "404 Not Found",
            "",
            1,
            "Chat would call it failed: the status is 404 Not Found, not 200",
        ),
        (
            "302 Found",
            app::OK,
            1,
            "Chat would call it failed: the status is 302 Found, not 200",
        ),
    ] {
        let app = App::answering(status, body);
        let run = simulate(&app.url, &[]);
        assert_eq!(run.code, code, "{}", run.stdout);
        assert_eq!(run.stdout.lines().last(), Some(said));
    }
}

#[test]
fn nobody_listening_is_a_failure() {
    let run = simulate("http://127.0.0.1:1/callback", &[]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .starts_with("Chat would call it failed: no whole answer: ")
    );
}

#[test]
fn many_callbacks_are_numbered_and_summed_up() {
    let app = App::new();
    let options = ["--count", "5", "--concurrency", "2", "--from", "user{}"];
    let run = simulate(&app.url, &options);
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("5 callbacks in "), "{}", run.stdout);
    assert!(
        run.stdout.ends_with("\n       5 × delivered\n"),
        "{}",
        run.stdout
    );
    let mut from: Vec<_> = app
        .all_received()
        .iter()
        .map(|received| received.json()["PairList"][0]["From_Account"].clone())
        .collect();
    from.sort_by_key(ToString::to_string);
    assert_eq!(from, ["user0", "user1", "user2", "user3", "user4"]);
}

#[test]
fn only_the_given_certificates_are_trusted() {
    let (app, authority) = App::with_tls();
    let run = simulate(&app.url, &["--cacert", authority.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    app.received();

    let (_, another) = App::with_tls();
    let run = simulate(&app.url, &["--cacert", another.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("certificate"), "{}", run.stdout);
    assert!(app.all_received().is_empty());
}

#[test]
fn what_cannot_be_sent_is_an_error_of_the_command_line() {
    let not_pem = file("not-pem", "no certificate");
    for (options, said) in [
        (&["--body", "/nonexistent"][..], "--body /nonexistent: "),
        (&["--cacert", "/nonexistent"], "--cacert /nonexistent: "),
        (
            &["--cacert", not_pem.to_str().unwrap()],
            "no certificate in PEM",
        ),
        (&["--token", "x y"], "--token: "),
        (
            &["--clock-skew", "61"],
            "--clock-skew: only what --token signs",
        ),
        (
            &["--console-check"],
            "--console-check: nothing but a signature",
        ),
        (
            &["--command", "State.StateChange"],
            "--command: needs --body",
        ),
    ] {
        let run = simulate("http://127.0.0.1:1/", options);
        assert_eq!(run.code, 2, "{options:?}: {}", run.stdout);
        assert!(run.stderr.contains(said), "{options:?}: {}", run.stderr);
    }
}

#[test]
fn an_app_that_takes_too_long_has_failed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let start = SystemTime::now();
    let run = simulate(&url, &[]);
    assert!(start.elapsed().unwrap() >= Duration::from_secs(2));
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout,
        "Chat would call it failed: no whole answer within 2s\n"
    );
}
