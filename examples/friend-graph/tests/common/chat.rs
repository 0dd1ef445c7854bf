use std::time::Duration;

use tokio::task::JoinSet;
use tower_tencent_chat::{CallbackResponse, test_util::CallbackRequest};

use super::{APP_ID, App};

/// Sends callbacks as Chat does.
#[derive(Clone)]
pub(crate) struct Chat(reqwest::Client);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Ok,
    Fail(String),
    /// No whole answer.
    Nothing,
    /// Nobody listens.
    Unreachable,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        *self == Self::Ok
    }

    pub(crate) fn is_fail(&self) -> bool {
        matches!(self, Self::Fail(_))
    }
}

impl Chat {
    pub(crate) fn new() -> Self {
        // Chat waits for 2 seconds, but has its own machine.
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10));
        Self(client.no_proxy().build().unwrap())
    }

    /// Panics if the answer is none that Chat accepts.
    pub(crate) async fn send(&self, app_url: &str, request: &CallbackRequest) -> Answer {
        let url = format!("{app_url}{}", request.clone().path("/callback").uri());
        let response = self.0.post(url).body(request.body()).send().await;
        let response = match response {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Answer::Unreachable,
            Err(_) => return Answer::Nothing,
        };
        assert_eq!(response.status(), 200);
        let Ok(body) = response.text().await else {
            return Answer::Nothing;
        };
        let envelope: CallbackResponse = serde_json::from_str(&body).expect(&body);
        if envelope.is_ok() {
            return Answer::Ok;
        }
        Answer::Fail(envelope.error_info().to_owned())
    }

    /// Panics if the answer isn't OK.
    pub(crate) async fn send_ok(&self, app: &App, request: &CallbackRequest) {
        let answer = self.send(&app.url, request).await;
        assert_eq!(answer, Answer::Ok, "{}", app.log());
    }

    /// Panics if the answer isn't FAIL.
    pub(crate) async fn send_fail(&self, app: &App, request: &CallbackRequest) {
        let answer = self.send(&app.url, request).await;
        assert!(answer.is_fail(), "{answer:?}");
    }

    /// Sends the callbacks of each sender one after the other, and those of all senders at once.
    pub(crate) async fn send_all(
        &self,
        app: &App,
        senders: impl Iterator<Item = Vec<CallbackRequest>>,
    ) {
        let mut tasks = JoinSet::new();
        for requests in senders {
            let (chat, url) = (self.clone(), app.url.clone());
            tasks.spawn(async move {
                for request in requests {
                    assert_eq!(chat.send(&url, &request).await, Answer::Ok);
                }
            });
        }
        tasks.join_all().await;
    }

    /// Returns when the database has it.
    pub(crate) async fn deliver(&self, app: &App, request: &CallbackRequest) {
        self.send_ok(app, request).await;
        app.settle().await;
    }
}

/// "After a Friend Is Added", with the first of each pair as its initiator.
pub(crate) fn add<S: AsRef<str>>(pairs: impl IntoIterator<Item = (S, S)>) -> CallbackRequest {
    with(CallbackRequest::friend_add(APP_ID), pairs)
}

/// "After a Friend Is Deleted".
pub(crate) fn delete<S: AsRef<str>>(pairs: impl IntoIterator<Item = (S, S)>) -> CallbackRequest {
    with(CallbackRequest::friend_delete(APP_ID), pairs)
}

fn with<S: AsRef<str>>(
    request: CallbackRequest,
    pairs: impl IntoIterator<Item = (S, S)>,
) -> CallbackRequest {
    pairs.into_iter().fold(request, |request, (from, to)| {
        request.pair(from.as_ref(), to.as_ref())
    })
}
