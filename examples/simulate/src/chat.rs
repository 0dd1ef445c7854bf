//! Chat's side of the connection.

use std::{error::Error, fs, path::Path, time::Duration};

use reqwest::{Certificate, Client, RequestBuilder, Response, Url, redirect::Policy};
use tokio::time::timeout;

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
    pub(crate) fn new(client: Client, args: &Args) -> Result<Self, String> {
        Ok(Self {
            client,
            url: args.url.clone(),
            webhook: Webhook::new(args)?,
        })
    }

    pub(crate) async fn post(&self, number: u64) -> Result<Answer, String> {
        let callback = self.webhook.callback(number);
        let url = self.webhook.url(&self.url, &callback);
        exchange(self.client.post(url).body(callback.body())).await
    }
}

pub(crate) fn client(cacert: Option<&Path>) -> Result<Client, String> {
    // An error would say that there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Chat comes straight from Tencent, and takes a redirect for a failure.
    let mut client = Client::builder().no_proxy().redirect(Policy::none());
    if let Some(path) = cacert {
        let certificates = certificates(path);
        client = client.tls_certs_only(
            certificates.map_err(|error| format!("--cacert {}: {error}", path.display()))?,
        );
    }
    client.build().map_err(|error| cause(&error))
}

/// Sends the request, and waits for the answer as long as Chat does.
pub(crate) async fn exchange(request: RequestBuilder) -> Result<Answer, String> {
    let exchange = async { read(request.send().await?).await };
    match timeout(TIMEOUT, exchange).await {
        Ok(answer) => answer.map_err(|error| format!("no whole answer: {}", cause(&error))),
        Err(_) => Err(format!("no whole answer within {TIMEOUT:?}")),
    }
}

/// The URL with its own parameters, and after them those of the query.
pub(crate) fn with_query(url: &Url, query: &str) -> Url {
    let parts = [url.query().unwrap_or_default(), query];
    let parts = parts.into_iter().filter(|query| !query.is_empty());
    let query = parts.collect::<Vec<_>>().join("&");
    let mut url = url.clone();
    url.set_query(Some(&*query).filter(|query| !query.is_empty()));
    url
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
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
