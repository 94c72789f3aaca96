//! Random histories against a model that shares no code with the aggregate: the model knows only what was done and says
//! what must come of it.

mod model;
mod steps;
mod tampered;

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::conversation_member::commands::RecordReceipt;
use crate::conversation_member::{ConversationMember, Watermarks};
use crate::testing::happen;
use crate::{AccountRecipient, Aggregate, Context, Digest, MessageId, Rejection, Timestamp};

use super::commands::*;
use super::testing::*;
use super::*;
use model::{Model, PEOPLE, person};
use steps::{Flaw, Step, direct_step, names, step};

/// The aggregate and the model side by side.
struct Run {
    given: Given,
    model: Model,
    now: i64,
    recorded: Vec<(ConversationEvent, Timestamp)>,
    /// What each person has acknowledged.
    members: BTreeMap<u8, ConversationMember>,
}

impl Run {
    fn with(model: Model) -> Self {
        Self { given: Given::default(), model, now: 0, recorded: Vec::new(), members: BTreeMap::new() }
    }

    fn group(names: Vec<Vec<u8>>) -> Self {
        let mut run = Self::with(Model::named(names));
        let command = CreateConversation {
            allows_plaintext: true,
            creator: run.model.candidate(0),
            members: vec![run.model.candidate(1), run.model.candidate(2)],
            ..create_group(person(0), &[])
        };
        assert!(run.attempt(person(0).on(0), command).is_ok());
        run.model.join(0, true);
        run.model.join(1, false);
        run.model.join(2, false);
        run
    }

    fn direct(names: Vec<Vec<u8>>) -> Self {
        let mut run = Self::with(Model { direct: true, closed: true, ..Model::named(names) });
        run.open(0);
        run
    }

    /// Does what the aggregate decides; says how many events came of it.
    fn attempt(&mut self, context: Context, command: impl Asked) -> Result<usize, Rejection> {
        // The clock goes forward and backward: nothing may hang on its order.
        self.now += if self.recorded.len().is_multiple_of(3) { -7 } else { 1_000_000 };
        let context = Context { now: Timestamp::from_micros(NOW.as_micros() + self.now), ..context };
        let events = self.given.events(context, command)?;
        for event in &events {
            assert_eq!(self.given.state.check(event), Ok(()), "what is decided keeps the rules");
            self.given.state.evolve(event, context.now);
            self.recorded.push((event.clone(), context.now));
        }
        Ok(events.len())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enroll(who, nth) => self.enroll(who, nth),
            Step::Revoke(who, nth) => self.revoke(who, nth),
            Step::Add(by, who) => self.add(by, who),
            Step::Remove(by, who) => self.remove(by, who),
            Step::Expel(who) => self.expel(who),
            Step::Appoint(by, who) => self.appoint(by, who),
            Step::Show(by, all) => self.show(by, all),
            Step::Commit(who, nth, flaw) => self.commit((who, nth), flaw),
            Step::Wrap(who, nth, to, to_nth, flaw) => self.wrap((who, nth), (to, to_nth), flaw),
            Step::Report(by, who, nth) => self.report(by, who, nth),
            Step::Send { by, borrowed, behind, clear } => self.send(by, borrowed, behind, clear),
            Step::Edit { by, number, behind } => self.edit(by, number, behind),
            Step::React { by, number, behind } => self.react(by, number, behind),
            Step::Delete(by, number) => self.delete(by, number),
            Step::Pin(by, number) => self.pin(by, number),
            Step::Receive(who, nth, delivered, read) => self.receive((who, nth), delivered, read),
            Step::Close(by) => self.close(by),
            Step::Open(by) => self.open(by),
        }
    }

    /// Opens the conversation of the first two.
    fn open(&mut self, by: u8) {
        let other = u8::from(by == 0);
        let create = CreateConversation {
            creator: self.model.candidate(by),
            members: vec![self.model.candidate(other)],
            conversation_id: self.model.conversation_id(),
            allows_plaintext: true,
            ..create_direct(person(by), person(other))
        };
        let may = by < 2 && (self.model.closed || self.model.members.len() < 2);
        let done = self.attempt(person(by).on(0), create);
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may && self.model.closed {
            self.model.reopen();
        } else if may {
            for who in [0, 1] {
                if !self.model.members.contains_key(&who) {
                    self.model.join(who, false);
                }
            }
        }
    }

    fn enroll(&mut self, who: u8, nth: u8) {
        self.model.enrolled.insert((who, nth));
        let (key, recipient) = (self.model.key(who, nth), self.model.recipient(who, nth));
        let command = AddRecipient { account_id: key.account_id, recipient };
        let joins = !self.model.closed
            && self.model.members.contains_key(&who)
            && self.model.active.insert(key, (who, Some(nth))).is_none();
        assert_eq!(self.attempt(platform(), command), Ok(usize::from(joins)));
    }

    fn revoke(&mut self, who: u8, nth: u8) {
        self.model.enrolled.remove(&(who, nth));
        let key = self.model.key(who, nth);
        let command = RemoveRecipient { account_id: key.account_id, recipient_id: key.recipient_id };
        let goes = !self.model.closed && self.model.active.remove(&key).is_some();
        if goes {
            self.model.leaked = true;
            self.model.holders.remove(&key);
        }
        assert_eq!(self.attempt(platform(), command), Ok(usize::from(goes)));
    }

    fn add(&mut self, by: u8, who: u8) {
        let member = self.model.candidate(who);
        let may = self.administers(by) && !self.model.members.contains_key(&who);
        let done = self.attempt(person(by).on(0), AddMember { member, role: ConversationRole::Member });
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may {
            self.model.join(who, false);
        }
    }

    fn remove(&mut self, by: u8, who: u8) {
        let alone = self.model.members.len() == 1;
        let others_lead = self.model.members.iter().any(|(one, admin)| *one != who && *admin);
        let may = !self.model.closed
            && !self.model.direct
            && self.model.members.contains_key(&who)
            && match by == who {
                true => alone || others_lead || !self.model.members[&who],
                false => self.administers(by),
            };
        let done = self.attempt(person(by).on(0), RemoveMember { account_id: person(who).account() });
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may {
            self.model.go(who);
        }
    }

    fn expel(&mut self, who: u8) {
        let goes = !self.model.closed && self.model.members.contains_key(&who);
        let done = self.attempt(platform(), ended(person(who))).expect("the platform may");
        assert_eq!(done > 0, goes);
        if goes {
            self.model.go(who);
            // Somebody leads a group that still has members; who, is the aggregate's to say.
            let led: Vec<_> =
                self.given.state.members().filter(|(_, role)| *role == ConversationRole::Admin).collect();
            assert!(self.model.members.is_empty() || self.model.direct || !led.is_empty());
            for (number, admin) in &mut self.model.members {
                *admin = led.iter().any(|(account, _)| *account == person(*number).account());
            }
        }
    }

    fn appoint(&mut self, by: u8, who: u8) {
        let may = self.administers(by) && self.model.members.contains_key(&who);
        let command = ChangeRole { account_id: person(who).account(), role: ConversationRole::Admin };
        assert_eq!(self.attempt(person(by).on(0), command).is_ok(), may);
        if may {
            self.model.members.insert(who, true);
        }
    }

    fn show(&mut self, by: u8, all: bool) {
        let may = self.administers(by) && !self.model.direct;
        let history_visibility = if all { HistoryVisibility::All } else { HistoryVisibility::Joined };
        let done = self.attempt(person(by).on(0), ChangeHistoryVisibility { history_visibility });
        assert_eq!(done.ok(), may.then(|| usize::from(self.model.shows_all != all)));
        if may {
            self.model.shows_all = all;
        }
    }

    fn commit(&mut self, by: (u8, u8), flaw: Flaw) {
        let generation = self.model.generation + if matches!(flaw, Flaw::Skips) { 2 } else { 1 };
        let transcript = match flaw {
            Flaw::Misremembers => Digest::from_bytes([0xbb; 32]),
            Flaw::None
            | Flaw::Skips
            | Flaw::Misses
            | Flaw::Exceeds
            | Flaw::Doubles
            | Flaw::Forges
            | Flaw::Readdresses => self.model.next_transcript(),
        };
        let ids: Vec<_> = self.model.active.keys().copied().collect();
        let mut wraps: Vec<_> =
            ids.iter().map(|id| self.model.wrap(by, *id, generation, transcript)).collect();
        match flaw {
            Flaw::None | Flaw::Skips | Flaw::Misremembers => {}
            Flaw::Misses => drop(wraps.pop()),
            Flaw::Exceeds => wraps.push(self.model.wrap(by, MALLORY.device_key(0), generation, transcript)),
            Flaw::Readdresses => {
                wraps.iter_mut().take(1).for_each(|wrap| wrap.account_id = MALLORY.account())
            }
            Flaw::Doubles => wraps.extend(wraps.first().cloned()),
            Flaw::Forges => {
                wraps.iter_mut().for_each(|wrap| wrap.encapsulated_key = crate::HpkeKey::from_bytes([9; 32]))
            }
        }
        let may = self.model.may_speak(by) && matches!(flaw, Flaw::None);
        let command = NewGeneration { generation, suite: Suite::X25519Siv, transcript, wraps };
        let done = self.attempt(self.model.on(by), command);
        assert_eq!(done.is_ok(), may, "{flaw:?} {done:?}");
        if may {
            self.model.generation = generation;
            self.model.transcript = *transcript.as_bytes();
            self.model.holders = ids.into_iter().collect();
            self.model.leaked = false;
        }
    }

    fn wrap(&mut self, by: (u8, u8), (to, nth): (u8, u8), flaw: Flaw) {
        let to = self.model.key(to, nth);
        let generation = self.model.generation + u32::from(matches!(flaw, Flaw::Skips));
        let transcript = Digest::from_bytes(self.model.transcript);
        let mut wrap = self.model.wrap(by, to, generation, transcript);
        let forged = matches!(flaw, Flaw::Forges | Flaw::Misremembers | Flaw::Readdresses);
        if matches!(flaw, Flaw::Readdresses) {
            // Often somebody who has a recipient of that id, too.
            let others = (0..PEOPLE).map(|who| person(who).account());
            wrap.account_id = others.filter(|one| *one != to.account_id).nth(nth.into()).unwrap();
        } else if forged {
            wrap.signature = crate::Signature::from_bytes([4; 64]);
        }
        let may = self.model.may_speak(by)
            && generation == self.model.generation
            && generation > 0
            && !forged
            && self.model.active.contains_key(&to)
            && !self.model.holders.contains(&to);
        let done = self.attempt(self.model.on(by), AddWrap { generation, wrap });
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may {
            self.model.holders.insert(to);
        }
    }

    fn report(&mut self, by: u8, who: u8, nth: u8) {
        // What is reported under another's id is one's own of the same id, if there is one.
        let recipient_id = self.model.key(who, nth).recipient_id;
        let own = AccountRecipient::new(person(by).account(), recipient_id);
        let may = !self.model.closed
            && self.model.members.contains_key(&by)
            && self.model.generation > 0
            && self.model.active.contains_key(&own);
        let command = ReportWrap { generation: self.model.generation, recipient_id };
        let done = self.attempt(person(by).without_device(), command);
        let expected = may.then(|| usize::from(self.model.holders.contains(&own)));
        assert_eq!(done.ok(), expected);
        if may {
            self.model.holders.remove(&own);
        }
    }

    fn send(&mut self, by: (u8, u8), borrowed: bool, behind: u32, clear: bool) {
        let generation = if clear { 0 } else { self.model.generation.wrapping_sub(behind) };
        let body = if clear { clear_body() } else { encrypted_body() };
        let mut context = self.model.on(by);
        if borrowed {
            context.device = Some(self.model.device((by.0 + 1) % PEOPLE, by.1));
        }
        // Another's id names the sender's own device of that id, or none.
        let nth = context.device.and_then(|device| self.model.nth(by.0, device));
        let may = nth.is_some_and(|nth| self.model.may_speak((by.0, nth)))
            && (clear || self.model.in_force(generation));
        let message_id = MessageId::from_bytes([self.model.messages.len() as u8; 16]);
        let done = self.attempt(context, SendMessage { message_id, generation, reply_to: None, body });
        assert_eq!(done.is_ok(), may, "{done:?}");
        if may {
            self.model.messages.push((by.0, false));
        }
    }

    fn edit(&mut self, by: (u8, u8), number: u64, behind: u32) {
        let generation = self.model.generation.wrapping_sub(behind);
        let may = self.model.may_speak(by)
            && self.model.live(number)
            && self.model.sees(number, by.0)
            && self.model.sender(number) == Some(by.0)
            && self.model.in_force(generation);
        // As sent: by the number of messages before it.
        let message_id = MessageId::from_bytes([(number as u8).wrapping_sub(1); 16]);
        let command = EditMessage { number, message_id, generation, body: encrypted_body() };
        assert_eq!(self.attempt(self.model.on(by), command).is_ok(), may);
    }

    fn react(&mut self, by: (u8, u8), number: u64, behind: u32) {
        let generation = self.model.generation.wrapping_sub(behind);
        let sees = self.model.live(number) && self.model.sees(number, by.0);
        let may = self.model.may_speak(by) && sees && self.model.in_force(generation);
        let command = SetReaction { generation, ..self.given.reaction(number, 0) };
        assert_eq!(self.attempt(self.model.on(by), command).is_ok(), may);
    }

    fn delete(&mut self, by: u8, number: u64) {
        let may = !self.model.closed
            && self.model.members.contains_key(&by)
            && self
                .model
                .sender(number)
                .is_some_and(|sender| sender == by || self.administers(by) && self.model.sees(number, by));
        assert_eq!(self.attempt(person(by).on(0), DeleteMessage { number }).is_ok(), may);
        if may {
            self.model.messages[number as usize - 1].1 = true;
        }
    }

    fn pin(&mut self, by: u8, number: u64) {
        let sees = self.model.live(number) && self.model.sees(number, by);
        let may = !self.model.closed && self.model.members.contains_key(&by) && sees;
        assert_eq!(self.attempt(person(by).on(0), PinMessage { number }).is_ok(), may);
    }

    fn receive(&mut self, by: (u8, u8), delivered: u64, read: u64) {
        let last = self.model.messages.len() as u64;
        let may = self.model.may_speak(by) && (1..=last).contains(&delivered.max(read));
        let key = self.model.key(by.0, by.1);
        let before = self.model.watermarks.get(&key).copied().unwrap_or_default();
        let after = (before.0.max(delivered).max(read), before.1.max(read));
        let (context, marks) =
            (self.model.on(by), Watermarks { delivered_up_to: delivered, read_up_to: read });
        let admitted = self.given.state.acknowledge(marks, &context);
        assert_eq!(admitted.is_ok(), may, "{admitted:?}");
        let Ok(acknowledgement) = admitted else { return };
        let member = self.members.entry(by.0).or_default();
        let recorded = happen(member, RecordReceipt { acknowledgement }, &context).expect("admitted");
        assert_eq!(recorded.len(), usize::from(after != before));
        self.model.watermarks.insert(key, after);
    }

    fn close(&mut self, by: u8) {
        if by < PEOPLE {
            let belongs = !self.model.closed && self.model.members.contains_key(&by);
            let may = belongs && (self.model.direct || self.administers(by));
            assert_eq!(self.attempt(person(by).on(0), DeleteConversation {}).is_ok(), may);
            self.model.closed |= may;
        }
    }

    fn administers(&self, who: u8) -> bool {
        !self.model.closed && self.model.members.get(&who) == Some(&true)
    }

    /// What is waited for is what the model says nobody has.
    fn check_waiting(&self) {
        let model: Vec<_> = match self.model.generation {
            0 => Vec::new(),
            _ => self.model.active.keys().filter(|id| !self.model.holders.contains(id)).copied().collect(),
        };
        assert_eq!(self.given.state.waiting().collect::<Vec<_>>(), model);
        assert_eq!(self.given.state.generation(), self.model.generation);
        let number = self.model.messages.len() as u64 / 2 + 1;
        for who in (0..PEOPLE).filter(|_| !self.model.closed) {
            let there = self.model.sender(number).is_some() && self.model.sees(number, who);
            assert_eq!(self.given.state.shows(number, person(who).account()), there);
        }
    }
}

fn replayed<'a>(events: impl IntoIterator<Item = &'a (ConversationEvent, Timestamp)>) -> Conversation {
    let mut state = Conversation::default();
    for (event, at) in events {
        state.evolve(event, *at);
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_accepted_that_must_not_be_and_nothing_refused_that_may(
        names in names(),
        steps in prop::collection::vec(step(), 60..200),
    ) {
        check(Run::group(names), steps)?;
    }

    #[test]
    fn a_direct_conversation_ends_and_begins_as_often_as_its_two_like(
        names in names(),
        steps in prop::collection::vec(direct_step(), 60..200),
    ) {
        check(Run::direct(names), steps)?;
    }
}

fn check(mut run: Run, steps: Vec<Step>) -> Result<(), TestCaseError> {
    for step in steps {
        run.step(step);
        run.check_waiting();
    }

    prop_assert_eq!(&replayed(&run.recorded), &run.given.state, "replaying gives the same state");

    let half = run.recorded.len() / 2;
    let snapshot =
        bincode::serde::encode_to_vec(replayed(&run.recorded[..half]), bincode::config::standard()).unwrap();
    let (mut state, used): (Conversation, usize) =
        bincode::serde::decode_from_slice(&snapshot, bincode::config::standard()).unwrap();
    prop_assert_eq!(used, snapshot.len());
    for (event, at) in &run.recorded[half..] {
        state.evolve(event, *at);
    }
    prop_assert_eq!(&state, &run.given.state, "a snapshot goes on where it was taken");

    let numbers: Vec<u64> = run
        .recorded
        .iter()
        .filter_map(|(event, _)| match event {
            ConversationEvent::MessageSent(sent) => Some(sent.number),
            _ => None,
        })
        .collect();
    prop_assert_eq!(numbers, (1..=run.model.messages.len() as u64).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_message_costs_the_state_a_few_bytes() {
    let mut given = Given::group(&[ALICE, BOB]).committed(ALICE);
    let bytes = |state: &Conversation| {
        bincode::serde::encode_to_vec(state, bincode::config::standard()).unwrap().len()
    };
    let before = bytes(&given.state);
    for _ in 0..1_000 {
        given = given.sent(BOB);
    }
    let each = (bytes(&given.state) - before) / 1_000;
    // Who sent it, and half of its id.
    assert!(each <= 9, "{each} bytes");
}
