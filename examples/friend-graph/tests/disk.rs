//! Disks that are full: what is answered OK is on them all the same.

mod common;

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

use tempfile::TempDir;

use common::{Answer, App, Chat, Database, Locked, Outage, Pairs, add, alices};

/// Sends callbacks until so many have been answered as expected. Tells the pairs that were acknowledged.
async fn send_until(app: &App, prefix: &str, expected: fn(&Answer) -> bool, count: usize) -> Pairs {
    let chat = Chat::new();
    let mut acknowledged = Pairs::new();
    let mut seen = 0;
    for n in 0..3000 {
        // Every second one takes a transaction of several statements.
        let size = if n % 2 == 0 { 1 } else { 20 };
        let pairs = (0..size).map(|k| (format!("{prefix} {n}"), format!("{k:0>400}")));
        let pairs: Vec<_> = pairs.collect();
        let answer = chat.send(&app.url, &add(pairs.clone())).await;
        seen += usize::from(expected(&answer));
        if answer.is_ok() {
            acknowledged.extend(pairs);
        }
        if seen == count {
            return acknowledged;
        }
    }
    panic!("only {seen} of {count} answers are as expected");
}

/// Whether a disk is full or not, what is answered OK is committed.
async fn assert_survives_a_full_disk(
    app: &App,
    database: &Database,
    fill: impl FnOnce(),
    free: impl FnOnce(),
) {
    let mut acknowledged = send_until(app, "before", Answer::is_ok, 10).await;
    fill();
    acknowledged.extend(send_until(app, "full", Answer::is_fail, 50).await);
    app.wait_for_health(503).await;
    free();
    let after = send_until(app, "after", Answer::is_ok, 50).await;
    assert_eq!(after.len(), 25 + 25 * 20);
    acknowledged.extend(after);
    app.settle().await;
    app.wait_for_health(200).await;
    let friends = database.friends().await;
    let missing: Vec<_> = acknowledged.difference(&friends).collect();
    assert!(
        missing.is_empty(),
        "{} acknowledged are missing",
        missing.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_grow_loses_nothing_that_was_acknowledged() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let fill = || app.limit_files("200000");
    assert_survives_a_full_disk(&app, &database, fill, || app.limit_files("unlimited")).await;
}

/// What can't be brought from the journal to the database doesn't keep what is newer from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_keeps_nothing_from_a_database_that_is_back() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let app = App::start(&database);
    let chat = Chat::new();
    database.server().stop();
    chat.send_ok(&app, &add([("alice", "journal")])).await;
    app.limit_files("0");
    chat.send_fail(&app, &add([("alice", "full")])).await;
    database.server().start_again();
    app.wait_for_health(200).await;
    chat.send_ok(&app, &add([("alice", "after")])).await;
    let friends = database.friends().await;
    assert!(friends.is_superset(&alices(["after"])) && friends.is_disjoint(&alices(["full"])));
    app.limit_files("unlimited");
    app.settle().await;
    assert!(database.friends().await.is_superset(&alices(["journal"])));
}

/// A small disk of the test's own.
struct Disk(TempDir);

impl Disk {
    /// `None` without the rights to mount one.
    fn mount(size: &str) -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let options = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        let mut mount = Command::new("mount");
        let status = mount.args(arguments).arg(disk.path()).status();
        status.is_ok_and(|status| status.success()).then_some(disk)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no more than a few pages.
    fn fill(&self) {
        let mut file = File::create(self.path().join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        file.set_len(file.metadata().unwrap().len() - 8 * 4096)
            .unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

/// What SQLite removes takes room in its log. The database is on another disk, and back.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_filled_its_disk_is_emptied() {
    let Some(disk) = Disk::mount("24m") else {
        return println!("skipped: mounting a disk needs root");
    };
    let database = Database::sqlite();
    let journal = TempDir::new_in(disk.path()).unwrap();
    let app = App::start_in(journal, &database, &[]);
    let mut lock = Locked::begun(&database).await;
    let mut acknowledged = send_until(&app, "before", Answer::is_ok, 100).await;
    disk.fill();
    acknowledged.extend(send_until(&app, "full", Answer::is_fail, 2).await);
    lock.end().await;
    app.settle().await;
    assert!(database.friends().await.is_superset(&acknowledged));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::mount("4m") else {
        return println!("skipped: mounting a disk needs root");
    };
    let database = Database::sqlite_in(disk.path());
    let journal = TempDir::new_in(disk.path()).unwrap();
    let app = App::start_in(journal, &database, &[]);
    assert_survives_a_full_disk(&app, &database, || disk.fill(), || disk.free()).await;
}
