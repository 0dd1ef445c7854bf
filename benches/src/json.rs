//! The JSON alone, into structs that borrow: what a callback can't be faster than.

use std::hint::black_box;

use serde::Deserialize;

use crate::{Row, callback};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code)]
struct FriendAdd<'a> {
    callback_command: &'a str,
    #[serde(borrow)]
    pair_list: Vec<FriendPair<'a>>,
    client_cmd: &'a str,
    #[serde(rename = "Admin_Account")]
    admin_account: &'a str,
    force_flag: u8,
}

#[derive(Deserialize)]
#[expect(dead_code)]
struct FriendPair<'a> {
    #[serde(rename = "From_Account")]
    from_account: &'a str,
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "Initiator_Account")]
    initiator_account: &'a str,
}

/// The rows of the JSON alone.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for pairs in [1, 3, 100, 1000, 6000] {
        rows.push(Row::new(
            format!("serde_json::from_slice, {pairs} pairs"),
            move || {
                let body = callback(pairs, 20).body();
                Box::new(move || {
                    black_box(serde_json::from_slice::<FriendAdd<'_>>(black_box(&body)).unwrap());
                })
            },
        ));
        rows.push(Row::new(
            format!("serde_json::from_str, {pairs} pairs"),
            move || {
                let body = callback(pairs, 20).body();
                Box::new(move || {
                    let text = str::from_utf8(black_box(&body)).unwrap();
                    black_box(serde_json::from_str::<FriendAdd<'_>>(text).unwrap());
                })
            },
        ));
    }
    rows
}
