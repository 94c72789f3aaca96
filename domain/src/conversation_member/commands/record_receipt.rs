//! Acknowledging messages.

use std::collections::BTreeSet;

use crate::conversation::Acknowledgement;
use crate::conversation_member::{ConversationMember, ReceiptRecorded, Watermarks};
use crate::{AccountDevice, AccountId, Context, Draft, Rejection};

use super::Decision;

/// Records what the device has got and its owner has read. Lower numbers than recorded change nothing.
#[derive(Clone, Debug)]
pub struct RecordReceipt {
    /// What the conversation says of it.
    pub acknowledgement: Acknowledgement,
}

impl RecordReceipt {
    /// Each device has marks of its own.
    pub(super) fn decide(&self, state: &ConversationMember, context: &Context) -> Decision {
        let Acknowledgement { organization_id, conversation_id, device, watermarks, senders: _ } =
            &self.acknowledgement;
        if *device != AccountDevice::new(context.account()?, context.device()?) {
            // It was admitted for somebody else.
            return Err(Rejection::ConversationNotFound);
        }
        let before = state.watermarks(device.device_id);
        let after = watermarks.max(before);
        if after == before {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(ReceiptRecorded {
            organization_id: *organization_id,
            conversation_id: *conversation_id,
            account_id: device.account_id,
            device_id: device.device_id,
            delivered_before: before.delivered_up_to,
            delivered_up_to: after.delivered_up_to,
            read_before: before.read_up_to,
            read_up_to: after.read_up_to,
            senders: self.senders_behind(before),
        })])
    }

    /// Who sent what is newly covered, where not everybody is told.
    fn senders_behind(&self, before: Watermarks) -> Option<Vec<AccountId>> {
        let senders = self.acknowledgement.senders.as_ref()?;
        let behind = |latest: &[(AccountId, u64)], number: u64| {
            let newly = latest.iter().filter(|(_, last)| *last > number);
            newly.map(|(account_id, _)| *account_id).collect::<BTreeSet<_>>()
        };
        let delivered = behind(&senders.delivered, before.delivered_up_to);
        let read = behind(&senders.read, before.read_up_to);
        Some(delivered.union(&read).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::LatestSenders;
    use crate::conversation_member::ConversationMemberEvent;
    use crate::conversation_member::testing::*;
    use crate::testing::{by, by_device, given, when};

    use super::*;

    fn command(delivered_up_to: u64, read_up_to: u64) -> RecordReceipt {
        let ReceiptRecorded { organization_id, conversation_id, .. } = receipt(PHONE, (0, 0), (0, 0));
        let device = AccountDevice::new(OWNER, PHONE);
        let watermarks = Watermarks { delivered_up_to, read_up_to };
        let acknowledgement =
            Acknowledgement { organization_id, conversation_id, device, watermarks, senders: None };
        RecordReceipt { acknowledgement }
    }

    fn after(
        events: &[ReceiptRecorded],
        command: RecordReceipt,
    ) -> Result<Vec<ConversationMemberEvent>, Rejection> {
        let state: ConversationMember = given(events.iter().cloned().map(Into::into));
        when(&state, command, &by_device(OWNER, PHONE))
    }

    #[test]
    fn a_receipt_says_what_it_covers_newly() {
        assert_eq!(after(&[], command(3, 1)), Ok(vec![receipt(PHONE, (0, 0), (3, 1)).into()]));
        let first = receipt(PHONE, (0, 0), (3, 1));
        assert_eq!(after(&[first], command(5, 2)), Ok(vec![receipt(PHONE, (3, 1), (5, 2)).into()]));
    }

    #[test]
    fn neither_mark_ever_falls() {
        let known = [receipt(PHONE, (0, 0), (2, 1))];
        for (delivered, read) in [(2, 1), (1, 0), (2, 0), (1, 1)] {
            assert_eq!(after(&known, command(delivered, read)), Ok(vec![]));
        }
        assert_eq!(after(&known, command(2, 2)), Ok(vec![receipt(PHONE, (2, 1), (2, 2)).into()]));
        assert_eq!(after(&known, command(3, 0)), Ok(vec![receipt(PHONE, (2, 1), (3, 1)).into()]));
    }

    #[test]
    fn devices_have_marks_of_their_own() {
        let known = [receipt(LAPTOP, (0, 0), (9, 9))];
        assert_eq!(after(&known, command(2, 1)), Ok(vec![receipt(PHONE, (0, 0), (2, 1)).into()]));
    }

    #[test]
    fn nobody_records_what_was_admitted_for_somebody_else() {
        let state = ConversationMember::default();
        for context in [by_device(STRANGER, PHONE), by_device(OWNER, LAPTOP)] {
            assert_eq!(when(&state, command(1, 1), &context), Err(Rejection::ConversationNotFound));
        }
        assert_eq!(when(&state, command(1, 1), &by(OWNER)), Err(Rejection::DeviceRequired));
    }

    #[test]
    fn senders_are_told_of_what_is_new_about_their_messages() {
        let people: Vec<_> = (3..7).map(|byte| AccountId::from_bytes([byte; 16])).collect();
        let senders = LatestSenders {
            delivered: vec![(people[2], 9), (people[1], 6), (people[0], 2)],
            read: vec![(people[3], 4), (people[0], 2)],
        };
        let mut command = command(9, 4);
        command.acknowledgement.senders = Some(senders);
        let told = |before| match &after(&[receipt(PHONE, (0, 0), before)], command.clone()).unwrap()[..] {
            [ConversationMemberEvent::ReceiptRecorded(event)] => event.senders.clone().unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told((5, 1)), people, "those of read ones, too");
        assert_eq!(told((6, 1)), [people[0], people[2], people[3]]);
        assert_eq!(told((9, 3)), [people[3]]);
        assert_eq!(told((8, 4)), [people[2]]);
    }
}
