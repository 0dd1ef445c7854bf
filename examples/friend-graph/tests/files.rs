//! Files that are deleted or replaced while the app has them open: what is answered OK goes elsewhere.

mod common;

use std::{collections::BTreeSet, fs};

use common::{Answer, App, Chat, Database, add};

async fn send(app: &App, friend: &str) -> Answer {
    Chat::new().send(&app.url, &add([("alice", friend)])).await
}

fn alices(friends: [&str; 2]) -> BTreeSet<(String, String)> {
    let pairs = friends.map(|friend| ("alice".to_owned(), friend.to_owned()));
    pairs.into()
}

async fn assert_is_told(app: &App, name: &str) {
    app.wait_for_line(&["ERROR", name, "was deleted or replaced"])
        .await;
    assert_eq!(app.metric("files_gone").await, 1.0);
    assert_eq!(app.get("/healthz").await.status(), 503);
}

#[tokio::test]
async fn what_comes_after_a_database_file_has_gone_is_in_the_journal() {
    let database = Database::sqlite();
    let Database::Sqlite(folder) = &database else {
        unreachable!();
    };
    let file = folder.path().join("friends.db");
    let mut app = App::start(&database);
    Chat::new().deliver(&app, &add([("alice", "before")])).await;
    assert_eq!(app.metric("files_gone").await, 0.0);
    for file in ["friends.db", "friends.db-wal", "friends.db-shm"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    assert_eq!(send(&app, "deleted").await, Answer::Ok);
    assert_is_told(&app, "friends.db").await;
    // As a backup would be put there.
    fs::write(&file, "").unwrap();
    assert_eq!(send(&app, "replaced").await, Answer::Ok);
    assert_eq!(app.get("/healthz").await.status(), 503);
    app.kill_and_restart();
    app.settle().await;
    assert_eq!(database.friends().await, alices(["deleted", "replaced"]));
    assert_eq!(app.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn a_journal_that_has_gone_keeps_nothing_from_the_database() {
    for database in Database::all() {
        let (app, journal) = App::start_with_journal(&database);
        assert_eq!(send(&app, "before").await, Answer::Ok);
        fs::remove_file(journal.trim_start_matches("sqlite:")).unwrap();
        assert_is_told(&app, "journal").await;
        assert_eq!(send(&app, "after").await, Answer::Ok);
        assert_eq!(database.friends().await, alices(["before", "after"]));
    }
}

/// With a journal that is lost at the end of the process, OK would be no word to keep.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_has_gone_acknowledges_nothing() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let (app, journal) = App::start_with_journal(&database);
    database.server().stop();
    assert_eq!(send(&app, "kept").await, Answer::Ok);
    fs::remove_file(journal.trim_start_matches("sqlite:")).unwrap();
    assert!(matches!(send(&app, "lost").await, Answer::Fail(_)));
    // It is open, and what was acknowledged is still in it.
    database.server().start_again();
    app.settle().await;
    let friends = database.friends().await;
    assert!(
        friends.contains(&("alice".to_owned(), "kept".to_owned())),
        "{}",
        app.log()
    );
}
