//! Sends the vectors that the app is configured for, and compares its answers with the verdicts.

use std::{collections::BTreeMap, path::Path};

use reqwest::{Client, Method};

use super::{
    App, Stated, Vector, read,
    request::{Signed, signed_afresh},
};
use crate::{
    args::Args,
    chat::{exchange, with_query},
    signer::Signer,
    verdict::{Verdict, judge},
};

/// How often a vector is sent, if the second that it is signed for ends too early.
const TRIES: usize = 5;

/// The report, and a failure unless all answers are as the vectors say.
pub(crate) async fn run(
    client: Client,
    args: &Args,
    folder: &Path,
) -> Result<(String, Verdict), String> {
    let failed = |error| format!("--vectors {}: {error}", folder.display());
    let vectors = read(folder).map_err(failed)?;
    let receiver = Receiver {
        client,
        args,
        signer: Signer::new(&args.signature)?,
    };
    let mut report = String::new();
    let (mut sent, mut alike) = (0, 0);
    let (mut rejected, mut same_text) = (0, 0);
    let mut unsent = BTreeMap::<&str, usize>::new();
    for vector in &vectors {
        if let Err(reason) = receiver.takes(vector) {
            *unsent.entry(reason).or_default() += 1;
            continue;
        }
        let answer = receiver.answer(vector).await.map_err(failed)?;
        sent += 1;
        if !is_as_stated(&vector.verdict, &answer) {
            let Vector {
                name,
                source,
                verdict,
                ..
            } = vector;
            let answer = answer.map_or_else(|reason| reason, |verdict| verdict.to_string());
            report +=
                &format!("{name} ({source})\n    expected: {verdict}\n    answered: {answer}\n");
            continue;
        }
        alike += 1;
        if let (Stated::Reject { error_info, .. }, Ok(Verdict::Rejected(info))) =
            (&vector.verdict, &answer)
        {
            rejected += 1;
            same_text += usize::from(error_info == info);
        }
    }
    report += &format!("{sent} vectors sent, {alike} answered as they say\n");
    if rejected > 0 {
        report += &format!("{rejected} rejections, {same_text} with the text of the vector\n");
    }
    for (reason, count) in unsent {
        report += &format!("{count:>8} × not sent: {reason}\n");
    }
    let worst = match sent > 0 && alike == sent {
        true => Verdict::Delivered,
        false => Verdict::Failed("an answer isn't what its vector says".to_owned()),
    };
    Ok((report, worst))
}

struct Receiver<'a> {
    client: Client,
    args: &'a Args,
    signer: Signer,
}

impl Receiver<'_> {
    /// Whether the app is configured as the vector says, and the request can be sent.
    fn takes(&self, vector: &Vector) -> Result<(), &'static str> {
        let Vector { app, request, .. } = vector;
        let ours = App {
            sdk_app_id: self.args.callback.app_id,
            command: self.args.callback.command().to_owned(),
            ..App::default()
        };
        if app.sdk_app_id != ours.sdk_app_id {
            return Err("for another app id");
        }
        if app.command != ours.command {
            return Err("for a handler of another webhook");
        }
        if (app.now, app.window, app.limit) != (ours.now, ours.window, ours.limit) {
            return Err("for another clock, window or limit");
        }
        match (app.tokens.len(), &self.signer.token) {
            (0, None) | (1, Some(_)) => {}
            (0, Some(_)) => return Err("for an app without a token"),
            (_, None) => return Err("for an app with a token"),
            (_, Some(_)) => return Err("for an app with several tokens"),
        }
        let is_length = |(name, _): &(String, _)| name.eq_ignore_ascii_case("content-length");
        let url = with_query(&self.args.url, request.query());
        let is_sendable = request.version == "HTTP/1.1"
            && !request.broken
            && !request.headers.iter().any(is_length)
            && url.query().unwrap_or_default().ends_with(request.query());
        match (is_sendable, &*request.method) {
            (false, _) => Err("not possible with this client"),
            (true, "HEAD") => Err("the answer to HEAD has no body"),
            (true, _) => Ok(()),
        }
    }

    async fn answer(&self, vector: &Vector) -> Result<Result<Verdict, String>, String> {
        for _ in 1..TRIES {
            let now = self.signer.seconds();
            let answer = self.send(vector, now).await?;
            if is_as_stated(&vector.verdict, &answer) || now == self.signer.seconds() {
                return Ok(answer);
            }
        }
        self.send(vector, self.signer.seconds()).await
    }

    async fn send(&self, vector: &Vector, now: u64) -> Result<Result<Verdict, String>, String> {
        let query = vector.request.query();
        let query = match (&*vector.app.tokens, self.signer.text()) {
            ([token], Some(ours)) => {
                let their = Signed {
                    token,
                    now: vector.app.now as u64,
                };
                signed_afresh(query, their, Signed { token: ours, now })
            }
            _ => query.to_owned(),
        };
        let method = Method::from_bytes(vector.request.method.as_bytes());
        let method = method.map_err(|error| format!("{}: {error}", vector.name))?;
        let mut request = self
            .client
            .request(method, with_query(&self.args.url, &query));
        for (name, value) in &vector.request.headers {
            request = request.header(name, value);
        }
        let body = vector.request.body();
        let body = body.ok_or_else(|| format!("{}: not hexadecimal", vector.name))?;
        let answer = exchange(request.body(body)).await;
        Ok(answer.map(|answer| judge(Ok(answer))))
    }
}

/// Whether an answer, if there is one, is what the vector says.
fn is_as_stated(stated: &Stated, answer: &Result<Verdict, String>) -> bool {
    match (stated, answer) {
        (_, Err(_)) => false,
        (Stated::Accept { .. }, Ok(verdict)) => *verdict == Verdict::Delivered,
        (Stated::Reject { .. }, Ok(verdict)) => matches!(verdict, Verdict::Rejected(_)),
        // An app without a handler for the request may answer anything.
        (Stated::Pass {}, Ok(_)) => true,
    }
}
