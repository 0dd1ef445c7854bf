//! What the tests share: the app as a process, both databases, and Chat.
// Every test binary has its own copy, and needs a part of it.
#![allow(dead_code, unused_imports)]

mod app;
mod chat;
mod database;
pub(crate) mod load;
mod outage;
mod pgbouncer;
mod postgres;
pub(crate) mod proxy;
pub(crate) mod socket;

use std::{
    env,
    io::{self, Write},
};

pub(crate) use self::{
    app::{App, terminate},
    chat::{Answer, Chat, add, delete},
    database::{Database, Pairs, Row, alices, pair},
    outage::{Locked, Outage, ReadOnly, Stopped},
    pgbouncer::PgBouncer,
    postgres::Postgres,
};

pub(crate) const APP_ID: u64 = 1400000000;

/// Something that a test needs is not installed. In CI everything has to be.
pub(crate) fn skip(missing: &str) {
    assert!(env::var_os("CI").is_none(), "{missing} is not installed");
    // `println` is not shown if a test passes.
    let _ = writeln!(io::stderr(), "skipped: {missing} is not installed");
}
