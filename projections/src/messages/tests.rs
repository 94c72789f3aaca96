use domain::conversation::{
    ConversationCreated, ConversationKind, ConversationRole, Earlier, HistoryVisibility, MessagePinned,
    MessageUnpinned, ReactionCleared, RecipientAdded, RecipientRemoved,
};
use domain::conversation_member::conversation_member_id;
use domain::{Actor, HpkeKey, MessageId, OrganizationId, VerifyKey};
use eventstore_schema::Position;

use super::*;
use crate::testing::{Fold, History};

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([2; 16]);
const ADA: AccountId = AccountId::from_bytes([3; 16]);
const BEN: AccountId = AccountId::from_bytes([4; 16]);

fn phone(number: u8) -> DeviceId {
    DeviceId::from_bytes([number; 16])
}

fn recipient(device: DeviceId) -> Recipient {
    Recipient {
        recipient_id: device.into(),
        kind: RecipientKind::Device,
        hpke_key: HpkeKey::from_bytes([5; 32]),
        verify_key: Some(VerifyKey::from_bytes([6; 32])),
    }
}

struct Room {
    history: History,
    fold: Fold<Messages>,
}

impl Room {
    fn open() -> Self {
        let mut room = Self { history: History::new(), fold: Fold::new(Messages) };
        room.open_it();
        room
    }

    fn open_it(&mut self) {
        self.record(ConversationCreated {
            conversation_id: CONVERSATION,
            organization_id: ORGANIZATION,
            workspace_id: None,
            kind: ConversationKind::Group,
            creator: ADA,
            allows_plaintext: false,
            history_visibility: HistoryVisibility::Joined,
        });
        self.join(ADA, phone(10));
        self.join(BEN, phone(20));
    }

    fn record(&mut self, event: impl Into<Event>) {
        let recorded = self.history.record(CONVERSATION, Some(ORGANIZATION), Actor::account(ADA), event);
        self.fold.fold(recorded).expect("a fold");
    }

    fn join(&mut self, account_id: AccountId, device: DeviceId) {
        self.record(ConversationMemberJoined {
            conversation_id: CONVERSATION,
            account_id,
            role: ConversationRole::Member,
            added_by: ADA,
            organization_term: 1,
            workspace: None,
            earlier: Earlier::NOTHING,
            recipients: vec![recipient(device)],
        });
    }

    fn send(&mut self, number: u64) {
        self.record(MessageSent {
            conversation_id: CONVERSATION,
            message_id: MessageId::from_bytes([7; 16]),
            number,
            sender_id: ADA,
            device_id: phone(10),
            generation: 1,
            encrypted: true,
            reply_to: None,
        });
    }

    fn receipt(&mut self, before: (u64, u64), to: (u64, u64)) {
        self.receipt_of(BEN, before, to);
    }

    fn receipt_of(&mut self, account_id: AccountId, before: (u64, u64), to: (u64, u64)) {
        let id = conversation_member_id(CONVERSATION, account_id);
        let event = ReceiptRecorded {
            organization_id: ORGANIZATION,
            conversation_id: CONVERSATION,
            account_id,
            device_id: phone(20),
            delivered_before: before.0,
            delivered_up_to: to.0,
            read_before: before.1,
            read_up_to: to.1,
            senders: None,
        };
        let recorded = self.history.record(id, Some(ORGANIZATION), Actor::account(account_id), event);
        self.fold.fold(recorded).expect("a fold");
    }

    fn recipient(&self, account_id: AccountId, device: DeviceId) -> MessageRecipient {
        self.fold.row(&(CONVERSATION, account_id, device)).expect("a row")
    }

    fn watermark(&self, account_id: AccountId, device: DeviceId) -> MessageWatermark {
        self.fold.row(&(CONVERSATION, account_id, device)).expect("a row")
    }
}

#[test]
fn a_receipt_is_one_row_for_each_mark_that_it_raises_whatever_it_covers() {
    let mut room = Room::open();
    (1..=50).for_each(|number| room.send(number));
    room.receipt((0, 0), (50, 20));
    room.receipt((50, 20), (50, 50));
    let ranges: Vec<_> = room
        .fold
        .rows::<MessageReceipt>()
        .into_iter()
        .map(|(row, _)| (row.state, row.from_number, row.up_to))
        .collect();
    use DeliveryState::{Delivered, Read};
    assert_eq!(ranges, [(Delivered, 1, 50), (Read, 1, 20), (Read, 21, 50)]);
    assert_eq!(room.watermark(BEN, phone(20)).read_up_to, 50);
}

#[test]
fn a_device_counts_from_when_it_came_until_it_went() {
    let mut room = Room::open();
    room.send(1);
    let added =
        RecipientAdded { conversation_id: CONVERSATION, account_id: BEN, recipient: recipient(phone(21)) };
    room.record(added);
    room.send(2);
    let removed =
        RecipientRemoved { conversation_id: CONVERSATION, account_id: BEN, recipient_id: phone(21).into() };
    room.record(removed);
    room.send(3);
    room.record(ConversationMemberLeft { conversation_id: CONVERSATION, account_id: BEN, removed_by: None });
    let late = room.recipient(BEN, phone(21));
    assert_eq!((late.since_number, late.until_number), (1, Some(2)));
    assert_eq!(room.recipient(BEN, phone(20)).until_number, Some(3));
}

#[test]
fn deleting_takes_content_pin_and_reactions_away_and_keeps_the_place() {
    let mut room = Room::open();
    room.send(1);
    room.record(MessagePinned { conversation_id: CONVERSATION, number: 1, pinned_by: BEN });
    room.record(ReactionSet {
        conversation_id: CONVERSATION,
        reaction_id: MessageId::from_bytes([8; 16]),
        number: 1,
        account_id: BEN,
        device_id: phone(20),
        slot: 0,
        generation: 1,
        encrypted: true,
    });
    room.record(MessageDeleted { conversation_id: CONVERSATION, number: 1, deleted_by: ADA });
    let message = room.fold.row::<Message>(&(CONVERSATION, 1)).expect("a row");
    assert_eq!((message.ciphertext, message.deleted_by), (None, Some(ADA)));
    assert!(room.fold.rows::<MessagePin>().is_empty());
    assert!(room.fold.rows::<MessageReaction>().is_empty());
}

#[test]
fn an_edit_replaces_the_content_and_says_when() {
    let mut room = Room::open();
    room.send(1);
    let before = room.fold.row::<Message>(&(CONVERSATION, 1)).expect("a row");
    room.record(MessageEdited {
        conversation_id: CONVERSATION,
        message_id: before.message_id,
        number: 1,
        sender_id: ADA,
        device_id: phone(10),
        generation: 2,
        encrypted: true,
    });
    let after = room.fold.row::<Message>(&(CONVERSATION, 1)).expect("a row");
    assert_ne!(after.ciphertext, before.ciphertext);
    assert_eq!((after.generation, after.sent_at), (2, before.sent_at));
    assert!(after.edited_at.is_some());
}

#[test]
fn messages_from_before_a_deletion_count_for_nobody_when_it_begins_anew() {
    let mut room = Room::open();
    (1..=3).for_each(|number| room.send(number));
    room.receipt((0, 0), (2, 1));
    room.record(ConversationReopened { conversation_id: CONVERSATION, reopened_by: ADA, deleted_up_to: 3 });
    let counter = room.fold.row::<MessageCounter>(&CONVERSATION).expect("a row");
    assert_eq!((counter.deleted_up_to, counter.last_number, counter.last_sent_at), (3, 3, None));
    assert_eq!(room.recipient(BEN, phone(20)).until_number, Some(3), "it may have been revoked meanwhile");
    room.join(BEN, phone(20));
    let recipient = room.recipient(BEN, phone(20));
    assert_eq!((recipient.since_number, recipient.until_number), (3, None));
    let watermark = room.watermark(BEN, phone(20));
    assert_eq!((watermark.delivered_up_to, watermark.read_up_to), (2, 1));
    room.send(4);
    room.receipt((2, 1), (4, 4));
}

#[test]
fn devices_of_one_id_have_their_own_watermarks_and_receipts() {
    let mut room = Room::open();
    let cleo = AccountId::from_bytes([5; 16]);
    room.join(cleo, phone(20));
    room.send(1);
    room.receipt((0, 0), (1, 1));
    let marks = |room: &Room, who| {
        let row = room.fold.row::<MessageWatermark>(&(CONVERSATION, who, phone(20)));
        (row.map(|row| (row.delivered_up_to, row.read_up_to)), room.recipient(who, phone(20)).until_number)
    };
    assert_eq!((marks(&room, BEN), marks(&room, cleo)), ((Some((1, 1)), None), (None, None)));
    room.receipt_of(cleo, (0, 0), (1, 1));
    assert_eq!(room.fold.rows::<MessageReceipt>().len(), 4);
    let removed =
        RecipientRemoved { conversation_id: CONVERSATION, account_id: cleo, recipient_id: phone(20).into() };
    room.record(removed);
    assert_eq!((marks(&room, BEN), marks(&room, cleo)), ((Some((1, 1)), None), (Some((1, 1)), Some(1))));
}

/// Who gets messages, how far they have come, and by which ranges.
type Made = (Vec<MessageRecipient>, Vec<MessageWatermark>, Vec<(DeliveryState, u64, u64)>);

/// Everything that the folds made, but for where.
fn rows(room: &Room) -> Made {
    let receipts = room.fold.rows::<MessageReceipt>().into_iter();
    (
        room.fold.rows::<MessageRecipient>().into_iter().map(|(row, _)| row).collect(),
        room.fold.rows::<MessageWatermark>().into_iter().map(|(row, _)| row).collect(),
        receipts.map(|(row, _)| (row.state, row.from_number, row.up_to)).collect(),
    )
}

#[test]
fn conversation_and_receipts_come_in_any_order() {
    let left =
        || ConversationMemberLeft { conversation_id: CONVERSATION, account_id: BEN, removed_by: Some(ADA) };
    let mut first = Room::open();
    (1..=2).for_each(|number| first.send(number));
    first.receipt((0, 0), (2, 1));
    first.record(left());
    // Looked at before the removal, recorded after it.
    let mut after = Room::open();
    (1..=2).for_each(|number| after.send(number));
    after.record(left());
    after.send(3);
    after.receipt((0, 0), (2, 1));
    assert_eq!(rows(&after), rows(&first));
    assert_eq!(after.recipient(BEN, phone(20)).until_number, Some(2), "what came later was not sent to them");
    // The conversation was set aside and comes when its receipts are there.
    let mut before = Room { history: History::new(), fold: Fold::new(Messages) };
    before.receipt((0, 0), (2, 1));
    before.open_it();
    (1..=2).for_each(|number| before.send(number));
    before.record(left());
    assert_eq!(rows(&before), rows(&first));
}

const DAY: i64 = 86_400_000_000;

impl Room {
    /// Records an event so many days after the first.
    fn record_on(&mut self, day: i64, event: impl Into<Event>) -> Position {
        let mut recorded = self.history.record(CONVERSATION, Some(ORGANIZATION), Actor::account(ADA), event);
        let at = recorded.origin.recorded_at.as_micros() + day * DAY;
        recorded.origin.recorded_at = Timestamp::from_micros(at);
        let position = recorded.position;
        self.fold.fold(recorded).expect("a fold");
        position
    }

    fn react_on(&mut self, day: i64, slot: u8) -> Position {
        self.record_on(
            day,
            ReactionSet {
                conversation_id: CONVERSATION,
                number: 1,
                account_id: BEN,
                slot,
                reaction_id: MessageId::from_bytes([8; 16]),
                device_id: phone(20),
                generation: 1,
                encrypted: true,
            },
        )
    }

    fn clear_on(&mut self, day: i64, slot: u8) -> Position {
        let cleared = ReactionCleared { conversation_id: CONVERSATION, number: 1, account_id: BEN, slot };
        self.record_on(day, cleared)
    }

    fn counter(&self) -> (MessageCounter, Position) {
        self.fold.rows::<MessageCounter>().pop().expect("a row")
    }

    /// Slots with a tombstone.
    fn cleared(&self) -> Vec<u8> {
        self.fold.rows::<ReactionTombstone>().iter().map(|(row, _)| row.slot).collect()
    }
}

#[test]
fn a_reaction_that_is_taken_away_leaves_a_tombstone_until_its_slot_is_filled_again() {
    let mut room = Room::open();
    room.send(1);
    room.react_on(0, 0);
    assert!(room.cleared().is_empty());
    let at = room.clear_on(0, 0);
    assert_eq!(room.fold.rows::<MessageReaction>(), []);
    let tombstones = room.fold.rows::<ReactionTombstone>();
    assert_eq!(tombstones.iter().map(|(row, position)| (row.slot, *position)).collect::<Vec<_>>(), [(0, at)]);
    room.react_on(1, 0);
    assert!(room.cleared().is_empty() && room.fold.rows::<MessageReaction>().len() == 1);
}

#[test]
fn a_tombstone_stays_for_thirty_days_of_the_logs_time_and_goes_with_a_later_one() {
    let mut room = Room::open();
    room.send(1);
    room.clear_on(0, 0);
    for day in 1..=30 {
        room.clear_on(day, 1);
        assert_eq!(room.cleared(), [0, 1], "on day {day}");
    }
    room.clear_on(41, 2);
    assert_eq!(room.cleared(), [1, 2]);
    room.clear_on(240, 3);
    assert_eq!(room.cleared(), [3]);
}

#[test]
fn a_pin_that_is_taken_away_leaves_a_tombstone_until_it_is_pinned_again_or_old() {
    let mut room = Room::open();
    room.send(1);
    room.send(2);
    let pinned = |number| MessagePinned { conversation_id: CONVERSATION, number, pinned_by: ADA };
    let unpinned = |number| MessageUnpinned { conversation_id: CONVERSATION, number, unpinned_by: ADA };
    let tombstones = |room: &Room| {
        let rows = room.fold.rows::<PinTombstone>().into_iter();
        rows.map(|(row, _)| row.number).collect::<Vec<_>>()
    };
    room.record_on(0, pinned(1));
    room.record_on(0, unpinned(1));
    assert_eq!(tombstones(&room), [1]);
    room.record_on(0, pinned(1));
    assert!(tombstones(&room).is_empty());
    room.record_on(0, unpinned(1));
    room.record_on(45, unpinned(2));
    assert_eq!(tombstones(&room), [2]);
}

#[test]
fn activity_is_the_last_message_and_every_change_shows_in_the_counters_position() {
    let mut room = Room::open();
    let (opened, _) = room.counter();
    assert_eq!((opened.activity_position, opened.activity_at), (Position::new(1), History::at(1)));
    room.send(1);
    let (sent, position) = room.counter();
    assert_eq!((sent.activity_position, sent.last_sent_at), (position, Some(sent.activity_at)));
    for at in [room.react_on(0, 0), room.clear_on(0, 0)] {
        let (counter, position) = room.counter();
        assert!(position >= at && counter.activity_position == sent.activity_position);
    }
    room.record(ConversationReopened { conversation_id: CONVERSATION, reopened_by: ADA, deleted_up_to: 1 });
    let (anew, position) = room.counter();
    assert_eq!((anew.activity_position, anew.last_sent_at), (position, None));
}
