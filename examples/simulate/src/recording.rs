//! The file of a recording: a line of JSON for each request.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::verdict::printable;

/// What a request looked like, without what is private in it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) fn read(path: &Path) -> Result<Vec<Recorded>, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1))
        })
        .collect()
}

/// What a report calls a request.
pub(crate) fn command(query: &str) -> String {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    match parameters.find(|(name, _)| name == "CallbackCommand") {
        Some((_, command)) => printable(&command),
        None => "no CallbackCommand".to_owned(),
    }
}
