//! What the environment says.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tower_tencent_chat::Token;

use crate::store;

/// What the app is called in the names of its files and, with `_`, of its metrics.
pub(crate) const NAME: &str = "friend-graph";
/// What is logged if `RUST_LOG` is not set.
pub(crate) const LOG: &str = "info,sqlx=error";

pub(crate) struct Config {
    pub(crate) addr: String,
    pub(crate) database_url: String,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) sdk_app_id: u64,
    /// Any of which may have signed; without one, callbacks need not be signed.
    pub(crate) tokens: Vec<Token>,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, String> {
        // Both are created in the working directory.
        let database_url = setting("DATABASE_URL", &format!("sqlite:{NAME}.db?mode=rwc"))?;
        check_database_url(&database_url).map_err(|error| format!("DATABASE_URL: {error}"))?;
        Ok(Self {
            addr: setting("ADDR", "127.0.0.1:3000")?,
            journal: journal(&database_url)?,
            database_url,
            sdk_app_id: setting("SDK_APP_ID", "1400000000")?
                .parse()
                .map_err(|_| "SDK_APP_ID: not a number")?,
            tokens: tokens()?,
        })
    }
}

fn tokens() -> Result<Vec<Token>, String> {
    let tokens = setting("CALLBACK_TOKEN", "")?;
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    // As of a file that a shell would have read.
    if tokens.contains(['"', '\'']) {
        return Err("CALLBACK_TOKEN: there are quotes in it".to_owned());
    }
    let tokens: Result<_, _> = tokens.split(',').map(Token::new).collect();
    tokens.map_err(|error| format!("CALLBACK_TOKEN: {error}"))
}

fn journal(database_url: &str) -> Result<Option<PathBuf>, String> {
    let file = setting("JOURNAL", &format!("{NAME}.db.journal"))?;
    match &*file.to_lowercase() {
        "off" if file == "off" => Ok(None),
        // The one would end with the process, and the others are hardly meant as names.
        ":memory:" | "off" | "false" | "no" | "none" | "0" => {
            Err("JOURNAL: no file; `off` is for none".to_owned())
        }
        _ => {
            let database = store::sqlite_file(database_url);
            if database.is_some_and(|database| is_same(&database, Path::new(&file))) {
                return Err("JOURNAL: the file of DATABASE_URL".to_owned());
            }
            Ok(Some(file.into()))
        }
    }
}

/// Whether two paths lead to one file, which need not be there yet.
fn is_same(one: &Path, other: &Path) -> bool {
    let resolve = |file: &Path| {
        fs::canonicalize(file).or_else(|_| {
            let folder = file
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            Ok::<_, std::io::Error>(folder.join(file.file_name().unwrap_or_default()))
        })
    };
    matches!((resolve(one), resolve(other)), (Ok(one), Ok(other)) if one == other)
}

/// The URL may hold a password, so no error repeats it.
fn check_database_url(database_url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = database_url.split_once(':').unwrap_or_default();
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    match scheme {
        "postgres" | "postgresql" => Ok(()),
        // It would end with the process, and each connection would have its own.
        "sqlite" if path.is_empty() || path == ":memory:" || options.contains("mode=memory") => {
            Err("no file, as in sqlite:FILE.db?mode=rwc")
        }
        "sqlite" => Ok(()),
        _ => Err("neither postgres://… nor sqlite:…"),
    }
}

/// A variable of the environment; an empty one counts as not set.
pub(crate) fn setting(name: &str, default: &str) -> Result<String, String> {
    match env::var_os(name).unwrap_or_default().into_string() {
        Ok(value) if value.is_empty() => Ok(default.to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{name}: not valid UTF-8")),
    }
}
