//! Settings: when the app starts, and when it does not.

mod common;

use std::{fs, path::Path, process::Output};

use sqlx::Executor;
use tempfile::TempDir;
use tower_tencent_chat::Token;

use common::{Answer, App, Chat, Database, add};

const PASSWORD: &str = "correct-horse";
const SAME_FILE: &str = "JOURNAL: the file of DATABASE_URL";

fn run(settings: &[(&str, &str)]) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = App::command();
    command.current_dir(directory.path());
    // If it starts all the same, it ends at once.
    command
        .env("ADDR", "nowhere")
        .env("JOURNAL", "off")
        .envs(settings.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_bad_setting_stops_the_start_with_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let nobody = format!("postgres://app:{PASSWORD}@127.0.0.1:1/friends");
    let misspelt = format!("postgres://127.0.0.1:1/friends?passwort={PASSWORD}");
    let values: [(&str, &str, &[&str]); _] = [
        ("SDK_APP_ID", "SDK_APP_ID: not a number", &["tencent", "-1"]),
        ("CALLBACK_TOKEN", "CALLBACK_TOKEN: ", &["a b", "a,"]),
        (
            "CALLBACK_TOKEN",
            "CALLBACK_TOKEN: there are quotes",
            &["\"a\"", "'a'"],
        ),
        ("JOURNAL", "JOURNAL: no file", &["OFF", "false", ":memory:"]),
        (
            "JOURNAL",
            "JOURNAL: missing/journal: ",
            &["missing/journal"],
        ),
        ("JOURNAL", "JOURNAL: /: ", &["/"]),
        ("ADDR", "ADDR: no listening on \"", &["nowhere", &taken]),
        (
            "DATABASE_URL",
            SAME_FILE,
            &[
                "sqlite:journal?mode=rwc",
                "sqlite:./journal?mode=rwc",
                "sqlite:%6aournal?mode=rwc",
            ],
        ),
        (
            "DATABASE_URL",
            "DATABASE_URL: neither postgres://… nor sqlite:…",
            &["friends.db", "mysql://localhost/x"],
        ),
        (
            "DATABASE_URL",
            "DATABASE_URL: no file",
            &[
                "sqlite:",
                "sqlite:?mode=rwc",
                "sqlite::memory:",
                "sqlite://:memory:",
                "sqlite://x?mode=memory",
            ],
        ),
        (
            "DATABASE_URL",
            "DATABASE_URL: ",
            &[
                "sqlite:missing.db",
                "sqlite:missing/x.db?mode=rwc",
                "sqlite:%3Amemory%3A",
                "postgres://[",
                &nobody,
                &misspelt,
            ],
        ),
    ];
    let values = values.iter().flat_map(|(setting, expected, values)| {
        values
            .iter()
            .map(move |value| (*setting, *value, *expected))
    });
    for (setting, value, expected) in values {
        // Most are about one variable.
        let journal = if expected == SAME_FILE {
            "journal"
        } else {
            "off"
        };
        let output = run(&[("JOURNAL", journal), (setting, value)]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{setting}={value}: {stderr}");
        assert!(output.stdout.is_empty());
        let lines: Vec<_> = stderr.lines().collect();
        assert!(
            lines.len() == 1 && lines[0].starts_with(expected),
            "{setting}={value}: {stderr}"
        );
        assert!(!stderr.contains(PASSWORD), "{stderr}");
    }
}

#[test]
fn a_file_that_is_no_database_stops_the_start_and_stays() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "notes, and not a database ".repeat(1000)).unwrap();
    let output = run(&[("DATABASE_URL", &format!("sqlite:{}", file.display()))]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("DATABASE_URL: "), "{stderr}");
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        "notes, and not a database ".repeat(1000)
    );
}

#[test]
fn without_any_setting_there_is_a_file_in_write_ahead_mode() {
    let directory = TempDir::new().unwrap();
    let output = App::command()
        .env("ADDR", "nowhere")
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(output.stderr.starts_with(b"ADDR: "));
    // Bytes 18 and 19 of the file tell the journal: 2 is the write-ahead log.
    let files = fs::read_dir(directory.path()).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let database = files.find(|file| file.extension().is_some_and(|name| name == "db"));
    let header = fs::read(database.unwrap()).unwrap();
    assert_eq!(header[18..20], [2, 2]);
}

#[tokio::test]
async fn a_start_keeps_what_is_stored() {
    for database in Database::all() {
        let chat = Chat::new();
        let mut app = App::start(&database);
        chat.deliver(&app, &add([("alice", "bob")])).await;
        let before = database.rows().await;
        app.kill_and_restart();
        assert_eq!(database.rows().await, before);
        chat.deliver(&app, &add([("alice", "carol")])).await;
        assert_eq!(database.friends().await.len(), 2);
    }
}

#[tokio::test]
async fn a_journal_belongs_to_one_process() {
    let database = Database::sqlite();
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("journal").display().to_string();
    let app = App::start_in(folder, &database, &[]);
    let output = run(&[("JOURNAL", &journal), ("DATABASE_URL", &database.url())]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("JOURNAL: "), "{stderr}");
    assert!(
        stderr.contains("locked") && stderr.lines().count() == 1,
        "{stderr}"
    );
    Chat::new().deliver(&app, &add([("alice", "bob")])).await;
}

#[tokio::test]
async fn replicas_can_start_at_once_on_an_empty_database() {
    let Some(database) = Database::postgres() else {
        return;
    };
    std::thread::scope(|scope| {
        for app in [0; 4].map(|_| scope.spawn(|| App::start(&database))) {
            app.join().unwrap();
        }
    });
}

#[tokio::test]
async fn either_token_signs_and_neither_is_logged() {
    let database = Database::sqlite();
    let settings = [
        ("CALLBACK_TOKEN", "old-secret,new-secret"),
        ("SDK_APP_ID", "1400000000"),
    ];
    let app = App::start_with(&database, &settings);
    let chat = Chat::new();
    let request = add([("alice", "bob")]);
    let now = std::time::SystemTime::now();
    for token in ["old-secret", "new-secret"] {
        let signed = request.clone().signed(&Token::new(token).unwrap(), now);
        chat.deliver(&app, &signed).await;
    }
    let forged = request.clone().signed(&Token::new("guessed").unwrap(), now);
    assert!(matches!(
        chat.send(&app.url, &forged).await,
        Answer::Fail(_)
    ));
    assert!(matches!(
        chat.send(&app.url, &request).await,
        Answer::Fail(_)
    ));
    assert!(!app.log().contains("secret"), "{}", app.log());
    assert!(!app.log().contains("CALLBACK_TOKEN"), "{}", app.log());
    let name = "rejections_total{kind=\"sign_mismatch\"}";
    assert_eq!(app.metric(name).await, 1.0);
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_set() {
    let database = Database::sqlite();
    let app = App::start_with(&database, &[("RUST_LOG", ""), ("CALLBACK_TOKEN", "")]);
    app.wait_for_line(&["WARN", "no CALLBACK_TOKEN is set"])
        .await;
}

/// Leaves a callback in the journal, and starts the app on a database that is not as it has to be.
async fn assert_starts_with_its_journal(database: &Database, broken: &str, mended: &str) {
    let mut app = App::start(database);
    let chat = Chat::new();
    chat.deliver(&app, &add([("alice", "before")])).await;
    database.server().stop();
    let answer = chat.send(&app.url, &add([("alice", "bob")])).await;
    assert_eq!(answer, Answer::Ok);
    app.kill();
    database.server().start_again();
    database.server().psql(broken);
    app.restart();
    app.wait_for_line(&["ERROR", "callbacks go to the journal"])
        .await;
    let answer = chat.send(&app.url, &add([("alice", "carol")])).await;
    assert_eq!(answer, Answer::Ok);
    assert_eq!(app.metric("spooled").await, 2.0);
    database.server().psql(mended);
    app.settle().await;
    assert_eq!(database.friends().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_with_callbacks_starts_whatever_the_database_says() {
    for (broken, mended) in [
        ("ALTER ROLE app NOLOGIN", "ALTER ROLE app LOGIN"),
        (
            "ALTER TABLE friends RENAME TO gone",
            "ALTER TABLE gone RENAME TO friends",
        ),
    ] {
        if let Some(database) = Database::postgres() {
            assert_starts_with_its_journal(&database, broken, mended).await;
        }
    }
}

/// A roll-back, another app's tables in the same database, and a role that may only read and write.
#[tokio::test]
async fn tables_that_are_there_are_enough_to_start() {
    for database in Database::all() {
        let app = App::start(&database);
        Chat::new().deliver(&app, &add([("alice", "bob")])).await;
        drop(app);
        let mut connection = database.connect().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     SELECT 20301231, 'of tomorrow', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        connection.execute(newer).await.unwrap();
        if let Database::Postgres(_) = database {
            let no_more = "REVOKE CREATE ON SCHEMA public FROM app";
            connection.execute(no_more).await.unwrap();
        }
        let app = App::start(&database);
        Chat::new().deliver(&app, &add([("alice", "carol")])).await;
        assert_eq!(database.friends().await.len(), 2);
    }
}

#[tokio::test]
async fn a_damaged_journal_gets_another_name() {
    let database = Database::sqlite();
    // The header and the schema, and the pages of the three tables, one of which is SQLite's own.
    for damage in [0, 4096, 2 * 4096, 3 * 4096] {
        let (mut app, journal) = App::start_with_journal(&database);
        let journal = Path::new(journal.trim_start_matches("sqlite:"));
        app.terminate();
        app.ended().await;
        let mut bytes = fs::read(journal).unwrap();
        bytes[damage..damage + 100].fill(0xff);
        fs::write(journal, &bytes).unwrap();
        app.restart();
        app.wait_for_line(&["ERROR", "the journal was damaged", "journal.damaged-"])
            .await;
        Chat::new().deliver(&app, &add([("alice", "bob")])).await;
        let files = fs::read_dir(journal.parent().unwrap()).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let damaged = files.find(|file| file.to_string_lossy().contains("damaged-"));
        assert_eq!(fs::read(damaged.unwrap()).unwrap(), bytes);
    }
}

#[test]
fn a_database_that_cannot_hold_every_user_id_stops_the_start() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let create = "CREATE DATABASE latin ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER app";
    database.server().psql(create);
    let url = database.app_url().replace("/postgres?", "/latin?");
    let output = run(&[("DATABASE_URL", &url)]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("DATABASE_URL: the database has to be encoded"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
