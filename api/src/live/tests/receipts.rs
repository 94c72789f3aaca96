//! Whom a receipt comes to: everybody in a small conversation, in a large one those whose messages it is about, and never
//! whoever is no member.

use commands::request::{CommandIdentity, Content, Request, command_id};
use domain::conversation_member::{ReceiptRecorded, Watermarks, conversation_member_id};
use domain::limits::RECEIPTS_FOR_ALL_MEMBERS_MAX;
use domain::{AccountId, Category, ConversationId, DeviceId, Event, SessionId};
use eventstore_schema::StreamId;

use super::super::audience::{Audience, Proved};
use super::super::memberships::Memberships;
use super::super::sight::{Look, Sight};
use super::site::{Client, Node, ORGANIZATION, Person, Site};

const SENT: &str = "conversation.message_sent";
const RECEIVED: &str = "conversation_member.receipt_recorded";

/// Members whom nobody hears of: so many that the conversation is a large one.
fn crowd() -> Vec<Person> {
    let member = |number: usize| {
        let bytes = [u8::try_from(number).unwrap() + 1; 16];
        Person {
            account_id: AccountId::from_bytes(bytes),
            device_id: DeviceId::from_bytes(bytes),
            session_id: SessionId::from_bytes(bytes),
            term: 0,
        }
    };
    (0..RECEIPTS_FOR_ALL_MEMBERS_MAX).map(member).collect()
}

async fn group(node: &Node, members: &[&Person], crowd: &[Person]) -> ConversationId {
    let all: Vec<_> = members.iter().copied().chain(crowd).collect();
    node.group(&all).await
}

/// Acknowledges by the rules.
async fn acknowledge(node: &Node, by: &Person, conversation_id: ConversationId, number: u64) {
    let state = &node.state;
    let id = command_id(by.actor(), &format!("receipt {number}"));
    let command = CommandIdentity { id, content: Content::of("receipt", &[&number.to_be_bytes()]) };
    let request = Request::new(state.clock.now(), by.actor(), command, state.clock.new_id())
        .with_device(Some(by.device_id))
        .with_session(Some(by.session_id));
    let marks = Watermarks { delivered_up_to: number, read_up_to: number };
    state.services.conversations.record_receipt(&request, conversation_id, marks).await.unwrap();
}

/// Whatever the rules say, somebody's receipt is on record that names these senders.
async fn record(node: &Node, by: &Person, conversation_id: ConversationId, senders: &[&Person]) {
    let mut senders: Vec<_> = senders.iter().map(|person| person.account_id).collect();
    senders.sort_unstable();
    let event = receipt(by.account_id, by.device_id, conversation_id, Some(senders));
    let id = conversation_member_id(conversation_id, by.account_id);
    let stream = StreamId::new(Category::ConversationMember, id);
    node.write(stream, Some(ORGANIZATION), by.actor(), vec![(event, None)]).await;
}

fn receipt(
    account_id: AccountId,
    device_id: DeviceId,
    conversation_id: ConversationId,
    senders: Option<Vec<AccountId>>,
) -> Event {
    let organization_id = ORGANIZATION;
    ReceiptRecorded {
        organization_id,
        conversation_id,
        account_id,
        device_id,
        delivered_before: 0,
        delivered_up_to: 1,
        read_before: 0,
        read_up_to: 1,
        senders,
    }
    .into()
}

async fn names<const N: usize>(node: &Node, clients: [(&mut Client, &Person); N]) -> [Vec<String>; N] {
    let mut all = [const { Vec::new() }; N];
    for ((client, person), names) in clients.into_iter().zip(&mut all) {
        node.mark(person).await;
        *names = client.names_to_mark().await;
        // Another node may have been behind when the socket was opened.
        names.retain(|name| name != "conversation.member_joined");
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_large_conversation_it_comes_to_those_who_sent_and_to_oneself_on_every_node() {
    let site = Site::new().await;
    let (here, there) = (site.node().await, site.node().await);
    let (ann, bob, eve) = (here.person().await, here.person().await, here.person().await);
    let group = group(&here, &[&ann, &bob, &eve], &crowd()).await;
    let mut anns = there.connect_fully(&ann).await;
    let mut bobs = there.connect_fully(&bob).await;
    let mut eves = there.connect_fully(&eve).await;
    here.send(&ann, group, b"to everybody").await;
    acknowledge(&here, &bob, group, 1).await;
    let event = loop {
        let event = anns.event().await;
        if event["name"] == RECEIVED {
            break event;
        }
    };
    assert_eq!(event["conversation_id"], group.to_string());
    assert_eq!(event["data"]["senders"], serde_json::json!([ann.account_id]));
    assert_eq!((&event["data"]["read_before"], &event["data"]["read_up_to"]), (&0.into(), &1.into()));
    let [bobs, eves] = names(&here, [(&mut bobs, &bob), (&mut eves, &eve)]).await;
    assert_eq!((bobs, eves), (vec![SENT.to_owned(), RECEIVED.to_owned()], vec![SENT.to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_small_conversation_it_comes_to_all_members() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve, mallory) =
        (node.person().await, node.person().await, node.person().await, node.person().await);
    let group = group(&node, &[&ann, &bob, &eve], &[]).await;
    let (mut eves, mut mallorys) = (node.connect_fully(&eve).await, node.connect_fully(&mallory).await);
    node.send(&ann, group, b"to everybody").await;
    acknowledge(&node, &bob, group, 1).await;
    let [eves, mallorys] = names(&node, [(&mut eves, &eve), (&mut mallorys, &mallory)]).await;
    assert_eq!(eves, [SENT, RECEIVED]);
    assert!(mallorys.is_empty(), "{mallorys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_member_any_more_gets_none_although_named() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob, eve) = (node.person().await, node.person().await, node.person().await);
    let mallory = node.person().await;
    let group = group(&node, &[&ann, &bob, &eve], &crowd()).await;
    let mut anns = node.connect_fully(&ann).await;
    let mut bobs = node.connect_fully(&bob).await;
    let mut eves = node.connect_fully(&eve).await;
    let mut mallorys = node.connect_fully(&mallory).await;
    node.leave(group, &ann).await;
    node.leave(group, &bob).await;
    // Looked at before they left, recorded after it.
    record(&node, &bob, group, &[&ann, &eve, &mallory]).await;
    let clients = [(&mut anns, &ann), (&mut bobs, &bob), (&mut eves, &eve), (&mut mallorys, &mallory)];
    let left = "conversation.member_left";
    let [anns, bobs, eves, mallorys] = names(&node, clients).await;
    assert_eq!((anns, bobs), (vec![left.to_owned()], vec![left.to_owned(), left.to_owned()]));
    assert_eq!(eves, [left, left, RECEIVED]);
    assert!(mallorys.is_empty(), "{mallorys:?}");
}

#[test]
fn who_catches_up_is_judged_alike() {
    let conversation_id = ConversationId::from_bytes([1; 16]);
    let people: Vec<_> = (2..6).map(|byte| AccountId::from_bytes([byte; 16])).collect();
    let device_id = DeviceId::from_bytes([3; 16]);
    let event = receipt(people[1], device_id, conversation_id, Some(vec![people[0], people[3]]));
    let proved = Proved { session_id: SessionId::from_bytes([2; 16]), device_id: None, password_revision: 0 };
    let looks = |is_member: bool| {
        let look = |account_id: &AccountId| {
            let mut sight = Sight::at(*account_id, proved, &[], Memberships::default(), None);
            if is_member {
                let joined = domain::conversation::ConversationMemberJoined {
                    conversation_id,
                    account_id: *account_id,
                    role: domain::conversation::ConversationRole::Member,
                    added_by: *account_id,
                    organization_term: 1,
                    workspace: None,
                    earlier: domain::conversation::Earlier::NOTHING,
                    recipients: Vec::new(),
                };
                sight.look(&Audience::of_event(&joined.into(), 0, Some(ORGANIZATION)));
            }
            sight.look(&Audience::of_event(&event, 0, Some(ORGANIZATION)))
        };
        people.iter().map(look).collect::<Vec<_>>()
    };
    assert_eq!(looks(true), [Look::Shown, Look::Shown, Look::Hidden, Look::Shown]);
    assert_eq!(looks(false), [Look::Hidden; 4]);
}
