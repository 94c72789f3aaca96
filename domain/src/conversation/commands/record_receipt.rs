//! Acknowledging messages.

use crate::conversation::{Conversation, ReceiptRecorded};
use crate::{Context, Draft, Rejection};

use super::Decision;

/// Records what the device has got and its owner has read. Lower numbers than recorded change nothing.
#[derive(Clone, Debug)]
pub struct RecordReceipt {
    /// Delivered up to and including.
    pub delivered_up_to: u64,
    /// Read up to and including.
    pub read_up_to: u64,
}

impl RecordReceipt {
    /// What was read was delivered: reading further than delivered raises both.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.reader_device(context)?;
        let delivered_up_to = self.delivered_up_to.max(self.read_up_to);
        if delivered_up_to > state.last_number() {
            return Err(Rejection::InvalidField {
                field: "delivered_up_to",
                reason: "is beyond the last message",
            });
        }
        let known = state.watermarks(by.device);
        let receipt = ReceiptRecorded {
            conversation_id: by.caller.conversation_id,
            account_id: by.caller.account_id,
            device_id: by.device.device_id,
            delivered_up_to: delivered_up_to.max(known.delivered_up_to),
            read_up_to: self.read_up_to.max(known.read_up_to),
        };
        if (receipt.delivered_up_to, receipt.read_up_to) == (known.delivered_up_to, known.read_up_to) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(receipt)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::{AddMember, RemoveMember};
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, ConversationRole};

    use super::*;

    fn receipt(delivered_up_to: u64, read_up_to: u64) -> RecordReceipt {
        RecordReceipt { delivered_up_to, read_up_to }
    }

    fn recorded(delivered_up_to: u64, read_up_to: u64) -> Result<Vec<ConversationEvent>, Rejection> {
        Ok(vec![
            ReceiptRecorded {
                conversation_id: GROUP,
                account_id: BOB.account(),
                device_id: BOB.device(0),
                delivered_up_to,
                read_up_to,
            }
            .into(),
        ])
    }

    fn given() -> Given {
        Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE).sent(ALICE).sent(ALICE)
    }

    #[test]
    fn a_device_acknowledges_what_there_is() {
        assert_eq!(given().events(BOB.on(0), receipt(3, 1)), recorded(3, 1));
        let refusal = given().refusal(BOB.on(0), receipt(4, 0));
        assert!(matches!(refusal, Rejection::InvalidField { field: "delivered_up_to", .. }));
        let refusal = given().refusal(BOB.on(0), receipt(0, 4));
        assert!(matches!(refusal, Rejection::InvalidField { .. }));
    }

    #[test]
    fn what_was_read_was_delivered() {
        assert_eq!(given().events(BOB.on(0), receipt(1, 2)), recorded(2, 2));
    }

    #[test]
    fn neither_mark_ever_falls() {
        let given = given().and(BOB.on(0), receipt(2, 1));
        assert_eq!(given.events(BOB.on(0), receipt(2, 1)), Ok(vec![]));
        assert_eq!(given.events(BOB.on(0), receipt(1, 0)), Ok(vec![]));
        assert_eq!(given.events(BOB.on(0), receipt(1, 2)), recorded(2, 2));
        assert_eq!(given.events(BOB.on(0), receipt(3, 0)), recorded(3, 1));
    }

    #[test]
    fn a_device_that_comes_back_goes_on_where_it_was() {
        let given = given()
            .and(BOB.on(0), receipt(2, 1))
            .and(BOB.on(0), RemoveMember { account_id: BOB.account() })
            .and(ALICE.on(0), AddMember { member: BOB.candidate(), role: ConversationRole::Member });
        assert_eq!(given.events(BOB.on(0), receipt(1, 0)), Ok(vec![]));
    }

    #[test]
    fn only_an_active_device_of_a_member_acknowledges() {
        assert_eq!(given().refusal(MALLORY.on(0), receipt(1, 1)), Rejection::ConversationNotFound);
        assert_eq!(given().refusal(BOB.on(1), receipt(1, 1)), Rejection::DeviceNotInConversation);
        assert_eq!(given().refusal(BOB.without_device(), receipt(1, 1)), Rejection::DeviceRequired);
    }

    #[test]
    fn devices_of_one_id_have_their_own_marks() {
        let member = CAROL.with_devices_of(BOB);
        let given = given().and(ALICE.on(0), AddMember { member, role: ConversationRole::Member });
        let given = given.and(BOB.on(0), receipt(3, 3));
        let copied = Context { device: Some(BOB.device(0)), ..CAROL.on(0) };
        let carols = ReceiptRecorded {
            conversation_id: GROUP,
            account_id: CAROL.account(),
            device_id: BOB.device(0),
            delivered_up_to: 2,
            read_up_to: 1,
        };
        assert_eq!(given.events(copied, receipt(2, 1)), Ok(vec![carols.into()]));
    }
}
