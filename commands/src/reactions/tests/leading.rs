//! A leader that was suspended and wakes: it writes nothing more and begins nothing more.

use std::sync::Arc;

use eventstore_schema::database::Pool;
use eventstore_schema::lease::{Boottime, Leases, TRUSTED_FOR};
use eventstore_schema::{Position, ReadFilter, RecordedEvent, catalogue};

use super::watch::{settled, until};
use crate::reactions::leader::{Asked, Candidate};
use crate::reactions::{Lead, Reaction, ReactionError, Reactions, all, store};
use crate::services::NewAccount;
use crate::services::tests::stage::*;

/// The lead of a reaction, unless somebody else has it.
pub(crate) async fn lead(pool: &Pool, leases: &Leases, reaction: &str) -> Option<Lead> {
    let candidate = Candidate::connect(pool).await.unwrap();
    match candidate.ask(leases, reaction).await.unwrap() {
        Asked::Leads(lead) => Some(lead),
        Asked::Waits(_) => None,
    }
}

/// The same once nobody else has it.
pub(crate) async fn next_lead(pool: &Pool, leases: &Leases, reaction: &str) -> Lead {
    let mut next = None;
    until("the lead is free", async || {
        next = lead(pool, leases, reaction).await;
        next.is_some()
    })
    .await;
    next.unwrap()
}

/// Leases by a clock that the test moves: nothing is renewed once it says that the process was asleep.
fn leases(stage: &Stage) -> (Leases, Boottime) {
    let clock = Boottime::manual();
    (Leases::start_with(&stage.database.config(), clock.clone()), clock)
}

/// The product's reaction of this name, and the last event that it answers.
async fn reaction(stage: &Stage, name: &str) -> (Arc<dyn Reaction>, RecordedEvent) {
    let mut reactions = all(&stage.services, &stage.parts).into_iter();
    let reaction = reactions.find(|one| one.name() == name).unwrap();
    let filter = ReadFilter { event_types: reaction.event_types().to_vec(), ..ReadFilter::default() };
    let events = stage.parts.log.read_all(None, usize::MAX, &filter).await.unwrap();
    (reaction, events.into_iter().next_back().unwrap())
}

fn is_refused<T>(result: Result<T, ReactionError>) -> bool {
    matches!(result, Err(ReactionError::Unavailable(_)))
}

#[tokio::test]
async fn a_leader_that_was_overtaken_writes_nothing() {
    let stage = Stage::new().await;
    let first = lead(&stage.parts.pool, &stage.parts.leases, "one").await.unwrap();
    let now = stage.parts.clock.now();
    store::save_checkpoint(&first, "one", Position::new(5), now).await.unwrap();
    // Somebody else leads, although the first has heard nothing yet.
    let sql = "UPDATE lease.leases SET epoch = epoch + 1";
    stage.database.client().await.execute(sql, &[]).await.unwrap();
    assert!(is_refused(store::save_checkpoint(&first, "one", Position::new(6), now).await));
    assert_eq!(store::checkpoint(&first, "one").await.unwrap(), Some(Position::new(5)));
    // From then on it begins nothing either.
    assert!(!first.holds() && is_refused(first.check()));
}

#[tokio::test]
async fn a_leader_that_wakes_sends_no_mail() {
    let stage = Stage::new().await;
    let new = NewAccount {
        email: "new@example.org".to_owned(),
        password: zeroize::Zeroizing::new("correct horse battery staple".to_owned()),
        display_name: "New".to_owned(),
        locale: None,
    };
    stage.services.accounts.register(&stage.by(ALICE, 0), new).await.unwrap();
    stage.services.accounts.idle().await;
    let (mail, recorded) = reaction(&stage, "account_mail").await;
    let event = catalogue::decode_recorded(&recorded).unwrap();
    let (leases, clock) = leases(&stage);
    let lead = lead(&stage.parts.pool, &leases, "account_mail").await.unwrap();
    clock.advance(TRUSTED_FOR);
    assert!(is_refused(mail.react(&lead, &recorded, &event).await));
    assert_eq!(stage.mails(), 0);
    drop(lead);
    let lead = next_lead(&stage.parts.pool, &leases, "account_mail").await;
    mail.react(&lead, &recorded, &event).await.unwrap();
    assert_eq!(stage.mails(), 1);
}

#[tokio::test]
async fn a_leader_that_wakes_sets_off_no_command() {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    stage.enter(BOB).await;
    let organization = stage.organization(&[ALICE, BOB]).await;
    let group = stage.group(organization, ALICE, &[BOB]).await;
    let index = all(&stage.services, &stage.parts).into_iter().filter(|one| one.name() == "membership_index");
    let index = Reactions::new(index.collect(), stage.parts.clone());
    let running = index.start();
    settled(&stage, &index).await;
    running.stop().await;
    let members = &stage.services.organizations;
    members.remove_member(&stage.by(ALICE, 0), organization, BOB.account()).await.unwrap();
    let (leave, recorded) = reaction(&stage, "organization_leave").await;
    let event = catalogue::decode_recorded(&recorded).unwrap();
    let (leases, clock) = leases(&stage);
    let lead = lead(&stage.parts.pool, &leases, "organization_leave").await.unwrap();
    let is_member = async || stage.conversation(group).await.role(BOB.account()).is_some();
    clock.advance(TRUSTED_FOR);
    assert!(is_refused(leave.react(&lead, &recorded, &event).await));
    assert!(is_member().await);
    drop(lead);
    let lead = next_lead(&stage.parts.pool, &leases, "organization_leave").await;
    leave.react(&lead, &recorded, &event).await.unwrap();
    assert!(!is_member().await);
}

#[tokio::test]
async fn a_lead_that_is_given_back_goes_to_the_next_at_once() {
    let stage = Stage::new().await;
    let (one, other) = (Leases::start(&stage.database.config()), Leases::start(&stage.database.config()));
    let first = lead(&stage.parts.pool, &one, "one").await.unwrap();
    assert!(lead(&stage.parts.pool, &other, "one").await.is_none());
    first.give_back().await;
    assert!(lead(&stage.parts.pool, &other, "one").await.unwrap().holds());
}
