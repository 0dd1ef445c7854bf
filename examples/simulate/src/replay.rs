//! Sends a recording, signed afresh.

use std::path::Path;

use reqwest::{Client, Method, header};

use crate::{
    args::Args,
    chat::{exchange, with_query},
    recording::{self, command},
    signer::Signer,
    verdict::{Verdict, judge},
};

/// Sends one request after the other, and reports the verdict on each answer.
pub(crate) async fn replay(
    client: Client,
    args: &Args,
    path: &Path,
) -> Result<(String, Verdict), String> {
    let recording = recording::read(path);
    let recording = recording.map_err(|error| format!("--replay {}: {error}", path.display()))?;
    let signer = Signer::new(&args.signature)?;
    let mut report = String::new();
    let mut worst = Verdict::Delivered;
    for recorded in recording {
        let query = query(&recorded.query, args.callback.app_id, &signer);
        let method = Method::from_bytes(recorded.method.as_bytes());
        let method = method.map_err(|error| format!("--replay {}: {error}", path.display()))?;
        let mut request = client
            .request(method, with_query(&args.url, &query))
            .body(recorded.body);
        for (name, value) in recorded.headers {
            if name == header::CONTENT_TYPE.as_str() {
                request = request.header(name, value);
            }
        }
        let verdict = judge(exchange(request).await);
        report += &format!("{}: {verdict}\n", command(&query));
        worst = worst.max(verdict);
    }
    Ok((report, worst))
}

/// The recorded query, for this app and time.
fn query(recorded: &str, app_id: u64, signer: &Signer) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(recorded.as_bytes()) {
        match &*name {
            "Sign" | "RequestTime" => {}
            "SdkAppid" => {
                query.append_pair(&name, &app_id.to_string());
            }
            _ => {
                query.append_pair(&name, &value);
            }
        }
    }
    if let Some(token) = &signer.token {
        let time = signer.seconds();
        query.append_pair("Sign", &token.sign(time));
        query.append_pair("RequestTime", &time.to_string());
    }
    query.finish()
}
