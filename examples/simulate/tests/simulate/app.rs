//! An app that notes what it is sent, and gives always the same answer.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use axum::{Router, body::Body, http::Response};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::service_fn;
use tower_tencent_chat::{CallbackResponse, CallbackRouter, FriendAdd, Token};

pub(crate) const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

pub(crate) struct Received {
    pub(crate) target: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl App {
    pub(crate) fn answering(status: &'static str, body: &'static str) -> Self {
        Self::start("http", move |stream, app| app.answer(stream, status, body))
    }

    pub(crate) fn new() -> Self {
        Self::answering("200 OK", OK)
    }

    /// With TLS, and the file that has the certificate of whoever signed the app's own.
    pub(crate) fn with_tls() -> (Self, PathBuf) {
        let (config, authority) = certificates();
        let app = Self::start("https", move |stream, app| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            app.answer(StreamOwned::new(connection, stream), "200 OK", OK);
        });
        (app, authority)
    }

    fn start(scheme: &str, serve: impl Fn(std::net::TcpStream, &Self) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Self {
            url: format!("{scheme}://localhost:{port}/callback"),
            received: Arc::default(),
        };
        let served = app.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &served);
            }
        });
        app
    }

    /// One request of a connection; a handshake may fail.
    fn answer(&self, stream: impl Read + Write, status: &str, body: &str) {
        let mut stream = BufReader::new(stream);
        if let Some(received) = Received::read(&mut stream) {
            self.received.lock().unwrap().push(received);
            let length = body.len();
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    }

    /// The only request so far.
    pub(crate) fn received(&self) -> Received {
        let mut received = self.all_received();
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    pub(crate) fn all_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

impl Received {
    fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).ok().map(|_| line)
        };
        let request = line()?;
        let target = request.strip_prefix("POST ")?;
        let target = target.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = line()?.trim_end().split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length");
        let mut body = vec![0; length.map_or(Some(0), |length| length.parse().ok())?];
        stream.read_exact(&mut body).ok()?;
        Some(Self {
            target,
            headers,
            body,
        })
    }

    pub(crate) fn parameters(&self) -> BTreeMap<&str, &str> {
        let (_, query) = self.target.split_once('?').unwrap();
        let parameters = query.split('&').map(|parameter| parameter.split_once('='));
        parameters.map(Option::unwrap).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An app with the rules of the crate, until it goes out of scope.
pub(crate) struct Real {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Real {
    pub(crate) fn new(token: Option<&str>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.unwrap();
        let url = format!("http://{}/callback", listener.local_addr().unwrap());
        let callbacks = CallbackRouter::new(1400000000)
            .tokens(token.map(|token| Token::new(token).unwrap()))
            .route::<FriendAdd>(service_fn(async |_| {
                Ok::<Response<Body>, Infallible>(CallbackResponse::ok().into())
            }));
        let app = Router::new().route_service("/callback", callbacks);
        runtime.spawn(async { axum::serve(listener, app).await });
        Self {
            url,
            _runtime: runtime,
        }
    }
}

fn certificates() -> (Arc<ServerConfig>, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authority.pem");
    fs::write(&path, authority.pem()).unwrap();

    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)
        .unwrap();
    (config.into(), path)
}
