//! The test vectors of `tests/vectors`, whose README describes the format.

mod request;
mod run;

use std::{fmt, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::run::run;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    source: String,
    #[serde(default)]
    app: App,
    request: Request,
    verdict: Stated,
}

/// The configuration of the receiver that the verdict is for.
#[derive(Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct App {
    sdk_app_id: u64,
    command: String,
    tokens: Vec<String>,
    now: f64,
    window: f64,
    limit: u64,
}

impl Default for App {
    fn default() -> Self {
        Self {
            sdk_app_id: 1400000000,
            command: "Sns.CallbackFriendAdd".to_owned(),
            tokens: Vec::new(),
            now: 1669872112.0,
            window: 60.0,
            limit: 1024 * 1024,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    method: String,
    url: String,
    version: String,
    headers: Vec<(String, String)>,
    body: String,
    body_hex: Option<String>,
    padded_to: usize,
    broken: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            url: String::new(),
            version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            body_hex: None,
            padded_to: 0,
            broken: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Stated {
    /// The answer doesn't show what the handler was given.
    Accept {
        #[serde(rename = "packet")]
        _packet: Value,
        #[serde(rename = "context")]
        _context: Value,
    },
    Reject {
        kind: String,
        error_info: String,
    },
    Pass {},
}

impl Request {
    fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }

    /// `None` if it isn't hexadecimal.
    fn body(&self) -> Option<Vec<u8>> {
        let mut body = match &self.body_hex {
            Some(hex) => base16ct::mixed::decode_vec(hex).ok()?,
            None => self.body.clone().into_bytes(),
        };
        body.resize(body.len().max(self.padded_to), b' ');
        Some(body)
    }
}

impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { .. } => f.write_str("OK"),
            Self::Reject { kind, .. } => write!(f, "FAIL, for {kind}"),
            Self::Pass {} => f.write_str("any answer"),
        }
    }
}

/// All vectors of the files in the folder, with the name of the file in front of theirs.
fn read(folder: &Path) -> Result<Vec<Vector>, String> {
    let files = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    let mut vectors = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().display();
        let file = fs::read(&path).map_err(|error| format!("{stem}: {error}"))?;
        let file: File =
            serde_json::from_slice(&file).map_err(|error| format!("{stem}: {error}"))?;
        vectors.extend(file.vectors.into_iter().map(|vector| Vector {
            name: format!("{stem}: {}", vector.name),
            ..vector
        }));
    }
    match vectors.is_empty() {
        true => Err("no vectors are in it".to_owned()),
        false => Ok(vectors),
    }
}
