//! A database that is away: callbacks are answered OK from the journal, and reach it when it is back.

mod common;

use std::{
    collections::BTreeSet,
    env,
    fs::OpenOptions,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::Mutex as AsyncMutex,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use common::{Answer, App, Chat, Database, add, delete, proxy::Proxy};

/// These tests need the whole machine each: they are about answers in time.
static MACHINE: AsyncMutex<()> = AsyncMutex::const_new(());

/// How long a database is away. `OUTAGE=60 cargo test -p friend-graph --test outage` takes a minute.
fn outage() -> Duration {
    let seconds = env::var("OUTAGE").map_or(6, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Something that takes the database away.
trait Outage {
    async fn begin(&mut self);
    async fn end(&mut self);
}

/// The server ends at once, and starts again.
struct Stopped<'a>(&'a Database);

impl Outage for Stopped<'_> {
    async fn begin(&mut self) {
        self.0.server().stop();
    }

    async fn end(&mut self) {
        self.0.server().start_again();
    }
}

/// Another process that lets nobody write.
struct Locked(AnyConnection);

impl Outage for Locked {
    async fn begin(&mut self) {
        self.0.execute("BEGIN EXCLUSIVE").await.unwrap();
    }

    async fn end(&mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
    }
}

/// As in a switchover.
struct ReadOnly(AnyConnection);

impl Outage for ReadOnly {
    async fn begin(&mut self) {
        let read_only = "ALTER DATABASE postgres SET default_transaction_read_only = on";
        self.0.execute(read_only).await.unwrap();
    }

    async fn end(&mut self) {
        let writable = "SET default_transaction_read_only = off;
                        ALTER DATABASE postgres RESET default_transaction_read_only";
        self.0.execute(writable).await.unwrap();
    }
}

/// Callbacks at a steady rate, each about a user of its own, and sent once.
struct Stream {
    senders: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
}

const SENDERS: usize = 10;
/// How long each waits between two callbacks.
const PAUSE: Duration = Duration::from_millis(100);

impl Stream {
    fn start(app: &App) -> Self {
        let mut stream = Self {
            senders: JoinSet::new(),
            stop: Arc::default(),
            answers: Arc::default(),
        };
        for sender in 0..SENDERS {
            let (stop, answers) = (stream.stop.clone(), stream.answers.clone());
            let (chat, url) = (Chat::new(), app.url.clone());
            stream.senders.spawn(async move {
                for n in 0.. {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let user = format!("user {sender} {n}");
                    let answer = chat.send(&url, &add([(&*user, "friend")])).await;
                    answers.lock().unwrap().push((user, answer));
                    sleep(PAUSE).await;
                }
            });
        }
        stream
    }

    /// Stops, and tells what was answered.
    async fn finish(self) -> Vec<(String, Answer)> {
        self.stop.store(true, Relaxed);
        self.senders.join_all().await;
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

/// Takes the database away in the middle of a load, and kills the app in the middle of that.
async fn assert_loses_nothing(database: &Database, mut outage_of: impl Outage) {
    let _machine = MACHINE.lock().await;
    let mut app = App::start(database);
    let stream = Stream::start(&app);
    sleep(Duration::from_secs(1)).await;
    outage_of.begin().await;
    sleep(outage() / 2).await;
    assert!(app.metric("spooled").await > 0.0);
    app.kill_and_restart();
    sleep(outage() / 2).await;
    let (spooled, age) = (
        app.metric("spooled").await,
        app.metric("spooled_age_seconds").await,
    );
    assert!(age >= (outage() / 2).as_secs_f64(), "{age}");
    outage_of.end().await;
    let back = Instant::now();
    app.settle().await;
    let drained = back.elapsed();
    let answers = stream.finish().await;
    app.settle().await;

    let stored = database.friend_counts().await;
    let count = |expected: fn(&Answer) -> bool| answers.iter().filter(|(_, a)| expected(a)).count();
    let unheard = |answer: &Answer| matches!(answer, Answer::Nothing | Answer::Unreachable);
    let missing =
        |(user, answer): &&(String, Answer)| !stored.contains_key(user) && !unheard(answer);
    let fails = count(|answer| matches!(answer, Answer::Fail(_)));
    println!(
        "{} sent, {} OK, {} FAIL, {} found nobody, {spooled} in the journal at the end, drained in {drained:?}",
        answers.len(),
        count(|answer| *answer == Answer::Ok),
        fails,
        count(unheard),
    );
    let missing: Vec<_> = answers.iter().filter(missing).collect();
    assert!(missing.is_empty(), "{missing:?}: {}", app.log());
    // On a busy machine one may be told too late that it is on the disk.
    assert!(fails * 20 <= answers.len(), "{fails} FAIL");
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
    let connection = database.connect().await;
    assert_loses_nothing(&database, Locked(connection)).await;
}

/// Additions and deletions of one pair, without a time that tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_journal_keeps_its_order() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut lock = Locked(database.connect().await);
    let app = App::start(&database);
    let chat = Chat::new();
    lock.begin().await;
    let start = Instant::now();
    for n in 0..20 {
        let pair = [("alice", "bob"), ("alice", &*format!("{n}"))];
        for request in [add(pair), delete(pair), add([pair[n % 2]])] {
            assert_eq!(chat.send(&app.url, &request).await, Answer::Ok);
        }
    }
    assert_eq!(
        app.metric("callbacks_total{outcome=\"spooled\"}").await,
        60.0
    );
    // Only the first has to wait for the database.
    assert!(start.elapsed() < Duration::from_secs(30));
    lock.end().await;
    app.settle().await;
    let odd = (0..20).filter(|n| n % 2 == 1);
    let expected: BTreeSet<_> = odd.map(|n| ("alice".to_owned(), n.to_string())).collect();
    assert_eq!(database.friends().await, expected);
    assert_eq!(app.get("/healthz").await.status(), 200);
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
    assert_eq!(chat.send(&cut_off.url, &early).await, Answer::Ok);
    assert_eq!(database.rows().await, []);
    chat.deliver(&other, &delete([("alice", "bob")])).await;
    proxy.mend();
    cut_off.settle().await;
    let expected = BTreeSet::from([("alice".to_owned(), "carol".to_owned())]);
    assert_eq!(database.friends().await, expected);
    assert_eq!(cut_off.metric("stale_pairs_total").await, 1.0);
}

async fn assert_starts_without(database: &Database, mut outage: impl Outage) {
    let _machine = MACHINE.lock().await;
    outage.begin().await;
    let app = App::start(database);
    assert_eq!(app.get("/healthz").await.status(), 200);
    assert_eq!(app.get("/livez").await.status(), 200);
    let answer = Chat::new().send(&app.url, &add([("alice", "bob")])).await;
    assert_eq!(answer, Answer::Ok);
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
    let answer = Chat::new().send(&app.url, &add([("alice", "bob")])).await;
    assert_eq!(answer, Answer::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_with_a_locked_sqlite_file() {
    let database = Database::sqlite();
    let connection = database.connect().await;
    assert_starts_without(&database, Locked(connection)).await;
}

/// The database takes anything but one pair: the others are written, from the queue and from the journal.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_does_not_keep_the_others() {
    let _machine = MACHINE.lock().await;
    for (database, rule) in [
        (
            Some(Database::sqlite()),
            "CREATE TRIGGER rule BEFORE INSERT ON friends WHEN NEW.to_account = 'mallory'
             BEGIN SELECT RAISE(ABORT, 'no mallory'); END",
        ),
        (
            Database::postgres(),
            "ALTER TABLE friends ADD CHECK (to_account <> 'mallory')",
        ),
        (
            Database::postgres(),
            "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE EXCEPTION 'no mallory'; END $$;
             CREATE TRIGGER rule BEFORE INSERT ON friends FOR EACH ROW
             WHEN (NEW.to_account = 'mallory') EXECUTE FUNCTION rule()",
        ),
    ] {
        let Some(database) = database else {
            continue;
        };
        let app = App::start(&database);
        let mut connection = database.connect().await;
        let lock = match &database {
            Database::Sqlite(_) => "BEGIN IMMEDIATE",
            Database::Postgres(_) => "BEGIN; LOCK TABLE friends IN SHARE MODE",
        };
        connection.execute(rule).await.unwrap();
        let mut expected = BTreeSet::new();
        for is_locked in [false, true] {
            if is_locked {
                connection.execute(lock).await.unwrap();
            }
            let mut senders = JoinSet::new();
            for n in 0..20 {
                let friend = if n == 7 {
                    "mallory".to_owned()
                } else {
                    format!("{is_locked} {n}")
                };
                let (chat, url) = (Chat::new(), app.url.clone());
                senders.spawn(async move {
                    (chat.send(&url, &add([("alice", &*friend)])).await, friend)
                });
            }
            for (answer, friend) in senders.join_all().await {
                let is_refused = friend == "mallory" && !is_locked;
                assert_eq!(answer == Answer::Ok, !is_refused, "{friend}: {answer:?}");
                expected.insert(("alice".to_owned(), friend));
            }
            if is_locked {
                connection.execute("ROLLBACK").await.unwrap();
            }
            app.settle().await;
        }
        expected.retain(|(_, friend)| friend != "mallory");
        assert_eq!(database.friends().await, expected);
        assert_eq!(app.metric("callbacks_total{outcome=\"failed\"}").await, 2.0);
        assert_eq!(
            app.log().matches(r#"lost=[["alice","mallory"]]"#).count(),
            2
        );
    }
}

/// As a power cut may leave it: what was whole is there, and what was torn was never acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_of_the_journal_is_cut_off() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut lock = Locked(database.connect().await);
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("journal-wal");
    let mut app = App::start_in(folder, &database, &[]);
    lock.begin().await;
    for friend in ["bob", "carol", "dave"] {
        let answer = Chat::new().send(&app.url, &add([("alice", friend)])).await;
        assert_eq!(answer, Answer::Ok);
    }
    app.kill();
    let file = OpenOptions::new().write(true).open(log).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    lock.end().await;
    app.restart();
    app.settle().await;
    let friends: Vec<_> = database
        .friends()
        .await
        .into_iter()
        .map(|(_, friend)| friend)
        .collect();
    assert_eq!(friends, ["bob", "carol"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_the_journal_is_counted_and_told() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut lock = Locked(database.connect().await);
    let folder = TempDir::new().unwrap();
    let journal = format!("sqlite:{}", folder.path().join("journal").display());
    let mut app = App::start_in(folder, &database, &[]);
    lock.begin().await;
    for friend in ["bob", "carol"] {
        let answer = Chat::new().send(&app.url, &add([("alice", friend)])).await;
        assert_eq!(answer, Answer::Ok);
    }
    app.kill();
    let mut connection = AnyConnection::connect(&journal).await.unwrap();
    let damage = "UPDATE journal SET change = replace(change, '\"add\"', '\"new\"') WHERE id = 1";
    connection.execute(damage).await.unwrap();
    connection.close().await.unwrap();
    lock.end().await;
    app.restart();
    app.settle().await;
    let expected = BTreeSet::from([("alice".to_owned(), "carol".to_owned())]);
    assert_eq!(database.friends().await, expected);
    assert_eq!(app.metric("callbacks_total{outcome=\"failed\"}").await, 1.0);
    let log = app.log();
    let line = log.lines().find(|line| line.contains("damaged"));
    assert!(line.is_some_and(|line| line.contains("bob")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_journal_gives_its_room_back() {
    let _machine = MACHINE.lock().await;
    let database = Database::sqlite();
    let mut lock = Locked(database.connect().await);
    let app = App::start(&database);
    lock.begin().await;
    let friends: Vec<_> = (0..3000).map(|n| format!("friend{n:026}")).collect();
    for n in 0..20 {
        let pairs = friends
            .iter()
            .map(|friend| (format!("user{n}"), friend.clone()));
        assert_eq!(Chat::new().send(&app.url, &add(pairs)).await, Answer::Ok);
    }
    let full = app.metric("spooled_bytes").await;
    assert!(full > 4e6, "{full}");
    lock.end().await;
    app.settle().await;
    let shrunk = async {
        while app.metric("spooled_bytes").await > 1e6 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let shrunk = timeout(Duration::from_secs(30), shrunk).await;
    shrunk.expect("the journal gives its room back");
    assert_eq!(database.friends().await.len(), 60_000);
}
