//! Plays Tencent Cloud Chat, which cannot reach your laptop: posts callbacks to your app, and judges
//! the answers as Chat would.
//!
//! Run it with `cargo run -p simulate -- http://127.0.0.1:3000/callback`, or install it with
//! `cargo install --path examples/simulate`; `--help` says what else it can send.

mod args;
mod chat;
mod record;
mod recording;
mod replay;
mod report;
mod scrub;
mod signer;
mod vectors;
mod verdict;
mod webhook;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, error::ErrorKind};
use tokio::runtime::Runtime;

use crate::{args::Args, chat::Chat, record::record, replay::replay, verdict::Verdict};

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime starts");
    let code = runtime.block_on(simulate());
    // Chat has gone by now, whatever the app or the resolver still does.
    runtime.shutdown_background();
    code
}

async fn simulate() -> ExitCode {
    let args = Args::parse();
    let (report, worst) = match run(&args).await {
        Ok(result) => result,
        Err(error) => Args::command()
            .error(ErrorKind::ValueValidation, error)
            .exit(),
    };
    // Whoever reads the report may have seen enough of it; the exit code stays right.
    let _ = io::stdout().write_all(report.as_bytes());
    match worst {
        Verdict::Delivered => ExitCode::SUCCESS,
        Verdict::Rejected(_) => ExitCode::from(3),
        Verdict::Failed(_) => ExitCode::from(1),
    }
}

/// The report, and the worst of what it reports.
async fn run(args: &Args) -> Result<(String, Verdict), String> {
    let client = chat::client(args.cacert.as_deref())?;
    if let Some(path) = &args.prepared.record {
        return record(client, &args.url, path, args.prepared.listen).await;
    }
    if let Some(path) = &args.prepared.replay {
        return replay(client, args, path).await;
    }
    if let Some(path) = &args.prepared.vectors {
        return vectors::run(client, args, path).await;
    }
    let chat = Chat::new(client, args)?;
    Ok(match args.load.is_one() {
        true => report::one(&chat).await,
        false => report::many(chat, &args.load).await,
    })
}
