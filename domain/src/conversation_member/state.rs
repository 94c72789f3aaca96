//! What the events of a conversation's member add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Aggregate, Category, Context, ConversationId, ConversationMemberId, DeviceId, Draft,
    OrganizationId, Rejection, Timestamp, Violation,
};

use super::check;
use super::commands::ConversationMemberCommand;
use super::{ConversationMemberEvent, ReceiptRecorded};

/// Up to which message a device has got, and its owner has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// Delivered up to and including this number.
    pub delivered_up_to: u64,
    /// Read up to and including this number.
    pub read_up_to: u64,
}

impl Watermarks {
    /// The higher of each mark.
    pub fn max(self, other: Self) -> Self {
        Self {
            delivered_up_to: self.delivered_up_to.max(other.delivered_up_to),
            read_up_to: self.read_up_to.max(other.read_up_to),
        }
    }
}

/// Who the member is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) organization_id: OrganizationId,
    pub(super) conversation_id: ConversationId,
    pub(super) account_id: AccountId,
}

impl Membership {
    pub(super) const fn of(event: &ReceiptRecorded) -> Self {
        Self {
            organization_id: event.organization_id,
            conversation_id: event.conversation_id,
            account_id: event.account_id,
        }
    }
}

/// What an account has acknowledged in a conversation, device by device. Kept for devices that have gone, so that a watermark
/// never falls when one comes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConversationMember {
    pub(super) membership: Option<Membership>,
    watermarks: BTreeMap<DeviceId, Watermarks>,
}

impl ConversationMember {
    /// What a device has acknowledged; zero for one that never did.
    pub fn watermarks(&self, device_id: DeviceId) -> Watermarks {
        self.watermarks.get(&device_id).copied().unwrap_or_default()
    }
}

impl Aggregate for ConversationMember {
    const CATEGORY: Category = Category::ConversationMember;
    const STATE_VERSION: u16 = 1;
    type Id = ConversationMemberId;
    type Event = ConversationMemberEvent;
    type Command = ConversationMemberCommand;

    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Draft<Self::Event>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &Self::Event, _at: Timestamp) {
        match event {
            ConversationMemberEvent::ReceiptRecorded(event) => {
                self.membership.get_or_insert(Membership::of(event));
                let (delivered_up_to, read_up_to) = (event.delivered_up_to, event.read_up_to);
                let known = self.watermarks.entry(event.device_id).or_default();
                *known = known.max(Watermarks { delivered_up_to, read_up_to });
            }
        }
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.membership.map(|membership| membership.organization_id)
    }
}
