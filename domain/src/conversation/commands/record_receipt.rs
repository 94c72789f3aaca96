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
        let by = state.caller_device(context)?;
        let delivered_up_to = self.delivered_up_to.max(self.read_up_to);
        if delivered_up_to > state.last_number() {
            return Err(Rejection::InvalidField {
                field: "delivered_up_to",
                reason: "is beyond the last message",
            });
        }
        let known = state.watermarks(by.device_id);
        let receipt = ReceiptRecorded {
            conversation_id: by.caller.conversation_id,
            account_id: by.caller.account_id,
            device_id: by.device_id,
            delivered_up_to: delivered_up_to.max(known.delivered_up_to),
            read_up_to: self.read_up_to.max(known.read_up_to),
        };
        if (receipt.delivered_up_to, receipt.read_up_to) == (known.delivered_up_to, known.read_up_to) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(receipt)])
    }
}
