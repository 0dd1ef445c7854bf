//! The token, and the clock that it signs by.

use std::time::{Duration, SystemTime};

use tower_tencent_chat::Token;

use crate::args::Signature;

pub(crate) struct Signer {
    pub(crate) token: Option<Token>,
    text: Option<String>,
    clock_skew: i64,
}

impl Signer {
    pub(crate) fn new(args: &Signature) -> Result<Self, String> {
        let tokens = args.token.as_deref().unwrap_or_default();
        let first = tokens.split(',').next().filter(|_| !tokens.is_empty());
        let text = first.map(str::to_owned);
        let token = first.map(Token::new).transpose();
        let token = token.map_err(|error| format!("--token: {error}"))?;
        let clock_skew = args.clock_skew;
        if token.is_none() && clock_skew != 0 {
            return Err("--clock-skew: only what --token signs has a time".to_owned());
        }
        Ok(Self {
            token,
            text,
            clock_skew,
        })
    }

    /// The token, to sign what Chat would not.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// By the clock that is off.
    pub(crate) fn now(&self) -> SystemTime {
        let skew = Duration::from_secs(self.clock_skew.unsigned_abs());
        match self.clock_skew {
            ..0 => SystemTime::now() - skew,
            0.. => SystemTime::now() + skew,
        }
    }

    /// The same in Unix seconds.
    pub(crate) fn seconds(&self) -> u64 {
        let since_epoch = self.now().duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.unwrap_or_default().as_secs()
    }
}
