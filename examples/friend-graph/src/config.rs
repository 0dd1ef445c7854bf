//! What the environment says.

use std::env;

use tower_tencent_chat::{FriendAddLayer, Token};

/// The file that is used where `DATABASE_URL` is not set: created in the working directory.
const DATABASE_URL: &str = "sqlite:friend-graph.db?mode=rwc";

pub(crate) struct Config {
    pub(crate) addr: String,
    pub(crate) database_url: String,
    pub(crate) friend_add: FriendAddLayer,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, String> {
        let database_url = setting("DATABASE_URL", DATABASE_URL)?;
        check(&database_url).map_err(|error| format!("DATABASE_URL: {error}"))?;
        Ok(Self {
            addr: setting("ADDR", "127.0.0.1:3000")?,
            database_url,
            friend_add: friend_add()?,
        })
    }
}

/// The layer for the app `SDK_APP_ID`, with the tokens of `CALLBACK_TOKEN`, separated by commas.
fn friend_add() -> Result<FriendAddLayer, String> {
    let sdk_app_id = setting("SDK_APP_ID", "1400000000")?;
    let sdk_app_id = sdk_app_id.parse().map_err(|_| "SDK_APP_ID: not a number")?;
    let tokens = setting("CALLBACK_TOKEN", "")?;
    if tokens.is_empty() {
        tracing::warn!("no CALLBACK_TOKEN is set: anybody who knows the app id can send callbacks");
        return Ok(FriendAddLayer::new(sdk_app_id));
    }
    let mut layer = FriendAddLayer::new(sdk_app_id);
    for token in tokens.split(',') {
        let token = Token::new(token).map_err(|error| format!("CALLBACK_TOKEN: {error}"))?;
        layer = layer.token(token);
    }
    Ok(layer)
}

/// The URL may hold a password, so no error repeats it.
fn check(database_url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = database_url.split_once(':').unwrap_or_default();
    match scheme {
        "postgres" | "postgresql" => Ok(()),
        "sqlite" if rest.contains(":memory:") || rest.contains("mode=memory") => {
            Err("an SQLite database in memory doesn't outlive the process; name a file")
        }
        "sqlite" => Ok(()),
        _ => Err("neither postgres://… nor sqlite:…"),
    }
}

/// A variable of the environment; an empty one counts as not set.
fn setting(name: &str, default: &str) -> Result<String, String> {
    match env::var_os(name).unwrap_or_default().into_string() {
        Ok(value) if value.is_empty() => Ok(default.to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{name}: not valid UTF-8")),
    }
}
