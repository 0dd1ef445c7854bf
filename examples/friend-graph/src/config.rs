//! What the environment says.

use std::{env, path::PathBuf};

use tower_tencent_chat::Token;

/// The file that is used if `DATABASE_URL` is not set: created in the working directory.
const DATABASE_URL: &str = "sqlite:friend-graph.db?mode=rwc";

/// The file that is used if `JOURNAL` is not set.
const JOURNAL: &str = "friend-graph.db.journal";

pub(crate) struct Config {
    pub(crate) addr: String,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) database_url: String,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) sdk_app_id: u64,
    /// Any of which may have signed; without one, callbacks need not be signed.
    pub(crate) tokens: Vec<Token>,
}

/// The app's own certificate, in PEM.
pub(crate) struct TlsFiles {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, String> {
        let database_url = setting("DATABASE_URL", DATABASE_URL)?;
        check_database_url(&database_url).map_err(|error| format!("DATABASE_URL: {error}"))?;
        Ok(Self {
            addr: setting("ADDR", "127.0.0.1:3000")?,
            tls: tls_files()?,
            journal: journal(&database_url)?,
            database_url,
            sdk_app_id: setting("SDK_APP_ID", "1400000000")?
                .parse()
                .map_err(|_| "SDK_APP_ID: not a number")?,
            tokens: tokens()?,
        })
    }
}

/// They are separated by commas.
fn tokens() -> Result<Vec<Token>, String> {
    let tokens = setting("CALLBACK_TOKEN", "")?;
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let tokens: Result<_, _> = tokens.split(',').map(Token::new).collect();
    tokens.map_err(|error| format!("CALLBACK_TOKEN: {error}"))
}

fn tls_files() -> Result<Option<TlsFiles>, String> {
    let cert = setting("TLS_CERT", "")?;
    let key = setting("TLS_KEY", "")?;
    match (cert.is_empty(), key.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(TlsFiles { cert, key })),
        _ => Err("TLS_CERT, TLS_KEY: one is of no use without the other".to_owned()),
    }
}

fn journal(database_url: &str) -> Result<Option<PathBuf>, String> {
    let file = setting("JOURNAL", JOURNAL)?;
    match &*file {
        "off" => Ok(None),
        // It would end with the process.
        ":memory:" => Err("JOURNAL: no file".to_owned()),
        _ if is_sqlite_file(database_url, &file) => {
            Err("JOURNAL: the file of DATABASE_URL".to_owned())
        }
        _ => Ok(Some(file.into())),
    }
}

fn is_sqlite_file(database_url: &str, file: &str) -> bool {
    let (scheme, path, _) = split(database_url);
    scheme == "sqlite" && path == file
}

/// The URL may hold a password, so no error repeats it.
fn check_database_url(database_url: &str) -> Result<(), &'static str> {
    let (scheme, path, options) = split(database_url);
    match scheme {
        "postgres" | "postgresql" => Ok(()),
        // It would end with the process, and each connection would have its own.
        "sqlite" if path.is_empty() || path == ":memory:" || options.contains("mode=memory") => {
            Err("no file, as in sqlite:friend-graph.db?mode=rwc")
        }
        "sqlite" => Ok(()),
        _ => Err("neither postgres://… nor sqlite:…"),
    }
}

/// The scheme, the path or what stands in its place, and the options.
fn split(database_url: &str) -> (&str, &str, &str) {
    let (scheme, rest) = database_url.split_once(':').unwrap_or_default();
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    (scheme, path, options)
}

/// A variable of the environment; an empty one counts as not set.
fn setting(name: &str, default: &str) -> Result<String, String> {
    match env::var_os(name).unwrap_or_default().into_string() {
        Ok(value) if value.is_empty() => Ok(default.to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{name}: not valid UTF-8")),
    }
}
