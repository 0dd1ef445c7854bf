//! A body is one packet of the webhook that the URL names.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_tencent_chat::{
    AccountPair, BlackListAdd, BlackListDelete, CallbackLayer, ClientCmd, FriendAdd, FriendDelete,
    FriendPair, Packet,
    RejectionKind::{BodyTooLarge, CommandMismatch, MalformedPacket},
    test_util::CallbackRequest,
};

use crate::{
    PACKET, broken,
    common::{APP_ID, FRIEND_ADD, layer},
    outcome,
};

const COMMAND: &str = FriendAdd::COMMAND;

fn callback(body: impl Into<Vec<u8>>) -> Request<Full<Bytes>> {
    CallbackRequest::new(COMMAND, APP_ID, body.into()).build()
}

#[tokio::test]
async fn the_pages_own_packet_is_read_whole() {
    let callback = outcome(&layer(), callback(FRIEND_ADD)).await.unwrap();
    let pairs = callback.pair_list.iter().map(|pair| {
        let initiator = pair.initiator_account.as_deref();
        (&*pair.from_account, &*pair.to_account, initiator)
    });
    assert!(pairs.eq([
        ("id", "id1", Some("id")),
        ("id", "id2", Some("id")),
        ("id", "id3", Some("id")),
    ]));
    assert_eq!(callback.client_cmd, Some(ClientCmd::FriendAdd));
    assert!(matches!("Friend_Add".into(), ClientCmd::Other(_)));
    assert_eq!(callback.admin_account, None);
    assert!(callback.force_flag);
}

#[tokio::test]
async fn no_pair_is_dropped_and_no_name_cut_however_many_and_long() {
    let long = "x".repeat(10_000) + "界";
    let mut request = CallbackRequest::friend_add(APP_ID).pair(&long, &long);
    for number in 0..20_000 {
        request = request.pair("", &number.to_string());
    }
    let layer = layer().max_body_size(usize::MAX);
    let callback = outcome(&layer, request.build::<Full<Bytes>>()).await;
    let pairs = &callback.unwrap().pair_list;
    assert_eq!(pairs[0].from_account, long);
    assert_eq!(pairs[0].to_account, long);
    assert_eq!(pairs[0].initiator_account.as_deref(), Some(&*long));
    assert_eq!(pairs.len(), 20_001);
    assert_eq!(pairs[20_000].to_account, "19999");
}

#[tokio::test]
async fn a_body_is_a_mebibyte_at_most_unless_told_otherwise() {
    let padded = |length: usize| callback(PACKET.to_owned() + &" ".repeat(length - PACKET.len()));
    assert_eq!(broken(&layer(), padded(1024 * 1024)).await, None);
    let too_large = broken(&layer(), padded(1024 * 1024 + 1)).await;
    assert_eq!(too_large, Some(BodyTooLarge));
}

#[tokio::test]
async fn an_event_is_lost_to_a_damaged_account_and_to_nothing_else() {
    for (body, expected) in [
        (
            r#"{"EventTime":1669872112000,"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[{
                "From_Account":"a","To_Account":"b","Initiator_Account":7,"New":1e400}],
                "ClientCmd":[1,"friend_add"],"Admin_Account":"\ud800","ForceFlag":{},"New":["\udc00"]}"#,
            None,
        ),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[{"From_Account":"\ud800","To_Account":"b"}]}"#,
            Some(MalformedPacket),
        ),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[["a","b","a"]]}"#,
            Some(MalformedPacket),
        ),
    ] {
        assert_eq!(broken(&layer(), callback(body)).await, expected, "{body}");
    }
}

#[tokio::test]
async fn nothing_is_trimmed_or_stripped() {
    let packet = PACKET;
    for (body, expected) in [
        (format!(" \r\n\t{packet}\n"), None),
        (format!("\u{feff}{packet}"), Some(MalformedPacket)),
        (format!("{packet}\0"), Some(MalformedPacket)),
        (format!("{packet}\0\0\0"), Some(MalformedPacket)),
        (format!("{packet}{packet}"), Some(MalformedPacket)),
        (packet.replace("Add\"", "Add \""), Some(CommandMismatch)),
        (packet.replace("\"Sns", "\" Sns"), Some(CommandMismatch)),
        (
            packet.replace("Add\"", "Add\\u0000\""),
            Some(CommandMismatch),
        ),
        (
            packet.replace("Command\"", "Command \""),
            Some(MalformedPacket),
        ),
        (
            packet.replace("\"Callback", "\" Callback"),
            Some(MalformedPacket),
        ),
        (
            packet.replace("PairList", "PairList "),
            Some(MalformedPacket),
        ),
    ] {
        assert_eq!(
            broken(&layer(), callback(&*body)).await,
            expected,
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn the_deepest_nesting_is_passed_over_or_refused() {
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let command = format!(r#""CallbackCommand":"{COMMAND}""#);
    for (name, body, expected) in [
        (
            "unknown",
            format!(r#"{{{command},"PairList":[],"New":{deep}}}"#),
            None,
        ),
        (
            "flag",
            format!(r#"{{{command},"PairList":[],"ForceFlag":{deep}}}"#),
            None,
        ),
        (
            "pairs",
            format!(r#"{{{command},"PairList":{deep}}}"#),
            Some(MalformedPacket),
        ),
        (
            "command",
            format!(r#"{{"CallbackCommand":{deep},"PairList":[]}}"#),
            Some(MalformedPacket),
        ),
        ("whole", deep.clone(), Some(MalformedPacket)),
        ("objects", r#"{"a":"#.repeat(100_000), Some(MalformedPacket)),
    ] {
        let broken = broken(&layer(), callback(body)).await;
        assert_eq!(broken, expected, "{name}");
    }
}

#[test]
fn a_packet_that_is_read_back_from_a_queue_is_its_own_webhooks() {
    fn reads<P: Packet>(text: &str) -> bool {
        serde_json::from_str::<P>(text).is_ok()
    }
    let body = |request: CallbackRequest| {
        let body = request.pair("alice", "bob").body();
        String::from_utf8(body.into()).unwrap()
    };
    let packets = [
        body(CallbackRequest::friend_add(APP_ID)),
        body(CallbackRequest::friend_delete(APP_ID)),
        body(CallbackRequest::black_list_add(APP_ID)),
        body(CallbackRequest::black_list_delete(APP_ID)),
    ];
    for (at, packet) in packets.iter().enumerate() {
        let read = [
            reads::<FriendAdd>(packet),
            reads::<FriendDelete>(packet),
            reads::<BlackListAdd>(packet),
            reads::<BlackListDelete>(packet),
        ];
        let mut expected = [false; 4];
        expected[at] = true;
        assert_eq!(read, expected, "{packet}");
    }
    // A list of pairs by itself says nothing of where it is from.
    let pairs = r#"{"PairList":[{"From_Account":"alice","To_Account":"bob"}]}"#;
    assert!(reads::<FriendAdd>(pairs) && reads::<FriendDelete>(pairs));
}

#[test]
fn a_pair_is_an_object_in_each_webhook() {
    fn refuses<P: Packet>(pair: &str) {
        for (pairs, is_read) in [
            (r#"[{"From_Account":"a","To_Account":"b"}]"#, true),
            (pair, false),
        ] {
            let text = format!(
                r#"{{"CallbackCommand":"{}","PairList":{pairs}}}"#,
                P::COMMAND
            );
            assert_eq!(serde_json::from_str::<P>(&text).is_ok(), is_read, "{text}");
        }
    }
    for pair in [
        r#"[["a","b"]]"#,
        r#"[["a","b","a"]]"#,
        r#"[{"From_Account":"a"}]"#,
        r#"[{"From_Account":1,"To_Account":"b"}]"#,
        r#"{"From_Account":"a","To_Account":"b"}"#,
        "null",
    ] {
        refuses::<FriendAdd>(pair);
        refuses::<FriendDelete>(pair);
        refuses::<BlackListAdd>(pair);
        refuses::<BlackListDelete>(pair);
    }
    // By themselves they are objects as well.
    serde_json::from_str::<FriendPair>(r#"["a","b","a"]"#).unwrap_err();
    serde_json::from_str::<AccountPair>(r#"["a","b"]"#).unwrap_err();
}

#[test]
fn a_packet_of_each_sibling_survives_being_written_and_read() {
    fn again<P>(request: CallbackRequest)
    where
        P: Packet + serde::Serialize + PartialEq + std::fmt::Debug + Clone,
    {
        let packet = request.pair("alice", "bob").callback::<P>().into_packet();
        let written = serde_json::to_value(&packet).unwrap();
        assert_eq!(written["CallbackCommand"], P::COMMAND);
        assert_eq!(written["PairList"][0]["From_Account"], "alice");
        assert_eq!(written["PairList"][0]["To_Account"], "bob");
        assert_eq!(serde_json::from_value::<P>(written).unwrap(), packet);
        let _ = CallbackLayer::<P>::new(APP_ID);
    }
    again::<FriendAdd>(CallbackRequest::friend_add(APP_ID));
    again::<FriendDelete>(CallbackRequest::friend_delete(APP_ID));
    again::<BlackListAdd>(CallbackRequest::black_list_add(APP_ID));
    again::<BlackListDelete>(CallbackRequest::black_list_delete(APP_ID));
}
