//! Turns at hashing: few at once, each with memory that is used again, given out fairly.
//!
//! Whoever waits is served by start-time fair queueing (Goyal, Vin and Cheng 1996), over two flows at once: the account and the
//! network that a hash is for. Each hash of a flow stands behind the one before it, so a flow that asks for many moves only its
//! own hashes back, and one that asks for the first time is next. The queue is bounded; when it is full, whoever stands last
//! is refused, which is the flow that asks for the most.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use tokio::sync::oneshot;
use zeroize::Zeroize;

use crate::network::Network;

/// For whom a hash is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payer {
    /// Names the account, or the address that stands for one; never anything by which a stranger can take an account's turns.
    pub(crate) account: [u8; 32],
    /// The network that asks.
    pub(crate) network: Option<Network>,
}

impl Payer {
    fn flows(&self) -> impl Iterator<Item = Flow> {
        [Some(Flow::Account(self.account)), self.network.map(Flow::Network)].into_iter().flatten()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Flow {
    Account([u8; 32]),
    Network(Network),
}

/// What is known of a flow while something of it waits.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Tag of its last hash.
    last: u64,
    waiting: u32,
}

/// Tag, then order of arrival.
type Place = (u64, u64);

struct Waiting {
    payer: Payer,
    give: oneshot::Sender<Turn>,
}

#[derive(Default)]
struct State {
    /// Memory that nobody uses.
    idle: Vec<Vec<Block>>,
    waiting: BTreeMap<Place, Waiting>,
    flows: HashMap<Flow, Standing>,
    /// Tag of what was served last.
    served: u64,
    arrived: u64,
}

/// Gives turns out.
pub(crate) struct Turns {
    state: Mutex<State>,
    waiting_max: usize,
}

/// A turn: memory to hash in. Wiped and given back when dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    memory: Option<Vec<Block>>,
}

impl Turn {
    /// The memory. What is in it is zero.
    pub(crate) fn memory(&mut self) -> &mut [Block] {
        self.memory.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut memory) = self.memory.take() {
            memory.iter_mut().for_each(Zeroize::zeroize);
            let mut state = self.turns.state();
            state.idle.push(memory);
            self.turns.serve(&mut state);
        }
    }
}

/// Leaves the queue when whoever waits goes away.
struct Leaving<'a> {
    turns: &'a Turns,
    place: Place,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Some(waiting) = state.waiting.remove(&self.place) {
            state.left(&waiting.payer);
        }
    }
}

impl Turns {
    /// `count` turns at once with `blocks` KiB of memory each, which is taken from the system now and kept; at most
    /// `waiting_max` wait.
    pub(crate) fn new(count: usize, blocks: usize, waiting_max: usize) -> Arc<Self> {
        let idle = (0..count).map(|_| vec![Block::new(); blocks]).collect();
        let state = Mutex::new(State { idle, ..State::default() });
        Arc::new(Self { state, waiting_max })
    }

    /// A turn; `None` when there is none within `wait`, or the queue is full of those who asked for less.
    pub(crate) async fn take(self: &Arc<Self>, payer: Payer, wait: Duration) -> Option<Turn> {
        let (give, given) = oneshot::channel();
        let place = self.enter(payer, give);
        let _leaving = Leaving { turns: self, place };
        tokio::time::timeout(wait, given).await.ok()?.ok()
    }

    fn enter(self: &Arc<Self>, payer: Payer, give: oneshot::Sender<Turn>) -> Place {
        let mut state = self.state();
        let last =
            payer.flows().filter_map(|flow| state.flows.get(&flow)).map(|standing| standing.last).max();
        let tag = last.unwrap_or_default().max(state.served) + 1;
        for flow in payer.flows() {
            let standing = state.flows.entry(flow).or_default();
            standing.last = tag;
            standing.waiting += 1;
        }
        state.arrived += 1;
        let place = (tag, state.arrived);
        state.waiting.insert(place, Waiting { payer, give });
        self.serve(&mut state);
        if state.waiting.len() > self.waiting_max
            && let Some((_, refused)) = state.waiting.pop_last()
        {
            state.left(&refused.payer);
        }
        place
    }

    fn serve(self: &Arc<Self>, state: &mut State) {
        while let Some(memory) = state.idle.pop() {
            let Some(((tag, _), waiting)) = state.waiting.pop_first() else {
                state.idle.push(memory);
                return;
            };
            state.served = state.served.max(tag);
            state.left(&waiting.payer);
            let turn = Turn { turns: Arc::clone(self), memory: Some(memory) };
            // Whoever went away meanwhile gives it back here: dropping it would take the lock that is held.
            if let Err(mut refused) = waiting.give.send(turn) {
                state.idle.extend(refused.memory.take());
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn left(&mut self, payer: &Payer) {
        for flow in payer.flows() {
            if let Some(standing) = self.flows.get_mut(&flow) {
                standing.waiting = standing.waiting.saturating_sub(1);
                if standing.waiting == 0 {
                    self.flows.remove(&flow);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn payer(account: u8, network: u8) -> Payer {
        let address = std::net::Ipv4Addr::new(192, 0, 2, network).into();
        Payer { account: [account; 32], network: Some(Network::of(address)) }
    }

    /// Lets each of `payers` wait in this order behind a turn that is taken, and gives the order in which they are served.
    async fn served(turns: &Arc<Turns>, payers: Vec<Payer>) -> Vec<usize> {
        let first = turns.take(payer(0, 0), LONG).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (number, payer) in payers.into_iter().enumerate() {
            let before = turns.state().arrived;
            let (turns, order) = (Arc::clone(turns), Arc::clone(&order));
            let waits = Arc::clone(&turns);
            tasks.push(tokio::spawn(async move {
                if let Some(turn) = turns.take(payer, LONG).await {
                    order.lock().unwrap().push(number);
                    drop(turn);
                }
            }));
            while waits.state().arrived == before {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *order.lock().unwrap())
    }

    #[tokio::test]
    async fn a_flood_of_one_account_or_network_waits_behind_everybody_else() {
        let flood_of_account = (0..50).map(|number| payer(1, number + 10));
        let flood_of_network = (0..50).map(|number| payer(number + 10, 1));
        for flood in [flood_of_account.collect::<Vec<_>>(), flood_of_network.collect()] {
            let turns = Turns::new(1, 1, 200);
            let others = [payer(2, 2), payer(3, 3), payer(4, 4)];
            let order = served(&turns, flood.into_iter().chain(others).collect()).await;
            assert_eq!(order.len(), 53);
            assert_eq!(order[..4], [0, 50, 51, 52], "{order:?}");
            assert!(turns.state().flows.is_empty() && turns.state().waiting.is_empty());
        }
    }

    #[tokio::test]
    async fn three_accounts_that_ask_for_all_leave_others_their_share() {
        let turns = Turns::new(1, 1, 200);
        let mut payers: Vec<_> = (0..90).map(|number| payer(number % 3 + 1, number % 3 + 1)).collect();
        payers.extend([payer(7, 7), payer(7, 7)]);
        let order = served(&turns, payers).await;
        let place = |number| order.iter().position(|one| *one == number).unwrap();
        assert!(place(90) <= 3 && place(91) <= 7, "{order:?}");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_whoever_asks_for_the_most() {
        let turns = Turns::new(1, 1, 10);
        let flood = (0..20).map(|_| payer(1, 1));
        let order = served(&turns, flood.chain([payer(2, 2)]).collect()).await;
        assert_eq!(order, [0, 20, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn whoever_waits_too_long_or_goes_away_leaves_nothing_behind() {
        let turns = Turns::new(1, 1, 10);
        let first = turns.take(payer(1, 1), LONG).await.unwrap();
        assert!(turns.take(payer(2, 2), Duration::ZERO).await.is_none());
        let gone = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(payer(3, 3), LONG).await.map(|_| ()) }
        });
        while turns.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert!(turns.state().waiting.is_empty() && turns.state().flows.is_empty());
        drop(first);
        assert!(turns.take(payer(2, 2), LONG).await.is_some());
        assert_eq!(turns.state().idle.len(), 1);
    }

    #[tokio::test]
    async fn the_same_memory_is_used_again_and_wiped_before() {
        let turns = Turns::new(1, 4, 10);
        let mut turn = turns.take(payer(1, 1), LONG).await.unwrap();
        let place = turn.memory().as_ptr();
        for block in turn.memory() {
            block.as_mut().fill(7);
        }
        drop(turn);
        let mut turn = turns.take(payer(1, 1), LONG).await.unwrap();
        assert_eq!(turn.memory().as_ptr(), place);
        assert_eq!(turn.memory().len(), 4);
        assert!(turn.memory().iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }
}
