//! Receipts: together what comes together, exact whatever happens in between, and never for whoever may not.

use domain::conversation::commands::SendMessage;
use domain::conversation::{ConversationRole, MessageBody};
use domain::conversation_member::{
    ConversationMember, ConversationMemberEvent, ReceiptRecorded, Watermarks, conversation_member_id,
};
use domain::{Blob, ConversationId, MessageId, Rejection};
use eventstore_schema::memory::Fault;
use eventstore_schema::{Revision, StreamId};
use tokio::task::JoinHandle;

use super::stage::*;
use crate::Services;
use crate::executor::{ExecuteError, Executed};
use crate::limits::{RECEIPT_WINDOW, RECEIPTS_PER_WINDOW_MAX, UNKNOWN_OUTCOME_DELAYS};
use crate::request::Request;

type Answer = Result<Executed<ConversationMemberEvent>, ExecuteError>;

/// Alice and Bob in a group, with some messages.
struct Room {
    stage: Stage,
    id: ConversationId,
}

impl Room {
    async fn new(messages: u8) -> Self {
        let stage = Stage::new().await;
        stage.enter(ALICE).await;
        stage.enter(BOB).await;
        let organization = stage.organization(&[ALICE, BOB]).await;
        let id = stage.group(organization, ALICE, &[BOB]).await;
        let room = Self { stage, id };
        for number in 1..=messages {
            room.send(number).await;
        }
        // Time goes on by itself from here on, whenever everybody waits.
        tokio::time::pause();
        room
    }

    async fn send(&self, number: u8) {
        let message = SendMessage {
            message_id: MessageId::from_bytes([number; 16]),
            generation: 0,
            reply_to: None,
            body: MessageBody { content: Blob::new(b"hello".to_vec()), cipher: None },
        };
        let conversations = &self.stage.services.conversations;
        conversations.send(&self.stage.by(ALICE, 0), self.id, message).await.unwrap();
    }

    fn bob(&self) -> Request {
        self.stage.by(BOB, 0).with_session(Some(BOB.session(0)))
    }

    async fn acknowledge(&self, node: &Services, request: &Request, delivered: u64, read: u64) -> Answer {
        node.conversations.record_receipt(request, self.id, marks(delivered, read)).await
    }

    /// Acknowledges by the way.
    fn acknowledging(&self, request: Request, delivered: u64, read: u64) -> JoinHandle<Answer> {
        let (conversations, id) = (self.stage.services.conversations.clone(), self.id);
        tokio::spawn(async move { conversations.record_receipt(&request, id, marks(delivered, read)).await })
    }

    /// What is on record of Bob.
    async fn recorded(&self) -> Vec<(u64, u64)> {
        let stream = StreamId::new(domain::Category::ConversationMember, self.member());
        let events = self.stage.parts.log.read_stream(stream, Revision::new(0), 100).await.unwrap();
        let decoded =
            events.iter().map(|event| eventstore_schema::catalogue::decode_recorded(event).unwrap());
        decoded
            .map(|event| ConversationMemberEvent::try_from(event).unwrap())
            .map(|event| told(&event))
            .collect()
    }

    fn member(&self) -> domain::ConversationMemberId {
        conversation_member_id(self.id, BOB.account())
    }

    async fn watermarks(&self) -> Watermarks {
        let loaded = self.stage.services.executor.load::<ConversationMember>(self.member()).await.unwrap();
        loaded.state.watermarks(BOB.device(0))
    }
}

fn marks(delivered_up_to: u64, read_up_to: u64) -> Watermarks {
    Watermarks { delivered_up_to, read_up_to }
}

fn told(event: &ConversationMemberEvent) -> (u64, u64) {
    let ConversationMemberEvent::ReceiptRecorded(ReceiptRecorded { delivered_up_to, read_up_to, .. }) = event;
    (*delivered_up_to, *read_up_to)
}

fn refused(answer: Answer) -> Rejection {
    answer.unwrap_err().rejection().cloned().expect("a rejection")
}

#[tokio::test]
async fn the_first_is_recorded_at_once_and_what_follows_together() {
    let room = Room::new(9).await;
    let began = tokio::time::Instant::now();
    let first = room.acknowledging(room.bob(), 1, 0).await.unwrap().unwrap();
    assert!(began.elapsed() < RECEIPT_WINDOW, "nobody waits for nothing");
    assert_eq!(first.events.iter().map(told).collect::<Vec<_>>(), [(1, 0)]);
    let waiting: Vec<_> = (2..=9).map(|number| room.acknowledging(room.bob(), number, number / 2)).collect();
    for (answer, number) in waiting.into_iter().zip(2..) {
        let executed = answer.await.unwrap().unwrap();
        let (delivered, read) = told(&executed.events[0]);
        assert!(delivered >= number && read >= number / 2, "answered before it was recorded");
    }
    assert!(began.elapsed() >= RECEIPT_WINDOW);
    assert_eq!(room.recorded().await, [(1, 0), (9, 4)]);
    tokio::time::sleep(RECEIPT_WINDOW).await;
    room.acknowledging(room.bob(), 9, 9).await.unwrap().unwrap();
    assert_eq!(room.recorded().await, [(1, 0), (9, 4), (9, 9)]);
}

#[tokio::test]
async fn ten_messages_a_second_cost_an_event_a_second() {
    let room = Room::new(60).await;
    let mut answers = Vec::new();
    for number in 1..=60 {
        answers.push(room.acknowledging(room.bob(), number, number));
        tokio::time::sleep(RECEIPT_WINDOW / 10).await;
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    let recorded = room.recorded().await;
    assert!((6..=8).contains(&recorded.len()), "{recorded:?}");
    assert_eq!(recorded.last(), Some(&(60, 60)));
}

#[tokio::test]
async fn who_gives_up_breaks_nothing_off() {
    let room = Room::new(3).await;
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    let (gone, stays) = (room.acknowledging(room.bob(), 3, 2), room.acknowledging(room.bob(), 2, 2));
    tokio::task::yield_now().await;
    gone.abort();
    stays.await.unwrap().unwrap();
    assert_eq!(room.recorded().await, [(1, 1), (3, 2)]);
}

#[tokio::test]
async fn one_who_is_wrong_is_refused_alone() {
    let room = Room::new(3).await;
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    let (right, wrong) = (room.acknowledging(room.bob(), 2, 2), room.acknowledging(room.bob(), 4, 4));
    right.await.unwrap().unwrap();
    let refusal = refused(wrong.await.unwrap());
    assert!(matches!(refusal, Rejection::InvalidField { field: "delivered_up_to", .. }));
    assert_eq!(room.recorded().await, [(1, 1), (2, 2)]);
}

#[tokio::test]
async fn of_too_many_who_wait_the_last_wait_for_the_first() {
    let room = Room::new(3).await;
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    let waiting: Vec<_> =
        (0..RECEIPTS_PER_WINDOW_MAX).map(|_| room.acknowledging(room.bob(), 2, 2)).collect();
    tokio::task::yield_now().await;
    let one_too_many = room.acknowledging(room.bob(), 3, 3);
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(room.recorded().await, [(1, 1), (2, 2)]);
    one_too_many.await.unwrap().unwrap();
    assert_eq!(room.recorded().await, [(1, 1), (2, 2), (3, 3)]);
}

#[tokio::test]
async fn at_the_end_what_waits_is_recorded_at_once() {
    let room = Room::new(3).await;
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    let began = tokio::time::Instant::now();
    let waiting = room.acknowledging(room.bob(), 3, 3);
    tokio::task::yield_now().await;
    room.stage.services.conversations.end().await;
    assert!(began.elapsed() < RECEIPT_WINDOW);
    assert_eq!(room.recorded().await, [(1, 1), (3, 3)]);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_repeated_receipt_is_answered_and_recorded_once() {
    let room = Room::new(3).await;
    let request = room.bob();
    let first = room.acknowledge(&room.stage.services, &request, 2, 2).await.unwrap();
    let again = room.acknowledge(&room.stage.services, &request, 2, 2).await.unwrap();
    assert_eq!((first.replayed, again.replayed, again.events), (false, true, first.events));
    let other = room.acknowledge(&room.stage.services, &room.bob(), 2, 1).await.unwrap();
    assert_eq!((other.replayed, other.events.len()), (false, 0));
    assert_eq!(room.recorded().await, [(2, 2)]);
}

#[tokio::test]
async fn an_outage_is_told_to_all_who_wait_and_mended_by_the_next() {
    let room = Room::new(3).await;
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    let (one, other) = (room.acknowledging(room.bob(), 2, 2), room.acknowledging(room.bob(), 3, 2));
    tokio::task::yield_now().await;
    room.stage.faulty.faults().on_next_appends([Fault::FailBefore; 1 + UNKNOWN_OUTCOME_DELAYS.len()]);
    for answer in [one, other] {
        assert!(matches!(answer.await.unwrap(), Err(ExecuteError::Unavailable { .. })));
    }
    assert_eq!(room.recorded().await, [(1, 1)]);
    // Written, and the answer lost: it is found on record.
    let (one, other) = (room.acknowledging(room.bob(), 2, 2), room.acknowledging(room.bob(), 3, 2));
    tokio::task::yield_now().await;
    room.stage.faulty.faults().on_next_appends([Fault::FailAfter]);
    for answer in [one, other] {
        assert_eq!(told(&answer.await.unwrap().unwrap().events[0]), (3, 2));
    }
    room.acknowledging(room.bob(), 3, 3).await.unwrap().unwrap();
    assert_eq!(room.watermarks().await, marks(3, 3));
}

#[tokio::test]
async fn what_is_sent_in_between_does_not_fail_a_receipt() {
    let room = Room::new(3).await;
    let there = Services::new(&room.stage.parts);
    // The other node has the conversation and the member at hand.
    room.acknowledge(&there, &room.bob(), 1, 1).await.unwrap();
    room.send(4).await;
    room.stage.faulty.faults().fail_reads(true);
    room.acknowledge(&there, &room.bob(), 3, 3).await.unwrap();
    room.stage.faulty.faults().fail_reads(false);
    // It does not know of the last message yet, and looks.
    room.acknowledge(&there, &room.bob(), 4, 4).await.unwrap();
    assert_eq!(room.recorded().await, [(1, 1), (3, 3), (4, 4)]);
}

#[tokio::test]
async fn whoever_is_removed_in_between_acknowledges_what_was_sent_to_them_and_no_more() {
    let room = Room::new(3).await;
    let (here, there) = (room.stage.services.clone(), Services::new(&room.stage.parts));
    room.acknowledge(&there, &room.bob(), 1, 1).await.unwrap();
    let by = room.stage.by(ALICE, 0);
    here.conversations.remove_member(&by, room.id, BOB.account()).await.unwrap();
    room.send(4).await;
    // The other node has not heard of it: three messages were sent to Bob, and he has got them.
    room.acknowledge(&there, &room.bob(), 3, 3).await.unwrap();
    let refusal = refused(room.acknowledge(&there, &room.bob(), 4, 4).await);
    assert_eq!(refusal, Rejection::ConversationNotFound);
    let refusal = refused(room.acknowledge(&here, &room.bob(), 3, 3).await);
    assert_eq!(refusal, Rejection::ConversationNotFound);
    assert_eq!(room.watermarks().await, marks(3, 3));
    let (by, role) = (room.stage.by(ALICE, 0), ConversationRole::Member);
    here.conversations.add_member(&by, room.id, BOB.account(), role).await.unwrap();
    room.acknowledge(&there, &room.bob(), 4, 4).await.unwrap();
    assert_eq!(room.watermarks().await, marks(4, 4));
}

#[tokio::test]
async fn sessions_of_one_device_are_judged_each_by_itself() {
    let room = Room::new(3).await;
    room.stage.log_in(BOB, 7, Some(BOB.device(0))).await;
    let other = || room.stage.by(BOB, 0).with_session(Some(BOB.session(7)));
    room.acknowledging(room.bob(), 1, 1).await.unwrap().unwrap();
    room.acknowledging(other(), 1, 1).await.unwrap().unwrap();
    let (mine, others) = (room.acknowledging(room.bob(), 2, 2), room.acknowledging(other(), 3, 3));
    tokio::task::yield_now().await;
    let sessions = &room.stage.services.sessions;
    sessions.revoke(&room.stage.by(BOB, 0), BOB.session(7)).await.unwrap();
    mine.await.unwrap().unwrap();
    assert!(matches!(others.await.unwrap(), Err(ExecuteError::SessionEnded)));
    assert_eq!(room.watermarks().await, marks(2, 2));
}

#[tokio::test]
async fn a_revoked_device_acknowledges_nothing() {
    let room = Room::new(3).await;
    room.stage.enroll(BOB, 1).await;
    room.acknowledge(&room.stage.services, &room.bob(), 1, 1).await.unwrap();
    let by = room.stage.by(BOB, 1);
    let command = domain::device::commands::RevokeDevice {
        device_id: BOB.device(0),
        cause: domain::device::DeviceRevocationCause::Lost,
    };
    room.stage.services.devices.revoke(&by, command).await.unwrap();
    let answer = room.acknowledge(&room.stage.services, &room.bob(), 3, 3).await;
    assert!(matches!(answer, Err(ExecuteError::SessionEnded)));
    assert_eq!(room.recorded().await, [(1, 1)]);
}
