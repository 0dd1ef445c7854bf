//! Processes that are killed, databases that are gone, and stopping: no pair that was acknowledged is lost.

mod common;

use std::time::Duration;

use common::{
    Answer, App, Chat, Database, Locked, Outage, ReadOnly, Stopped, add,
    load::{Counts, Load, assert_whole},
    proxy::Proxy,
    socket::{connect, head, send},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How often a process is killed.
const KILLS: usize = 20;
/// How long a database is gone.
const OUTAGE: Duration = Duration::from_secs(5);

/// These tests need the whole machine each: they are about answers in time.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// Kills one replica after the other in the middle of a load.
async fn assert_survives_kills(database: Database, replicas: usize) {
    let _machine = MACHINE.lock().await;
    let mut apps: Vec<_> = (0..replicas).map(|_| App::start(&database)).collect();
    let urls = apps.iter().map(|app| app.url.clone());
    let mut load = Load::start(urls.collect());
    for kill in 0..KILLS {
        load.wait_for_ok(30).await;
        let app = &mut apps[kill % replicas];
        app.kill_and_restart();
        let acknowledged = load.acknowledged();
        app.settle().await;
        let friends = database.friend_counts().await;
        assert_whole(&friends);
        for user in acknowledged.keys() {
            assert!(friends.contains_key(user), "kill {kill} lost {user:?}");
        }
    }
    load.finish().await;
    assert_eq!(database.friend_counts().await, load.acknowledged());
    let counts = load.counts();
    // Otherwise it was not killed at work each time.
    assert!(counts.nothing >= KILLS, "{counts:?}");
    println!("{replicas} replicas, {KILLS} kills: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_loses_nothing() {
    for database in Database::all() {
        assert_survives_kills(database, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_loses_nothing() {
    if let Some(database) = Database::postgres() {
        assert_survives_kills(database, 2).await;
    }
}

/// As in a switchover: sessions that began while the server only read do so for as long as they last.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_was_read_only_for_a_while_is_written_to_again() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let _machine = MACHINE.lock().await;
    let app = App::start_without_journal(&database);
    let chat = Chat::new();
    chat.deliver(&app, &add([("alice", "bob")])).await;
    let mut read_only = ReadOnly(database.connect().await);
    read_only.begin().await;
    for _ in 0..30 {
        chat.send_fail(&app, &add([("alice", "carol")])).await;
    }
    read_only.end().await;
    for _ in 0..30 {
        chat.deliver(&app, &add([("alice", "dave")])).await;
    }
    assert_eq!(database.friends().await.len(), 2);
}

/// Makes the database useless in the middle of a load, and useful again.
async fn assert_survives_outage(database: &Database, app_database: &str, mut outage: impl Outage) {
    let _machine = MACHINE.lock().await;
    let mut app = App::start_with(
        database,
        &[("DATABASE_URL", app_database), ("JOURNAL", "off")],
    );
    let mut load = Load::start(vec![app.url.clone()]);
    load.wait_for_ok(30).await;

    outage.begin().await;
    // What was committed by then may be acknowledged now.
    sleep(Duration::from_secs(2)).await;
    let before = load.counts();
    sleep(OUTAGE - Duration::from_secs(2)).await;
    let after = load.counts();
    assert_eq!(after.ok, before.ok, "acknowledged without a database");
    assert!(after.fail > before.fail, "{after:?}");
    outage.end().await;

    load.wait_for_ok(100).await;
    load.finish().await;
    assert!(app.is_running());
    assert_eq!(database.friend_counts().await, load.acknowledged());
    // Each once: what was committed after its FAIL counts as committed.
    let committed = app.metric("callbacks_total{outcome=\"committed\"}").await;
    let failed = app.metric("callbacks_total{outcome=\"failed\"}").await;
    let timed_out = app.metric("callbacks_total{outcome=\"timed_out\"}").await;
    let Counts { ok, fail, .. } = load.counts();
    assert_eq!(committed + failed + timed_out, (ok + fail) as f64);
    assert!(committed >= ok as f64, "{committed} of {ok}");
    println!("{:?}", load.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_is_survived() {
    let database = Database::sqlite();
    let locked = Locked::new(&database).await;
    assert_survives_outage(&database, &database.url(), locked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_postgres_is_survived() {
    if let Some(database) = Database::postgres() {
        assert_survives_outage(&database, &database.url(), Stopped(&database)).await;
    }
}

/// Nothing is heard of the server any more, not even that it is gone. It was so for moments before: whatever
/// each left behind in the app adds up.
impl Outage for &Proxy {
    async fn begin(&mut self) {
        for _ in 0..5 {
            self.cut();
            sleep(Duration::from_millis(50)).await;
            self.mend();
            sleep(Duration::from_secs(2)).await;
        }
        self.cut();
    }

    async fn end(&mut self) {
        self.mend();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_fails_in_silence_is_survived() {
    if let Some(database) = Database::postgres() {
        let proxy = Proxy::start(database.server().socket());
        let url = database.server().url_at(proxy.socket());
        assert_survives_outage(&database, &url, &proxy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_die_after_their_commit_are_replaced() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let _machine = MACHINE.lock().await;
    let proxy = Proxy::start(database.server().socket());
    let url = database.server().url_at(proxy.socket());
    let settings = [("DATABASE_URL", &*url), ("JOURNAL", "off")];
    let mut app = App::start_with(&database, &settings);
    let chat = Chat::new();
    proxy.lose_connections_after_commit(true);
    // More than the app has. Each one that dies is noticed by the callback after it.
    let mut acknowledged = 1;
    for n in 0..10 {
        let request = add([("alice", &*format!("{n}"))]);
        acknowledged += usize::from(chat.send(&app.url, &request).await.is_ok());
    }
    proxy.lose_connections_after_commit(false);
    let again = add([("alice", "bob")]);
    app.wait("callbacks are never answered OK again", async || {
        chat.send(&app.url, &again).await.is_ok()
    })
    .await;
    app.terminate();
    assert_eq!(app.ended().await.code(), Some(0));
    assert!(acknowledged >= 5, "{acknowledged}");
    assert!(database.friends().await.len() >= acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_logged_with_the_request_id() {
    let _machine = MACHINE.lock().await;
    for database in Database::all() {
        let app = App::start_without_journal(&database);
        let mut lock = Locked::begun(&database).await;
        let request = add([("alice", "bob")]).query("RequestId", "8f14e45f\nforged");
        let answer = Chat::new().send(&app.url, &request).await;
        let expected = "the database is not available";
        assert_eq!(answer, Answer::Fail(expected.to_owned()));
        lock.end().await;

        let log = app.log();
        let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
        // The database says so itself, before the app has to give up; but on a busy machine not in time.
        let cause = match database {
            Database::Sqlite(_) => "database is locked",
            Database::Postgres(_) => "statement timeout",
        };
        let late = "the database doesn't answer in time";
        assert!(line.contains("callback not committed"), "{log}");
        assert!(line.contains(cause) || line.contains(late), "{log}");
        assert!(line.contains("8f14e45f\\nforged"), "{log}");
        assert!(line.contains(r#"lost=[["alice","bob"]]"#), "{log}");
        assert_eq!(database.rows().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_too_late_is_not_the_fault_of_the_database() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let app = App::start(&database);
    let request = add([("alice", "bob")]);
    let body = request.body();
    let mut client = connect(&app).await;
    client
        .write_all(head(&request, body.len()).as_bytes())
        .await
        .unwrap();
    app.wait_for_metric("callbacks_in_flight", 1.0).await;
    // Later than anything can be committed in time, and sooner than it is answered for that.
    sleep(Duration::from_millis(1600)).await;
    client.write_all(&body).await.unwrap();
    app.wait_for_metric("callbacks_total{outcome=\"timed_out\"}", 1.0)
        .await;
    assert_eq!(app.metric("callbacks_total{outcome=\"failed\"}").await, 0.0);
    assert_eq!(database.rows().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_answered() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let app = App::start(&database);
    let request = add([("alice", "bob")]).query("RequestID", "8f14e45f");
    let body = request.body();
    let mut client = connect(&app).await;
    let head = head(&request, body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    // All but the last byte.
    client.write_all(&body[..body.len() - 1]).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = timeout(Duration::from_secs(30), client.read(&mut answer)).await;
    let answer = str::from_utf8(&answer[..length.unwrap().unwrap()]).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""ErrorInfo":"the callback did not arrive in time""#));
    let name = "callbacks_total{outcome=\"timed_out\"}";
    app.wait_for_metric(name, 1.0).await;
    app.wait_for_line(&["callback lost", "8f14e45f"]).await;
    app.wait_for_metric("callbacks_in_flight", 0.0).await;
}

/// Chat gives up after 2 seconds, and what waits for the database by then need not.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_committed_though_the_sender_hangs_up() {
    let _machine = MACHINE.lock().await;
    for database in Database::all() {
        let app = App::start_without_journal(&database);
        let mut lock = Locked::begun(&database).await;
        let request = add([("alice", "bob")]);
        let client = send(&app, &request).await;
        app.wait_for_metric("callbacks_in_flight", 1.0).await;
        drop(client);
        sleep(Duration::from_millis(100)).await;
        lock.end().await;

        let committed = "callbacks_total{outcome=\"committed\"}";
        app.wait_for_metric(committed, 1.0).await;
        assert_eq!(database.friends().await.len(), 1);
    }
}

/// As many callbacks as Chat may send meanwhile find the table locked: what they cost is bounded.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_no_more_than_the_connections_there_are() {
    for database in Database::all() {
        let _machine = MACHINE.lock().await;
        let app = App::start_without_journal(&database);
        let chat = Chat::new();
        let mut lock = Locked::begun(&database).await;
        let before = app.threads();
        let mut senders = JoinSet::new();
        for n in 0..400 {
            let (chat, url) = (chat.clone(), app.url.clone());
            senders.spawn(async move {
                sleep(Duration::from_millis(10 * n)).await;
                let answer = chat.send(&url, &add([("alice", "bob")])).await;
                assert!(matches!(answer, Answer::Fail(_)), "{answer:?}");
            });
        }
        senders.join_all().await;
        // Each connection to SQLite has one.
        let threads = app.threads().saturating_sub(before);
        assert!(threads <= 10, "{threads} more threads");
        if let Database::Postgres(_) = database {
            let count =
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
            let clients: i64 = sqlx::query_scalar(count)
                .fetch_one(&mut lock.connection)
                .await
                .unwrap();
            assert!(clients <= 17, "{clients} connections");
        }
        assert_eq!(app.get("/healthz").await.status(), 503);
        lock.end().await;
        app.wait_for_metric("callbacks_in_flight", 0.0).await;
        assert_eq!(app.get("/healthz").await.status(), 200);
    }
}

/// Whether or not the senders wait.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_the_stop_is_committed_and_answered() {
    const CALLBACKS: usize = 5;
    let all = [true, false].map(|hang_up| Database::all().map(move |one| (one, hang_up)));
    for (database, hang_up) in all.into_iter().flatten() {
        let _machine = MACHINE.lock().await;
        let mut app = App::start(&database);
        let mut lock = Locked::begun(&database).await;
        let mut clients = Vec::new();
        for n in 0..CALLBACKS {
            clients.push(send(&app, &add([("alice", &*n.to_string())])).await);
        }
        app.wait_for_metric("callbacks_in_flight", CALLBACKS as f64)
            .await;
        if hang_up {
            clients.clear();
        }
        app.terminate();
        // It takes no more.
        while TcpStream::connect(app.address()).await.is_ok() {}
        lock.end().await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("ActionStatus"), "{answer}");
        }
        assert_eq!(app.ended().await.code(), Some(0));
        // On a busy machine they may be in the journal.
        app.restart();
        app.settle().await;
        assert_eq!(database.friends().await.len(), CALLBACKS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_never_answers_does_not_keep_the_start_from_stopping() {
    let _machine = MACHINE.lock().await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let mut app = App::command()
        .env("DATABASE_URL", format!("postgres://app@{address}/friends"))
        .env("JOURNAL", "off")
        .spawn()
        .unwrap();
    // Now it waits for the first word of the database.
    let connection = server.accept().await.unwrap();
    common::terminate(&app);
    assert_eq!(app.wait().unwrap().code(), Some(0));
    drop(connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_does_not_keep_it_from_stopping() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut app = App::start(&database);
    let mut client = connect(&app).await;
    client.write_all(b"POST /callback?").await.unwrap();
    // Answered on a later connection, so the one before is accepted.
    app.get("/healthz").await;
    app.terminate();
    assert_eq!(app.ended().await.code(), Some(0));
}
