//! What was done so far, without the aggregate's help.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::binding::{Transcript, WrapBinding};
use crate::conversation::commands::Candidate;
use crate::conversation::testing::*;
use crate::conversation::{Recipient, Suite, Wrap, direct_conversation_id};
use crate::{
    AccountDevice, AccountId, AccountRecipient, Context, ConversationId, DeviceId, Digest, RecipientId,
};

/// How many people there are.
pub(super) const PEOPLE: u8 = 4;
/// How many devices each may have.
pub(super) const DEVICES: u8 = 3;
/// How many ids there are that people name devices and recovery keys by: so few that most are somebody else's too.
pub(super) const NAMES: u8 = DEVICES + 2;

pub(super) fn person(number: u8) -> Person {
    Person(number + 1)
}

/// What was done so far, as a bystander would note it.
#[derive(Default)]
pub(super) struct Model {
    /// The names that each person gives their devices, and after those their recovery key.
    pub(super) names: Vec<Vec<u8>>,
    /// The devices that each person has, in or out of the conversation.
    pub(super) enrolled: BTreeSet<(u8, u8)>,
    /// Members, and whether they are admins.
    pub(super) members: BTreeMap<u8, bool>,
    /// Recipients of members, with their owners and the nth device (or the recovery key).
    pub(super) active: BTreeMap<AccountRecipient, (u8, Option<u8>)>,
    pub(super) generation: u32,
    /// Who can open the current generation.
    pub(super) holders: BTreeSet<AccountRecipient>,
    /// Somebody who could has gone.
    pub(super) leaked: bool,
    pub(super) transcript: [u8; 32],
    /// Sender, and whether it was deleted.
    pub(super) messages: Vec<(u8, bool)>,
    pub(super) watermarks: BTreeMap<AccountRecipient, (u64, u64)>,
    pub(super) closed: bool,
    /// How many messages there were when each joined, last.
    pub(super) since: BTreeMap<u8, usize>,
    /// Whether members see what was before they joined.
    pub(super) shows_all: bool,
    /// Messages that went with an earlier deletion.
    pub(super) gone: usize,
    /// Of two, who can open it again after it was deleted.
    pub(super) direct: bool,
}

impl Model {
    pub(super) fn named(names: Vec<Vec<u8>>) -> Self {
        Self { names, enrolled: (0..PEOPLE).map(|who| (who, 0)).collect(), ..Self::default() }
    }

    fn name(&self, who: u8, nth: u8) -> [u8; 16] {
        [0xd0 + self.names[usize::from(who)][usize::from(nth)]; 16]
    }

    pub(super) fn device(&self, who: u8, nth: u8) -> DeviceId {
        DeviceId::from_bytes(self.name(who, nth))
    }

    /// The device that somebody calls so.
    pub(super) fn nth(&self, who: u8, device: DeviceId) -> Option<u8> {
        (0..DEVICES).find(|nth| self.device(who, *nth) == device)
    }

    pub(super) fn key(&self, who: u8, nth: u8) -> AccountRecipient {
        AccountDevice::new(person(who).account(), self.device(who, nth)).into()
    }

    pub(super) fn recipient(&self, who: u8, nth: u8) -> Recipient {
        Recipient { recipient_id: self.device(who, nth).into(), ..person(who).device_recipient(nth) }
    }

    fn recovery(&self, who: u8) -> Recipient {
        let recipient_id = RecipientId::from_bytes(self.name(who, DEVICES));
        Recipient { recipient_id, ..person(who).recovery_recipient() }
    }

    /// Gives commands from device `nth`.
    pub(super) fn on(&self, (who, nth): (u8, u8)) -> Context {
        Context { device: Some(self.device(who, nth)), ..person(who).on(nth) }
    }

    pub(super) fn join(&mut self, who: u8, admin: bool) {
        self.members.insert(who, admin);
        self.since.insert(who, self.messages.len());
        for nth in 0..DEVICES {
            if self.enrolled.contains(&(who, nth)) {
                self.active.insert(self.key(who, nth), (who, Some(nth)));
            }
        }
        let recovery = AccountRecipient::new(person(who).account(), self.recovery(who).recipient_id);
        self.active.insert(recovery, (who, None));
    }

    pub(super) fn go(&mut self, who: u8) {
        self.members.remove(&who);
        self.active.retain(|_, (owner, _)| *owner != who);
        self.holders.retain(|id| self.active.contains_key(id));
        self.leaked = true;
    }

    pub(super) fn candidate(&self, who: u8) -> Candidate {
        let nths = (0..DEVICES).filter(|nth| self.enrolled.contains(&(who, *nth)));
        let mut recipients: Vec<_> = nths.map(|nth| self.recipient(who, nth)).collect();
        recipients.push(self.recovery(who));
        Candidate { recipients, ..person(who).candidate() }
    }

    pub(super) fn may_speak(&self, (who, nth): (u8, u8)) -> bool {
        !self.closed && self.members.contains_key(&who) && self.active.contains_key(&self.key(who, nth))
    }

    pub(super) fn in_force(&self, generation: u32) -> bool {
        self.generation > 0 && generation == self.generation && !self.leaked
    }

    pub(super) fn live(&self, number: u64) -> bool {
        number as usize > self.gone
            && self.messages.get(number as usize - 1).is_some_and(|(_, deleted)| !deleted)
    }

    pub(super) fn sees(&self, number: u64, who: u8) -> bool {
        self.members.contains_key(&who) && (self.shows_all || number as usize > self.since[&who])
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
                let recipient = nth.map_or_else(|| self.recovery(*who), |nth| self.recipient(*who, nth));
                (person(*who).account(), recipient)
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
        to: AccountRecipient,
        generation: u32,
        transcript: Digest,
    ) -> Wrap {
        let binding = WrapBinding {
            organization_id: ORGANIZATION,
            conversation_id: self.conversation_id(),
            generation,
            suite: Suite::X25519Siv,
            recipient: to,
            device: AccountDevice::new(person(who).account(), self.device(who, nth)),
            transcript,
        };
        signed_wrap(&binding, &person(who).signing_key(nth))
    }
}
