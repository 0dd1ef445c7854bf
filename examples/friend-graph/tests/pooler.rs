//! PgBouncer between the app and PostgreSQL.

mod common;

use common::{App, Chat, Database, PgBouncer, add, proxy::Proxy, skip};

fn bouncer(database: &Database, lines: &str) -> Option<PgBouncer> {
    let bouncer = PgBouncer::start(database.server(), lines);
    if bouncer.is_none() {
        skip("PgBouncer");
    }
    bouncer
}

/// What README says to put into `pgbouncer.ini`.
const LINE: &str = "ignore_startup_parameters = extra_float_digits";

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_sessions_is_fine_with_one_line() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let Some(bouncer) = bouncer(&database, LINE) else {
        return;
    };
    let settings = [("DATABASE_URL", &*bouncer.url()), ("JOURNAL", "off")];
    let app = App::start_with(&database, &settings);
    let callbacks = |sender| {
        let requests = (0..20).map(|n| add([(format!("{sender}"), format!("{n}"))]));
        requests.collect()
    };
    Chat::new().send_all(&app, (0..20).map(callbacks)).await;
    assert_eq!(database.friends().await.len(), 400);
    let page = app.json("/users/7/friends").await;
    assert_eq!(page["friends"].as_array().map(Vec::len), Some(20));
}

/// With and without a journal, which is for outages alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_with_one_line() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let transactions = format!("{LINE}\npool_mode = transaction");
    let statements = format!("{LINE}\npool_mode = statement");
    for (lines, expected) in [
        (
            &*transactions,
            "DATABASE_URL: the pooler in front of the database pools transactions",
        ),
        (&*statements, "DATABASE_URL: "),
        ("", "unsupported startup parameter: extra_float_digits"),
    ] {
        let Some(bouncer) = bouncer(&database, lines) else {
            return;
        };
        for journal in ["off", "journal"] {
            let settings = [("DATABASE_URL", &*bouncer.url()), ("JOURNAL", journal)];
            let line = App::fails_to_start(&settings);
            assert!(line.contains(expected), "{line}");
        }
    }
}

/// As an operator sets it for idle sessions: the first callback after that is none to lose.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_for_being_idle_is_replaced() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let proxy = Proxy::start(database.server().socket());
    let url = database.server().url_at(proxy.socket());
    let app = App::start_with(&database, &[("DATABASE_URL", &url), ("JOURNAL", "off")]);
    let server = database.server();
    // It is for new sessions.
    server.psql("ALTER ROLE app SET idle_session_timeout = '1s'");
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    app.wait_for_health(200).await;
    let mut connection = database.connect().await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    let mut count = 1_i64;
    while count > 0 {
        let row = sqlx::query_scalar(sessions).fetch_one(&mut connection);
        count = row.await.unwrap();
    }
    server.psql("ALTER ROLE app RESET idle_session_timeout");
    Chat::new().send_ok(&app, &add([("alice", "bob")])).await;
}
