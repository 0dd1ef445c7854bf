//! Plays Tencent Cloud Chat, which cannot reach your laptop: posts callbacks to your app, and judges
//! the answers as Chat would.
//!
//! Run it with `cargo run -p simulate -- http://127.0.0.1:3000/callback`, or install it with
//! `cargo install --path examples/simulate`; `--help` says what else it can send.

mod args;
mod chat;
mod report;
mod verdict;
mod webhook;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, error::ErrorKind};
use tokio::runtime::Runtime;

use crate::{args::Args, chat::Chat, verdict::Verdict};

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime starts");
    let code = runtime.block_on(simulate());
    // Chat has gone by now, whatever the app or the resolver still does.
    runtime.shutdown_background();
    code
}

async fn simulate() -> ExitCode {
    let args = Args::parse();
    let chat = match Chat::new(&args) {
        Ok(chat) => chat,
        Err(error) => Args::command()
            .error(ErrorKind::ValueValidation, error)
            .exit(),
    };
    let (report, worst) = match args.load.is_one() {
        true => report::one(&chat).await,
        false => report::many(chat, &args.load).await,
    };
    // Whoever reads the report may have seen enough of it; the exit code stays right.
    let _ = io::stdout().write_all(report.as_bytes());
    match worst {
        Verdict::Delivered => ExitCode::SUCCESS,
        Verdict::Refused(_) => ExitCode::from(3),
        Verdict::Failed(_) => ExitCode::from(1),
    }
}
