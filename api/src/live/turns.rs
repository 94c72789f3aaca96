//! Turns at reading for sockets that catch up: few at once, so that thousands that come back together neither drown the databases
//! nor wait in vain; and of one account fewer, so that however many it has, others are served in between.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::close::Close;
use crate::limits::{LIVE_TURN_WAIT_MAX, LIVE_TURNS_AT_ONCE_MAX, LIVE_TURNS_PER_ACCOUNT_MAX};
use crate::state::State;

/// The turns of one account.
#[derive(Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LIVE_TURNS_PER_ACCOUNT_MAX)))
    }
}

/// The turns of a node.
pub fn of_node() -> Semaphore {
    Semaphore::new(LIVE_TURNS_AT_ONCE_MAX)
}

/// A turn, for as long as it lives: until something is read, never while a client is written to.
pub struct Turn<'a> {
    _of_node: SemaphorePermit<'a>,
    _of_account: OwnedSemaphorePermit,
}

impl Turns {
    /// Waits for the next one, first among the account's own sockets: of those that wait at the node, few are of one account.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn next<'a>(&self, state: &'a State) -> Result<Turn<'a>, Close> {
        let _waits = state.metrics.live_turn_wait.start_timer();
        let turn = async {
            let of_account = Arc::clone(&self.0).acquire_owned().await?;
            let of_node = state.live.turns.acquire().await?;
            Ok::<_, tokio::sync::AcquireError>(Turn { _of_node: of_node, _of_account: of_account })
        };
        let turn = timeout(LIVE_TURN_WAIT_MAX, turn).await.map_err(|_| Close::Unavailable)?;
        turn.map_err(|_| Close::GoingAway)
    }
}
