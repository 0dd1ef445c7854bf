use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, task::JoinSet};
use tower_tencent_chat::test_util::CallbackRequest;

use crate::{
    APP_ID, OK,
    nginx::{Configuration, Nginx},
    replica::{App, Replica, Seen, token},
};

const ROUNDS: usize = 20;
/// Sent at once in each round, as are the neighbours.
const CALLBACKS: usize = 4;
const NEIGHBOURS: usize = 8;

/// A status and the first line of a body.
pub(crate) type Answer = (u16, String);

/// Another request to the URL of the callbacks, and the answer that it should get.
pub(crate) struct Neighbour {
    pub(crate) request: Request<Bytes>,
    pub(crate) answer: Answer,
}

pub(crate) fn ok() -> Answer {
    (200, OK.to_owned())
}

/// A signed callback.
pub(crate) fn callback(from: &str) -> Request<Bytes> {
    CallbackRequest::friend_add(APP_ID)
        .path("/callback")
        .pair(from, "bob")
        .signed(&token(), SystemTime::now())
        .build()
}

/// Sends callbacks and neighbours, and describes the outcome if any of them was not answered as it should be, or if a
/// callback did not reach a handler exactly once.
pub(crate) async fn failure(
    configuration: Configuration,
    replicas: usize,
    app: App,
    neighbour: &Neighbour,
) -> Option<String> {
    let seen = Seen::default();
    let replicas = Vec::from_iter((0..replicas).map(|_| Replica::start(app, &seen)));
    let addresses = Vec::from_iter(replicas.iter().map(Replica::address));
    let nginx = Nginx::start(configuration, &addresses);

    let (mut callbacks, mut neighbours) = (BTreeMap::new(), BTreeMap::new());
    for round in 0..ROUNDS {
        let (mut sent, mut beside) = (JoinSet::new(), JoinSet::new());
        for _ in 0..NEIGHBOURS {
            beside.spawn(send(nginx.socket.clone(), neighbour.request.clone()));
        }
        for number in 0..CALLBACKS {
            let from = format!("user{round}-{number}");
            sent.spawn(send(nginx.socket.clone(), callback(&from)));
        }
        count(&mut callbacks, sent.join_all().await);
        count(&mut neighbours, beside.join_all().await);
    }

    let seen = seen.lock().unwrap();
    let once = seen.values().filter(|&&times| times == 1).count();
    let is_right = callbacks == BTreeMap::from([(ok(), ROUNDS * CALLBACKS)])
        && neighbours == BTreeMap::from([(neighbour.answer.clone(), ROUNDS * NEIGHBOURS)])
        && seen.len() == once
        && once == ROUNDS * CALLBACKS;
    (!is_right).then(|| {
        format!(
            "{configuration:?}, {} replicas, {app:?}: {once} of {} callbacks arrived once; answers to \
             callbacks: {callbacks:?}; to others: {neighbours:?}",
            replicas.len(),
            ROUNDS * CALLBACKS,
        )
    })
}

fn count(answers: &mut BTreeMap<Answer, usize>, new: Vec<Answer>) {
    for answer in new {
        *answers.entry(answer).or_default() += 1;
    }
}

/// Sends a request on a connection of its own.
pub(crate) async fn send(proxy: PathBuf, mut request: Request<Bytes>) -> Answer {
    let stream = UnixStream::connect(proxy).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let host = "localhost".parse().unwrap();
    request.headers_mut().insert("host", host);
    let response = client.send_request(request.map(Full::new)).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let line = body.split(|&byte| byte == b'\r').next().unwrap();
    (status, String::from_utf8(line.into()).unwrap())
}
