//! Work that follows its answer: the answer must not tell, by what it says or by the time it takes, whether there was any.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::AuthError;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::limits::OVERLOADED_RETRY_AFTER;
use crate::request::Request;

/// Most pieces of work under way; whoever comes then is told to come back, before it is known whether there is any for them.
const AT_ONCE_MAX: u32 = 1_024;
/// For how long a piece of work that cannot be done now is tried again: as long as a database takes to start again.
const TRIED_FOR: Duration = Duration::from_secs(60);
/// First wait before it is tried again; it doubles each time.
const DELAY_MIN: Duration = Duration::from_millis(20);
/// Longest wait.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// For how long a copy of a command that is under way waits for its outcome.
const COPY_WAIT_MAX: Duration = Duration::from_secs(2);

/// What goes on behind answers, on a runtime that outlives whoever asked. Clones share it.
#[derive(Clone)]
pub(super) struct Afterwards {
    runtime: Handle,
    places: Arc<Semaphore>,
    ending: Arc<AtomicBool>,
}

/// The right to work on behind an answer.
pub(super) struct Place {
    runtime: Handle,
    permit: OwnedSemaphorePermit,
    ending: Arc<AtomicBool>,
}

impl Afterwards {
    /// On `runtime`.
    pub(super) fn new(runtime: Handle) -> Self {
        let places = usize::try_from(AT_ONCE_MAX).unwrap_or(Semaphore::MAX_PERMITS);
        Self { runtime, places: Arc::new(Semaphore::new(places)), ending: Arc::default() }
    }

    /// A place, taken before anything is known of the caller.
    pub(super) fn admit(&self) -> Result<Place, AuthError> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| AuthError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER })?;
        Ok(Place { runtime: self.runtime.clone(), permit, ending: Arc::clone(&self.ending) })
    }

    /// Waits until nothing is under way.
    pub(super) async fn idle(&self) {
        let _ = self.places.acquire_many(AT_ONCE_MAX).await;
    }

    /// Waits until nothing is under way; what cannot be done now is not tried again.
    pub(super) async fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.idle().await;
    }
}

impl Place {
    /// Works on. What fails for the moment is tried again, under the same command: it takes effect once.
    pub(super) fn run<F>(self, name: &'static str, work: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), AuthError>> + Send,
    {
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            let (begun, mut delay) = (Instant::now(), DELAY_MIN);
            while let Err(error) = work().await {
                let is_over = begun.elapsed() >= TRIED_FOR || self.ending.load(Ordering::Relaxed);
                if is_over || !error.is_retryable() {
                    tracing::warn!(%error, work = name, "what somebody asked for was not done");
                    break;
                }
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(DELAY_MAX);
            }
            drop(self.permit);
        });
    }
}

/// Executes a command of somebody whom nobody knows; a copy of one that is under way waits for its outcome.
pub(super) async fn execute_once<A: domain::Aggregate>(
    executor: &Executor,
    id: A::Id,
    command: A::Command,
    request: &Request,
) -> Result<Executed<A::Event>, ExecuteError>
where
    A::Command: Clone,
    A::Id: Copy,
{
    let (begun, mut delay) = (Instant::now(), DELAY_MIN);
    loop {
        match executor.execute::<A>(id, command.clone(), request).await {
            Err(ExecuteError::InFlight { .. }) if begun.elapsed() < COPY_WAIT_MAX => {
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(DELAY_MAX);
            }
            Err(ExecuteError::InFlight { .. }) => {
                return Err(ExecuteError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER });
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_done_now_is_tried_again_and_waited_for() {
        let (afterwards, tries) = (Afterwards::new(Handle::current()), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&tries);
        afterwards.admit().unwrap().run("test", move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { if number < 3 { Err(AuthError::Unavailable("no".into())) } else { Ok(()) } }
        });
        afterwards.idle().await;
        assert_eq!(tries.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_and_at_the_end_nothing_is() {
        for error in [|| AuthError::Refused, || AuthError::Unavailable("no".into())] {
            let (afterwards, tries) = (Afterwards::new(Handle::current()), Arc::new(AtomicUsize::new(0)));
            let counted = Arc::clone(&tries);
            let place = afterwards.admit().unwrap();
            let end = {
                let afterwards = afterwards.clone();
                tokio::spawn(async move { afterwards.end().await })
            };
            tokio::task::yield_now().await;
            place.run("test", move || {
                counted.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Err(error()))
            });
            end.await.unwrap();
            assert_eq!(tries.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn there_is_an_end_of_places() {
        let afterwards = Afterwards::new(Handle::current());
        let places: Vec<_> = (0..AT_ONCE_MAX).map(|_| afterwards.admit().unwrap()).collect();
        assert!(matches!(afterwards.admit(), Err(AuthError::Overloaded { .. })));
        drop(places);
        afterwards.admit().unwrap();
    }
}
