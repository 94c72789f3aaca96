//! What is set aside: it delays nobody, keeps its order, and is never lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::operations::{OperationsId, ParkedEventRetried, reaction_digest};
use domain::{
    Actor, Category, CommandId, CorrelationId, Digest, Event, EventId, OrganizationId, Payload, Timestamp,
};
use eventstore_schema::{CommandRef, Expected, NewEvent, Origin, RecordedEvent, StreamAppend, StreamId};

use super::leading::next_lead;
use super::running::change;
use super::watch::*;
use crate::limits::{REACTION_ATTEMPTS_MAX, REACTION_PARKED_REST_SECONDS_MIN, REACTION_TICK};
use crate::reactions::parked::{self, Cause};
use crate::reactions::runner::Patience;
use crate::reactions::{Lead, ParkedEvent, Reaction, ReactionError, Reactions};
use crate::services::tests::stage::*;

pub(super) const NAME: &str = "scripted";

/// What a reaction does with an event.
pub(super) enum Act {
    Answer,
    Fail(ReactionError),
    Hang,
}

type Script = Box<dyn Fn(&RecordedEvent) -> Act + Send + Sync>;

/// An event's stream and revision.
type Place = (StreamId, u64);

/// A reaction that does as it is told, and notes what it was shown and what it answered.
pub(super) struct Scripted {
    name: &'static str,
    follows: &'static [&'static str],
    script: Mutex<Script>,
    shown: Mutex<Vec<Place>>,
    answered: Mutex<Vec<Place>>,
}

impl Scripted {
    pub(super) fn new(script: impl Fn(&RecordedEvent) -> Act + Send + Sync + 'static) -> Arc<Self> {
        Self::following(NAME, &[], script)
    }

    pub(super) fn following(
        name: &'static str,
        follows: &'static [&'static str],
        script: impl Fn(&RecordedEvent) -> Act + Send + Sync + 'static,
    ) -> Arc<Self> {
        let script: Mutex<Script> = Mutex::new(Box::new(script));
        Arc::new(Self { name, follows, script, shown: Mutex::default(), answered: Mutex::default() })
    }

    pub(super) fn now(&self, script: impl Fn(&RecordedEvent) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Revisions that it was shown of an organization's stream, in order.
    pub(super) fn shown(&self, id: OrganizationId) -> Vec<u64> {
        of(&self.shown.lock().unwrap(), id)
    }

    /// The same, answered.
    pub(super) fn answered(&self, id: OrganizationId) -> Vec<u64> {
        of(&self.answered.lock().unwrap(), id)
    }
}

fn of(places: &[Place], id: OrganizationId) -> Vec<u64> {
    let stream = StreamId::new(Category::Organization, id);
    places.iter().filter(|(of, _)| *of == stream).map(|(_, revision)| *revision).collect()
}

#[async_trait]
impl Reaction for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn event_types(&self) -> &'static [&'static str] {
        &["organization.profile_changed"]
    }

    fn follows(&self) -> &'static [&'static str] {
        self.follows
    }

    async fn react(&self, _: &Lead, recorded: &RecordedEvent, _: &Event) -> Result<(), ReactionError> {
        let place = (recorded.stream, recorded.revision.get());
        self.shown.lock().unwrap().push(place);
        let act = (self.script.lock().unwrap())(recorded);
        match act {
            Act::Answer => {
                self.answered.lock().unwrap().push(place);
                Ok(())
            }
            Act::Fail(error) => Err(error),
            Act::Hang => std::future::pending().await,
        }
    }
}

/// Two organizations whose profiles changed in turn, at revisions 1 and 2 or thereabouts.
pub(super) async fn two() -> (Stage, OrganizationId, OrganizationId) {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    let (one, other) = (stage.organization(&[ALICE]).await, stage.organization(&[ALICE]).await);
    for _ in 0..2 {
        change(&stage, one).await;
        change(&stage, other).await;
    }
    (stage, one, other)
}

pub(super) fn with(stage: &Stage, scripted: &[&Arc<Scripted>]) -> Reactions {
    let all = scripted.iter().map(|one| Arc::clone(one) as Arc<dyn Reaction>).collect();
    Reactions::new(all, stage.parts.clone())
}

pub(super) async fn parked(reactions: &Reactions) -> Vec<ParkedEvent> {
    reactions.parked(&reactions.names(), None, 100).await.unwrap()
}

pub(super) async fn nothing_is_parked(reactions: &Reactions) -> bool {
    reactions.status().await.unwrap().iter().all(|status| status.parked.events == 0)
}

pub(super) fn failed() -> Act {
    Act::Fail(ReactionError::Failed("broken".to_owned()))
}

#[tokio::test]
async fn whatever_fails_is_set_aside_with_those_behind_it_and_no_others() {
    let causes: [(fn() -> ReactionError, u32); 3] = [
        (|| ReactionError::Failed("broken".to_owned()), REACTION_ATTEMPTS_MAX),
        // Of one stream: the log takes appends.
        (|| ReactionError::Unavailable("broken".to_owned()), REACTION_ATTEMPTS_MAX),
        (|| ReactionError::Deferred("broken".to_owned()), 1),
    ];
    for (cause, attempts) in causes {
        let (stage, one, other) = two().await;
        let first = Arc::new(Mutex::new(None));
        let scripted = {
            let first = Arc::clone(&first);
            let stream = StreamId::new(Category::Organization, one);
            Scripted::new(move |recorded| {
                if recorded.stream != stream {
                    return Act::Answer;
                }
                let failing = *first.lock().unwrap().get_or_insert(recorded.revision.get());
                if recorded.revision.get() == failing { Act::Fail(cause()) } else { Act::Answer }
            })
        };
        let reactions = with(&stage, &[&scripted]);
        let running = reactions.start();
        settled(&stage, &reactions).await;
        let failing = first.lock().unwrap().unwrap();
        assert_eq!(scripted.shown(one), vec![failing; attempts as usize]);
        assert_eq!(scripted.answered(other).len(), 2);
        let [row] = parked(&reactions).await.try_into().unwrap();
        assert_eq!((row.revision.get(), row.attempts, row.waiting), (failing, attempts, 1));
        assert_eq!(row.reason.as_deref(), Some("broken"));
        assert_eq!(row.ordering_key, StreamId::new(Category::Organization, one));
        assert_eq!(reactions.status().await.unwrap()[0].parked.events, 2);
        // Mended, it goes on in order once its time has come, not before.
        scripted.now(|_| Act::Answer);
        stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
        until("nothing is set aside", async || nothing_is_parked(&reactions).await).await;
        assert_eq!(scripted.answered(one), [failing, failing + 1]);
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_set_aside_is_tried_again_while_the_log_is_busy() {
    let (stage, one, other) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let scripted = Scripted::new(move |recorded| match recorded.stream == stream {
        true => Act::Fail(ReactionError::Unavailable("broken".to_owned())),
        false => Act::Answer,
    });
    let reactions = with(&stage, &[&scripted]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    scripted.now(|_| Act::Answer);
    stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    // Never so long without an event that a follower would call it quiet.
    let busy = async {
        loop {
            change(&stage, other).await;
            tokio::time::sleep(REACTION_TICK / 50).await;
        }
    };
    let done = until("it is answered", async || nothing_is_parked(&reactions).await);
    tokio::select! {
        () = busy => {}
        () = done => {}
    }
    assert_eq!(scripted.answered(one).len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn one_that_hangs_delays_neither_the_log_nor_what_else_was_set_aside() {
    let (stage, one, other) = two().await;
    let (hangs, fails) = (StreamId::new(Category::Organization, one), Category::Organization);
    let failing = StreamId::new(fails, other);
    let scripted = Scripted::new(move |recorded| match recorded.stream {
        stream if stream == hangs => Act::Hang,
        stream if stream == failing => failed(),
        _ => Act::Answer,
    });
    let patience = Patience {
        attempts: REACTION_ATTEMPTS_MAX,
        time: Duration::from_millis(200),
        // For ever, as far as this test goes.
        retry_time: Duration::from_secs(3_600),
    };
    let reactions = with(&stage, &[&scripted]).with_patience(patience);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    let mut reasons: Vec<_> = parked(&reactions).await.into_iter().filter_map(|row| row.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["broken", "no answer within 0 s"]);
    let before = scripted.shown(one).len();
    stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    until("it hangs again", async || scripted.shown(one).len() > before).await;
    scripted.now(move |recorded| if recorded.stream == hangs { Act::Hang } else { Act::Answer });
    stage.parts.clock.advance_seconds(2 * i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    until("the other is answered", async || scripted.answered(other).len() == 2).await;
    drop(running);
}

#[tokio::test]
async fn what_a_clock_years_ahead_set_aside_is_due_once_it_is_right() {
    let (stage, one, _) = two().await;
    let lead = next_lead(&stage.parts.pool, &stage.parts.leases, NAME).await;
    let stream = StreamId::new(Category::Organization, one);
    let event = stage.parts.log.last_of_stream(stream).await.unwrap().unwrap();
    let (now, cause) = (stage.parts.clock.now(), Cause::Tried { attempts: 5, reason: "broken" });
    let ahead = now.plus_seconds(34 * 365 * 86_400);
    assert!(parked::park(&lead, NAME, &event, stream, cause, ahead).await.unwrap());
    assert!(parked::due(&lead, NAME, ahead).await.unwrap().is_empty());
    assert_eq!(parked::due(&lead, NAME, now).await.unwrap().len(), 1);
}

#[tokio::test]
async fn rests_double_and_stay_short_against_the_life_of_a_token() {
    let (stage, one, _) = two().await;
    let lead = next_lead(&stage.parts.pool, &stage.parts.leases, NAME).await;
    let stream = StreamId::new(Category::Organization, one);
    let event = stage.parts.log.last_of_stream(stream).await.unwrap().unwrap();
    let cause = Cause::Tried { attempts: 5, reason: "broken" };
    assert!(parked::park(&lead, NAME, &event, stream, cause, stage.parts.clock.now()).await.unwrap());
    let (began, mut tries) = (stage.parts.clock.now(), 0);
    let life = domain::limits::PASSWORD_RESET_SECONDS;
    let mut rests = Vec::new();
    while stage.parts.clock.now() < began.plus_seconds(life) {
        let row = parked::find(&stage.parts.pool, NAME, event.position).await.unwrap().unwrap();
        let now = stage.parts.clock.now();
        let rest = (row.retry_at.unwrap().as_micros() - now.as_micros()) / 1_000_000;
        rests.push(rest);
        stage.parts.clock.advance_seconds(rest);
        assert_eq!(parked::due(&lead, NAME, stage.parts.clock.now()).await.unwrap().len(), 1);
        parked::failed(&lead, NAME, event.event_id, "broken", stage.parts.clock.now()).await.unwrap();
        tries += 1;
    }
    assert_eq!(rests[..8], [10, 20, 40, 80, 160, 320, 600, 600]);
    assert!(tries > 8, "{tries} tries in the life of a token");
    let row = parked::find(&stage.parts.pool, NAME, event.position).await.unwrap().unwrap();
    assert_eq!(row.attempts, 5 + tries);
}

#[tokio::test]
async fn a_leader_that_ends_anywhere_loses_nothing_and_keeps_the_order() {
    let (stage, one, other) = two().await;
    for _ in 0..10 {
        change(&stage, one).await;
        change(&stage, other).await;
    }
    let times: Arc<Mutex<BTreeMap<Place, u32>>> = Arc::default();
    // Each event fails for a while; some often enough to be set aside.
    let script = move |recorded: &RecordedEvent| {
        let revision = recorded.revision.get();
        let mut times = times.lock().unwrap();
        let times = times.entry((recorded.stream, revision)).or_default();
        *times += 1;
        if u64::from(*times) <= revision % 8 { failed() } else { Act::Answer }
    };
    let scripted = Scripted::new(script);
    let reactions = with(&stage, &[&scripted]);
    for shown in (3..40).step_by(3) {
        let running = reactions.start();
        until("it has done something", async || {
            stage.parts.clock.advance_seconds(1);
            scripted.shown.lock().unwrap().len() >= shown
        })
        .await;
        // No stop: it ends wherever it is.
        drop(running);
    }
    let running = reactions.start();
    settled(&stage, &reactions).await;
    until("nothing is set aside", async || {
        stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
        nothing_is_parked(&reactions).await
    })
    .await;
    running.stop().await;
    for id in [one, other] {
        let mut first = Vec::new();
        for revision in scripted.answered(id) {
            if !first.contains(&revision) {
                first.push(revision);
            }
        }
        assert_eq!(first.len(), 12);
        assert!(first.is_sorted(), "{first:?}");
    }
}

#[tokio::test]
async fn one_that_was_set_aside_before_the_checkpoint_moved_is_not_answered_out_of_turn() {
    let (stage, one, _) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let first = stage.parts.log.read_stream(stream, eventstore_schema::Revision::new(0), 100).await.unwrap();
    let changed: Vec<_> =
        first.into_iter().filter(|event| event.event_type == "organization.profile_changed").collect();
    let lead = next_lead(&stage.parts.pool, &stage.parts.leases, NAME).await;
    let cause = Cause::Tried { attempts: 5, reason: "broken" };
    parked::park(&lead, NAME, &changed[0], stream, cause, stage.parts.clock.now()).await.unwrap();
    lead.give_back().await;
    let scripted = Scripted::new(|_| Act::Answer);
    let reactions = with(&stage, &[&scripted]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    assert_eq!(scripted.shown(one), Vec::<u64>::new());
    stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    until("nothing is set aside", async || nothing_is_parked(&reactions).await).await;
    running.stop().await;
    let revisions: Vec<u64> = changed.iter().map(|event| event.revision.get()).collect();
    assert_eq!(scripted.answered(one), revisions);
}

#[tokio::test]
async fn a_follower_waits_for_what_the_followed_set_aside_and_for_nothing_else() {
    let (stage, one, other) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let index = Scripted::following("index", &[], move |event| match event.stream == stream {
        true => failed(),
        false => Act::Answer,
    });
    let follower = Scripted::following("follower", &["index"], |_| Act::Answer);
    let reactions = with(&stage, &[&index, &follower]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    assert_eq!(follower.shown(one), Vec::<u64>::new());
    assert_eq!(follower.answered(other).len(), 2);
    assert_eq!(parked(&reactions).await.len(), 2);
    index.now(|_| Act::Answer);
    until("nothing is set aside", async || {
        stage.parts.clock.advance_seconds(1);
        nothing_is_parked(&reactions).await
    })
    .await;
    running.stop().await;
    assert_eq!(follower.answered(one), index.answered(one));
    assert_eq!(follower.answered(one).len(), 2);
}

#[tokio::test]
async fn a_hundred_thousand_events_behind_one_delay_no_other() {
    let (stage, one, other) = two().await;
    let stream = StreamId::new(Category::Organization, one);
    let scripted = Scripted::new(move |event| if event.stream == stream { failed() } else { Act::Answer });
    let reactions = with(&stage, &[&scripted]);
    let running = reactions.start();
    settled(&stage, &reactions).await;
    running.stop().await;
    let copy = "INSERT INTO write.reaction_parked (reaction, position, event_id, event_type, stream, revision, \
                ordering_key, reason, attempts, parked_at, retry_at, rest_seconds) \
                SELECT reaction, 1000 + n, gen_random_uuid(), event_type, stream, 1000 + n, ordering_key, NULL, 0, \
                parked_at, NULL, 0 FROM write.reaction_parked, generate_series(1, 100000) AS n \
                WHERE retry_at IS NOT NULL";
    stage.database.client().await.execute(copy, &[]).await.unwrap();
    let running = reactions.start();
    let answered = scripted.answered(other).len();
    for _ in 0..20 {
        change(&stage, other).await;
    }
    until("the others go on", async || scripted.answered(other).len() == answered + 20).await;
    let page = reactions.parked(&[NAME], None, 10).await.unwrap();
    let [row] = page.try_into().unwrap();
    assert_eq!(row.waiting, 100_001);
    assert_eq!(reactions.status().await.unwrap()[0].parked.events, 100_002);
    assert!(reactions.parked(&[NAME], Some(row.position), 10).await.unwrap().is_empty());
    running.stop().await;
}

/// A decision that a newer release took, or that was damaged.
fn undecodable(stream: StreamId) -> StreamAppend {
    let (correlation_id, recorded_at) = (CorrelationId::from_bytes([1; 16]), Timestamp::from_micros(1));
    StreamAppend {
        stream,
        expected: Expected::NoStream,
        command: CommandRef { id: CommandId::from_bytes([2; 16]), fingerprint: Digest::from_bytes([3; 32]) },
        origin: Origin {
            organization_id: None,
            actor: Actor::SYSTEM,
            device_id: None,
            correlation_id,
            causation_id: None,
            recorded_at,
        },
        events: vec![NewEvent {
            event_id: EventId::from_bytes([4; 16]),
            event_type: ParkedEventRetried::NAME,
            version: ParkedEventRetried::VERSION,
            payload: bytes::Bytes::from_static(b"?"),
            key_ref: None,
            sealed: None,
        }],
        conditions: Vec::new(),
    }
}

#[tokio::test]
async fn a_decision_that_cannot_be_read_stops_nothing() {
    let (stage, one, _) = two().await;
    let scripted = Scripted::new(|_| Act::Answer);
    let reactions = with(&stage, &[&scripted]);
    let reaction = reaction_digest(NAME);
    let stream = StreamId::new(Category::Operations, OperationsId::of(&reaction));
    stage.parts.log.append(undecodable(stream)).await.unwrap();
    change(&stage, one).await;
    let running = reactions.start();
    settled(&stage, &reactions).await;
    assert_eq!(scripted.answered(one).len(), 3);
    running.stop().await;
}
