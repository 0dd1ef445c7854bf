//! An app under siege: thousands of connections, most of them hostile, on real sockets.
//!
//! The clients live in the same process, so that what is measured of its memory is too much rather
//! than too little. The app has a runtime of its own, so that its tasks can be counted.

#[path = "../common/mod.rs"]
mod common;

mod app;
mod attack;
mod callbacks;
mod http2;

use std::{
    collections::BTreeMap,
    mem,
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};

use app::App;
use attack::Attack;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROUNDS: usize = 420;
const ATTACKS: usize = ROUNDS * Attack::ALL.len();
/// Those whose good callbacks are behind rejected ones connect once more.
const CONNECTIONS: usize = ATTACKS + ROUNDS;
/// How many clients there are at a time. Two sockets each leave room below 1024 open files.
const AT_ONCE: usize = 200;
/// The size of the largest body.
const LIMIT: usize = 256 * 1024;
/// What may be left of a connection: the ids of its callbacks, which are counted.
const LEFT: usize = 256;
/// Far beyond what anything here takes: what is not over by then hangs.
const DEADLINE: Duration = Duration::from_secs(60);

static SPACES: [u8; LIMIT] = [b' '; LIMIT];

/// Runs every attack, [`AT_ONCE`] at a time: the callbacks that were answered OK.
async fn besiege(app: SocketAddr) -> Vec<String> {
    let mut answered = Vec::new();
    let mut attacks = JoinSet::new();
    for number in 0..ATTACKS {
        if attacks.len() == AT_ONCE {
            answered.extend(attacks.join_next().await.unwrap().unwrap());
        }
        attacks.spawn(async move {
            let attack = Attack::ALL[number % Attack::ALL.len()];
            let run = attack.run(app, format!("{attack:?} {number}"));
            let run = timeout(DEADLINE, run).await;
            run.unwrap_or_else(|_| panic!("{attack:?} waits in vain"))
        });
    }
    while let Some(ids) = attacks.join_next().await {
        answered.extend(ids.unwrap());
    }
    answered
}

#[test]
fn a_siege_costs_neither_callbacks_nor_tasks_nor_memory() {
    let app = App::start();
    let clients = Runtime::new().unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();

    let start = Instant::now();
    let answered = clients.block_on(besiege(app.address));
    app.wait_until_idle();
    let growth = MEMORY.peak_usage() - before;

    let left = MEMORY.current_usage() - before;
    let most_at_once = app.seen.most_at_once.load(Relaxed);
    println!(
        "{CONNECTIONS} connections, {most_at_once} at once, {} callbacks, in {:?}: \
         memory grew by {growth} bytes at most, of which {left} are left",
        answered.len(),
        start.elapsed(),
    );

    assert_eq!(app.seen.connections.load(Relaxed), CONNECTIONS);
    assert_eq!(answered.len(), ROUNDS * Attack::VALID);
    let mut delivered = mem::take(&mut *app.seen.delivered.lock().unwrap());
    for id in answered {
        assert_eq!(delivered.remove(&id), Some(1), "{id}");
    }
    assert_eq!(delivered, BTreeMap::new());
    assert_eq!(app.seen.wasted.load(Relaxed), 0);
    assert!(
        growth <= most_at_once * LIMIT,
        "{growth} for {most_at_once} at once"
    );
    assert!(left <= CONNECTIONS * LEFT, "{left}");
}
