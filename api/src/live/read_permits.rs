//! Permits to read for sockets that catch up: few at once, so that thousands that come back together neither drown the databases
//! nor wait in vain; and of one account fewer, so that however many it has, others are served in between.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::close::Close;
use crate::limits::{LIVE_READ_PERMIT_WAIT_MAX, LIVE_READ_PERMITS_MAX, LIVE_READ_PERMITS_PER_ACCOUNT_MAX};
use crate::state::State;

/// The permits of one account.
#[derive(Clone)]
pub struct ReadPermits(Arc<Semaphore>);

impl Default for ReadPermits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LIVE_READ_PERMITS_PER_ACCOUNT_MAX)))
    }
}

/// The permits of a node.
pub fn of_node() -> Semaphore {
    Semaphore::new(LIVE_READ_PERMITS_MAX)
}

/// A permit, for as long as it lives: until something is read, never while a client is written to.
pub struct ReadPermit<'a> {
    _of_node: SemaphorePermit<'a>,
    _of_account: OwnedSemaphorePermit,
}

impl ReadPermits {
    /// Waits for the next one, first among the account's own sockets: of those that wait at the node, few are of one account.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn next<'a>(&self, state: &'a State) -> Result<ReadPermit<'a>, Close> {
        let _waits = state.metrics.live_read_permit_wait.start_timer();
        let permit = async {
            let of_account = Arc::clone(&self.0).acquire_owned().await?;
            let of_node = state.live.read_permits.acquire().await?;
            Ok::<_, tokio::sync::AcquireError>(ReadPermit { _of_node: of_node, _of_account: of_account })
        };
        let permit = timeout(LIVE_READ_PERMIT_WAIT_MAX, permit).await.map_err(|_| Close::Unavailable)?;
        permit.map_err(|_| Close::GoingAway)
    }
}
