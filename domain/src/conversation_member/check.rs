//! What the stream of a conversation's member demands of its events.

use crate::ConversationMemberId;
use crate::violation::{Rule, Violation};

use super::state::Membership;
use super::{
    ConversationMember, ConversationMemberEvent, ReceiptRecorded, Watermarks, conversation_member_id,
};

/// The member that the event is about.
pub(super) fn id_of(event: &ConversationMemberEvent) -> ConversationMemberId {
    match event {
        ConversationMemberEvent::ReceiptRecorded(event) => {
            conversation_member_id(event.conversation_id, event.account_id)
        }
    }
}

/// See [`crate::Aggregate::check`].
pub(super) fn check(state: &ConversationMember, event: &ConversationMemberEvent) -> Result<(), Violation> {
    match event {
        ConversationMemberEvent::ReceiptRecorded(event) => received(state, event),
    }
}

/// One member of one conversation; neither watermark falls, one rises, and nothing is read that was not delivered.
fn received(state: &ConversationMember, event: &ReceiptRecorded) -> Result<(), Violation> {
    let membership = Membership::of(event);
    Rule::Identity.equal(state.membership.unwrap_or(membership), membership)?;
    let before = Watermarks { delivered_up_to: event.delivered_before, read_up_to: event.read_before };
    let after = Watermarks { delivered_up_to: event.delivered_up_to, read_up_to: event.read_up_to };
    Rule::Number.equal(state.watermarks(event.device_id), before)?;
    let rises = after == after.max(before) && after != before;
    Rule::Number.holds(rises, "watermarks that rise", event)?;
    Rule::Number.holds(after.read_up_to <= after.delivered_up_to, "nothing read but delivered", event)?;
    let senders = event.senders.iter().flatten();
    let others =
        senders.clone().all(|sender| *sender != event.account_id) && senders.is_sorted_by(|a, b| a < b);
    Rule::Membership.holds(others, "other senders, once each", event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;
    use crate::conversation_member::testing::*;
    use crate::testing::{broken, doubled, dropped, swapped};

    fn history() -> Vec<ConversationMemberEvent> {
        vec![
            receipt(PHONE, (0, 0), (2, 1)).into(),
            receipt(LAPTOP, (0, 0), (1, 1)).into(),
            receipt(PHONE, (2, 1), (2, 2)).into(),
            receipt(PHONE, (2, 2), (7, 2)).into(),
        ]
    }

    fn after(event: ReceiptRecorded) -> Option<(usize, Rule)> {
        broken::<ConversationMember>(&[history(), vec![event.into()]].concat())
    }

    #[test]
    fn a_whole_history_passes() {
        assert_eq!(broken::<ConversationMember>(&history()), None);
        assert_eq!(after(receipt(LAPTOP, (1, 1), (7, 7))), None);
    }

    #[test]
    fn what_is_doubled_missing_or_in_another_order_is_noticed() {
        for at in 0..history().len() {
            let found = broken::<ConversationMember>(&doubled(&history(), at));
            assert_eq!(found, Some((at + 1, Rule::Number)), "event {at}");
        }
        assert_eq!(broken::<ConversationMember>(&dropped(&history(), 0)), Some((1, Rule::Number)));
        assert_eq!(broken::<ConversationMember>(&swapped(&history(), 2)), Some((2, Rule::Number)));
    }

    #[test]
    fn no_mark_falls_and_nothing_is_read_that_was_not_delivered() {
        for (before, to) in
            [((7, 2), (6, 3)), ((7, 2), (8, 1)), ((7, 2), (7, 2)), ((7, 2), (7, 8)), ((6, 2), (8, 2))]
        {
            assert_eq!(after(receipt(PHONE, before, to)), Some((4, Rule::Number)), "{before:?} {to:?}");
        }
    }

    #[test]
    fn nobody_and_nowhere_else_is_acknowledged() {
        let right = receipt(LAPTOP, (1, 1), (2, 2));
        let foreign = crate::ConversationId::from_bytes([9; 16]);
        let tenant = crate::OrganizationId::from_bytes([9; 16]);
        for wrong in [
            ReceiptRecorded { conversation_id: foreign, ..right.clone() },
            ReceiptRecorded { organization_id: tenant, ..right.clone() },
            ReceiptRecorded { account_id: STRANGER, ..right.clone() },
        ] {
            assert_eq!(after(wrong), Some((4, Rule::Identity)));
        }
    }

    #[test]
    fn senders_are_others_and_named_once() {
        let (low, high) = (AccountId::from_bytes([3; 16]), AccountId::from_bytes([4; 16]));
        let with = |senders: Vec<AccountId>| {
            after(ReceiptRecorded { senders: Some(senders), ..receipt(LAPTOP, (1, 1), (2, 2)) })
        };
        assert_eq!(with(vec![low, high]), None);
        for wrong in [vec![high, low], vec![low, low], vec![OWNER]] {
            assert_eq!(with(wrong), Some((4, Rule::Membership)));
        }
    }
}
