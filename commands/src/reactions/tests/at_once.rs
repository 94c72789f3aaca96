//! Events of different people at once, those of one in order.

use std::time::Duration;

use domain::Category;
use eventstore_schema::{RecordedEvent, StreamId};

use super::parking::{Act, Scripted, two, with};
use super::running::change;
use super::watch::*;
use crate::limits::REACTION_PARKED_REST_SECONDS_MIN;
use crate::reactions::ReactionError;
use crate::reactions::runner::Patience;
use crate::services::tests::stage::*;

#[tokio::test]
async fn however_many_hang_at_once_others_are_answered_meanwhile_and_each_ones_order_is_kept() {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    let mut hanging = Vec::new();
    for _ in 0..8 {
        hanging.push(stage.organization(&[ALICE]).await);
    }
    let other = stage.organization(&[ALICE]).await;
    for _ in 0..2 {
        for id in &hanging {
            change(&stage, *id).await;
        }
        change(&stage, other).await;
    }
    let healthy = StreamId::new(Category::Organization, other);
    let scripted = Scripted::new(move |recorded| match recorded.stream == healthy {
        true => Act::Answer,
        false => Act::Hang,
    });
    // For ever, as far as this test goes.
    let patience = Patience { time: Duration::from_secs(3_600), ..Patience::default() };
    let reactions = with(&stage, &[&scripted]).with_patience(patience);
    let running = reactions.start();
    until("the other is answered", async || scripted.answered(other).len() == 2).await;
    for id in hanging {
        until("it is shown", async || !scripted.shown(id).is_empty()).await;
        assert_eq!(scripted.shown(id).len(), 1, "what is behind it of its organization waits");
    }
    drop(running);
}

#[tokio::test]
async fn what_was_answered_is_not_answered_again_because_something_before_it_was_not() {
    let (stage, one, other) = two().await;
    let failing = StreamId::new(Category::Organization, one);
    let script = move |recorded: &RecordedEvent| {
        let unavailable = || ReactionError::Unavailable("for a while".to_owned());
        if recorded.stream == failing { Act::Fail(unavailable()) } else { Act::Answer }
    };
    let scripted = Scripted::new(script);
    // For ever, as far as this test goes.
    let patience = Patience { attempts: u32::MAX, time: Duration::from_secs(3_600), ..Patience::default() };
    let reactions = with(&stage, &[&scripted]).with_patience(patience);
    let running = reactions.start();
    until("the other is answered", async || scripted.answered(other).len() == 2).await;
    running.stop().await;
    scripted.now(|_| Act::Answer);
    stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    let running = reactions.start();
    until("all is answered", async || scripted.answered(one).len() == 2).await;
    assert_eq!(scripted.answered(other).len(), 2, "it was answered twice");
    running.stop().await;
}
