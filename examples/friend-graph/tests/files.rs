//! Files that are deleted or replaced while the app has them open: what is answered OK goes elsewhere.

mod common;

use std::fs;

use common::{App, Chat, Database, add, alices};

async fn send_ok(app: &App, friend: &str) {
    Chat::new().send_ok(app, &add([("alice", friend)])).await;
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
    send_ok(&app, "deleted").await;
    assert_is_told(&app, "friends.db").await;
    // As a backup would be put there.
    fs::write(&file, "").unwrap();
    send_ok(&app, "replaced").await;
    assert_eq!(app.get("/healthz").await.status(), 503);
    app.kill_and_restart();
    app.settle().await;
    assert_eq!(database.friends().await, alices(["deleted", "replaced"]));
    assert_eq!(app.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn a_journal_that_has_gone_keeps_nothing_from_the_database() {
    for database in Database::all() {
        let app = App::start(&database);
        send_ok(&app, "before").await;
        fs::remove_file(app.journal()).unwrap();
        assert_is_told(&app, "journal").await;
        send_ok(&app, "after").await;
        assert_eq!(database.friends().await, alices(["before", "after"]));
    }
}

/// With a journal that is lost at the end of the process, OK would be no word to keep.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_has_gone_acknowledges_nothing() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let app = App::start(&database);
    database.server().stop();
    send_ok(&app, "kept").await;
    fs::remove_file(app.journal()).unwrap();
    let lost = add([("alice", "lost")]);
    Chat::new().send_fail(&app, &lost).await;
    // It is open, and what was acknowledged is still in it.
    database.server().start_again();
    app.settle().await;
    let friends = database.friends().await;
    assert!(friends.is_superset(&alices(["kept"])), "{}", app.log());
}
