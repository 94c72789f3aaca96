//! Signatures by the thousand, verified off the event loop.
//!
//! A generation for 1,000 members has some 3,000 signed wraps, which take a core for long. They are verified in
//! turns of a few, on half of the machine's cores; turns are given out first come, first served, and one generation asks for
//! no more of them than there are cores to use, so that one for a few people waits for a few turns only.

use std::sync::Arc;

use domain::Rejection;
use domain::conversation::{SignedWraps, Wrap, WrapSigner};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::executor::ExecuteError;
use crate::limits::SIGNATURES_PER_TURN;

/// Verifies many signatures. Clones share the turns.
#[derive(Clone)]
pub(crate) struct Signatures {
    runtime: Handle,
    turns: Arc<Semaphore>,
    at_once: usize,
}

impl Signatures {
    /// Verifies on the blocking threads of `runtime`, for half of the machine's cores: the other half stays for everything
    /// else.
    pub(crate) fn new(runtime: Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_once = (cores / 2).max(1);
        Self { runtime, turns: Arc::new(Semaphore::new(at_once)), at_once }
    }

    /// Verifies all of `wraps`; the first that does not hold is named. Whoever goes away stops it after the turns under way.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the process is ending.
    pub(crate) async fn verify(
        &self,
        signer: WrapSigner,
        wraps: Vec<Wrap>,
    ) -> Result<Result<SignedWraps, Rejection>, ExecuteError> {
        let mut wraps = wraps.into_iter();
        let parts = std::iter::from_fn(move || {
            let part: Vec<_> = wraps.by_ref().take(SIGNATURES_PER_TURN).collect();
            (!part.is_empty()).then_some(part)
        });
        let verified: Result<Vec<_>, Stopped> = stream::iter(parts)
            .map(|part| self.turn(signer, part))
            .buffered(self.at_once)
            .try_collect()
            .await;
        match verified {
            Ok(parts) => SignedWraps::joined(signer, parts).map(Ok).ok_or_else(ending),
            Err(Stopped::Refused(rejection)) => Ok(Err(rejection)),
            Err(Stopped::Ending) => Err(ending()),
        }
    }

    /// For tests that take all of them.
    #[cfg(test)]
    pub(crate) fn turns(&self) -> (Arc<Semaphore>, u32) {
        (Arc::clone(&self.turns), u32::try_from(self.at_once).unwrap_or(u32::MAX))
    }

    async fn turn(&self, signer: WrapSigner, part: Vec<Wrap>) -> Result<SignedWraps, Stopped> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Stopped::Ending)?;
        let verified = self.runtime.spawn_blocking(move || {
            let verified = signer.verify(part);
            drop(turn);
            verified
        });
        verified.await.map_err(|_| Stopped::Ending)?.map_err(Stopped::Refused)
    }
}

/// Why the rest was not verified.
enum Stopped {
    Refused(Rejection),
    Ending,
}

fn ending() -> ExecuteError {
    ExecuteError::Unavailable { reason: "signatures were not verified: the process is ending".to_owned() }
}
