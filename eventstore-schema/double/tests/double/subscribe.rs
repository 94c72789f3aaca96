//! Subscriptions: what is behind, the moment of having caught up, what comes.

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, EventData, ExpectedRevision, StreamPosition, SubscribeToAllOptions,
    SubscribeToStreamOptions, Subscription, SubscriptionEvent, SubscriptionFilter,
};
use eventstore_double::DoubleConfig;
use tokio::time::timeout;

use super::{Given, LONG, given, given_empty};

/// What a subscription tells, in short.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Confirmed,
    Event(u128),
    Checkpoint(u64),
    CaughtUp,
    FellBehind,
}

async fn next(subscription: &mut Subscription) -> Told {
    match timeout(LONG, subscription.next_subscription_event()).await.expect("told in time").unwrap() {
        SubscriptionEvent::Confirmed(id) => {
            assert!(!id.is_empty());
            Told::Confirmed
        }
        SubscriptionEvent::EventAppeared(event) => Told::Event(event.get_original_event().id.as_u128()),
        SubscriptionEvent::Checkpoint(position) => Told::Checkpoint(position.commit),
        SubscriptionEvent::CaughtUp => Told::CaughtUp,
        SubscriptionEvent::FellBehind => Told::FellBehind,
        other => panic!("not told by this server: {other:?}"),
    }
}

async fn until_caught_up(subscription: &mut Subscription) -> Vec<Told> {
    let mut told = Vec::new();
    while told.last() != Some(&Told::CaughtUp) {
        told.push(next(subscription).await);
    }
    told
}

async fn subscribe(given: &Given, options: SubscribeToAllOptions) -> Subscription {
    given.client.subscribe_to_all(&options).await
}

#[tokio::test]
async fn a_subscription_confirms_catches_up_and_goes_on_live() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::Any, &[1, 2]).await.unwrap();
    let mut subscription =
        subscribe(&given, SubscribeToAllOptions::default().position(StreamPosition::Start)).await;
    let told = until_caught_up(&mut subscription).await;
    assert_eq!(told, [Told::Confirmed, Told::Event(1), Told::Event(2), Told::CaughtUp]);
    for id in 3..100 {
        given.append("b", ExpectedRevision::Any, &[id]).await.unwrap();
        assert_eq!(next(&mut subscription).await, Told::Event(id));
    }
}

#[tokio::test]
async fn a_subscription_begins_strictly_behind_its_position() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::Any, &[1, 2, 3]).await.unwrap();
    let second = given.everything().await[1].position;
    let options = SubscribeToAllOptions::default().position(StreamPosition::Position(second));
    let mut subscription = subscribe(&given, options).await;
    assert_eq!(until_caught_up(&mut subscription).await, [Told::Confirmed, Told::Event(3), Told::CaughtUp]);
}

#[tokio::test]
async fn a_subscription_from_the_end_tells_only_what_comes() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    let mut subscription =
        subscribe(&given, SubscribeToAllOptions::default().position(StreamPosition::End)).await;
    assert_eq!(until_caught_up(&mut subscription).await, [Told::Confirmed, Told::CaughtUp]);
    given.append("a", ExpectedRevision::Any, &[2]).await.unwrap();
    assert_eq!(next(&mut subscription).await, Told::Event(2));
}

#[tokio::test]
async fn without_a_filter_the_servers_own_events_are_told_too() {
    let given = given(DoubleConfig::default()).await;
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    let expected = given.everything().await.len();
    let mut subscription =
        subscribe(&given, SubscribeToAllOptions::default().position(StreamPosition::Start)).await;
    let told = until_caught_up(&mut subscription).await;
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Event(_))).count(), expected);
}

#[tokio::test]
async fn a_regular_expression_and_prefixes_filter_streams_and_types() {
    let given = given(DoubleConfig::default()).await;
    given.append("user-1", ExpectedRevision::Any, &[1]).await.unwrap();
    given.append("order-1", ExpectedRevision::Any, &[2]).await.unwrap();
    given.append("user-2", ExpectedRevision::Any, &[3]).await.unwrap();
    given.double.faults().append_foreign("order-2", "$secret", "{}");
    let stream = SubscriptionFilter::on_stream_name;
    for (filter, expected) in [
        (stream().exclude_system_events(), 4),
        (stream().add_prefix("user-"), 2),
        (stream().add_prefix("user-").add_prefix("order-"), 4),
        (stream().regex("^order-"), 2),
        (SubscriptionFilter::on_event_type().exclude_system_events(), 3),
        (SubscriptionFilter::on_event_type().add_prefix("happ"), 3),
        // With both the server looks at the expression alone.
        (stream().add_prefix("user-").regex("^order-"), 2),
    ] {
        let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
        let mut subscription = subscribe(&given, options).await;
        let told = until_caught_up(&mut subscription).await;
        assert_eq!(told.iter().filter(|told| matches!(told, Told::Event(_))).count(), expected, "{told:?}");
    }
}

#[tokio::test]
async fn a_filtered_subscription_gets_checkpoints_while_nothing_passes() {
    let given = given_empty().await;
    let ids: Vec<u128> = (0..100).collect();
    given.append("other", ExpectedRevision::Any, &ids).await.unwrap();
    given.append("ours", ExpectedRevision::Any, &[1_000]).await.unwrap();
    let positions: Vec<u64> = given.everything().await.iter().map(|event| event.position.commit).collect();
    let filter = SubscriptionFilter::on_stream_name().add_prefix("ours").max(40);
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut subscription = subscribe(&given, options).await;
    let told = until_caught_up(&mut subscription).await;
    let expected = [
        Told::Confirmed,
        Told::Checkpoint(positions[39]),
        Told::Checkpoint(positions[79]),
        Told::Event(1_000),
        Told::Checkpoint(positions[100]),
        Told::CaughtUp,
    ];
    assert_eq!(told, expected);

    given.append("other", ExpectedRevision::Any, &(200..240).collect::<Vec<_>>()).await.unwrap();
    let last = given.double.faults().last_position().unwrap();
    assert_eq!(next(&mut subscription).await, Told::Checkpoint(last));
}

#[tokio::test]
async fn a_resumed_subscription_misses_nothing_behind_its_checkpoint() {
    let given = given_empty().await;
    let ids: Vec<u128> = (0..70).collect();
    given.append("other", ExpectedRevision::Any, &ids).await.unwrap();
    given.append("ours", ExpectedRevision::Any, &[1_000]).await.unwrap();
    let filter = || SubscriptionFilter::on_stream_name().add_prefix("ours");
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter());
    let mut subscription = subscribe(&given, options).await;
    assert_eq!(next(&mut subscription).await, Told::Confirmed);
    let Told::Checkpoint(checkpoint) = next(&mut subscription).await else {
        panic!("a checkpoint comes first")
    };
    let options = SubscribeToAllOptions::default()
        .position(StreamPosition::Position(super::at(checkpoint)))
        .filter(filter());
    let mut resumed = subscribe(&given, options).await;
    assert!(until_caught_up(&mut resumed).await.contains(&Told::Event(1_000)));
}

#[tokio::test]
async fn an_early_server_sends_no_checkpoint_where_it_caught_up() {
    let given = given(DoubleConfig { checkpoint_when_caught_up: false, ..DoubleConfig::default() }).await;
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    let filter = SubscriptionFilter::on_stream_name().exclude_system_events();
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut subscription = subscribe(&given, options).await;
    let told = until_caught_up(&mut subscription).await;
    assert_eq!(told, [Told::Confirmed, Told::Event(1), Told::CaughtUp]);
}

#[tokio::test]
async fn a_stream_is_subscribed_to_before_it_exists_and_behind_a_revision() {
    let given = given_empty().await;
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut early = given.client.subscribe_to_stream("a", &options).await;
    assert_eq!(until_caught_up(&mut early).await, [Told::Confirmed, Told::CaughtUp]);
    given.append("b", ExpectedRevision::Any, &[9]).await.unwrap();
    given.append("a", ExpectedRevision::Any, &[1, 2, 3]).await.unwrap();
    for id in 1..=3 {
        assert_eq!(next(&mut early).await, Told::Event(id));
    }
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(1));
    let mut late = given.client.subscribe_to_stream("a", &options).await;
    assert_eq!(until_caught_up(&mut late).await, [Told::Confirmed, Told::Event(3), Told::CaughtUp]);
}

#[tokio::test]
async fn a_live_subscription_that_is_not_read_falls_behind_and_catches_up_again() {
    let given = given_empty().await;
    let mut subscription =
        subscribe(&given, SubscribeToAllOptions::default().position(StreamPosition::Start)).await;
    until_caught_up(&mut subscription).await;
    // More than what both ends keep ready for a subscriber that does not read.
    let (appends, events) = (30, 500);
    for number in 0..appends {
        let data = Bytes::from(vec![7; 1_500]);
        let proposed: Vec<EventData> = (0..events).map(|_| EventData::binary("t", data.clone())).collect();
        let stream = format!("s{number}");
        given.client.append_to_stream(stream, &AppendToStreamOptions::default(), proposed).await.unwrap();
    }
    let told = until_caught_up(&mut subscription).await;
    assert!(told.contains(&Told::FellBehind));
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Event(_))).count(), appends * events);
}

#[tokio::test]
async fn a_subscription_that_runs_beside_writers_tells_each_event_once_in_order() {
    let given = given_empty().await;
    let mut subscription =
        subscribe(&given, SubscribeToAllOptions::default().position(StreamPosition::Start)).await;
    let writers = async {
        let writer = |stream: u128| {
            let given = &given;
            async move {
                for id in 0..200 {
                    let stream_name = format!("s{stream}");
                    given
                        .append(&stream_name, ExpectedRevision::Any, &[stream * 1_000 + id + 1])
                        .await
                        .unwrap();
                }
            }
        };
        futures_util::future::join_all((0..4).map(writer)).await;
    };
    let reader = async {
        let mut seen = Vec::new();
        while seen.len() < 800 {
            if let Told::Event(id) = next(&mut subscription).await {
                seen.push(id);
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(writers, reader);
    let all: Vec<u128> = given.everything().await.iter().map(|event| event.id.as_u128()).collect();
    assert_eq!(seen, all);
}
