//! People of an organization, found by name.
//!
//! Names are stored sealed only. This node opens those of an organization when somebody searches it for the first time, keeps them
//! in memory, bounded, and follows the feed: whose name or membership changes is not found any more until it was read anew. When a
//! key is given up, everything that was opened before is dropped. What is found is only where to look: whoever asks is shown what the
//! read models say of those people then, under the rights that reading profiles has.

mod index;
pub mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::account::{AccountEvent, AccountProfile};
use domain::organization::OrganizationEvent;
use domain::{AccountId, Category, Event, OrganizationId};
use eventstore_schema::{Opened, Position, SealError, Sealer};
use futures_util::future::try_join_all;
use projections::{
    Feed, FeedSubscription, Item, Page, Projections, QueryError, ReadModels, Reader, Viewer, WaitError,
    accounts, organizations,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::limits::{
    LIVE_RETRY, MIN_POSITION_WAIT_MAX, PAGE_ROWS_MAX, PEOPLE_BYTES_MAX, PEOPLE_FILL_WAIT_MAX,
    PEOPLE_FILLS_AT_ONCE, PEOPLE_KEPT_MAX, PEOPLE_NAMES_MAX, PEOPLE_ORGANIZATIONS_MAX, PEOPLE_STALE_MAX,
};
use index::{Filled, Index};

/// The read models that names and memberships are read from.
const READS: &[&str] = &["accounts", "organizations"];

/// Why names cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the read models cannot be read")]
    Query(#[from] QueryError),
    #[error("names cannot be opened")]
    Seal(#[from] SealError),
    #[error("the read models are behind")]
    Wait(#[from] WaitError),
}

/// People that may be meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Their accounts.
    pub accounts: Vec<AccountId>,
    /// Whether all members were looked at: names are being read, or there are more than are kept.
    pub is_complete: bool,
}

/// The names that this node has opened.
pub struct People {
    shared: Arc<Shared>,
    follower: JoinHandle<()>,
}

struct Shared {
    read_models: ReadModels,
    projections: Arc<Projections>,
    sealer: Arc<Sealer>,
    runtime: tokio::runtime::Handle,
    known: Mutex<Known>,
    fills: Semaphore,
}

/// An organization's names, and what tells that they were read.
struct Kept {
    index: Index,
    read: watch::Receiver<bool>,
}

#[derive(Default)]
struct Known {
    organizations: HashMap<OrganizationId, Kept>,
    /// Up to where the feed was followed.
    position: Option<Position>,
    /// Counts indexes and uses.
    count: u64,
}

impl People {
    /// Follows the feed from its log's position `after` on; knows no names yet. Must be called within a Tokio runtime.
    pub fn start(
        feed: &Feed,
        after: Option<Position>,
        (read_models, projections, sealer): (ReadModels, Arc<Projections>, Arc<Sealer>),
    ) -> Self {
        let known = Mutex::new(Known { position: after, ..Known::default() });
        let fills = Semaphore::new(PEOPLE_FILLS_AT_ONCE);
        let runtime = tokio::runtime::Handle::current();
        let shared = Arc::new(Shared { read_models, projections, sealer, runtime, known, fills });
        let follower = tokio::spawn(Arc::clone(&shared).follow(feed.subscribe(after)));
        Self { shared, follower }
    }

    /// Members of the viewer's organization whose names the words begin, at most so many. The viewer is one of them, as the caller has
    /// made sure.
    pub async fn find(
        &self,
        viewer: Viewer,
        organization_id: OrganizationId,
        query: &[Box<str>],
        most: usize,
    ) -> Found {
        let mut read = self.shared.open(viewer, organization_id);
        // As far as they were read by then.
        let _ = tokio::time::timeout(PEOPLE_FILL_WAIT_MAX, read.wait_for(|is_read| *is_read)).await;
        let refresh = self.shared.refresh(&viewer, organization_id);
        match tokio::time::timeout(MIN_POSITION_WAIT_MAX / 2, refresh).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "changed names are left out"),
        }
        let known = self.shared.known();
        let Some(Kept { index, .. }) = known.organizations.get(&organization_id) else {
            return Found { accounts: Vec::new(), is_complete: false };
        };
        let is_complete = index.filled == Filled::Wholly && index.stale_count() == 0;
        Found { accounts: index.find(query, most), is_complete }
    }
}

impl People {
    /// Forgets the name of somebody that is not to be seen any more.
    pub fn forget(&self, organization_id: OrganizationId, account_id: AccountId) {
        if let Some(kept) = self.shared.known().organizations.get_mut(&organization_id) {
            kept.index.remove(account_id);
        }
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The organization's names, which are read from now on if they were not; gives what tells that they are.
    fn open(self: &Arc<Self>, viewer: Viewer, organization_id: OrganizationId) -> watch::Receiver<bool> {
        let epoch = self.sealer.keyring().epoch();
        let mut known = self.known();
        known.count += 1;
        let count = known.count;
        known.drop_old();
        if let Some(kept) = known.organizations.get_mut(&organization_id)
            && kept.index.epoch >= epoch
        {
            kept.index.used = count;
            return kept.read.clone();
        }
        let (done, read) = watch::channel(false);
        let index = Index::new(count, epoch);
        known.organizations.insert(organization_id, Kept { index, read: read.clone() });
        known.make_room(organization_id);
        let after = known.position;
        drop(known);
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            if let Err(error) = shared.fill(&viewer, organization_id, count, after).await {
                tracing::warn!(organization = %organization_id, %error, "names for searching are read anew");
                shared.drop_index(organization_id, count);
            }
            done.send_replace(true);
        });
        read
    }

    fn drop_index(&self, organization_id: OrganizationId, id: u64) {
        let mut known = self.known();
        if known.organizations.get(&organization_id).is_some_and(|kept| kept.index.id == id) {
            known.organizations.remove(&organization_id);
        }
    }

    /// Reads all members' names as of `after`: what happened before is in the read models then, what comes later comes by the feed.
    async fn fill(
        &self,
        viewer: &Viewer,
        organization_id: OrganizationId,
        id: u64,
        after: Option<Position>,
    ) -> Result<(), ReadError> {
        // Never closed.
        let Ok(_permit) = self.fills.acquire().await else { return Ok(()) };
        let reader = self.as_of(after).await?;
        let mut last = None;
        loop {
            let page = Page::new(last, PAGE_ROWS_MAX);
            let rows = organizations::queries::members(&reader, viewer, organization_id, page).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.account_id).collect();
            let names = self.names(&reader, viewer, &ids).await?;
            let mut known = self.known();
            let others = known.bytes_but(organization_id);
            let Some(Kept { index, .. }) = known.of(organization_id, id) else { return Ok(()) };
            // Whoever changed meanwhile is read anew before the first search.
            for (account_id, name) in &names {
                if !index.is_stale(*account_id) {
                    index.put(*account_id, name);
                }
            }
            let is_full = index.len() >= PEOPLE_NAMES_MAX || index.bytes() >= PEOPLE_BYTES_MAX;
            let is_over = index.bytes() + others > PEOPLE_BYTES_MAX;
            if ids.is_empty() || is_full {
                index.filled = if is_full { Filled::Partly } else { Filled::Wholly };
            }
            if is_over {
                known.make_room(organization_id);
            }
            if ids.is_empty() || is_full {
                break;
            }
            last = ids.last().copied();
        }
        // To whoever was removed meanwhile, the read models show nobody.
        let own = [viewer.account_id];
        if organizations::queries::members_among(&reader, viewer, organization_id, &own).await?.is_empty() {
            self.drop_index(organization_id, id);
        }
        Ok(())
    }

    /// Reads those anew who changed.
    async fn refresh(&self, viewer: &Viewer, organization_id: OrganizationId) -> Result<(), ReadError> {
        let rows_max = usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX);
        loop {
            let (id, stale, at) = {
                let known = self.known();
                let Some(Kept { index, .. }) = known.organizations.get(&organization_id) else {
                    return Ok(());
                };
                let (stale, at) = index.stale(rows_max);
                (index.id, stale, at)
            };
            let Some(at) = at else { return Ok(()) };
            let reader = self.as_of(Some(at)).await?;
            let members =
                organizations::queries::members_among(&reader, viewer, organization_id, &stale).await?;
            let ids: Vec<_> = members.iter().map(|row| row.account_id).collect();
            let names = self.names(&reader, viewer, &ids).await?;
            let mut known = self.known();
            let Some(Kept { index, .. }) = known.of(organization_id, id) else { return Ok(()) };
            for account_id in stale {
                index.renew(account_id, at, names.get(&account_id).map(String::as_str));
            }
        }
    }

    /// Read models as of a position, or as they are where nothing has happened yet.
    async fn as_of(&self, position: Option<Position>) -> Result<Reader, ReadError> {
        let Some(position) = position else { return Ok(self.read_models.now()) };
        let waits = READS.iter().map(|name| self.projections.wait_for(name, position, MIN_POSITION_WAIT_MAX));
        try_join_all(waits).await?;
        Ok(self.read_models.showing(READS, position))
    }

    /// What accounts are called, but for those whose name was erased.
    async fn names(
        &self,
        reader: &Reader,
        viewer: &Viewer,
        ids: &[AccountId],
    ) -> Result<HashMap<AccountId, String>, ReadError> {
        let rows = accounts::queries::profiles(reader, viewer, ids).await?;
        let cells: Vec<_> = rows.iter().map(|row| row.profile.clone()).collect();
        let profiles = self.sealer.open_all::<AccountProfile>(&cells).await?;
        let named = rows
            .iter()
            .zip(profiles)
            .filter_map(|(row, profile)| Some((row.account_id, Opened::clear(profile)?.display_name)));
        Ok(named.collect())
    }

    async fn follow(self: Arc<Self>, mut feed: FeedSubscription) {
        loop {
            match feed.next().await {
                Ok(items) => self.known().take(&items),
                Err(error) => {
                    tracing::warn!(%error, "searching people lost the log and tries again");
                    tokio::time::sleep(LIVE_RETRY).await;
                }
            }
        }
    }
}

impl Known {
    /// The names of an organization, if they are still those of that reading.
    fn of(&mut self, organization_id: OrganizationId, id: u64) -> Option<&mut Kept> {
        self.organizations.get_mut(&organization_id).filter(|kept| kept.index.id == id)
    }

    fn bytes_but(&self, organization_id: OrganizationId) -> usize {
        let others = self.organizations.iter().filter(|(id, _)| **id != organization_id);
        others.map(|(_, kept)| kept.index.bytes()).sum()
    }

    /// Drops what was not used for longest, but for one organization, until the rest fits.
    fn make_room(&mut self, keep: OrganizationId) {
        let own = self.organizations.get(&keep).map_or(0, |kept| kept.index.bytes());
        while self.organizations.len() > PEOPLE_ORGANIZATIONS_MAX
            || own + self.bytes_but(keep) > PEOPLE_BYTES_MAX
        {
            let others = self.organizations.iter().filter(|(id, _)| **id != keep);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.index.used).map(|(id, _)| *id) else {
                return;
            };
            self.organizations.remove(&oldest);
        }
    }

    /// Drops names that have been in memory for long: of a key that another node gave up, this one may not have been told.
    fn drop_old(&mut self) {
        self.organizations.retain(|_, kept| kept.index.since.elapsed() < PEOPLE_KEPT_MAX);
    }

    fn take(&mut self, items: &[Item]) {
        self.drop_old();
        for item in items {
            let at = item.position();
            match item {
                Item::Event(decoded) => self.observe(&decoded.event, at),
                Item::Undecodable(failed) => match failed.recorded.stream.category {
                    // Of whom it tells is not known.
                    Category::Account | Category::Organization => self.organizations.clear(),
                    Category::Conversation
                    | Category::ConversationMember
                    | Category::Device
                    | Category::Operations
                    | Category::Session
                    | Category::Workspace => {}
                },
            }
            self.position = Some(at);
        }
    }

    fn observe(&mut self, event: &Event, at: Position) {
        match event {
            Event::Account(AccountEvent::ProfileChanged(changed)) => {
                let account_id = changed.account_id;
                for kept in self.organizations.values_mut() {
                    // While they are being read it is not known yet who is a member.
                    let index = &kept.index;
                    let is_member = index.knows(account_id) || index.is_stale(account_id);
                    if is_member || index.filled == Filled::Not {
                        kept.index.outdate(account_id, at);
                    }
                }
            }
            Event::Organization(OrganizationEvent::MemberJoined(joined)) => {
                self.outdate(joined.organization_id, joined.account_id, at);
            }
            Event::Organization(OrganizationEvent::MemberRemoved(removed)) => {
                self.outdate(removed.organization_id, removed.account_id, at);
            }
            _ => return,
        }
        // Whoever is not asked for again is not kept up with for ever.
        self.organizations.retain(|_, kept| kept.index.stale_count() <= PEOPLE_STALE_MAX);
    }

    fn outdate(&mut self, organization_id: OrganizationId, account_id: AccountId, at: Position) {
        if let Some(kept) = self.organizations.get_mut(&organization_id) {
            kept.index.outdate(account_id, at);
        }
    }
}
