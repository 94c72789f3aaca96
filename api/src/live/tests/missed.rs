//! What is read of an account's own streams is all that a look at every event of the log would have shown it, in any history.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::conversation_member::{ReceiptRecorded, conversation_member_id};
use domain::session::{SessionEvent, SessionStarted};
use domain::{AccountId, Actor, Category, ConversationId, DeviceId, Event, OrganizationId};
use eventstore_schema::{EventLog, PageLimits, Position, ReadFilter, RecordedEvent, StreamId};
use projections::testing::{History, World};
use projections::{ADDRESSING, Item, addressed, conversations};

use super::super::audience::Proved;
use super::super::event::LiveEvent;
use super::super::missed::{Missed, acknowledgements, latest};
use super::super::sight::{Look, Sight};
use super::super::terms;
use super::site::{Node, PATIENCE, Site};

/// What a socket is shown, and how it ends if it does.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    shown: Vec<Position>,
    end: Option<Look>,
}

impl Seen {
    /// Takes in the next events, until the end.
    fn see(&mut self, sight: &mut Sight, events: Vec<Arc<LiveEvent>>) {
        for event in events {
            if self.end.is_some() {
                return;
            }
            match sight.look(event.audience()) {
                Look::Hidden => {}
                Look::Shown => self.shown.push(event.position()),
                end @ (Look::Ended | Look::Lost) => self.end = Some(end),
            }
        }
    }
}

fn live(events: &[RecordedEvent]) -> Vec<Arc<LiveEvent>> {
    events.iter().map(|event| LiveEvent::new(Item::new(event.clone()))).collect()
}

async fn everything(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let page =
            log.read_all(all.last().map(|last| last.position), 1_000, &ReadFilter::all()).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// A session of the account that began up to a position, if there is one.
fn session(all: &[RecordedEvent], account: AccountId, up_to: Position, nth: usize) -> Option<SessionStarted> {
    let started = all.iter().filter(|event| event.position <= up_to).filter_map(|event| {
        let Item::Event(decoded) = Item::new(event.clone()) else { return None };
        match &decoded.event {
            Event::Session(SessionEvent::Started(started)) if started.account_id == account => {
                Some(started.clone())
            }
            _ => None,
        }
    });
    let started: Vec<_> = started.collect();
    (!started.is_empty()).then(|| started[nth % started.len()].clone())
}

/// What the account sees between two positions by a look at everything, and by its own streams, page by page.
async fn both(
    node: &Node,
    all: &[RecordedEvent],
    started: &SessionStarted,
    (after, until): (Position, Position),
    limits: PageLimits,
) -> (Seen, Seen, usize) {
    let (account, session_id) = (started.account_id, started.session_id);
    let reader = node.state.read_models.now();
    let rows = conversations::queries::spans(&reader, account).await.unwrap();
    let (spans, ended) = terms::look(&node.state, account, rows.clone()).await.unwrap();
    let proved =
        Proved { session_id, device_id: started.device_id, password_revision: started.password_revision };
    let sight = Sight::at(account, proved, &spans, ended, Some(after));
    let between = |event: &&RecordedEvent| event.position > after && event.position <= until;
    let log: Vec<_> = all.iter().filter(between).cloned().collect();
    let mut by_log = Seen::default();
    by_log.see(&mut sight.clone(), latest(live(&log)));
    let mut addressed = addressed(&reader, account, Some(after)).await.unwrap();
    addressed.extend(acknowledgements(&reader, account, &rows, Some(after)).await.unwrap());
    let mut missed = Missed::new(account, session_id, &rows, addressed, (Some(after), until));
    let (mut by_streams, mut sight, mut read) = (Seen::default(), sight, Vec::new());
    while missed.goes_on() {
        read.extend(missed.next(&*node.log, limits).await.unwrap());
    }
    by_streams.see(&mut sight, latest(live(&read)));
    (by_log, by_streams, read.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn own_streams_show_all_that_a_look_at_everything_shows() {
    let (mut shown, mut ends, mut streams) = (0, BTreeSet::new(), BTreeSet::new());
    for seed in 1..=6 {
        let site = Site::new().await;
        let node = site.node().await;
        let mut world = World::new(node.log.clone(), seed);
        world.live(500).await;
        let all = everything(&*node.log).await;
        let head = all.last().unwrap().position;
        for projection in ADDRESSING.iter().chain(&["conversations"]) {
            node.state.projections.wait_for(projection, head, PATIENCE).await.unwrap();
        }
        for (n, account) in world.accounts().into_iter().enumerate() {
            for round in 0..12 {
                let at = |part: usize| all[(part * 7_919 + n * 104_729) % all.len()].position;
                let (after, until) = (at(round), if round % 3 == 0 { at(round + 50) } else { head });
                let Some(started) = session(&all, account, after, round) else { continue };
                let limits = PageLimits { events: 1 + round * 3, bytes: 100 + 1_000 * round };
                let (by_log, by_streams, read) = both(&node, &all, &started, (after, until), limits).await;
                assert_eq!(by_streams, by_log, "seed {seed}, {account} behind {after} up to {until}");
                shown += by_log.shown.len();
                ends.extend(by_log.end.map(|end| format!("{end:?}")));
                let of = |event: &&RecordedEvent| by_log.shown.binary_search(&event.position).is_ok();
                streams.extend(all.iter().filter(of).map(|event| event.stream.category.name()));
                assert!(read <= all.len());
            }
        }
    }
    // It was about something.
    assert!(shown > 5_000, "{shown}");
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["Ended", "Lost"]);
    let addressing =
        [Category::Account, Category::Conversation, Category::ConversationMember, Category::Device];
    let others = [Category::Organization, Category::Session, Category::Workspace];
    for category in addressing.into_iter().chain(others) {
        assert!(streams.contains(category.name()), "nothing of {category} was shown");
    }
}

/// What others do elsewhere is not read.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_others_is_read() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let (own, left) = (node.group(&[&ann, &bob]).await, node.group(&[&ann, &bob]).await);
    node.leave(left, &bob).await;
    let foreign = node.group(&[&ann]).await;
    let after = node.log.head().await.unwrap().position.unwrap();
    for _ in 0..5 {
        for group in [foreign, left, own] {
            node.send(&ann, group, b"hello").await;
        }
        // Somebody else comes into the organization.
        node.person().await;
    }
    let until = node.log.head().await.unwrap().position.unwrap();
    for projection in ADDRESSING.iter().chain(&["conversations"]) {
        node.state.projections.wait_for(projection, until, PATIENCE).await.unwrap();
    }
    let reader = node.state.read_models.now();
    let spans = conversations::queries::spans(&reader, bob.account_id).await.unwrap();
    let addressed = addressed(&reader, bob.account_id, Some(after)).await.unwrap();
    assert_eq!(addressed, []);
    let addressed = acknowledgements(&reader, bob.account_id, &spans, Some(after)).await.unwrap();
    assert_eq!(addressed, [], "nobody acknowledged anything");
    let mut missed = Missed::new(bob.account_id, bob.session_id, &spans, addressed, (Some(after), until));
    let limits = PageLimits { events: 3, bytes: 1_000_000 };
    let mut read = Vec::new();
    while missed.goes_on() {
        read.extend(missed.next(&*node.log, limits).await.unwrap());
    }
    let stream = StreamId::new(Category::Conversation, own);
    assert_eq!(read.len(), 5);
    assert!(read.iter().all(|event| event.stream == stream));
}

/// Receipts of one device, then another's, in a page; those with senders are told to them alone.
#[tokio::test]
async fn of_receipts_in_a_page_the_last_of_each_device_is_enough() {
    let mut history = History::default();
    let (group, organization_id) = (ConversationId::from_bytes([1; 16]), OrganizationId::from_bytes([2; 16]));
    let (ann, bob) = (AccountId::from_bytes([3; 16]), AccountId::from_bytes([4; 16]));
    let (phone, desk) = (DeviceId::from_bytes([5; 16]), DeviceId::from_bytes([6; 16]));
    let mut receipt = |account_id, device_id, up_to, senders: Option<Vec<AccountId>>| {
        let event = ReceiptRecorded {
            organization_id,
            conversation_id: group,
            account_id,
            device_id,
            delivered_before: up_to - 1,
            delivered_up_to: up_to,
            read_before: up_to - 1,
            read_up_to: up_to,
            senders,
        };
        let id = conversation_member_id(group, account_id);
        history.record(id, Some(organization_id), Actor::account(account_id), event)
    };
    let page = [
        receipt(ann, phone, 1, None),
        receipt(ann, desk, 1, None),
        receipt(bob, phone, 1, Some(vec![ann])),
        receipt(ann, phone, 2, None),
        receipt(bob, phone, 2, None),
        receipt(ann, phone, 3, None),
    ];
    let told: Vec<_> = latest(live(&page)).iter().map(|event| event.position().get()).collect();
    let expected: Vec<_> = [1, 2, 4, 5].map(|at: usize| page[at].position.get()).into();
    assert_eq!(told, expected);
}
