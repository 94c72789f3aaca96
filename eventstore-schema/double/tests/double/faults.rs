//! Faults do what they say, and nothing else.

use std::time::{Duration, Instant};

use eventstore::{
    AppendToStreamOptions, Client, Error, EventData, ExpectedRevision, ReadStreamOptions, RetryOptions,
    StreamPosition, SubscribeToAllOptions, SubscriptionEvent,
};
use eventstore_double::AppendFault;
use tokio::time::timeout;
use uuid::Uuid;

use super::{LONG, append, connect, event, given_empty};

#[tokio::test]
async fn appends_fail_before_the_write_as_often_as_told() {
    let given = given_empty().await;
    let faults = given.double.faults();
    faults.next_appends(1, AppendFault::Unavailable);
    faults.next_appends(1, AppendFault::Busy);
    faults.next_appends(1, AppendFault::TimedOut);
    let outcome = given.append("a", ExpectedRevision::NoStream, &[1]).await;
    assert!(matches!(outcome, Err(Error::ServerError(_))), "{outcome:?}");
    let outcome = given.append("a", ExpectedRevision::NoStream, &[1]).await;
    assert!(
        matches!(&outcome, Err(Error::ServerError(text)) if text.contains("Server Is Too Busy")),
        "{outcome:?}"
    );
    let outcome = given.append("a", ExpectedRevision::NoStream, &[1]).await;
    assert!(matches!(&outcome, Err(Error::Grpc { .. })), "{outcome:?}");
    assert_eq!((faults.last_revision("a"), faults.appends_left()), (None, 0));
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_was_written_and_its_retry_is_told_so() {
    let given = given_empty().await;
    let faults = given.double.faults();
    for (fault, id) in [(AppendFault::LoseAnswer, 1), (AppendFault::LoseAnswerAndConnections, 2)] {
        let expected = if id == 1 { ExpectedRevision::NoStream } else { ExpectedRevision::Exact(0) };
        faults.next_appends(1, fault);
        let outcome = given.append("a", expected, &[id]).await;
        assert!(matches!(outcome, Err(Error::ServerError(_))), "{outcome:?}");
        let position = faults.last_position().unwrap();
        let again = given.append("a", expected, &[id]).await.unwrap();
        assert_eq!((u128::from(again.next_expected_version) + 1, again.position.commit), (id, position));
    }
    assert_eq!(given.ids("a").await, [1, 2]);
}

#[tokio::test]
async fn a_delayed_write_or_answer_runs_into_the_deadline() {
    let given = given_empty().await;
    let deadline = Duration::from_millis(100);
    for (fault, written) in [(AppendFault::DelayWrite(LONG), None), (AppendFault::DelayAnswer(LONG), Some(0))]
    {
        given.double.faults().next_appends(1, fault);
        let options =
            AppendToStreamOptions::default().expected_revision(ExpectedRevision::NoStream).deadline(deadline);
        let begun = Instant::now();
        let outcome = given.client.append_to_stream("a", &options, event(1)).await;
        assert!(matches!(outcome, Err(Error::DeadlineExceeded)), "{outcome:?}");
        assert!(begun.elapsed() < LONG);
        assert_eq!(given.double.faults().last_revision("a"), written);
    }
}

#[tokio::test]
async fn a_read_whose_caller_dawdles_runs_into_the_deadline() {
    let given = given_empty().await;
    // More than what both ends keep ready for a caller that does not read.
    for id in 0..32 {
        let event = EventData::binary("t", vec![7; 1_000_000].into()).id(Uuid::from_u128(id));
        given.client.append_to_stream("a", &AppendToStreamOptions::default(), event).await.unwrap();
    }
    let deadline = Duration::from_millis(300);
    let mut read =
        given.client.read_stream("a", &ReadStreamOptions::default().deadline(deadline)).await.unwrap();
    tokio::time::sleep(deadline).await;
    let mut found = 0;
    let ended = loop {
        match read.next().await {
            Ok(Some(_)) => found += 1,
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(Error::DeadlineExceeded)), "{found} {ended:?}");
    assert!(found < 32);
}

#[tokio::test]
async fn delayed_answers_come_late() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    given.double.faults().delay_answers(Some(Duration::from_millis(200)));
    let begun = Instant::now();
    assert_eq!(given.ids("a").await, [1]);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    given.double.faults().delay_answers(None);
}

async fn subscribed(client: &Client) -> eventstore::Subscription {
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut subscription = client.subscribe_to_all(&options).await;
    loop {
        if let SubscriptionEvent::CaughtUp = subscription.next_subscription_event().await.unwrap() {
            return subscription;
        }
    }
}

#[tokio::test]
async fn dropped_subscriptions_end_with_an_error_and_can_be_opened_again() {
    let given = given_empty().await;
    let mut subscription = subscribed(&given.client).await;
    let faults = given.double.faults();
    assert_eq!(faults.subscriptions(), 1);
    faults.drop_subscriptions();
    let ended = timeout(LONG, subscription.next_subscription_event()).await.unwrap();
    assert!(matches!(ended, Err(Error::ServerError(_))), "{ended:?}");
    timeout(LONG, faults.wait_for_subscriptions(0)).await.unwrap();
    subscribed(&given.client).await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
}

#[tokio::test]
async fn a_client_with_retries_resumes_a_dropped_subscription_where_it_was() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::Any, &[1]).await.unwrap();
    let options = SubscribeToAllOptions::default()
        .position(StreamPosition::Start)
        .retry_options(RetryOptions::default().retry_forever());
    let mut subscription = given.client.subscribe_to_all(&options).await;
    for id in 2..6_u128 {
        let told = timeout(LONG, subscription.next()).await.unwrap().unwrap();
        assert_eq!(told.get_original_event().id.as_u128(), id - 1);
        given.double.faults().drop_subscriptions();
        given.append("a", ExpectedRevision::Any, &[id]).await.unwrap();
    }
}

#[tokio::test]
async fn dropped_connections_fail_what_is_under_way_and_new_ones_are_taken() {
    let given = given_empty().await;
    let mut subscription = subscribed(&given.client).await;
    given.double.faults().drop_connections();
    let ended = timeout(LONG, subscription.next_subscription_event()).await.unwrap();
    assert!(matches!(ended, Err(Error::ServerError(_))), "{ended:?}");
    append(&given.client, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_went_down_comes_back_with_its_log() {
    let mut given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    given.double.stop().await;
    let outcome = timeout(LONG, given.append("a", ExpectedRevision::Exact(0), &[2])).await.unwrap();
    assert!(outcome.is_err());
    given.double.start_again().await.unwrap();
    // The old client may have given up for good: a new one is what a caller makes then.
    given.client = connect(&given.double.url());
    given.append("a", ExpectedRevision::Exact(0), &[2]).await.unwrap();
    assert_eq!(given.ids("a").await, [1, 2]);
}
