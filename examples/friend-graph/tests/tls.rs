//! A certificate of the app's own.

mod common;

use std::process::{Command, Output};

use tempfile::TempDir;

use common::{App, Database, skip};

/// `None` if the program is not installed.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program).args(arguments).output();
    if output.is_err() {
        skip(program);
    }
    output.ok()
}

#[test]
fn it_serves_with_a_certificate_of_its_own() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        &cert,
        "-keyout",
        &key,
    ];
    let Some(_) = run("openssl", &arguments) else {
        return;
    };
    let database = Database::sqlite();
    let app = App::start_with(&database, &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let url = format!("{}/livez", app.url);
    assert!(url.starts_with("https://"));
    let Some(answer) = run(
        "curl",
        &["--silent", "--show-error", "--cacert", &cert, &url],
    ) else {
        return;
    };
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout),
        "ok\n",
        "{answer:?}"
    );
}
