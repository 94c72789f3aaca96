//! What is known from a first look and the changes since is what a new look shows.

use std::collections::{BTreeMap, BTreeSet};

use domain::{AccountId, Aggregate, ConversationId, OrganizationId};
use eventstore_schema::database::Role;

use super::*;
use crate::conversations::queries::ConversationView;
use crate::messages::changes::{Change, changes};
use crate::sync::{Activity, Synced, sync};
use crate::{Page, Reader, Viewer};

/// Conversations as a client keeps them.
type Kept = BTreeMap<ConversationId, (ConversationView, Activity)>;

/// Those in which the account is a member now.
fn organizations(bench: &Bench, account_id: AccountId) -> Vec<OrganizationId> {
    let all = bench.world.organizations();
    all.filter(|(_, one)| one.role(account_id).is_some()).map(|(id, _)| id).collect()
}

/// Reads all pages into what is kept; answers the first position, and how many rows came.
async fn take(
    (bench, reader): (&Bench, &Reader),
    account_id: AccountId,
    since: Option<Position>,
    kept: &mut Kept,
    limit: u32,
) -> (Position, usize) {
    let members = organizations(bench, account_id);
    let (mut first, mut keys) = (None, Vec::new());
    loop {
        let page = Page::new(keys.last().copied(), limit);
        let page = sync(reader, account_id, &members, since, page).await.expect("a page");
        first = first.or(Some(page.position));
        let is_last = page.conversations.is_empty();
        for one in page.conversations {
            keys.push(one.key());
            match one {
                Synced::There(there) => drop(kept.insert(there.0.conversation_id, *there)),
                Synced::Ended(id, _) => drop(kept.remove(&id)),
            }
        }
        if is_last {
            break;
        }
    }
    assert!(keys.windows(2).all(|two| two[0] > two[1]), "the newest first, each once");
    (first.expect("a page"), keys.len())
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Inside {
    messages: BTreeMap<u64, String>,
    reactions: BTreeMap<(u64, AccountId, u8), String>,
    pins: BTreeMap<u64, String>,
    members: BTreeMap<AccountId, String>,
}

impl Inside {
    fn take(&mut self, change: Change) {
        match change {
            // Who pins a message changes its row here, but is no edit.
            Change::Message(row) => {
                drop(self.messages.insert(row.number, format!("{:?} {:?}", row.ciphertext, row.deleted_at)));
                if row.deleted_at.is_some() {
                    self.pins.remove(&row.number);
                    self.reactions.retain(|(number, ..), _| *number != row.number);
                }
            }
            Change::Reaction(row) => {
                drop(self.reactions.insert((row.number, row.account_id, row.slot), format!("{row:?}")));
            }
            Change::ReactionCleared(row) => {
                drop(self.reactions.remove(&(row.number, row.account_id, row.slot)));
            }
            Change::Pin(row) => drop(self.pins.insert(row.number, format!("{row:?}"))),
            Change::Unpinned(number) => drop(self.pins.remove(&number)),
            Change::Member(row) if row.left_at.is_some() => drop(self.members.remove(&row.account_id)),
            Change::Member(row) => drop(self.members.insert(row.account_id, format!("{row:?}"))),
        }
    }
}

/// Reads all changes behind a position into what is kept, or everything anew where that is not enough.
async fn take_changes(
    reader: &Reader,
    viewer: &Viewer,
    id: ConversationId,
    since: Option<Position>,
    kept: &mut Inside,
    limit: u32,
) -> Position {
    let (mut since, mut first) = (since, None);
    loop {
        let page = changes(reader, viewer, id, Page::new(since, limit)).await.expect("a page");
        if first.is_none() && since.is_some() && page.joined > since {
            (*kept, since) = (Inside::default(), None);
            continue;
        }
        first = first.or(Some(page.position));
        assert!(page.changes.windows(2).all(|two| two[0].0 < two[1].0), "a position names one change");
        let Some((last, _)) = page.changes.last() else { break };
        since = Some(*last);
        page.changes.into_iter().for_each(|(_, change)| kept.take(change));
    }
    first.expect("a page")
}

/// One client: what it keeps, and since when.
#[derive(Default)]
struct Device {
    conversations: Kept,
    since: Option<Position>,
    inside: BTreeMap<ConversationId, (Inside, Option<Position>)>,
}

impl Device {
    async fn sync(&mut self, bench: &Bench, reader: &Reader, account_id: AccountId, limit: u32) -> usize {
        let (position, rows) =
            take((bench, reader), account_id, self.since, &mut self.conversations, limit).await;
        self.since = Some(position);
        self.inside.retain(|id, _| self.conversations.contains_key(id));
        for (id, (view, more)) in &self.conversations {
            let viewer = Viewer { account_id, organization_id: Some(view.organization_id) };
            let (inside, since) = self.inside.entry(*id).or_default();
            *since = Some(take_changes(reader, &viewer, *id, *since, inside, limit).await);
            inside.messages.retain(|number, _| *number > more.visible_after);
            inside.reactions.retain(|(number, ..), _| *number > more.visible_after);
            inside.pins.retain(|number, _| *number > more.visible_after);
        }
        rows
    }
}

#[tokio::test]
async fn changes_since_a_look_make_it_a_new_one() {
    let mut bench = Bench::new(81).await;
    let projections = bench.start().await;
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let mut devices: BTreeMap<AccountId, Device> = BTreeMap::new();
    let (mut seen, mut told, mut inside) = (0, 0, BTreeSet::new());
    for (round, limit) in [(600, 7), (200, 1), (40, 200), (400, 3), (300, 2)] {
        bench.world.live(round).await;
        projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
        for account_id in bench.world.accounts() {
            let device = devices.entry(account_id).or_default();
            let rows = device.sync(&bench, &reader, account_id, limit).await;
            let mut anew = Device::default();
            anew.sync(&bench, &reader, account_id, 200).await;
            assert_eq!(device.conversations, anew.conversations, "{account_id} after {round}");
            for (id, (new, _)) in &anew.inside {
                let (known, _) = &device.inside[id];
                assert_eq!(known, new, "{account_id} in {id} after {round}");
                inside.extend(
                    [
                        (!new.messages.is_empty(), "messages"),
                        (!new.reactions.is_empty(), "reactions"),
                        (!new.pins.is_empty(), "pins"),
                        (!new.members.is_empty(), "members"),
                    ]
                    .iter()
                    .filter(|one| one.0)
                    .map(|one| one.1),
                );
            }
            seen += anew.conversations.len();
            told += rows;
        }
    }
    assert!(seen > 10 && told > 10, "{seen} seen, {told} told");
    assert_eq!(inside.len(), 4, "{inside:?}");
    // Where nothing happens, nothing is told, once what was folded is saved as such.
    for (account_id, device) in &mut devices {
        eventually(async || device.sync(&bench, &reader, *account_id, 50).await == 0).await;
    }
}

#[tokio::test]
async fn a_sync_shows_what_the_aggregates_know_and_nobody_elses() {
    let mut bench = Bench::new(82).await;
    bench.world.live(900).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let mut direct = 0;
    for account_id in bench.world.accounts() {
        let mut kept = Kept::new();
        take((&bench, &reader), account_id, None, &mut kept, 5).await;
        for (id, (view, more)) in &kept {
            let conversation =
                bench.world.conversations().find(|one| one.id() == Some(*id)).expect("a conversation");
            assert!(conversation.members().any(|(member, _)| member == account_id));
            assert_eq!(view.last_number, conversation.last_number());
            assert_eq!(more.visible_after, conversation.deleted_up_to());
            let viewer = Viewer { account_id, organization_id: conversation.organization() };
            let all = crate::messages::queries::page(
                &reader,
                &viewer,
                *id,
                crate::messages::queries::Direction::Forwards,
                Page::new(None, 200),
            );
            let all = all.await.unwrap();
            let last = all.last().map(|last| (last.message_id, last.sender_id, last.deleted_at));
            let told =
                more.last_message_id.zip(more.last_sender_id).map(|(a, b)| (a, b, more.last_deleted_at));
            assert_eq!(told, last);
            let is_unread = |one: &&crate::messages::queries::MessageView| {
                one.number > view.read_up_to && one.sender_id != account_id && one.deleted_at.is_none()
            };
            assert_eq!(more.unread, all.iter().filter(is_unread).count() as u64);
            if let Some(other) = more.direct_with {
                direct += 1;
                assert!(other != account_id);
            }
        }
        let stranger = sync(&reader, account_id, &[], None, Page::new(None, 200)).await.unwrap();
        assert!(stranger.conversations.is_empty(), "nothing of organizations that it is not in");
    }
    assert!(direct > 0, "somebody talks with one other");
}

#[tokio::test]
async fn what_was_set_aside_is_told_when_it_is_folded_in_the_end() {
    let mut bench = Bench::new(83).await;
    bench.world.live(600).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let conversation = bench.world.conversations().find(|one| !one.is_deleted()).expect("a conversation");
    let (id, (member, _)) = (conversation.id().unwrap(), conversation.members().next().expect("a member"));
    let mut kept = Kept::new();
    let (before, _) = take((&bench, &reader), member, None, &mut kept, 50).await;
    let owner = bench.database.client().await;
    let aside = "INSERT INTO projection.parked_events (projection, fingerprint, position, stream, revision, event_type) \
        SELECT name, fingerprint, 7, 'conversation-' || $1::text, 1, 'conversation.message_sent' \
        FROM projection.checkpoints WHERE name = 'messages'";
    owner.execute(aside, &[&id.to_string()]).await.unwrap();
    let (position, _) = take((&bench, &reader), member, Some(before), &mut kept, 50).await;
    assert_eq!(position, Position::new(6));
    let viewer = Viewer { account_id: member, organization_id: conversation.organization() };
    let page = changes(&reader, &viewer, id, Page::new(Some(before), 50)).await.unwrap();
    assert_eq!(page.position, Position::new(6));
}
