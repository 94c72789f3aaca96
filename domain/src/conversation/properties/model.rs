//! What was done so far, without the aggregate's help.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::binding::{Transcript, WrapBinding};
use crate::conversation::commands::Candidate;
use crate::conversation::testing::*;
use crate::conversation::{Recipient, Suite, Wrap, direct_conversation_id};
use crate::{AccountId, ConversationId, Digest, RecipientId};

/// How many people there are.
pub(super) const PEOPLE: u8 = 4;
/// How many devices each may have.
pub(super) const DEVICES: u8 = 3;

pub(super) fn person(number: u8) -> Person {
    Person(number + 1)
}

pub(super) fn device(person_number: u8, nth: u8) -> RecipientId {
    person(person_number).device(nth).into()
}

/// What was done so far, as a bystander would note it.
#[derive(Default)]
pub(super) struct Model {
    /// The devices that each person has, in or out of the conversation.
    pub(super) enrolled: BTreeSet<(u8, u8)>,
    /// Members, and whether they are admins.
    pub(super) members: BTreeMap<u8, bool>,
    /// Recipients of members, with their owners and the nth device (or the recovery key).
    pub(super) active: BTreeMap<RecipientId, (u8, Option<u8>)>,
    pub(super) generation: u32,
    /// Who can open the current generation.
    pub(super) holders: BTreeSet<RecipientId>,
    /// Somebody who could has gone.
    pub(super) leaked: bool,
    pub(super) transcript: [u8; 32],
    /// Sender, and whether it was deleted.
    pub(super) messages: Vec<(u8, bool)>,
    pub(super) watermarks: BTreeMap<RecipientId, (u64, u64)>,
    pub(super) closed: bool,
    /// Messages that went with an earlier deletion.
    pub(super) gone: usize,
    /// Of two, who can open it again after it was deleted.
    pub(super) direct: bool,
}

impl Model {
    pub(super) fn join(&mut self, who: u8, admin: bool) {
        self.members.insert(who, admin);
        for nth in 0..DEVICES {
            if self.enrolled.contains(&(who, nth)) {
                self.active.insert(device(who, nth), (who, Some(nth)));
            }
        }
        self.active.insert(person(who).recovery_recipient().recipient_id, (who, None));
    }

    pub(super) fn go(&mut self, who: u8) {
        self.members.remove(&who);
        self.active.retain(|_, (owner, _)| *owner != who);
        self.holders.retain(|id| self.active.contains_key(id));
        self.leaked = true;
    }

    pub(super) fn candidate(&self, who: u8) -> Candidate {
        let nths = (0..DEVICES).filter(|nth| self.enrolled.contains(&(who, *nth)));
        let mut recipients: Vec<_> = nths.map(|nth| person(who).device_recipient(nth)).collect();
        recipients.push(person(who).recovery_recipient());
        Candidate { recipients, ..person(who).candidate() }
    }

    pub(super) fn may_speak(&self, (who, nth): (u8, u8)) -> bool {
        !self.closed && self.members.contains_key(&who) && self.active.contains_key(&device(who, nth))
    }

    pub(super) fn in_force(&self, generation: u32) -> bool {
        self.generation > 0 && generation == self.generation && !self.leaked
    }

    pub(super) fn live(&self, number: u64) -> bool {
        number as usize > self.gone
            && self.messages.get(number as usize - 1).is_some_and(|(_, deleted)| !deleted)
    }

    pub(super) fn sender(&self, number: u64) -> Option<u8> {
        let sent = self.messages.get((number as usize).checked_sub(1)?);
        sent.filter(|_| number as usize > self.gone).map(|(sender, _)| *sender)
    }

    /// Everything begins anew, with the first two.
    pub(super) fn reopen(&mut self) {
        self.closed = false;
        self.leaked = true;
        self.gone = self.messages.len();
        self.members.clear();
        self.active.clear();
        self.holders.clear();
        self.join(0, false);
        self.join(1, false);
    }

    pub(super) fn conversation_id(&self) -> ConversationId {
        if self.direct {
            direct_conversation_id(ORGANIZATION, person(0).account(), person(1).account())
        } else {
            GROUP
        }
    }

    pub(super) fn next_transcript(&self) -> Digest {
        let roster: Vec<(AccountId, Recipient)> = self
            .active
            .values()
            .map(|(who, nth)| {
                let recovery = person(*who).recovery_recipient();
                (person(*who).account(), nth.map_or(recovery, |nth| person(*who).device_recipient(nth)))
            })
            .collect();
        Transcript {
            previous: Digest::from_bytes(self.transcript),
            generation: self.generation + 1,
            organization_id: ORGANIZATION,
            conversation_id: self.conversation_id(),
        }
        .digest(roster.iter().map(|(account, recipient)| (*account, recipient)))
    }

    pub(super) fn wrap(
        &self,
        (who, nth): (u8, u8),
        to: RecipientId,
        generation: u32,
        transcript: Digest,
    ) -> Wrap {
        let binding = WrapBinding {
            organization_id: ORGANIZATION,
            conversation_id: self.conversation_id(),
            generation,
            suite: Suite::X25519Siv,
            recipient_id: to,
            device_id: person(who).device(nth),
            transcript,
        };
        signed_wrap(&binding, &person(who).signing_key(nth))
    }
}
