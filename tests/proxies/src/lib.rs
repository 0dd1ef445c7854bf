//! Several replicas behind a real nginx.
//!
//! If a server doesn't read a request to its end, nginx counts a failure and, by default, sends it nothing for ten
//! seconds. So a rejected request must not affect any other.
#![cfg(all(test, unix))]

mod load;
mod nginx;
mod replica;

use bytes::Bytes;
use http::Request;
use tokio::{sync::watch, task::JoinSet};
use tower_tencent_chat::test_util::CallbackRequest;

use load::{Neighbour, callback, failure, ok, send};
use nginx::{Configuration, Nginx, is_installed};
use replica::{App, Replica, Seen};

const APP_ID: u64 = 1400000000;
const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
const UNSIGNED: &str =
    r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"the RequestTime parameter is missing"}"#;
/// The configurations in which a failure takes a server out of rotation.
const COUNTING: [Configuration; 2] = [Configuration::Defaults, Configuration::MaxFails];

/// Runs every combination before it fails, so that all failures are shown.
async fn no_callback_is_lost(apps: &[App], neighbours: impl IntoIterator<Item = Neighbour>) {
    if !is_installed() {
        return;
    }
    let mut failures = Vec::new();
    for neighbour in neighbours {
        for configuration in COUNTING {
            for replicas in [2, 3] {
                for &app in apps {
                    failures.extend(failure(configuration, replicas, app, &neighbour).await);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn padding(bytes: usize) -> Bytes {
    vec![b' '; bytes].into()
}

fn webhook(command: &str, bytes: usize) -> Request<Bytes> {
    CallbackRequest::new(command, APP_ID, padding(bytes))
        .path("/callback")
        .build()
}

/// A callback without a signature.
fn forged(bytes: usize) -> Neighbour {
    Neighbour {
        request: webhook("Sns.CallbackFriendAdd", bytes),
        answer: (200, UNSIGNED.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_forged_bodies_of_300_bytes() {
    no_callback_is_lost(&[App::Router, App::Layer], [forged(300)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_forged_bodies_of_20_kb() {
    no_callback_is_lost(&[App::Router, App::Layer], [forged(20_000)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_forged_bodies_of_60_kb() {
    no_callback_is_lost(&[App::Router, App::Layer], [forged(60_000)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_forged_bodies_of_900_kb() {
    no_callback_is_lost(&[App::Router, App::Layer], [forged(900_000)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_posts_without_a_command() {
    let posts = [20_000, 60_000, 900_000].map(|bytes| Neighbour {
        request: Request::post("/callback").body(padding(bytes)).unwrap(),
        answer: (404, String::new()),
    });
    no_callback_is_lost(&[App::Router], posts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_beside_other_webhooks() {
    let others = [20_000, 60_000].map(|bytes| Neighbour {
        request: webhook("State.StateChange", bytes),
        answer: ok(),
    });
    no_callback_is_lost(&[App::Router, App::Readme], others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_is_lost_in_a_rolling_restart() {
    const SENDERS: usize = 4;
    const EACH: usize = 100;
    if !is_installed() {
        return;
    }
    let seen = Seen::default();
    let mut replicas = [(); 2].map(|()| Replica::start(App::Router, &seen));
    let addresses = replicas.each_ref().map(Replica::address);
    let nginx = Nginx::start(Configuration::Shipped, &addresses);
    let (answered, mut progress) = watch::channel(0);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (proxy, answered) = (nginx.socket.clone(), answered.clone());
        senders.spawn(async move {
            let mut delivered = 0;
            for number in 0..EACH {
                let answer = send(proxy.clone(), callback(&format!("user{sender}-{number}"))).await;
                delivered += usize::from(answer == ok());
                answered.send_modify(|answered| *answered += 1);
            }
            delivered
        });
    }
    for (replica, [stop, start]) in replicas.iter_mut().zip([[50, 150], [200, 300]]) {
        progress
            .wait_for(|&answered| answered >= stop)
            .await
            .unwrap();
        replica.stop().await;
        progress
            .wait_for(|&answered| answered >= start)
            .await
            .unwrap();
        replica.run();
    }
    let delivered = senders.join_all().await.iter().sum::<usize>();
    assert_eq!(
        (delivered, seen.lock().unwrap().len()),
        (SENDERS * EACH, SENDERS * EACH)
    );
}
