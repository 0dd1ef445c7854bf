//! A database that is away: callbacks are answered OK from the journal, and reach it when it is back.

mod common;

use std::{env, fs::OpenOptions, time::Duration};

use tokio::{
    net::TcpListener,
    sync::Mutex,
    time::{Instant, sleep},
};

use common::{
    App, Chat, Database, Locked, Outage, Pairs, ReadOnly, Stopped, add, alices, delete, load::Load,
    proxy::Proxy,
};

/// These tests need the whole machine each: they are about answers in time.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// How long a database is away. `OUTAGE=60 cargo test -p friend-graph --test outage` takes a minute.
fn outage() -> Duration {
    let seconds = env::var("OUTAGE").map_or(6, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Takes the database away in the middle of a load, and kills the app in the middle of that.
async fn assert_loses_nothing(database: &Database, mut outage_of: impl Outage) {
    let _machine = MACHINE.lock().await;
    let mut app = App::start(database);
    let mut load = Load::start_with_pauses(vec![app.url.clone()], Duration::from_millis(100));
    load.wait_for_ok(30).await;
    outage_of.begin().await;
    sleep(outage() / 2).await;
    app.wait_for_line(&["callbacks go to the journal"]).await;
    app.kill_and_restart();
    sleep(outage() / 2).await;
    let spooled = app.metric("spooled").await;
    let age = app.metric("spooled_age_seconds").await;
    assert!(age >= (outage() / 2).as_secs_f64(), "{age}");
    outage_of.end().await;
    let back = Instant::now();
    app.settle().await;
    println!(
        "{spooled} in the journal at the end, drained in {:?}",
        back.elapsed()
    );
    load.finish().await;
    app.settle().await;
    assert_eq!(database.friend_counts().await, load.acknowledged());
    println!("{:?}", load.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_stopped_postgres() {
    if let Some(database) = Database::postgres() {
        assert_loses_nothing(&database, Stopped(&database)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_locked_sqlite_file() {
    let database = Database::sqlite();
    assert_loses_nothing(&database, Locked::new(&database).await).await;
}

/// Additions and deletions of one pair, without a time that tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_journal_keeps_its_order() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let app = App::start(&database);
    let chat = Chat::new();
    let mut lock = Locked::begun(&database).await;
    let start = Instant::now();
    for n in 0..20 {
        let pair = [("alice", "bob"), ("alice", &*format!("{n}"))];
        for request in [add(pair), delete(pair), add([pair[n % 2]])] {
            chat.send_ok(&app, &request).await;
        }
    }
    let spooled = "callbacks_total{outcome=\"spooled\"}";
    assert_eq!(app.metric(spooled).await, 60.0);
    // Only the first has to wait for the database.
    assert!(start.elapsed() < Duration::from_secs(30));
    lock.end().await;
    app.settle().await;
    let odd = (0..20).filter(|n| n % 2 == 1);
    let expected = alices(odd.map(|n: usize| n.to_string()));
    assert_eq!(database.friends().await, expected);
    assert_eq!(app.get("/healthz").await.status(), 200);
}

/// The first is of an app whose clock was an hour fast.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_leaves_the_journal_its_order() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    let chat = Chat::new();
    chat.send_ok(&app, &add([("alice", "bob")])).await;
    app.kill();
    app.run_on_journal("UPDATE journal SET seen = seen + 3600000")
        .await;
    app.restart();
    chat.send_ok(&app, &delete([("alice", "bob")])).await;
    lock.end().await;
    app.settle().await;
    assert_eq!(database.friends().await, Pairs::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_comes_late_does_not_overtake_another_replica() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let _machine = MACHINE.lock().await;
    let proxy = Proxy::start(database.server().socket());
    let url = database.server().url_at(proxy.socket());
    let cut_off = App::start_with(&database, &[("DATABASE_URL", &url)]);
    let other = App::start(&database);
    let chat = Chat::new();
    proxy.cut();
    let early = add([("alice", "bob"), ("alice", "carol")]);
    chat.send_ok(&cut_off, &early).await;
    assert_eq!(database.rows().await, []);
    chat.deliver(&other, &delete([("alice", "bob")])).await;
    proxy.mend();
    cut_off.settle().await;
    assert_eq!(database.friends().await, alices(["carol"]));
    assert_eq!(cut_off.metric("stale_pairs_total").await, 1.0);
}

async fn assert_starts_without(database: &Database, mut outage: impl Outage) {
    let _machine = MACHINE.lock().await;
    outage.begin().await;
    let app = App::start(database);
    assert_eq!(app.get("/healthz").await.status(), 200);
    assert_eq!(app.get("/livez").await.status(), 200);
    Chat::new().send_ok(&app, &add([("alice", "bob")])).await;
    outage.end().await;
    app.settle().await;
    assert_eq!(database.friends().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_postgres() {
    if let Some(database) = Database::postgres() {
        assert_starts_without(&database, Stopped(&database)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_with_a_read_only_postgres() {
    if let Some(database) = Database::postgres() {
        let connection = database.connect().await;
        assert_starts_without(&database, ReadOnly(connection)).await;
    }
}

/// As a proxy does that has no server behind it.
#[tokio::test(flavor = "multi_thread")]
async fn it_starts_if_whoever_listens_hangs_up() {
    let _machine = MACHINE.lock().await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://app@{}/app", proxy.local_addr().unwrap());
    tokio::spawn(async move { while proxy.accept().await.is_ok() {} });
    let app = App::start_with(&Database::sqlite(), &[("DATABASE_URL", &url)]);
    Chat::new().send_ok(&app, &add([("alice", "bob")])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_with_a_locked_sqlite_file() {
    let database = Database::sqlite();
    assert_starts_without(&database, Locked::new(&database).await).await;
}

/// As a power cut may leave it: what was whole is there, and what was torn was never acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_of_the_journal_is_cut_off() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    for friend in ["bob", "carol", "dave"] {
        Chat::new().send_ok(&app, &add([("alice", friend)])).await;
    }
    app.kill();
    let log = app.journal().with_file_name("journal-wal");
    let file = OpenOptions::new().write(true).open(log).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    lock.end().await;
    app.restart();
    app.settle().await;
    assert_eq!(database.friends().await, alices(["bob", "carol"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_the_journal_is_counted_and_told() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    for friend in ["bob", "carol"] {
        Chat::new().send_ok(&app, &add([("alice", friend)])).await;
    }
    app.kill();
    let damage = "UPDATE journal SET change = replace(change, '\"add\"', '\"new\"') WHERE id = 1";
    app.run_on_journal(damage).await;
    lock.end().await;
    app.restart();
    app.settle().await;
    assert_eq!(database.friends().await, alices(["carol"]));
    assert_eq!(app.metric("refused").await, 1.0);
    let log = app.log();
    let line = log.lines().find(|line| line.contains("damaged"));
    assert!(line.is_some_and(|line| line.contains("bob")), "{log}");
}

/// Those that come while a long journal is being emptied don't wait for its end: one at least is quick.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_keeps_no_callback_waiting() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    Chat::new().send_ok(&app, &add([("alice", "bob")])).await;
    app.kill();
    let more = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
                INSERT INTO journal (seen, pairs, change)
                SELECT seen, pairs, replace(change, 'bob', 'friend' || n) FROM journal, numbers";
    app.run_on_journal(more).await;
    lock.end().await;
    app.restart();
    while app.metric("spooled").await > 100_000.0 {}
    let quick = "commit_seconds_bucket{outcome=\"spooled\",le=\"0.5\"}";
    while app.metric(quick).await == 0.0 {
        let waiting = app.metric("spooled").await;
        assert!(waiting > 0.0, "each waited until the journal was empty");
        Chat::new().send(&app.url, &add([("alice", "carol")])).await;
    }
    app.settle().await;
    assert_eq!(database.friends().await.len(), 100_002);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_journal_gives_its_room_back() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    let friends: Vec<_> = (0..3000).map(|n| format!("friend{n:026}")).collect();
    for n in 0..20 {
        let pairs = friends
            .iter()
            .map(|friend| (format!("user{n}"), friend.clone()));
        Chat::new().send_ok(&app, &add(pairs)).await;
    }
    let full = app.metric("spooled_bytes").await;
    assert!(full > 4e6, "{full}");
    lock.end().await;
    app.settle().await;
    app.wait("the journal keeps its room", async || {
        app.metric("spooled_bytes").await <= 1e6
    })
    .await;
    assert_eq!(database.friends().await.len(), 60_000);
}
