//! Settings: when the app starts, and when it does not.

mod common;

use std::fs;

use sqlx::Executor;
use tempfile::TempDir;
use tower_tencent_chat::Token;

use common::{App, Chat, Database, add};

const PASSWORD: &str = "correct-horse";

#[test]
fn a_bad_setting_stops_the_start_with_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let nobody = format!("postgres://app:{PASSWORD}@127.0.0.1:1/friends");
    let misspelt = format!("postgres://127.0.0.1:1/friends?passwort={PASSWORD}");
    let values: [(&str, &[&str]); _] = [
        ("SDK_APP_ID: not a number", &["tencent", "-1"]),
        ("CALLBACK_TOKEN: ", &["a b", "a,"]),
        ("CALLBACK_TOKEN: there are quotes", &["\"a\"", "'a'"]),
        ("JOURNAL: no file", &["OFF", "false", ":memory:"]),
        ("JOURNAL: missing/journal: ", &["missing/journal"]),
        ("JOURNAL: /: ", &["/"]),
        ("ADDR: no listening on \"", &["nowhere", &taken]),
        (
            "DATABASE_URL: neither postgres://… nor sqlite:…",
            &["friends.db", "mysql://localhost/x"],
        ),
        (
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
    for (expected, values) in values {
        let (setting, _) = expected.split_once(':').unwrap();
        for value in values {
            let line = App::fails_to_start(&[(setting, value)]);
            assert!(line.starts_with(expected), "{setting}={value}: {line}");
            assert!(!line.contains(PASSWORD), "{line}");
        }
    }
}

#[test]
fn a_journal_is_no_file_of_the_database() {
    for name in ["journal", "./journal", "%6aournal"] {
        let url = format!("sqlite:{name}?mode=rwc");
        let line = App::fails_to_start(&[("JOURNAL", "journal"), ("DATABASE_URL", &url)]);
        assert!(
            line.starts_with("JOURNAL: the file of DATABASE_URL"),
            "{line}"
        );
    }
}

#[test]
fn a_file_that_is_no_database_stops_the_start_and_stays() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "notes, and not a database ".repeat(1000)).unwrap();
    let url = format!("sqlite:{}", file.display());
    let line = App::fails_to_start(&[("DATABASE_URL", &url)]);
    assert!(line.starts_with("DATABASE_URL: "), "{line}");
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
async fn a_journal_belongs_to_one_process() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let journal = app.journal().display().to_string();
    let settings = [("JOURNAL", &*journal), ("DATABASE_URL", &database.url())];
    let line = App::fails_to_start(&settings);
    assert!(
        line.starts_with("JOURNAL: ") && line.contains("locked"),
        "{line}"
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
    chat.send_fail(&app, &forged).await;
    chat.send_fail(&app, &request).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_with_callbacks_starts_whatever_the_database_says() {
    for (broken, mended) in [
        ("ALTER ROLE app NOLOGIN", "ALTER ROLE app LOGIN"),
        (
            "ALTER TABLE friends RENAME TO gone",
            "ALTER TABLE gone RENAME TO friends",
        ),
    ] {
        let Some(database) = Database::postgres() else {
            return;
        };
        let mut app = App::start(&database);
        let chat = Chat::new();
        chat.deliver(&app, &add([("alice", "before")])).await;
        database.server().stop();
        chat.send_ok(&app, &add([("alice", "bob")])).await;
        app.kill();
        database.server().start_again();
        database.server().psql(broken);
        app.restart();
        app.wait_for_line(&["ERROR", "callbacks go to the journal"])
            .await;
        chat.send_ok(&app, &add([("alice", "carol")])).await;
        assert_eq!(app.metric("spooled").await, 2.0);
        database.server().psql(mended);
        app.settle().await;
        assert_eq!(database.friends().await.len(), 3);
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
        let mut app = App::start(&database);
        let journal = app.journal();
        app.terminate();
        app.ended().await;
        let mut bytes = fs::read(&journal).unwrap();
        bytes[damage..damage + 100].fill(0xff);
        fs::write(&journal, &bytes).unwrap();
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
    let line = App::fails_to_start(&[("DATABASE_URL", &url)]);
    let expected = "DATABASE_URL: the database has to be encoded";
    assert!(line.starts_with(expected), "{line}");
}
