//! How long a request may take: one budget for everything that is done for it, from the last byte of its body to the first
//! of its answer, whatever of the server is gone or hangs.

use std::future::Future;

use tokio::time::{Duration, Instant, timeout_at};

use crate::limits::REQUEST_WAIT_MAX;
use crate::problem::{Code, Problem};

/// What is left of a request's time. Time in which the client still sends does not count.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: REQUEST_WAIT_MAX }
    }
}

impl Budget {
    /// When the budget ends if work begins now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.left
    }

    /// Works for as long as the budget allows.
    ///
    /// # Errors
    /// Those of the work; [`Code::Unavailable`] when it takes too long. It is dropped then: queries of its are cancelled,
    /// commands that were handed over take their course, and repeating them under the same key is safe.
    pub async fn spend<T>(&mut self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let (began, deadline) = (Instant::now(), self.deadline());
        let done = until(deadline, work).await;
        self.left = self.left.saturating_sub(began.elapsed());
        done
    }
}

/// As [`Budget::spend`], up to a moment.
///
/// # Errors
/// As [`Budget::spend`]. What begins behind the deadline is not begun at all.
pub async fn until<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    if deadline <= Instant::now() {
        return Err(Problem::from(Code::Unavailable).because("the request's time was used up before"));
    }
    match timeout_at(deadline, work).await {
        Ok(done) => done,
        Err(_) => Err(Problem::from(Code::Unavailable).because("the request's time is used up")),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_and_what_comes_after_is_not_begun() {
        let mut budget = Budget::default();
        let work = async {
            sleep(REQUEST_WAIT_MAX / 2).await;
            Ok(7)
        };
        assert_eq!(budget.spend(work).await.unwrap(), 7);
        // Time that nobody spends, as while a body comes in, is free.
        advance(REQUEST_WAIT_MAX * 10).await;
        let began = Instant::now();
        let problem = budget.spend(pending::<Result<(), Problem>>()).await.unwrap_err();
        assert_eq!((problem.code(), problem.status().as_u16()), ("unavailable", 503));
        assert_eq!(began.elapsed(), REQUEST_WAIT_MAX / 2);
        let mut begun = false;
        let late = async {
            begun = true;
            Ok(())
        };
        assert_eq!(budget.spend(late).await.unwrap_err().code(), "unavailable");
        assert!(!begun);
    }
}
