//! A database that answers, and does not take a change: nothing that was acknowledged is lost, or held up by it.

mod common;

use sqlx::Executor;
use tokio::task::JoinSet;

use common::{Answer, App, Chat, Database, Locked, Outage, Pairs, add, alices, pair};

/// Sends one callback for each friend of alice at once.
async fn send_at_once(
    app: &App,
    friends: impl IntoIterator<Item = String>,
) -> Vec<(String, Answer)> {
    let chat = Chat::new();
    let mut senders = JoinSet::new();
    for friend in friends {
        let (chat, url) = (chat.clone(), app.url.clone());
        senders.spawn(async move {
            let answer = chat.send(&url, &add([("alice", &*friend)])).await;
            (friend, answer)
        });
    }
    senders.join_all().await
}

fn acknowledged(answers: Vec<(String, Answer)>) -> Pairs {
    let ok = answers.into_iter().filter(|(_, answer)| answer.is_ok());
    alices(ok.map(|(friend, _)| friend))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_every_change_breaks_leaves_the_journal_as_it_is() {
    for database in Database::all() {
        let (rule, no_rule) = match &database {
            Database::Sqlite(_) => (
                "CREATE TRIGGER rule BEFORE INSERT ON friends
                 BEGIN SELECT RAISE(ABORT, 'a reason is missing'); END",
                "DROP TRIGGER rule",
            ),
            Database::Postgres(_) => (
                "ALTER TABLE friends ADD COLUMN reason TEXT NOT NULL DEFAULT '';
                 ALTER TABLE friends ALTER COLUMN reason DROP DEFAULT",
                "ALTER TABLE friends DROP COLUMN reason",
            ),
        };
        let app = App::start(&database);
        let mut lock = Locked::begun(&database).await;
        let friends: Vec<_> = (0..40).map(|n| n.to_string()).collect();
        let kept = acknowledged(send_at_once(&app, friends).await);
        lock.end_with(rule).await;
        app.wait_for_line(&["waits for the database", "reason"])
            .await;
        let waiting = app.metric("spooled").await;
        assert!(waiting >= kept.len() as f64, "{waiting}: {}", app.log());
        lock.connection.execute(no_rule).await.unwrap();
        app.settle().await;
        assert!(database.friends().await.is_superset(&kept));
        assert_eq!(app.metric("refused").await, 0.0);
    }
}

/// Rules that keep mallory out.
fn rules() -> Vec<(Database, &'static str, &'static str)> {
    let mut rules = vec![(
        Database::sqlite(),
        "CREATE TRIGGER rule BEFORE INSERT ON friends WHEN NEW.to_account = 'mallory'
         BEGIN SELECT RAISE(ABORT, 'no mallory'); END",
        "DROP TRIGGER rule",
    )];
    for (rule, no_rule) in [
        (
            "ALTER TABLE friends ADD CONSTRAINT rule CHECK (to_account <> 'mallory')",
            "ALTER TABLE friends DROP CONSTRAINT rule",
        ),
        (
            "ALTER TABLE friends ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY rule ON friends USING (true) WITH CHECK (to_account <> 'mallory')",
            "ALTER TABLE friends DISABLE ROW LEVEL SECURITY",
        ),
        // As of a page that is damaged.
        (
            "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE EXCEPTION 'no mallory' USING ERRCODE = 'XX001'; END $$;
             CREATE TRIGGER rule BEFORE INSERT ON friends FOR EACH ROW
             WHEN (NEW.to_account = 'mallory') EXECUTE FUNCTION rule()",
            "DROP TRIGGER rule ON friends",
        ),
    ] {
        rules.extend(Database::postgres().map(|database| (database, rule, no_rule)));
    }
    rules
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_refused_holds_up_no_other_and_can_be_brought_back() {
    for (database, rule, no_rule) in rules() {
        let mut connection = database.connect().await;
        let mut app = App::start(&database);
        connection.execute(rule).await.unwrap();
        let friend = |n| match n {
            7 => "mallory".to_owned(),
            _ => n.to_string(),
        };
        // From the queue: none is answered FAIL for mallory's sake.
        for (friend, answer) in send_at_once(&app, (0..20).map(friend)).await {
            assert_eq!(answer.is_ok(), friend != "mallory", "{friend}: {answer:?}");
        }
        // From the journal.
        let mut lock = Locked::begun(&database).await;
        let answers = send_at_once(&app, (7..30).map(friend)).await;
        lock.end().await;
        app.wait_for_metric("refused", 1.0).await;
        app.settle().await;
        let mut expected = alices((0..7).chain(8..20).map(|n| n.to_string()));
        expected.extend(acknowledged(answers));
        expected.remove(&pair("alice", "mallory"));
        assert!(
            database.friends().await.is_superset(&expected),
            "{}",
            app.log()
        );
        let lost = app.log().matches(r#"lost=[["alice","mallory"]]"#).count();
        assert!(lost >= 2, "{}", app.log());

        // As README says.
        connection.execute(no_rule).await.unwrap();
        app.terminate();
        app.ended().await;
        let bring_back = "INSERT INTO journal (seen, pairs, change)
                              SELECT seen, pairs, change FROM refused ORDER BY id;
                          DELETE FROM refused";
        app.run_on_journal(bring_back).await;
        app.restart();
        app.settle().await;
        assert_eq!(app.metric("refused").await, 0.0);
        expected.extend(alices(["mallory"]));
        assert!(database.friends().await.is_superset(&expected));
    }
}

/// The journal is emptied by halves, and not one by one.
#[tokio::test(flavor = "multi_thread")]
async fn one_change_that_is_refused_costs_few_transactions() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let mut app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    Chat::new()
        .send_ok(&app, &add([("alice", "mallory")]))
        .await;
    app.kill();
    let more = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 900)
                INSERT INTO journal (seen, pairs, change)
                SELECT seen, pairs, CASE n WHEN 700 THEN change ELSE replace(change, 'mallory', 'friend' || n) END
                FROM journal, numbers;
                DELETE FROM journal WHERE id = 1";
    app.run_on_journal(more).await;
    // What a sequence has given isn't rolled back.
    lock.end_with(
        "ALTER TABLE friends ADD CONSTRAINT rule CHECK (to_account <> 'mallory');
         CREATE SEQUENCE statements;
         CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
         AS $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$;
         CREATE TRIGGER counted BEFORE INSERT ON friends EXECUTE FUNCTION counted()",
    )
    .await;
    app.restart();
    app.wait_for_metric("refused", 1.0).await;
    app.settle().await;
    let statements: i64 = sqlx::query_scalar("SELECT last_value FROM statements")
        .fetch_one(&mut lock.connection)
        .await
        .unwrap();
    assert!(statements < 100, "{statements}");
    assert_eq!(database.friends().await.len(), 899);
}

/// The others go past a full journal, to a database that is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_and_changes_that_are_refused_cost_no_other() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let app = App::start(&database);
    let mut lock = Locked::begun(&database).await;
    Chat::new()
        .send_ok(&app, &add([("alice", "journal")]))
        .await;
    app.limit_files("0");
    let rule = "ALTER TABLE friends ADD CONSTRAINT rule CHECK (to_account NOT LIKE 'mallory%')";
    lock.end_with(rule).await;
    // On a busy machine some may come too late.
    for round in 0.. {
        let friend = |n| match n % 5 {
            0 => format!("mallory {n}"),
            _ => format!("{round} {n}"),
        };
        let mut answers = send_at_once(&app, (0..30).map(friend)).await;
        answers.retain(|(friend, _)| !friend.starts_with("mallory"));
        if answers.iter().all(|(_, answer)| answer.is_ok()) {
            break;
        }
        assert!(round < 10, "{answers:?}");
    }
    let spooled = "callbacks_total{outcome=\"spooled\"}";
    assert_eq!(app.metric(spooled).await, 1.0);
}
