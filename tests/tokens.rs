//! Tokens that change while callbacks come.

mod common;

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use http::Method;
use tower_tencent_chat::{RejectionKind, Token};

use common::{chat, layer, now, token};

/// Token `n` is added as `n - 1` is removed, by one write each. Each number is set before or after the write
/// that it is named for.
#[derive(Default)]
struct Tokens {
    current: RwLock<Arc<[Token]>>,
    adding: AtomicUsize,
    added: AtomicUsize,
    removing: AtomicUsize,
    removed: AtomicUsize,
    answers: AtomicUsize,
}

fn numbered(number: usize) -> Token {
    token(&format!("token-{number}"))
}

impl Tokens {
    fn change_to(&self, number: usize) {
        self.adding.store(number, SeqCst);
        *self.current.write().unwrap() = [number - 1, number].map(numbered).into();
        self.added.store(number, SeqCst);
        self.wait_for_answers();
        self.removing.store(number - 1, SeqCst);
        *self.current.write().unwrap() = [numbered(number)].into();
        self.removed.store(number - 1, SeqCst);
        self.wait_for_answers();
    }

    fn wait_for_answers(&self) {
        let enough = self.answers.load(SeqCst) + 20;
        while self.answers.load(SeqCst) < enough {
            thread::yield_now();
        }
    }
}

/// No good callback is rejected, and none is accepted by a token that was removed before it was sent.
#[test]
fn each_callback_is_judged_by_the_tokens_of_its_time() {
    const CHANGES: usize = 100;

    let tokens = Arc::new(Tokens::default());
    *tokens.current.write().unwrap() = [numbered(1)].into();
    tokens.adding.store(1, SeqCst);
    tokens.added.store(1, SeqCst);
    let source = Arc::clone(&tokens);
    let layer = layer()
        .tokens_from(move || Arc::clone(&source.current.read().unwrap()))
        .clock(now);
    let [good, bad, wrong] = [const { AtomicUsize::new(0) }; 3];
    let is_over = AtomicBool::new(false);

    let send = || {
        for step in [0, 1, 2, 3].into_iter().cycle() {
            let (added, removed) = (tokens.added.load(SeqCst), tokens.removed.load(SeqCst));
            let number = [added, added - 1, removed, added + 1][step];
            let request = chat().signed(&numbered(number), now());
            let answer = layer.receive(&Method::POST, &request.uri(), &request.body());
            let rejection = answer.err().map(|rejection| rejection.kind());
            let was_good = number <= added && number > tokens.removing.load(SeqCst);
            let was_bad = number <= removed || number > tokens.adding.load(SeqCst);
            let (count, expected) = match (was_good, was_bad) {
                (true, _) => (&good, None),
                (_, true) => (&bad, Some(RejectionKind::SignMismatch)),
                // It was sent while its token was added or removed.
                _ => (&tokens.answers, rejection),
            };
            let count = if rejection == expected { count } else { &wrong };
            count.fetch_add(1, SeqCst);
            tokens.answers.fetch_add(1, SeqCst);
            if is_over.load(SeqCst) {
                break;
            }
        }
    };
    thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(send)));
        (2..=CHANGES).for_each(|number| tokens.change_to(number));
        is_over.store(true, SeqCst);
    });
    let [good, bad, wrong] = [good, bad, wrong].map(AtomicUsize::into_inner);
    assert_eq!(wrong, 0, "of {good} good and {bad} bad");
    println!("{good} good, {bad} bad");
    assert!(good > CHANGES && bad > CHANGES, "{good} good, {bad} bad");
}
