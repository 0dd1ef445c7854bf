//! What the URL of a callback has to say.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tower_tencent_chat::{FriendAdd, RejectionKind::*};

use crate::{
    broken,
    common::{TIME, TOKEN, at, chat, layer, now, signed, signed_layer, token},
    outcome,
};

#[tokio::test]
async fn no_clock_and_no_window_is_too_large() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(TIME);
    let late = at(u64::MAX / 4);
    for (window, now, expected) in [
        (Duration::MAX, before, None),
        (Duration::MAX, late, None),
        (Duration::ZERO, late, Some(StaleRequestTime)),
        (
            Duration::ZERO,
            now() + Duration::from_nanos(999_999_999),
            None,
        ),
    ] {
        let layer = signed_layer().clock(move || now);
        let layer = layer.request_time_window(window);
        assert_eq!(broken(&layer, signed().build()).await, expected, "{now:?}");
    }
}

#[tokio::test]
async fn without_a_token_the_clock_is_not_asked() {
    let layer = layer().clock(|| unreachable!("no token, no time"));
    assert_eq!(broken(&layer, chat().build()).await, None);
}

#[tokio::test]
async fn tokens_from_a_source_are_asked_for_each_callback() {
    let source = Arc::new(Mutex::new(Vec::new()));
    let tokens = Arc::clone(&source);
    let layer = layer()
        .token(token("forgotten"))
        .tokens_from(move || tokens.lock().unwrap().clone().into())
        .clock(now);
    for (tokens, by, expected) in [
        (vec![], TOKEN, Some(SignMismatch)),
        (vec![TOKEN], TOKEN, None),
        (vec![TOKEN], "forgotten", Some(SignMismatch)),
        (vec!["next-token", TOKEN], TOKEN, None),
        (vec!["next-token"], TOKEN, Some(SignMismatch)),
    ] {
        *source.lock().unwrap() = tokens.into_iter().map(token).collect();
        let request = chat().signed(&token(by), now()).build();
        assert_eq!(broken(&layer, request).await, expected, "{by}");
    }
    *source.lock().unwrap() = Vec::new();
    let unsigned = broken(&layer, chat().build()).await;
    assert_eq!(unsigned, Some(SignMismatch));
    // What is called last counts, if it adds a token.
    let layer = layer.tokens([]);
    let unsigned = broken(&layer, chat().build()).await;
    assert_eq!(unsigned, Some(SignMismatch));
    let fixed = layer.token(token(TOKEN));
    assert_eq!(broken(&fixed, signed().build()).await, None);
}

#[tokio::test]
async fn an_old_callback_in_the_extensions_is_not_trusted() {
    let old = chat().pair("carol", "dave").callback::<FriendAdd>();
    let mut forged = signed().query("Sign", "0").build();
    forged.extensions_mut().insert(old.clone());
    assert_eq!(broken(&signed_layer(), forged).await, Some(SignMismatch));
    let mut right = signed().build::<http_body_util::Full<bytes::Bytes>>();
    right.extensions_mut().insert(old);
    let callback = outcome(&signed_layer(), right).await.unwrap();
    assert_eq!(callback.pair_list.len(), 1);
}
