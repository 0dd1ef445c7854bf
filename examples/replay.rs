//! Reads the lines that `examples/record.rs` has written, and prints who added whom, without a server.
//!
//! `cargo run --example replay <callbacks.jsonl` reads them. With a token in `CALLBACK_TOKEN`, their signatures are
//! checked again.

use std::{env, error::Error, io, time::Duration};

use tower_tencent_chat::{FriendAddLayer, RejectionKind, Token};

/// Your SDKAppID, as Tencent's console shows it.
const SDK_APP_ID: u64 = 1400000000;

/// Recorded callbacks are older than the minute that the layer allows.
const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

#[derive(serde::Deserialize)]
struct Recorded {
    method: String,
    uri: String,
    body: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let tokens = env::var("CALLBACK_TOKEN").unwrap_or_default();
    let tokens = tokens.split(',').filter(|token| !token.is_empty());
    let layer = FriendAddLayer::new(SDK_APP_ID)
        .tokens(tokens.map(Token::new).collect::<Result<Vec<_>, _>>()?)
        .request_time_window(TEN_YEARS);

    for line in io::stdin().lines() {
        let Recorded { method, uri, body } = serde_json::from_str(&line?)?;
        match layer.receive(&method.parse()?, &uri.parse()?, body.as_bytes()) {
            Ok(callback) => {
                for pair in &callback.pair_list {
                    println!("{:?} added {:?}", pair.from_account, pair.to_account);
                }
            }
            Err(rejection) if rejection.kind() == RejectionKind::MissingCallback => {} // another webhook
            Err(rejection) => println!("{}: {rejection}", rejection.kind()),
        }
    }
    Ok(())
}
