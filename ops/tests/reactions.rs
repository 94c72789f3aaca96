//! `envoi reactions` with the real binary: what a reaction could not answer is seen.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use bytes::Bytes;
use domain::{Category, SessionId};
use eventstore_schema::StreamId;
use serde_json::{Value, json};
use support::Installation;

#[test]
fn an_event_that_cannot_be_answered_is_shown_and_the_others_go_on() {
    let installation = Installation::new();
    let of = |name: &str| {
        let told = installation.runs(&["reactions", "--json"]).succeeded().json();
        let all = told["reactions"].as_array().unwrap();
        all.iter().find(|one| one["reaction"] == name).unwrap().clone()
    };
    let before = of("session_revoke");
    assert_eq!((&before["position"], &before["parked"]), (&Value::Null, &json!([])));
    let stream = StreamId::new(Category::Session, SessionId::from_bytes([1; 16]));
    let position = installation.append(stream, "session.started", Bytes::from_static(b"?"));
    let _server = installation.serve("reactor");
    installation.eventually("it is set aside", || of("session_revoke")["parked"] != json!([]));
    installation.eventually("the others pass it", || of("account_mail")["position"] == position.get());
    let parked = &of("session_revoke")["parked"];
    assert_eq!(
        (&parked[0]["position"], &parked[0]["stream"]),
        (&json!(position.get()), &json!(stream.to_string()))
    );
    assert!(parked[0]["attempts"].as_u64().is_some_and(|attempts| attempts > 0), "{parked}");
    let text = installation.runs(&["reactions"]).succeeded().stdout;
    assert!(
        text.contains(&format!("set aside: session_revoke at position {position} of {stream}")),
        "{text}"
    );
}
