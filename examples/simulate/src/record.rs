//! A proxy between Chat and the app: writes each request to a file, scrubbed, and forwards it unchanged.

use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use reqwest::{Client, Url};
use tokio::net::TcpListener;

use crate::{
    chat::{cause, with_query},
    recording::{Recorded, command},
    scrub::{self, Scrubber},
    verdict::{Answer, judge},
};

/// The largest body that is forwarded, in bytes; Chat's are smaller than a mebibyte.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// These headers belong to one connection, or the client sets its own.
const NOT_FORWARDED: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

struct Proxy {
    client: Client,
    url: Url,
    recording: Mutex<(File, Scrubber)>,
}

/// Forwards requests until the process ends.
pub(crate) async fn record<T>(
    client: Client,
    url: &Url,
    path: &Path,
    listen: SocketAddr,
) -> Result<T, String> {
    let failed = |error: io::Error| format!("--listen {listen}: {error}");
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let file = File::create_new(path);
    let file = file.map_err(|error| format!("--record {}: {error}", path.display()))?;
    let proxy = Proxy {
        client,
        url: url.clone(),
        recording: Mutex::new((file, Scrubber::default())),
    };
    say(&format!(
        "Listening on http://{address}, forwarding to {url}"
    ));
    let router = Router::new().fallback(forward).with_state(Arc::new(proxy));
    axum::serve(listener, router).await.map_err(failed)?;
    Err("the server has stopped".to_owned())
}

async fn forward(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if let Err(error) = proxy.write(&head, &body) {
        eprintln!("not recorded: {error}");
    }
    let answer = proxy.ask(&head, body).await;
    let (verdict, response) = match answer {
        Ok((status, headers, body)) => {
            let answer = Answer {
                status,
                body: body.to_vec(),
            };
            (
                judge(Ok(answer)),
                (status, headers, Body::from(body)).into_response(),
            )
        }
        Err(error) => (judge(Err(error)), StatusCode::BAD_GATEWAY.into_response()),
    };
    let command = command(head.uri.query().unwrap_or_default());
    say(&format!("{command}: {verdict}"));
    response
}

impl Proxy {
    fn write(&self, head: &request::Parts, body: &[u8]) -> io::Result<()> {
        let mut recording = self
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (file, scrubber) = &mut *recording;
        let header = |(name, value): (&HeaderName, &_)| {
            let value = String::from_utf8_lossy(HeaderValue::as_bytes(value));
            (name.to_string(), scrub::header(name.as_str(), &value))
        };
        let recorded = Recorded {
            method: head.method.to_string(),
            query: scrub::query(head.uri.query().unwrap_or_default()),
            headers: head.headers.iter().map(header).collect(),
            body: scrubber.body(body),
        };
        // A single write, so that the file has only whole lines if the process is stopped.
        let line = serde_json::to_string(&recorded)? + "\n";
        file.write_all(line.as_bytes())
    }

    async fn ask(
        &self,
        head: &request::Parts,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let url = with_query(&self.url, head.uri.query().unwrap_or_default());
        let request = self.client.request(head.method.clone(), url);
        let request = request.headers(forwarded(&head.headers)).body(body);
        let exchange = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), forwarded(response.headers()));
            Ok((status, headers, response.bytes().await?))
        };
        exchange
            .await
            .map_err(|error: reqwest::Error| format!("no whole answer: {}", cause(&error)))
    }
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &NOT_FORWARDED {
        headers.remove(name);
    }
    headers
}

/// Ignores a closed stdout: the recording goes on.
fn say(line: &str) {
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
