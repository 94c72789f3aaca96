//! Random acknowledgements of two devices against plain maxima.

use proptest::prelude::*;

use crate::conversation::Acknowledgement;
use crate::testing::{NOW, by_device, happen};
use crate::{AccountDevice, Aggregate};

use super::commands::RecordReceipt;
use super::testing::*;
use super::{ConversationMember, ConversationMemberEvent, ReceiptRecorded, Watermarks};

proptest! {
    #[test]
    fn ranges_join_without_gap_and_end_at_the_highest_marks(
        steps in prop::collection::vec((any::<bool>(), 1..40u64, 0..40u64), 1..60),
    ) {
        let (mut state, mut events) = (ConversationMember::default(), Vec::new());
        let mut highest = [Watermarks::default(); 2];
        for (is_phone, delivered, read) in steps {
            let device_id = if is_phone { PHONE } else { LAPTOP };
            let watermarks = Watermarks { delivered_up_to: delivered.max(read), read_up_to: read };
            let ReceiptRecorded { organization_id, conversation_id, .. } = receipt(PHONE, (0, 0), (0, 0));
            let device = AccountDevice::new(OWNER, device_id);
            let acknowledgement =
                Acknowledgement { organization_id, conversation_id, device, watermarks, senders: None };
            let recorded =
                happen(&mut state, RecordReceipt { acknowledgement }, &by_device(OWNER, device_id)).unwrap();
            let known = &mut highest[usize::from(is_phone)];
            prop_assert_eq!(recorded.len(), usize::from(known.max(watermarks) != *known));
            *known = known.max(watermarks);
            events.extend(recorded);
        }
        for (device_id, highest) in [(LAPTOP, highest[0]), (PHONE, highest[1])] {
            prop_assert_eq!(state.watermarks(device_id), highest);
            let mut covered = Watermarks::default();
            for ConversationMemberEvent::ReceiptRecorded(event) in &events {
                if event.device_id != device_id {
                    continue;
                }
                prop_assert_eq!(covered, Watermarks {
                    delivered_up_to: event.delivered_before,
                    read_up_to: event.read_before,
                });
                covered = Watermarks { delivered_up_to: event.delivered_up_to, read_up_to: event.read_up_to };
            }
            prop_assert_eq!(covered, highest);
        }
        let mut replayed = ConversationMember::default();
        events.iter().for_each(|event| replayed.evolve(event, NOW));
        prop_assert_eq!(&replayed, &state);
        let bytes = bincode::serde::encode_to_vec(&state, bincode::config::standard()).unwrap();
        let (read, used): (ConversationMember, usize) =
            bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        prop_assert_eq!((read, used), (state, bytes.len()));
    }
}
