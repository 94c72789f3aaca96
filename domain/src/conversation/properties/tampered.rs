//! Histories that somebody has changed afterwards: what the stream itself can prove is found.

use super::*;
use crate::violation::{Rule, Violation};

/// The state before each event.
fn states(recorded: &[(ConversationEvent, Timestamp)]) -> Vec<Conversation> {
    let mut state = Conversation::default();
    let mut states = Vec::with_capacity(recorded.len());
    for (event, at) in recorded {
        states.push(state.clone());
        state.evolve(event, *at);
    }
    states
}

/// What the rest of a history breaks from a state on.
fn broken<'a>(
    mut state: Conversation,
    rest: impl IntoIterator<Item = &'a (ConversationEvent, Timestamp)>,
) -> Option<Violation> {
    rest.into_iter().find_map(|(event, at)| {
        let violation = state.check(event).err();
        state.evolve(event, *at);
        violation
    })
}

/// Whether the event may happen twice in a row.
fn is_repeatable(event: &ConversationEvent) -> bool {
    match event {
        ConversationEvent::TitleChanged(_)
        | ConversationEvent::MessageEdited(_)
        | ConversationEvent::ReactionSet(_)
        | ConversationEvent::ReactionCleared(_) => true,
        ConversationEvent::Created(_)
        | ConversationEvent::HistoryVisibilityChanged(_)
        | ConversationEvent::MemberJoined(_)
        | ConversationEvent::MemberRoleChanged(_)
        | ConversationEvent::MemberLeft(_)
        | ConversationEvent::RecipientAdded(_)
        | ConversationEvent::RecipientRemoved(_)
        | ConversationEvent::GenerationCommitted(_)
        | ConversationEvent::WrapAdded(_)
        | ConversationEvent::WrapReported(_)
        | ConversationEvent::MessageSent(_)
        | ConversationEvent::MessageDeleted(_)
        | ConversationEvent::MessagePinned(_)
        | ConversationEvent::MessageUnpinned(_)
        | ConversationEvent::Deleted(_)
        | ConversationEvent::Reopened(_) => false,
    }
}

/// The event by, or about, somebody who is no member. Who opened a conversation is told by the first who joins.
fn of_a_stranger(event: &ConversationEvent) -> Option<ConversationEvent> {
    let mut event = event.clone();
    let stranger = MALLORY.account();
    match &mut event {
        ConversationEvent::Created(_) | ConversationEvent::Reopened(_) => return None,
        ConversationEvent::TitleChanged(one) => one.changed_by = stranger,
        ConversationEvent::HistoryVisibilityChanged(one) => one.changed_by = stranger,
        ConversationEvent::MemberJoined(one) => one.added_by = stranger,
        ConversationEvent::MemberRoleChanged(one) => one.account_id = stranger,
        ConversationEvent::MemberLeft(one) => one.removed_by = Some(stranger),
        ConversationEvent::RecipientAdded(one) => one.account_id = stranger,
        ConversationEvent::RecipientRemoved(one) => one.account_id = stranger,
        ConversationEvent::GenerationCommitted(one) => one.account_id = stranger,
        ConversationEvent::WrapAdded(one) => one.account_id = stranger,
        ConversationEvent::WrapReported(one) => one.account_id = stranger,
        ConversationEvent::MessageSent(one) => one.sender_id = stranger,
        ConversationEvent::MessageEdited(one) => one.sender_id = stranger,
        ConversationEvent::MessageDeleted(one) => one.deleted_by = stranger,
        ConversationEvent::ReactionSet(one) => one.account_id = stranger,
        ConversationEvent::ReactionCleared(one) => one.account_id = stranger,
        ConversationEvent::MessagePinned(one) => one.pinned_by = stranger,
        ConversationEvent::MessageUnpinned(one) => one.unpinned_by = stranger,
        ConversationEvent::Deleted(one) => one.deleted_by = stranger,
    }
    Some(event)
}

/// Whether the rest of the history shows that the event is missing, by numbers alone.
fn is_missed(event: &ConversationEvent, rest: &[(ConversationEvent, Timestamp)]) -> bool {
    let follows = |wanted: fn(&ConversationEvent) -> bool| rest.iter().any(|(event, _)| wanted(event));
    match event {
        ConversationEvent::Created(_) => !rest.is_empty(),
        ConversationEvent::MessageSent(_) => follows(|one| matches!(one, ConversationEvent::MessageSent(_))),
        ConversationEvent::GenerationCommitted(_) => {
            follows(|one| matches!(one, ConversationEvent::GenerationCommitted(_)))
        }
        _ => false,
    }
}

fn find_all(run: &Run, at: usize) -> Result<(), TestCaseError> {
    let recorded = &run.recorded;
    let states = states(recorded);
    for ((event, time), before) in recorded.iter().zip(&states) {
        let mut after = before.clone();
        after.evolve(event, *time);
        let doubled = after.check(event);
        prop_assert_eq!(doubled.is_ok(), is_repeatable(event), "doubled {:?}: {:?}", event, doubled);
        if let Some(forged) = of_a_stranger(event) {
            prop_assert!(before.check(&forged).is_err(), "by a stranger: {:?}", forged);
        }
    }
    // Any event dropped, and any two neighbours swapped.
    let (event, _) = &recorded[at];
    let missing = broken(states[at].clone(), &recorded[at + 1..]);
    prop_assert!(missing.is_some() || !is_missed(event, &recorded[at + 1..]), "dropped {:?}", event);
    if let [first, second, ..] = &recorded[at..] {
        let found = broken(states[at].clone(), [second, first]);
        let both_numbered = matches!(
            (&first.0, &second.0),
            (ConversationEvent::Created(_), _)
                | (ConversationEvent::MessageSent(_), ConversationEvent::MessageSent(_))
        );
        prop_assert!(found.is_some() || !both_numbered, "swapped {:?} and {:?}", first, second);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_history_of_a_group_is_found(
        names in names(),
        steps in prop::collection::vec(step(), 40..120),
        at in any::<prop::sample::Index>(),
    ) {
        let mut run = Run::group(names);
        steps.into_iter().for_each(|step| run.step(step));
        find_all(&run, at.index(run.recorded.len()))?;
    }

    #[test]
    fn a_changed_history_of_a_direct_conversation_is_found(
        names in names(),
        steps in prop::collection::vec(direct_step(), 40..120),
        at in any::<prop::sample::Index>(),
    ) {
        let mut run = Run::direct(names);
        steps.into_iter().for_each(|step| run.step(step));
        find_all(&run, at.index(run.recorded.len()))?;
    }
}

/// Alice, Bob and Carol; two generations, two messages; Carol was removed in between.
fn history() -> Vec<(ConversationEvent, Timestamp)> {
    let given = Given::group(&[ALICE, BOB, CAROL]).committed(ALICE).sent(CAROL);
    let given = given.and(ALICE.on(0), RemoveMember { account_id: CAROL.account() });
    let given = given.committed(BOB).sent(BOB);
    given.events.into_iter().map(|event| (event, NOW)).collect()
}

fn rule_broken(events: &[(ConversationEvent, Timestamp)]) -> Option<Rule> {
    broken(Conversation::default(), events).map(|violation| violation.rule)
}

fn place(events: &[(ConversationEvent, Timestamp)], is_it: fn(&ConversationEvent) -> bool) -> usize {
    events.iter().rposition(|(event, _)| is_it(event)).unwrap()
}

#[test]
fn who_was_removed_says_nothing_afterwards() {
    let mut events = history();
    assert_eq!(rule_broken(&events), None);
    // What Carol said comes after the end of her membership.
    let sent = events.remove(place(&events[..6], |one| matches!(one, ConversationEvent::MessageSent(_))));
    events.push(sent);
    assert_eq!(rule_broken(&events), Some(Rule::Number));
    let ConversationEvent::MessageSent(last) = &mut events.last_mut().unwrap().0 else { panic!() };
    last.number = 1;
    events.swap_remove(events.len() - 2);
    assert_eq!(rule_broken(&events), Some(Rule::Membership));
}

#[test]
fn a_removal_that_was_taken_out_shows_in_the_next_generation() {
    let mut events = history();
    events.remove(place(&events, |one| matches!(one, ConversationEvent::MemberLeft(_))));
    assert_eq!(rule_broken(&events), Some(Rule::Recipient));
}

#[test]
fn a_generation_with_another_key_was_signed_by_nobody() {
    let mut events = history();
    let at = place(&events, |one| matches!(one, ConversationEvent::GenerationCommitted(_)));
    let ConversationEvent::GenerationCommitted(committed) = &mut events[at].0 else { panic!() };
    committed.wraps[0].encapsulated_key = crate::HpkeKey::from_bytes([9; 32]);
    assert_eq!(rule_broken(&events), Some(Rule::Signature));
}

#[test]
fn nothing_is_said_under_a_generation_that_somebody_left_with() {
    let mut events = history();
    let committed = place(&events, |one| matches!(one, ConversationEvent::GenerationCommitted(_)));
    let sent = place(&events, |one| matches!(one, ConversationEvent::MessageSent(_)));
    events.remove(committed);
    let ConversationEvent::MessageSent(last) = &mut events[sent - 1].0 else { panic!() };
    last.generation = 1;
    assert_eq!(rule_broken(&events), Some(Rule::Generation));
}

#[test]
fn nothing_of_another_conversation_passes() {
    let mut events = history();
    let ConversationEvent::MessageSent(last) = &mut events.last_mut().unwrap().0 else { panic!() };
    last.conversation_id = crate::ConversationId::from_bytes([0xc1; 16]);
    assert_eq!(rule_broken(&events), Some(Rule::Identity));
}

#[test]
fn a_direct_conversation_has_the_two_that_its_id_is_made_of() {
    let given = Given::direct(ALICE, BOB);
    let mut events: Vec<_> = given.events.into_iter().map(|event| (event, NOW)).collect();
    assert_eq!(rule_broken(&events), None);
    let ConversationEvent::MemberJoined(second) = &mut events[2].0 else { panic!() };
    second.account_id = MALLORY.account();
    assert_eq!(rule_broken(&events), Some(Rule::Membership));
}

#[test]
fn the_last_admin_of_a_group_stays_one() {
    let mut events = history();
    let by = ALICE.account();
    let left = ConversationMemberLeft { conversation_id: GROUP, account_id: by, removed_by: Some(by) };
    events.push((left.into(), NOW));
    assert_eq!(rule_broken(&events), Some(Rule::LastLeader));
}

#[test]
fn a_member_who_came_later_does_not_take_part_in_what_was_before() {
    let add = AddMember { member: CAROL.candidate(), role: ConversationRole::Admin };
    let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE).and(ALICE.on(0), add);
    let pinned = MessagePinned { conversation_id: GROUP, number: 1, pinned_by: CAROL.account() };
    let deleted = MessageDeleted { conversation_id: GROUP, number: 1, deleted_by: CAROL.account() };
    let broken = |event: ConversationEvent| given.state.check(&event).err().map(|violation| violation.rule);
    assert_eq!(broken(pinned.into()), Some(Rule::Number));
    assert_eq!(broken(deleted.into()), Some(Rule::Role));
    // As if they had been there.
    let mut events: Vec<_> = given.events.into_iter().map(|event| (event, NOW)).collect();
    let Some((ConversationEvent::MemberJoined(joined), _)) = events.last_mut() else { panic!() };
    joined.earlier.last_number = 0;
    assert_eq!(rule_broken(&events), Some(Rule::Number));
}
