//! Appends: expectations, idempotency, atomicity, sizes.

use bytes::Bytes;
use eventstore::{AppendToStreamOptions, CurrentRevision, Error, EventData, ExpectedRevision};
use eventstore_double::DoubleConfig;
use uuid::Uuid;

use super::{Given, event, given, given_empty};

#[track_caller]
fn wrong(
    outcome: Result<eventstore::WriteResult, Error>,
    expected: ExpectedRevision,
    current: CurrentRevision,
) {
    match outcome {
        Err(Error::WrongExpectedVersion { expected: told, current: found }) => {
            assert_eq!((told, found), (expected, current));
        }
        other => panic!("not a wrong expected version: {other:?}"),
    }
}

#[tokio::test]
async fn revisions_are_contiguous_and_positions_are_offsets_with_gaps() {
    let given = given_empty().await;
    let first = given.append("a", ExpectedRevision::NoStream, &[1, 2]).await.unwrap();
    let second = given.append("b", ExpectedRevision::NoStream, &[3]).await.unwrap();
    let third = given.append("a", ExpectedRevision::Exact(1), &[4]).await.unwrap();
    assert_eq!(
        (first.next_expected_version, second.next_expected_version, third.next_expected_version),
        (1, 0, 2)
    );

    let all = given.everything().await;
    let told: Vec<(String, u64)> =
        all.iter().map(|event| (event.stream_id.clone(), event.revision)).collect();
    let a = |revision| ("a".to_owned(), revision);
    assert_eq!(told, [a(0), a(1), ("b".to_owned(), 0), a(2)]);
    let positions: Vec<u64> = all.iter().map(|event| event.position.commit).collect();
    assert!(positions.windows(2).all(|pair| pair[1] - pair[0] > 76), "{positions:?}");
    assert!(all.iter().all(|event| event.position.commit == event.position.prepare));
    assert_eq!(
        [first.position, second.position, third.position],
        [all[1].position, all[2].position, all[3].position],
        "a write answers the position of its last event"
    );
}

#[tokio::test]
async fn an_event_comes_back_as_it_was_written() {
    let given = given_empty().await;
    let id = Uuid::from_u64_pair(u64::MAX, 1);
    let json = EventData::json("known", &serde_json::json!({ "a": 1 }))
        .unwrap()
        .id(id)
        .metadata(Bytes::from("meta"));
    let octets = EventData::binary("raw", Bytes::from_static(&[0, 255])).id(Uuid::from_u128(9));
    let options = AppendToStreamOptions::default();
    given.client.append_to_stream("a", &options, vec![json, octets]).await.unwrap();

    let all = given.everything().await;
    assert_eq!((all[0].id, all[0].event_type.as_str(), all[0].is_json), (id, "known", true));
    assert_eq!((all[0].data.as_ref(), all[0].custom_metadata.as_ref()), (&br#"{"a":1}"#[..], &b"meta"[..]));
    assert_eq!(
        (all[1].event_type.as_str(), all[1].is_json, all[1].data.as_ref()),
        ("raw", false, &[0, 255][..])
    );
    assert!(all[0].created.timestamp() > 1_700_000_000, "{}", all[0].created);
}

#[tokio::test]
async fn no_stream_is_refused_once_there_is_one() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    let outcome = given.append("a", ExpectedRevision::NoStream, &[2]).await;
    wrong(outcome, ExpectedRevision::NoStream, CurrentRevision::Current(0));
}

#[tokio::test]
async fn an_exact_revision_is_refused_before_and_behind() {
    let given = given_empty().await;
    let outcome = given.append("a", ExpectedRevision::Exact(0), &[1]).await;
    wrong(outcome, ExpectedRevision::Exact(0), CurrentRevision::NoStream);
    given.append("a", ExpectedRevision::NoStream, &[1, 2, 3]).await.unwrap();
    for revision in [1, 3] {
        let outcome = given.append("a", ExpectedRevision::Exact(revision), &[9]).await;
        wrong(outcome, ExpectedRevision::Exact(revision), CurrentRevision::Current(2));
    }
}

#[tokio::test]
async fn stream_exists_is_refused_until_there_is_one() {
    let given = given_empty().await;
    let outcome = given.append("a", ExpectedRevision::StreamExists, &[1]).await;
    wrong(outcome, ExpectedRevision::StreamExists, CurrentRevision::NoStream);
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    assert_eq!(
        given.append("a", ExpectedRevision::StreamExists, &[2]).await.unwrap().next_expected_version,
        1
    );
}

#[tokio::test]
async fn a_retry_with_the_same_ids_and_expectation_is_answered_as_the_first_time() {
    let given = given_empty().await;
    let first = given.append("a", ExpectedRevision::NoStream, &[1, 2]).await.unwrap();
    let second = given.append("a", ExpectedRevision::Exact(1), &[3, 4]).await.unwrap();
    given.append("a", ExpectedRevision::Exact(3), &[5]).await.unwrap();
    for (expected, ids, answer) in
        [(ExpectedRevision::NoStream, [1, 2], &first), (ExpectedRevision::Exact(1), [3, 4], &second)]
    {
        let again = given.append("a", expected, &ids).await.unwrap();
        assert_eq!(
            (again.next_expected_version, again.position),
            (answer.next_expected_version, answer.position)
        );
    }
    assert_eq!(given.ids("a").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_shorter_retry_is_answered_with_its_own_last_event() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1, 2]).await.unwrap();
    let again = given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    assert_eq!((again.next_expected_version, again.position), (0, given.everything().await[0].position));
}

#[tokio::test]
async fn a_retry_that_only_overlaps_is_refused() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1, 2]).await.unwrap();
    for ids in [&[1, 3][..], &[2, 1], &[1, 2, 3]] {
        let outcome = given.append("a", ExpectedRevision::NoStream, ids).await;
        wrong(outcome, ExpectedRevision::NoStream, CurrentRevision::Current(1));
    }
    assert_eq!(given.ids("a").await, [1, 2]);
}

#[tokio::test]
async fn ids_seen_before_are_written_again_where_the_expectation_holds() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    given.append("a", ExpectedRevision::Exact(0), &[1]).await.unwrap();
    assert_eq!(given.ids("a").await, [1, 1]);
}

#[tokio::test]
async fn any_revision_is_idempotent_over_the_ids_seen_lately_in_the_same_stream() {
    let given = given_empty().await;
    let first = given.append("a", ExpectedRevision::Any, &[1, 2]).await.unwrap();
    given.append("a", ExpectedRevision::Any, &[3]).await.unwrap();
    let again = given.append("a", ExpectedRevision::Any, &[1, 2]).await.unwrap();
    assert_eq!((again.next_expected_version, again.position), (1, first.position));
    let outcome = given.append("a", ExpectedRevision::Any, &[1, 9]).await;
    wrong(outcome, ExpectedRevision::Any, CurrentRevision::Current(2));
    given.append("b", ExpectedRevision::Any, &[1]).await.unwrap();
    assert_eq!((given.ids("a").await, given.ids("b").await), (vec![1, 2, 3], vec![1]));
}

#[tokio::test]
async fn any_revision_writes_twice_what_is_no_longer_remembered() {
    let given = given(DoubleConfig { remembered_ids: 2, ..DoubleConfig::default() }).await;
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    given.append("a", ExpectedRevision::Any, &[2, 3]).await.unwrap();
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    assert_eq!(given.ids("a").await, [1, 2, 3, 1]);
}

#[tokio::test]
async fn of_two_writers_with_one_expectation_one_is_refused() {
    let given = given_empty().await;
    for revision in 0..20_u64 {
        let expected = match revision.checked_sub(1) {
            None => ExpectedRevision::NoStream,
            Some(last) => ExpectedRevision::Exact(last),
        };
        let id = 100 + u128::from(revision) * 2;
        let (ours, theirs) = ([id], [id + 1]);
        let (one, other) =
            tokio::join!(given.append("a", expected, &ours), given.append("a", expected, &theirs));
        assert_eq!(one.is_ok(), other.is_err(), "{one:?} {other:?}");
    }
    assert_eq!(given.ids("a").await.len(), 20);
}

async fn append_bytes(given: &Given, sizes: &[usize]) -> Result<eventstore::WriteResult, Error> {
    let sized =
        |(size, id): (&usize, u128)| EventData::binary("t", vec![7; *size].into()).id(Uuid::from_u128(id));
    let proposed: Vec<EventData> = sizes.iter().zip(1..).map(sized).collect();
    given.client.append_to_stream("a", &AppendToStreamOptions::default(), proposed).await
}

#[tokio::test]
async fn an_append_over_the_largest_size_is_refused_whole() {
    let given = given(DoubleConfig { max_append_bytes: 1_000, ..DoubleConfig::default() }).await;
    append_bytes(&given, &[999]).await.unwrap_err();
    match append_bytes(&given, &[500, 501]).await {
        Err(Error::Grpc { code, message }) => {
            assert_eq!(code.to_string(), tonic::Code::InvalidArgument.to_string());
            assert_eq!(message, "Maximum Append Size of 1000 Exceeded.");
        }
        other => panic!("{other:?}"),
    }
    assert!(given.double.faults().last_revision("a").is_none());
    append_bytes(&given, &[400, 596]).await.unwrap();
}

#[tokio::test]
async fn an_append_is_limited_to_a_mebibyte_by_default() {
    let given = given_empty().await;
    append_bytes(&given, &[1_048_576 - 2]).await.unwrap();
    append_bytes(&given, &[1_048_576 - 1]).await.unwrap_err();
}

#[tokio::test]
async fn an_append_of_nothing_checks_the_expectation_and_writes_nothing() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    assert_eq!(given.append("a", ExpectedRevision::Exact(0), &[]).await.unwrap().next_expected_version, 0);
    let outcome = given.append("a", ExpectedRevision::Exact(4), &[]).await;
    wrong(outcome, ExpectedRevision::Exact(4), CurrentRevision::Current(0));
    assert_eq!(given.ids("a").await, [1]);
}

#[tokio::test]
async fn a_thousand_events_are_appended_at_once_in_order() {
    let given = given_empty().await;
    let ids: Vec<u128> = (1..=1_000).collect();
    given.append("a", ExpectedRevision::NoStream, &ids).await.unwrap();
    assert_eq!(given.ids("a").await, ids);
}

#[tokio::test]
async fn events_without_an_id_of_the_caller_get_one() {
    let given = given_empty().await;
    let anonymous = EventData::binary("t", Bytes::new());
    given
        .client
        .append_to_stream("a", &AppendToStreamOptions::default(), vec![anonymous, event(1)])
        .await
        .unwrap();
    assert_ne!(given.everything().await[0].id, Uuid::nil());
}
