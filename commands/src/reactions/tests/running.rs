//! Running: checkpoints, failures, parking, who leads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::organization::OrganizationProfile;
use domain::{Event, OrganizationId};
use eventstore_schema::memory::Fault;
use eventstore_schema::testing::Engine;
use eventstore_schema::{Position, RecordedEvent, over_engines};

use super::leading::lead;
use super::watch::*;
use crate::limits::REACTION_ATTEMPTS_MAX;
use crate::reactions::{Lead, Reaction, ReactionError, Reactions, Running, store};
use crate::services::tests::stage::*;

over_engines! {
    a_restarted_reaction_goes_on_behind_its_checkpoint,
}

type Answers = Box<dyn Fn(u64, u32) -> Result<(), ReactionError> + Send + Sync>;

/// Notes which revisions it was shown how often, and answers as it is told.
pub(super) struct Recorder {
    seen: Mutex<Vec<u64>>,
    answers: Answers,
}

impl Recorder {
    pub(super) fn new(
        answers: impl Fn(u64, u32) -> Result<(), ReactionError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), answers: Box::new(answers) })
    }

    pub(super) fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Reaction for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn event_types(&self) -> &'static [&'static str] {
        &["organization.profile_changed"]
    }

    async fn react(&self, _: &Lead, recorded: &RecordedEvent, _: &Event) -> Result<(), ReactionError> {
        let revision = recorded.revision.get();
        let times = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(revision);
            seen.iter().filter(|one| **one == revision).count()
        };
        (self.answers)(revision, times as u32)
    }
}

/// An organization whose profile changed at revisions 2 to 4.
pub(super) async fn stage() -> (Stage, OrganizationId) {
    changed(Stage::new().await).await
}

async fn changed(stage: Stage) -> (Stage, OrganizationId) {
    stage.enter(ALICE).await;
    let id = stage.organization(&[ALICE]).await;
    for _ in 0..3 {
        change(&stage, id).await;
    }
    (stage, id)
}

pub(super) async fn change(stage: &Stage, id: OrganizationId) {
    let profile = OrganizationProfile { name: "Acme".to_owned() };
    stage.services.organizations.change_profile(&stage.by(ALICE, 0), id, profile).await.unwrap();
}

pub(super) fn run(stage: &Stage, recorder: &Arc<Recorder>) -> (Reactions, Running) {
    let reactions = Reactions::new(vec![recorder.clone()], stage.parts.clone());
    let running = reactions.start();
    (reactions, running)
}

async fn a_restarted_reaction_goes_on_behind_its_checkpoint(engine: Engine) {
    let (stage, id) = changed(Stage::over(engine).await).await;
    let recorder = Recorder::new(|_, _| Ok(()));
    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    running.stop().await;
    change(&stage, id).await;
    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    running.stop().await;
    assert_eq!(recorder.seen(), [2, 3, 4, 5]);
}

#[tokio::test]
async fn a_log_that_is_gone_sets_nothing_aside() {
    let (stage, _) = stage().await;
    stage.faulty.faults().on_next_appends(std::iter::repeat_n(Fault::FailBefore, 1_000));
    let tries = REACTION_ATTEMPTS_MAX + 2;
    let recorder = Recorder::new(move |revision, times| {
        let down = revision == 3 && times < tries;
        if down { Err(ReactionError::Unavailable("down".to_owned())) } else { Ok(()) }
    });
    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    running.stop().await;
    let expected: Vec<u64> = [vec![2], vec![3; tries as usize], vec![4]].concat();
    assert_eq!(recorder.seen(), expected);
    assert_eq!(reactions.status().await.unwrap()[0].parked.events, 0);
}

#[tokio::test]
async fn one_leads_and_another_takes_over() {
    let (stage, id) = stage().await;
    let recorders = [Recorder::new(|_, _| Ok(())), Recorder::new(|_, _| Ok(()))];
    let (reactions, first) = run(&stage, &recorders[0]);
    settled(&stage, &reactions).await;
    let (_, second) = run(&stage, &recorders[1]);
    change(&stage, id).await;
    settled(&stage, &reactions).await;
    first.stop().await;
    change(&stage, id).await;
    settled(&stage, &reactions).await;
    second.stop().await;
    assert_eq!(recorders[0].seen(), [2, 3, 4, 5]);
    assert_eq!(recorders[1].seen(), [6]);
}

#[tokio::test]
async fn a_leader_whose_connection_breaks_goes_on_with_another() {
    let (stage, id) = stage().await;
    let recorder = Recorder::new(|_, _| Ok(()));
    let (reactions, running) = run(&stage, &recorder);
    settled(&stage, &reactions).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM lease.leases WHERE pid IS NOT NULL";
    assert!(!stage.database.client().await.query(kill, &[]).await.unwrap().is_empty());
    change(&stage, id).await;
    settled(&stage, &reactions).await;
    running.stop().await;
    let mut times: HashMap<u64, usize> = HashMap::new();
    recorder.seen().into_iter().for_each(|revision| *times.entry(revision).or_default() += 1);
    assert_eq!(times.len(), 4, "every event is answered, at least once");
}

#[tokio::test]
async fn a_checkpoint_never_goes_back() {
    let stage = Stage::new().await;
    let lead = lead(&stage.parts.pool, &stage.parts.leases, "one").await.expect("nobody else leads");
    for position in [5, 3] {
        store::save_checkpoint(&lead, "one", Position::new(position), stage.parts.clock.now()).await.unwrap();
    }
    assert_eq!(store::checkpoint(&lead, "one").await.unwrap(), Some(Position::new(5)));
}

#[tokio::test]
async fn every_reaction_names_events_of_the_catalogue_and_reactions_that_run() {
    let stage = Stage::new().await;
    let reactions = crate::reactions::all(&stage.services, &stage.parts);
    let names: Vec<_> = reactions.iter().map(|reaction| reaction.name()).collect();
    let known: Vec<_> = Event::types().iter().map(|one| one.name).collect();
    for (number, reaction) in reactions.iter().enumerate() {
        assert!(!names[..number].contains(&reaction.name()), "{} is there twice", reaction.name());
        assert!(!reaction.event_types().is_empty());
        for event_type in reaction.event_types() {
            assert!(known.contains(event_type), "{} answers {event_type}", reaction.name());
        }
        for followed in reaction.follows() {
            // Named before, so that none waits for itself in a circle.
            assert!(names[..number].contains(followed), "{} follows {followed}", reaction.name());
        }
    }
}
