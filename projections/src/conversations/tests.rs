use domain::conversation::{
    ConversationDeleted, ConversationKind, ConversationRole, Earlier, HistoryVisibility, RecipientKind,
    RecipientRemoved, Suite,
};
use domain::{Actor, Blob, DeviceId, Digest, HpkeKey, OrganizationId, RecipientId, Signature};

use super::*;
use crate::testing::{Fold, History};

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([2; 16]);
const ADA: AccountId = AccountId::from_bytes([3; 16]);
const BEN: AccountId = AccountId::from_bytes([4; 16]);

fn id(number: u8) -> RecipientId {
    RecipientId::from_bytes([number; 16])
}

fn recipient(number: u8) -> Recipient {
    let hpke_key = HpkeKey::from_bytes([5; 32]);
    Recipient { recipient_id: id(number), kind: RecipientKind::Device, hpke_key, verify_key: None }
}

fn wrap(account_id: AccountId, number: u8) -> Wrap {
    Wrap {
        account_id,
        recipient_id: id(number),
        encapsulated_key: HpkeKey::from_bytes([6; 32]),
        ciphertext: Blob::new(vec![7; 80]),
        signature: Signature::from_bytes([8; 64]),
    }
}

struct Room {
    history: History,
    fold: Fold<Conversations>,
}

impl Room {
    fn open() -> Self {
        let mut room = Self { history: History::new(), fold: Fold::new(Conversations) };
        room.record(ConversationCreated {
            conversation_id: CONVERSATION,
            organization_id: ORGANIZATION,
            workspace_id: None,
            kind: ConversationKind::Group,
            creator: ADA,
            allows_plaintext: false,
            history_visibility: HistoryVisibility::Joined,
        });
        room.join(ADA, 10);
        room
    }

    fn record(&mut self, event: impl Into<Event>) {
        let recorded = self.history.record(CONVERSATION, Some(ORGANIZATION), Actor::account(ADA), event);
        self.fold.fold(recorded).expect("a fold");
    }

    fn join(&mut self, account_id: AccountId, device: u8) {
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

    fn commit(&mut self, generation: u32, recipients: &[(AccountId, u8)]) {
        self.record(GenerationCommitted {
            conversation_id: CONVERSATION,
            generation,
            suite: Suite::X25519Siv,
            account_id: ADA,
            device_id: DeviceId::from_bytes([10; 16]),
            transcript: Digest::from_bytes([9; 32]),
            wraps: recipients.iter().map(|(account, number)| wrap(*account, *number)).collect(),
        });
    }

    fn conversation(&self) -> Conversation {
        self.fold.row::<Conversation>(&CONVERSATION).expect("a row")
    }

    fn recipient(&self, account_id: AccountId, number: u8) -> ConversationRecipient {
        self.fold.row(&(CONVERSATION, account_id, id(number))).expect("a row")
    }

    fn wrap(&self, generation: u32, account_id: AccountId, number: u8) -> MemberKeyWrap {
        self.fold.row(&(CONVERSATION, generation, account_id, id(number))).expect("a row")
    }

    fn waits(&self, account_id: AccountId, number: u8) -> bool {
        self.recipient(account_id, number).waiting
    }
}

#[test]
fn a_recipient_that_comes_after_the_commit_waits_for_its_wrap() {
    let mut room = Room::open();
    assert!(room.conversation().commit_required);
    assert!(!room.waits(ADA, 10), "there is nothing to wait for before the first generation");
    room.commit(1, &[(ADA, 10)]);
    room.join(BEN, 20);
    assert!(room.waits(BEN, 20) && !room.waits(ADA, 10));
    assert!(!room.conversation().commit_required, "a join does not stop the conversation");
    let added = WrapAdded {
        conversation_id: CONVERSATION,
        generation: 1,
        account_id: ADA,
        device_id: DeviceId::from_bytes([10; 16]),
        wrap: wrap(BEN, 20),
    };
    room.record(added.clone());
    assert!(!room.waits(BEN, 20));
    let reported =
        WrapReported { conversation_id: CONVERSATION, generation: 1, account_id: BEN, recipient_id: id(20) };
    room.record(reported);
    assert!(room.waits(BEN, 20));
    room.record(added);
    assert_eq!(room.wrap(1, BEN, 20).reported_at, None);
}

#[test]
fn whoever_leaves_takes_their_recipients_along_and_a_commit_is_due() {
    let mut room = Room::open();
    room.join(BEN, 20);
    room.commit(1, &[(ADA, 10), (BEN, 20)]);
    room.record(ConversationMemberLeft {
        conversation_id: CONVERSATION,
        account_id: BEN,
        removed_by: Some(ADA),
    });
    assert!(!room.recipient(BEN, 20).active);
    assert_eq!((room.conversation().members, room.conversation().commit_required), (1, true));
    let member = room.fold.row::<ConversationMember>(&(CONVERSATION, BEN)).expect("a row");
    assert!(member.left_position > Some(member.joined_position));
    room.commit(2, &[(ADA, 10)]);
    assert_eq!((room.conversation().generation, room.conversation().commit_required), (2, false));
}

#[test]
fn a_removed_recipient_makes_a_commit_due() {
    let mut room = Room::open();
    room.commit(1, &[(ADA, 10)]);
    let removed = RecipientRemoved { conversation_id: CONVERSATION, account_id: ADA, recipient_id: id(10) };
    room.record(removed);
    assert!(room.conversation().commit_required);
}

#[test]
fn a_conversation_begins_anew_with_the_recipients_of_now_and_memberships_go_on() {
    let mut room = Room::open();
    room.join(BEN, 20);
    room.commit(1, &[(ADA, 10), (BEN, 20)]);
    let member = |room: &Room, id| room.fold.row::<ConversationMember>(&(CONVERSATION, id)).expect("a row");
    let before = member(&room, BEN);
    room.record(ConversationDeleted { conversation_id: CONVERSATION, deleted_by: BEN });
    assert!(room.conversation().deleted_at.is_some());
    room.record(ConversationReopened { conversation_id: CONVERSATION, reopened_by: ADA, deleted_up_to: 3 });
    room.join(ADA, 10);
    room.join(BEN, 21);
    let now = room.conversation();
    assert_eq!((now.deleted_at, now.members, now.commit_required), (None, 2, true));
    assert_eq!(member(&room, BEN).joined_position, before.joined_position);
    let active = |account, number| room.recipient(account, number).active;
    assert!(active(ADA, 10) && active(BEN, 21) && !active(BEN, 20));
}

#[test]
fn two_accounts_recipients_of_one_id_are_two_rows_with_a_wrap_each() {
    let mut room = Room::open();
    room.join(BEN, 10);
    room.commit(1, &[(ADA, 10), (BEN, 10)]);
    let reported =
        WrapReported { conversation_id: CONVERSATION, generation: 1, account_id: BEN, recipient_id: id(10) };
    room.record(reported);
    assert!(room.waits(BEN, 10) && !room.waits(ADA, 10));
    assert_eq!(room.wrap(1, ADA, 10).reported_at, None);
    assert!(room.wrap(1, BEN, 10).reported_at.is_some());
    let removed = RecipientRemoved { conversation_id: CONVERSATION, account_id: BEN, recipient_id: id(10) };
    room.record(removed);
    assert!(room.recipient(ADA, 10).active && !room.recipient(BEN, 10).active);
    room.record(ConversationMemberLeft {
        conversation_id: CONVERSATION,
        account_id: BEN,
        removed_by: Some(ADA),
    });
    assert!(room.recipient(ADA, 10).active);
}
