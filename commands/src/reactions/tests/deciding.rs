//! What is decided about events that were set aside, and how they are listed.

use domain::operations::commands::{DiscardParkedEvent, OperationsCommand, RetryParkedEvent};
use domain::operations::{DiscardCause, Operations, OperationsEvent, OperationsId, reaction_digest};
use domain::{Actor, Category, CorrelationId, Event, OrganizationId};
use eventstore_schema::{ReadFilter, RecordedEvent, StreamId, catalogue};

use super::parking::*;
use super::running::change;
use super::watch::*;
use crate::reactions::ReactionError;
use crate::reactions::ordering::ordering_key;
use crate::request::{CommandIdentity, Content, Request};
use crate::services::tests::stage::*;

fn operator(stage: &Stage, nth: u8) -> Request {
    let command =
        CommandIdentity { id: stage.parts.clock.new_id(), content: Content::of("decide", &[&[nth]]) };
    Request::new(stage.parts.clock.now(), Actor::OPERATOR, command, CorrelationId::from_bytes([nth; 16]))
}

async fn decide(stage: &Stage, command: OperationsCommand, nth: u8) {
    let id = OperationsId::of(&reaction_digest(NAME));
    stage.services.executor.execute::<Operations>(id, command, &operator(stage, nth)).await.unwrap();
}

/// What is recorded about events that were set aside.
async fn decisions(stage: &Stage) -> Vec<(RecordedEvent, OperationsEvent)> {
    let filter = ReadFilter { categories: vec![Category::Operations], ..ReadFilter::default() };
    let events = stage.parts.log.read_all(None, 100, &filter).await.unwrap();
    events
        .into_iter()
        .map(|recorded| {
            let event = catalogue::decode_recorded(&recorded).unwrap();
            (recorded, OperationsEvent::try_from(event).unwrap())
        })
        .collect()
}

fn is_at(recorded: &RecordedEvent, id: OrganizationId, revision: u64) -> bool {
    recorded.stream == StreamId::new(Category::Organization, id) && recorded.revision.get() == revision
}

#[tokio::test]
async fn operators_decide_on_record() {
    let (stage, one, _) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let scripted = Scripted::new(move |event| if event.stream == stream { failed() } else { Act::Answer });
    let reactions = with(&stage, &[&scripted]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    let [row] = parked(&reactions).await.try_into().unwrap();
    let (reaction, event_id) = (reaction_digest(NAME), row.event_id);
    // Its time has not come, but an operator says so.
    decide(&stage, RetryParkedEvent { reaction, event_id }.into(), 1).await;
    until("it is tried again", async || parked(&reactions).await[0].attempts > row.attempts).await;
    // Another reaction's decision is none of its business.
    let stranger = reaction_digest("another");
    let discard = |reaction| DiscardParkedEvent { reaction, event_id, cause: DiscardCause::Operator };
    let elsewhere = OperationsId::of(&stranger);
    let request = operator(&stage, 2);
    let command = OperationsCommand::from(discard(stranger));
    stage.services.executor.execute::<Operations>(elsewhere, command, &request).await.unwrap();
    settled(&stage, &reactions).await;
    assert_eq!(reactions.status().await.unwrap()[0].parked.events, 2);
    let failing = row.revision.get();
    scripted.now(move |event| if is_at(event, one, failing) { failed() } else { Act::Answer });
    decide(&stage, discard(reaction).into(), 3).await;
    until("nothing is set aside", async || nothing_is_parked(&reactions).await).await;
    running.stop().await;
    assert_eq!(scripted.answered(one), [failing + 1]);
    let recorded = decisions(&stage).await;
    assert_eq!(recorded.len(), 3);
    assert!(recorded.iter().all(|(event, _)| event.origin.actor == Actor::OPERATOR));
}

#[tokio::test]
async fn what_is_given_up_is_recorded_once() {
    let (stage, one, other) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let scripted = Scripted::new(move |event| match event.stream == stream {
        true => Act::Fail(ReactionError::GivenUp(DiscardCause::Expired)),
        false => Act::Answer,
    });
    let reactions = with(&stage, &[&scripted]);
    for _ in 0..2 {
        let running = reactions.start();
        settled(&stage, &reactions).await;
        running.stop().await;
        assert!(nothing_is_parked(&reactions).await);
        // The next leader begins anew, as if this one had ended before it noted how far it was.
        stage.database.client().await.execute("DELETE FROM write.reaction_checkpoints", &[]).await.unwrap();
    }
    assert_eq!(scripted.answered(other).len(), 4);
    let recorded = decisions(&stage).await;
    assert_eq!(recorded.len(), 2);
    for (event, decision) in recorded {
        assert_eq!(event.origin.actor, Actor::SYSTEM);
        let OperationsEvent::ParkedEventDiscarded(discarded) = decision else { panic!("{decision:?}") };
        assert_eq!((discarded.reaction, discarded.cause), (reaction_digest(NAME), DiscardCause::Expired));
        assert_eq!(event.origin.causation_id, Some(discarded.event_id));
    }
}

#[tokio::test]
async fn what_is_set_aside_is_listed_in_pages() {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.organization(&[ALICE]).await);
    }
    for id in &ids {
        change(&stage, *id).await;
    }
    let all = [("one", &[][..]), ("two", &[][..])].map(|(name, follows)| {
        Scripted::following(name, follows, |_| Act::Fail(ReactionError::Deferred("later".to_owned())))
    });
    let reactions = with(&stage, &[&all[0], &all[1]]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    running.stop().await;
    // A page ends between two positions, whichever reactions stand there.
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = reactions.parked(&reactions.names(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        pages.push(page.len());
    }
    assert_eq!(pages, [4, 2]);
    assert_eq!(reactions.parked(&["two"], None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn every_event_is_ordered_by_its_account_or_named_here() {
    // Nobody in particular's.
    const OTHERS: [&str; 1] = ["conversation.deleted"];
    let stage = Stage::new().await;
    let id = uuid::Uuid::from_bytes([7; 16]);
    for reaction in crate::reactions::all(&stage.services, &stage.parts) {
        for name in reaction.event_types() {
            let version = Event::types().iter().find(|one| one.name == *name).unwrap().version;
            let sample = eventstore_schema::golden::DIRECTORY;
            let bytes = std::fs::read(format!("{sample}/{name}.v{version}.bin")).unwrap();
            let event = catalogue::decode(name, version, &bytes).unwrap();
            let category = Event::types().iter().find(|one| one.name == *name).unwrap().category;
            let key = ordering_key(StreamId::new(category, id), Some(&event));
            let is_account = key.category == Category::Account;
            assert_eq!(is_account, !OTHERS.contains(name), "{} answers {name}", reaction.name());
        }
    }
}
