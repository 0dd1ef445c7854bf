use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time};

use super::{Answer, Chat, add};

/// Senders that deliver callbacks as fast as the app answers. Each callback is sent again, to the next of
/// the replicas, until its answer is OK: as Chat does with retries switched on.
pub(crate) struct Load {
    senders: JoinSet<()>,
    stop: watch::Sender<bool>,
    state: Arc<State>,
}

struct State {
    chat: Chat,
    replicas: Vec<String>,
    pause: Duration,
    /// The callbacks that have been answered OK, by their user, and how many pairs each has.
    acknowledged: Mutex<BTreeMap<String, usize>>,
    counts: watch::Sender<Counts>,
}

/// How often there was which answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ok: usize,
    pub(crate) fail: usize,
    pub(crate) nothing: usize,
    pub(crate) unreachable: usize,
}

/// How many senders there are.
const SENDERS: usize = 12;

impl Load {
    pub(crate) fn start(replicas: Vec<String>) -> Self {
        Self::start_with_pauses(replicas, Duration::ZERO)
    }

    /// With a pause after each answer.
    pub(crate) fn start_with_pauses(replicas: Vec<String>, pause: Duration) -> Self {
        let state = Arc::new(State {
            chat: Chat::new(),
            replicas,
            pause,
            acknowledged: Mutex::default(),
            counts: watch::Sender::default(),
        });
        let stop = watch::Sender::new(false);
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            senders.spawn(send(sender, Arc::clone(&state), stop.subscribe()));
        }
        Self {
            senders,
            stop,
            state,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.state.counts.borrow()
    }

    /// Waits until so many more callbacks have been answered OK.
    pub(crate) async fn wait_for_ok(&self, more: usize) {
        let target = self.counts().ok + more;
        let mut counts = self.state.counts.subscribe();
        let reached = counts.wait_for(|counts| counts.ok >= target);
        within_a_minute(reached).await.unwrap();
    }

    /// How many friends each user has whose callback has been acknowledged so far.
    pub(crate) fn acknowledged(&self) -> BTreeMap<String, usize> {
        self.state.acknowledged.lock().unwrap().clone()
    }

    /// Sends no new callbacks, and waits until each is acknowledged.
    pub(crate) async fn finish(&mut self) {
        self.stop.send(true).unwrap();
        while let Some(sender) = within_a_minute(self.senders.join_next()).await {
            sender.unwrap();
        }
    }
}

/// Far beyond what anything here takes.
async fn within_a_minute<T>(future: impl Future<Output = T>) -> T {
    let result = time::timeout(Duration::from_secs(60), future).await;
    result.expect("callbacks are answered OK again")
}

/// Every callback is about a user of its own, so that it is seen in the table whether it is there as a whole.
async fn send(sender: usize, state: Arc<State>, stop: watch::Receiver<bool>) {
    let mut replica = sender;
    for n in 0.. {
        if *stop.borrow() {
            return;
        }
        // Some take more than one statement.
        let size = if n % 16 == 0 { 1600 } else { 3 };
        let user = format!("user {sender} {n} of {size}");
        let request = add((0..size).map(|k| (user.clone(), format!("friend {k}"))));
        loop {
            let url = &state.replicas[replica % state.replicas.len()];
            match state.chat.send(url, &request).await {
                Answer::Ok => break,
                Answer::Fail(_) => state.counts.send_modify(|counts| counts.fail += 1),
                Answer::Nothing => state.counts.send_modify(|counts| counts.nothing += 1),
                Answer::Unreachable => state.counts.send_modify(|counts| counts.unreachable += 1),
            }
            replica += 1;
            // If nobody listens, the answer comes at once.
            time::sleep(Duration::from_millis(10)).await;
        }
        state.acknowledged.lock().unwrap().insert(user, size);
        state.counts.send_modify(|counts| counts.ok += 1);
        time::sleep(state.pause).await;
    }
}

/// Panics if a callback of a [`Load`] is there in part.
pub(crate) fn assert_whole(friends: &BTreeMap<String, usize>) {
    for (user, count) in friends {
        let (_, size) = user.rsplit_once(' ').unwrap();
        assert_eq!(count.to_string(), size, "pairs of {user:?}");
    }
}
