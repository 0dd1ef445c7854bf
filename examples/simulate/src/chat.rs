//! Chat's side of the connection.

use std::{error::Error, fs, path::Path, time::Duration};

use reqwest::{Certificate, Client, Response, Url, redirect::Policy};
use tokio::time::timeout;
use tower_tencent_chat::test_util::CallbackRequest;

use crate::{
    args::Args,
    verdict::{Answer, MAX_ANSWER},
    webhook::Webhook,
};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is sent, and where to.
pub(crate) struct Chat {
    client: Client,
    url: Url,
    webhook: Webhook,
}

impl Chat {
    pub(crate) fn new(args: &Args) -> Result<Self, String> {
        // An error would say that there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Chat comes straight from Tencent, and takes a redirect for a failure.
        let mut client = Client::builder().no_proxy().redirect(Policy::none());
        if let Some(path) = &args.cacert {
            let certificates = certificates(path);
            client = client.tls_certs_only(
                certificates.map_err(|error| format!("--cacert {}: {error}", path.display()))?,
            );
        }
        Ok(Self {
            client: client.build().map_err(|error| cause(&error))?,
            url: args.url.clone(),
            webhook: Webhook::new(args)?,
        })
    }

    pub(crate) async fn post(&self, number: u64) -> Result<Answer, String> {
        let callback = self.webhook.callback(number);
        let request = self.client.post(self.url(&callback)).body(callback.body());
        let exchange = async { read(request.send().await?).await };
        match timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(|error| format!("no whole answer: {}", cause(&error))),
            Err(_) => Err(format!("no whole answer within {TIMEOUT:?}")),
        }
    }

    fn url(&self, callback: &CallbackRequest) -> Url {
        let mut url = self.url.clone();
        let query = self.webhook.query(url.query(), callback);
        url.set_query(
            Some(&query)
                .filter(|query| !query.is_empty())
                .map(|query| &**query),
        );
        url
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| cause(&error))?;
    match certificates.is_empty() {
        true => Err("no certificate in PEM is in it".to_owned()),
        false => Ok(certificates),
    }
}

async fn read(mut response: Response) -> reqwest::Result<Answer> {
    let mut body = Vec::new();
    while body.len() <= MAX_ANSWER
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ANSWER + 1);
    let status = response.status();
    Ok(Answer { status, body })
}

/// The innermost cause; what is around it repeats the URL, with the signature.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
