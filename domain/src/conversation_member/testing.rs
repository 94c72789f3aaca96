//! A member and their devices, for the tests of this context.

use crate::{AccountId, ConversationId, DeviceId, OrganizationId};

use super::ReceiptRecorded;

pub(super) const OWNER: AccountId = AccountId::from_bytes([1; 16]);
pub(super) const STRANGER: AccountId = AccountId::from_bytes([2; 16]);
pub(super) const PHONE: DeviceId = DeviceId::from_bytes([0xd0; 16]);
pub(super) const LAPTOP: DeviceId = DeviceId::from_bytes([0xd1; 16]);

/// A device's receipt, from one pair of marks to another.
pub(super) fn receipt(device_id: DeviceId, before: (u64, u64), to: (u64, u64)) -> ReceiptRecorded {
    ReceiptRecorded {
        organization_id: OrganizationId::from_bytes([0xa0; 16]),
        conversation_id: ConversationId::from_bytes([0xc0; 16]),
        account_id: OWNER,
        device_id,
        delivered_before: before.0,
        delivered_up_to: to.0,
        read_before: before.1,
        read_up_to: to.1,
        senders: None,
    }
}
