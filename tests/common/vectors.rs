//! The rules as data: `tests/vectors`, whose README describes the format.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use http::{Request, Version};
use serde::Deserialize;
use serde_json::Value;
use tower_tencent_chat::{CallbackLayer, FriendAdd, Packet, Token};

use super::{
    APP_ID, TIME,
    script::{Probe, Script, Step, data},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) app: App,
    pub(crate) request: Sent,
    pub(crate) verdict: Verdict,
}

/// The receiver. What isn't set there is the default of the crate.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct App {
    pub(crate) sdk_app_id: u64,
    pub(crate) command: String,
    pub(crate) tokens: Vec<String>,
    pub(crate) now: f64,
    pub(crate) window: Option<f64>,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    #[serde(default = "post")]
    pub(crate) method: String,
    pub(crate) url: String,
    #[serde(default = "http_1_1")]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    body_hex: Option<String>,
    #[serde(default)]
    padded_to: usize,
    #[serde(default)]
    pub(crate) broken: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Verdict {
    Accept { packet: Value, context: Value },
    Reject { kind: String, error_info: String },
    Pass {},
}

/// All vectors of all files.
pub(crate) fn vectors() -> Vec<Vector> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(rename = "about")]
        _about: String,
        vectors: Vec<Vector>,
    }

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|name| name == "json"));
    let read = |path: PathBuf| {
        let file: File = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        file.vectors.into_iter().map(move |vector| Vector {
            name: format!("{stem}: {}", vector.name),
            ..vector
        })
    };
    files.flat_map(read).collect()
}

/// Those of `Sns.CallbackFriendAdd` that are rejected.
pub(crate) fn rejected() -> impl Iterator<Item = Vector> {
    let vectors = vectors().into_iter();
    vectors.filter(|vector| vector.kind().is_some() && vector.app.command == FriendAdd::COMMAND)
}

impl Vector {
    /// The label of its rejection.
    pub(crate) fn kind(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Reject { kind, .. } => Some(kind),
            Verdict::Accept { .. } | Verdict::Pass {} => None,
        }
    }

    /// Whether it is rejected for its method or its URL.
    pub(crate) fn is_rejected_by_url(&self) -> bool {
        let by_body = [
            "body_too_large",
            "body_unreadable",
            "malformed_packet",
            "command_mismatch",
        ];
        self.kind().is_some_and(|kind| !by_body.contains(&kind))
    }

    /// The layer of its app.
    pub(crate) fn layer<P: Packet>(&self) -> CallbackLayer<P> {
        let app = &self.app;
        let now = app.now();
        let layer = CallbackLayer::new(app.sdk_app_id)
            .tokens(app.tokens())
            .clock(move || now);
        let layer = match app.window() {
            Some(window) => layer.request_time_window(window),
            None => layer,
        };
        match app.limit {
            Some(limit) => layer.max_body_size(limit),
            None => layer,
        }
    }

    /// Its request, with the whole body in one frame.
    pub(crate) fn build(&self) -> (Request<Script>, Probe) {
        self.build_in_frames(usize::MAX)
    }

    /// Its request, with the body in frames of so many bytes, or in a thousand if it is large.
    pub(crate) fn build_in_frames(&self, size: usize) -> (Request<Script>, Probe) {
        let body = self.request.body();
        let frames = body.chunks(size.max(body.len() / 1000)).map(data);
        let end = self.request.broken.then_some(Step::Fail);
        let (body, probe) = Script::new(frames.chain(end));
        (self.request.request(body), probe)
    }
}

impl Default for App {
    fn default() -> Self {
        Self {
            sdk_app_id: APP_ID,
            command: "Sns.CallbackFriendAdd".to_owned(),
            tokens: Vec::new(),
            now: TIME as f64,
            window: None,
            limit: None,
        }
    }
}

impl App {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.tokens.iter().map(|token| Token::new(token).unwrap())
    }

    pub(crate) fn now(&self) -> SystemTime {
        let since_epoch = milliseconds(self.now.abs());
        if self.now < 0.0 {
            SystemTime::UNIX_EPOCH - since_epoch
        } else {
            SystemTime::UNIX_EPOCH + since_epoch
        }
    }

    pub(crate) fn window(&self) -> Option<Duration> {
        self.window.map(milliseconds)
    }
}

fn milliseconds(seconds: f64) -> Duration {
    Duration::from_millis((1000.0 * seconds).round() as u64)
}

fn post() -> String {
    "POST".to_owned()
}

fn http_1_1() -> String {
    "HTTP/1.1".to_owned()
}

impl Sent {
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = match &self.body_hex {
            Some(hex) => base16ct::lower::decode_vec(hex).unwrap(),
            None => self.body.clone().into_bytes(),
        };
        body.resize(body.len().max(self.padded_to), b' ');
        body
    }

    fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::builder()
            .method(&*self.method)
            .uri(&self.url)
            .version(match &*self.version {
                "HTTP/1.0" => Version::HTTP_10,
                "HTTP/1.1" => Version::HTTP_11,
                "HTTP/2.0" => Version::HTTP_2,
                version => panic!("{version}"),
            });
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body).unwrap()
    }
}
