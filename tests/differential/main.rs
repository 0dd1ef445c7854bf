//! Generated requests, the vectors and the seeds of the fuzz targets against a plain reference that shares
//! no code with the crate.
//!
//! `DIFFERENTIAL_MINUTES=10 cargo test --release --test differential` goes on for so long.

#[path = "../../fuzz/checks.rs"]
mod checks;
#[path = "../common/mod.rs"]
mod common;
mod mutations;

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use checks::reference::{Case, Outcome, Settings, Step, Webhook};
use common::vectors::{Vector, Verdict, vectors};

/// The vectors that the reference knows the packets of.
fn cases() -> Vec<(Case, Vector)> {
    let cases = vectors().into_iter().filter_map(|vector| {
        let webhook = [Webhook::FriendAdd, Webhook::BlackListAdd]
            .into_iter()
            .find(|webhook| webhook.command() == vector.app.command)?;
        Some((case(webhook, &vector), vector))
    });
    cases.collect()
}

fn case(webhook: Webhook, vector: &Vector) -> Case {
    let (app, sent) = (&vector.app, &vector.request);
    let now = app.now().duration_since(SystemTime::UNIX_EPOCH);
    let window = app.window().unwrap_or(Duration::from_secs(60));
    let length = sent
        .headers
        .iter()
        .find(|(name, _)| name == "content-length");
    let data = Step::Data(sent.body().into());
    let end = sent.broken.then_some(Step::Break);
    Case {
        webhook,
        settings: Settings {
            sdk_app_id: app.sdk_app_id,
            tokens: app.tokens.clone(),
            window_ms: window.as_millis().try_into().unwrap(),
            now_ms: now.unwrap_or_default().as_millis().try_into().unwrap(),
            max_body_size: app.limit.unwrap_or(1024 * 1024),
        },
        method: sent.method.clone(),
        query: sent.url.split_once('?').unwrap_or_default().1.to_owned(),
        content_length: length.map(|(_, length)| length.parse().unwrap()),
        body: [data].into_iter().chain(end).collect(),
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::PassesThrough => "pass",
        Outcome::Rejected(kind) => kind.as_str(),
        Outcome::Received(_) => "accept",
    }
}

#[test]
fn crate_and_reference_agree_on_each_vector() {
    for (case, vector) in cases() {
        let outcome = checks::check(&case).unwrap();
        let expected = match &vector.verdict {
            Verdict::Accept { .. } => "accept",
            Verdict::Reject { kind, .. } => kind,
            Verdict::Pass {} => "pass",
        };
        assert_eq!(name(&outcome), expected, "{}", vector.name);
    }
}

#[test]
fn crate_and_reference_agree_on_the_inputs_of_the_fuzz_targets() {
    type Target = fn(&[u8]);
    let targets: [(&str, Target); 3] = [
        ("query", checks::query),
        ("packet", checks::packet),
        ("request", checks::request),
    ];
    for (target, check) in targets {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for file in fs::read_dir(seeds.join(target)).unwrap() {
            check(&fs::read(file.unwrap().path()).unwrap());
        }
    }
    for (case, _) in cases() {
        checks::query(case.query.as_bytes());
        checks::packet(&case.bytes());
        let request = [b"~..!\n", case.query.as_bytes(), b"\n", &case.bytes()].concat();
        checks::request(&request);
    }
}

#[test]
fn crate_and_reference_agree_on_mutated_vectors() {
    const CASES: u64 = 3000;

    let minutes = env::var("DIFFERENTIAL_MINUTES").map(|minutes| minutes.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(60 * minutes.unwrap_or(0_u64));
    let cases: Vec<_> = cases().into_iter().map(|(case, _)| case).collect();
    let mut seen = BTreeMap::<_, u64>::new();
    // Those after the first are other ones each time.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let random = since_epoch.unwrap().as_secs() << 32;
    for round in 0.. {
        let seed = if round < CASES { round } else { random + round };
        if round >= CASES && Instant::now() >= end {
            break;
        }
        if let Some(outcome) = checks::check(&mutations::mutated(&cases, seed)) {
            *seen.entry(name(&outcome)).or_default() += 1;
        }
    }
    println!("{seen:?}");
    // Otherwise the mutations have come to miss a rule.
    assert_eq!(seen.len(), 13);
}
