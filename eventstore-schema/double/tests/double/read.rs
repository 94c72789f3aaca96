//! Reads of streams and of `$all`.

use eventstore::{Error, ExpectedRevision, ReadAllOptions, ReadEvent, ReadStreamOptions, StreamPosition};
use eventstore_double::DoubleConfig;

use super::{at, given, given_empty};

#[tokio::test]
async fn a_missing_stream_is_told_as_missing() {
    let given = given_empty().await;
    let read = given.read_stream("a", &ReadStreamOptions::default()).await;
    assert!(matches!(read, Err(Error::ResourceNotFound)), "{read:?}");
}

#[tokio::test]
async fn a_stream_is_read_from_anywhere_in_both_directions() {
    let given = given_empty().await;
    let ids: Vec<u128> = (0..1_500).collect();
    given.append("a", ExpectedRevision::NoStream, &ids).await.unwrap();
    for (options, expected) in [
        (ReadStreamOptions::default().max_count(3), vec![0, 1, 2]),
        (
            ReadStreamOptions::default().position(StreamPosition::Position(1_498)).max_count(9),
            vec![1_498, 1_499],
        ),
        (ReadStreamOptions::default().position(StreamPosition::Position(1_500)), vec![]),
        (
            ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(2),
            vec![1_499, 1_498],
        ),
        (ReadStreamOptions::default().backwards().position(StreamPosition::Position(1)), vec![1, 0]),
        (ReadStreamOptions::default().position(StreamPosition::Start).backwards(), vec![0]),
        (ReadStreamOptions::default().max_count(2_000), ids.clone()),
        (
            ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(2_000),
            ids.iter().rev().copied().collect(),
        ),
    ] {
        let read = given.read_stream("a", &options).await.unwrap();
        assert_eq!(read.iter().map(|event| event.id.as_u128()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_read_of_a_stream_ends_with_its_last_revision() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1, 2, 3]).await.unwrap();
    for (options, events) in [
        (ReadStreamOptions::default().max_count(1), 1),
        (ReadStreamOptions::default(), 3),
        (ReadStreamOptions::default().backwards().position(StreamPosition::End), 3),
        (ReadStreamOptions::default().position(StreamPosition::Position(3)), 0),
    ] {
        let mut read = given.client.read_stream("a", &options).await.unwrap();
        let (mut found, mut last) = (0, None);
        while let Some(told) = read.next_read_event().await.unwrap() {
            match told {
                ReadEvent::Event(_) => found += 1,
                ReadEvent::LastStreamPosition(revision) => last = Some(revision),
                ReadEvent::FirstStreamPosition(_) | ReadEvent::LastAllStreamPosition(_) => {}
            }
        }
        assert_eq!((found, last), (events, Some(2)));
    }
}

#[tokio::test]
async fn all_is_read_forwards_from_a_position_on_and_backwards_from_before_it() {
    let given = given_empty().await;
    for id in 0..6 {
        given.append(&format!("s{}", id % 2), ExpectedRevision::Any, &[id]).await.unwrap();
    }
    let all = given.everything().await;
    let third = all[3].position;
    let ids = |read: Vec<eventstore::RecordedEvent>| -> Vec<u128> {
        read.iter().map(|event| event.id.as_u128()).collect()
    };
    let from = |position| ReadAllOptions::default().position(position).max_count(100);
    assert_eq!(ids(given.read_all(&from(StreamPosition::Position(third))).await), [3, 4, 5]);
    assert_eq!(ids(given.read_all(&from(StreamPosition::Position(third)).backwards()).await), [2, 1, 0]);
    assert_eq!(ids(given.read_all(&from(StreamPosition::End).backwards().max_count(2)).await), [5, 4]);
    assert_eq!(ids(given.read_all(&from(StreamPosition::Start).max_count(2)).await), [0, 1]);
    assert!(given.read_all(&from(StreamPosition::End).forwards()).await.is_empty());
    assert!(given.read_all(&from(StreamPosition::Start).backwards()).await.is_empty());
    assert!(given.read_all(&from(StreamPosition::Position(at(u64::MAX)))).await.is_empty());
}

#[tokio::test]
async fn all_holds_the_servers_own_events_before_and_between_ours() {
    let given = given(DoubleConfig::default()).await;
    let first = given.everything().await;
    assert!(first.iter().all(|event| event.stream_id.starts_with('$')) && first.len() > 4);
    assert!(
        first
            .iter()
            .any(|event| event.stream_id == "$users" && event.event_type == "$User" && !event.is_json)
    );

    given.double.faults().write_stats_every(Some(2));
    for id in 1..=6 {
        given.append("a", ExpectedRevision::Any, &[id]).await.unwrap();
    }
    let mut told = Vec::new();
    for event in given.everything().await.split_off(first.len()) {
        told.push(event.event_type);
    }
    let (ours, stats) = ("happened", "$statsCollected");
    assert_eq!(told, [ours, ours, stats, ours, ours, stats, ours, ours, stats]);
}

#[tokio::test]
async fn an_event_that_another_wrote_takes_the_next_revision() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    let position = given.double.faults().append_foreign("a", "unknown", "{}");
    let all = given.everything().await;
    assert_eq!((all[1].revision, all[1].position, all[1].event_type.as_str()), (1, at(position), "unknown"));
    given.append("a", ExpectedRevision::Exact(0), &[2]).await.unwrap_err();
}

#[tokio::test]
async fn the_server_says_its_version_and_no_batches() {
    let given = given_empty().await;
    let info = given.client.server_info().await.unwrap();
    assert_eq!(info.version().to_string(), "23.10.0");
    assert!(given.client.batch_append(&Default::default()).await.is_err());
}
