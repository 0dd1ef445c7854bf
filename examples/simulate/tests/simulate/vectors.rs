//! `--vectors`.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tower_tencent_chat::Token;

use crate::{
    TOKEN,
    app::{self, App, Real},
    simulate,
};

const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

fn folder(name: &str, vectors: &[Value]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = json!({ "about": "Some requests.", "vectors": vectors });
    fs::write(folder.join("some.json"), file.to_string()).unwrap();
    fs::write(folder.join("README.md"), "not a vector").unwrap();
    folder
}

/// A vector whose query follows those of the app and the webhook.
fn vector(name: &str, query: &str, verdict: &Value) -> Value {
    json!({
        "name": name,
        "source": "choice",
        "request": {
            "url": format!("/?CallbackCommand=Sns.CallbackFriendAdd{query}"),
            "body": r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
        },
        "verdict": verdict,
    })
}

fn for_app(mut vector: Value, app: Value) -> Value {
    vector["app"] = app;
    vector
}

fn changed(mut vector: Value, name: &str, value: Value) -> Value {
    vector["request"][name] = value;
    vector
}

fn accept() -> Value {
    json!({ "accept": { "packet": {}, "context": {} } })
}

fn reject(error_info: &str) -> Value {
    json!({ "reject": { "kind": "a_kind", "error_info": error_info } })
}

fn pass() -> Value {
    json!({ "pass": {} })
}

fn signed() -> Vec<Value> {
    let token = json!({ "tokens": ["xxxxyyyy"] });
    let query = |sign: &str, time| format!("&SdkAppid=1400000000&Sign={sign}&RequestTime={time}");
    let token_of = |time| Token::new(TOKEN).unwrap().sign(time);
    [
        vector("now", &query(SIGN, 1669872112), &accept()),
        vector(
            "sixty seconds old",
            &query(&token_of(1669872052), 1669872052),
            &accept(),
        ),
        vector(
            "sixty-one seconds old",
            &query(&token_of(1669872051), 1669872051),
            &reject(""),
        ),
        vector("not signed", "&SdkAppid=1400000000", &reject("")),
    ]
    .map(|vector| for_app(vector, token.clone()))
    .into()
}

fn unsigned() -> Vec<Value> {
    vec![
        vector("good", "&SdkAppid=1400000000", &accept()),
        vector("another app", "&SdkAppid=1", &reject("")),
        changed(
            vector("not text", "&SdkAppid=1400000000", &reject("")),
            "body_hex",
            json!("ff"),
        ),
        changed(
            vector("too large", "&SdkAppid=1400000000", &reject("")),
            "padded_to",
            json!(1024 * 1024 + 1),
        ),
        changed(
            vector("GET", "&SdkAppid=1400000000", &reject("")),
            "method",
            json!("GET"),
        ),
        changed(
            vector("another webhook", "", &pass()),
            "url",
            json!("/?CallbackCommand=A.B"),
        ),
        changed(vector("no webhook", "", &pass()), "url", json!("/")),
    ]
}

#[test]
fn an_app_with_the_rules_answers_as_the_vectors_say() {
    let folder = folder("unsigned", &[unsigned(), signed()].concat());
    let app = Real::new(None);
    let run = simulate(&app.url, &["--vectors", folder.to_str().unwrap()]);
    assert_eq!(
        run.stdout,
        "7 vectors sent, 7 answered as they say\n\
         4 rejections, 0 with the text of the vector\n       \
         4 × not sent: for an app with a token\n"
    );
    assert_eq!(run.code, 0);
}

#[test]
fn vectors_are_signed_afresh_by_the_token_of_the_app() {
    let folder = folder("signed", &[unsigned(), signed()].concat());
    let app = Real::new(Some("another-token"));
    let options = [
        "--vectors",
        folder.to_str().unwrap(),
        "--token",
        "another-token",
    ];
    let run = simulate(&app.url, &options);
    assert_eq!(
        run.stdout,
        "4 vectors sent, 4 answered as they say\n\
         2 rejections, 0 with the text of the vector\n       \
         7 × not sent: for an app without a token\n"
    );
    assert_eq!(run.code, 0);
}

#[test]
fn answers_that_differ_are_shown() {
    let folder = folder("differing", &unsigned());
    let options = ["--vectors", folder.to_str().unwrap()];
    let run = simulate(&App::new().url, &options);
    assert_eq!(run.code, 1);
    let different =
        "some: another app (choice)\n    expected: FAIL, for a_kind\n    answered: delivered\n";
    assert!(run.stdout.starts_with(different), "{}", run.stdout);
    assert!(
        run.stdout
            .ends_with("7 vectors sent, 3 answered as they say\n"),
        "{}",
        run.stdout
    );

    let run = simulate(&App::answering("404 Not Found", app::OK).url, &options);
    assert_eq!(run.code, 1);
    let different =
        "some: good (choice)\n    expected: OK\n    answered: Chat would call it failed: ";
    assert!(run.stdout.starts_with(different), "{}", run.stdout);
    assert!(
        run.stdout
            .ends_with("7 vectors sent, 2 answered as they say\n"),
        "{}",
        run.stdout
    );

    let run = simulate("http://127.0.0.1:1/", &options);
    assert!(
        run.stdout
            .ends_with("7 vectors sent, 0 answered as they say\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn rejections_with_the_text_of_the_vector_are_counted() {
    let vectors = ["wrong app", "another text"].map(|text| vector(text, "", &reject(text)));
    let folder = folder("texts", &vectors);
    let fail = r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"wrong app"}"#;
    let app = App::answering("200 OK", fail);
    let run = simulate(&app.url, &["--vectors", folder.to_str().unwrap()]);
    assert_eq!(
        run.stdout,
        "2 vectors sent, 2 answered as they say\n2 rejections, 1 with the text of the vector\n"
    );
}

#[test]
fn what_is_for_another_app_or_cannot_be_sent_is_left_out() {
    let plain = || vector("plain", "", &accept());
    let another = |app| for_app(plain(), app);
    let vectors = [
        another(json!({ "sdk_app_id": 1 })),
        another(json!({ "command": "Sns.CallbackFriendDelete" })),
        another(json!({ "now": 1669872112.999 })),
        another(json!({ "window": 5 })),
        another(json!({ "limit": 0 })),
        another(json!({ "tokens": ["a", "b"] })),
        changed(plain(), "version", json!("HTTP/1.0")),
        changed(plain(), "broken", json!(true)),
        changed(plain(), "headers", json!([["Content-Length", "1000"]])),
        changed(plain(), "url", json!("/?界")),
        changed(plain(), "method", json!("HEAD")),
    ];
    let folder = folder("left-out", &vectors);
    let app = App::new();
    let run = simulate(&app.url, &["--vectors", folder.to_str().unwrap()]);
    assert_eq!(
        run.stdout,
        "0 vectors sent, 0 answered as they say\n       \
         1 × not sent: for a handler of another webhook\n       \
         1 × not sent: for an app with a token\n       \
         1 × not sent: for another app id\n       \
         3 × not sent: for another clock, window or limit\n       \
         4 × not sent: not possible with this client\n       \
         1 × not sent: the answer to HEAD has no body\n"
    );
    assert_eq!(run.code, 1);
    assert!(app.all_received().is_empty());
}

#[test]
fn a_vector_arrives_as_it_is_after_the_parameters_of_the_url() {
    let vector = changed(
        vector("odd", "&&a=%2b+&Sign&=%", &accept()),
        "headers",
        json!([["content-type", "text/xml"]]),
    );
    let folder = folder("odd", &[vector]);
    let app = App::new();
    let url = format!("{}?tenant=7", app.url);
    let run = simulate(&url, &["--vectors", folder.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(
        app.received().target,
        "/callback?tenant=7&CallbackCommand=Sns.CallbackFriendAdd&&a=%2b+&Sign&=%"
    );
}

#[test]
fn what_are_no_vectors_is_an_error_of_the_command_line() {
    let broken = folder("broken", &[json!({ "name": "no request" })]);
    for (path, said) in [
        ("/nonexistent", "--vectors /nonexistent: "),
        (env!("CARGO_MANIFEST_DIR"), "no vectors are in it"),
        (broken.to_str().unwrap(), "some: missing field `source`"),
    ] {
        let run = simulate("http://127.0.0.1:1/", &["--vectors", path]);
        assert_eq!(run.code, 2, "{path}: {}", run.stdout);
        assert!(run.stderr.contains(said), "{path}: {}", run.stderr);
    }
}
