//! What every handler works with; made once at the edge.

use std::sync::Arc;

use commands::auth::Auth;
use commands::auth::access_token::Identity;
use commands::clock::Clock;
use commands::services::{AuthenticateError, Services};
use domain::Record;
use eventstore_schema::lease::Leases;
use eventstore_schema::{Incarnation, Opened, SealedCell, Sealer};
use projections::{Projections, QueryError, ReadModels};
use prometheus::Registry;
use tokio::time::Instant;

use crate::budget::{Budget, until};
use crate::cursor::{Cursors, Place};
use crate::health::Findings;
use crate::limits::MIN_POSITION_WAIT_MAX;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::people::People;
use crate::problem::{Code, Problem};
use crate::proxies::Proxies;
use crate::rates::{Counted, Rates, Subject};

/// Everything that endpoints use.
pub struct State {
    /// Time, randomness, new ids.
    pub clock: Clock,
    /// Everything that can be done.
    pub services: Services,
    /// Opens what is personal, for those who may see it.
    pub sealer: Arc<Sealer>,
    /// The read models; endpoints read them through [`crate::extract::Query::reader`].
    pub read_models: ReadModels,
    /// How far the read models are.
    pub projections: Arc<Projections>,
    /// The live sockets.
    pub live: Live,
    /// Finds people by name.
    pub people: People,
    /// Proves who somebody is.
    pub auth: Arc<Auth>,
    /// Who leads what this process could lead.
    pub leases: Leases,
    /// How well the parts are.
    pub findings: Findings,
    /// Seals positions and cursors.
    pub cursors: Cursors,
    /// Which log positions are of.
    pub incarnation: Incarnation,
    /// Rate limiters; none where requests are not limited.
    pub rates: Option<Rates>,
    /// What HTTP and live count.
    pub metrics: Metrics,
    /// All metrics of the process, for `/metrics`.
    pub registry: Registry,
    /// Whose word is taken for where requests come from.
    pub proxies: Proxies,
}

impl State {
    /// Whom an access token speaks for.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] whatever is wrong with it; [`Code::Unavailable`] when that cannot be told.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, Problem> {
        let identity = async {
            self.services.sessions.authenticate(token).await.map_err(|error| match error {
                AuthenticateError::Token(_) | AuthenticateError::Ended => Code::Unauthenticated.into(),
                AuthenticateError::Unavailable(error) => error.into(),
            })
        };
        until(Budget::default().deadline(), identity).await
    }

    /// Counts a request against the rate of whoever makes it.
    pub fn count(&self, subject: Subject) -> Counted<'_> {
        self.rates.as_ref().map(|rates| rates.count(subject)).unwrap_or_default()
    }

    /// Waits until all these read models show a place, [`MIN_POSITION_WAIT_MAX`] altogether.
    ///
    /// # Errors
    /// [`Code::InvalidCursor`] for a place in another log, [`Code::Behind`] when it takes too long.
    pub async fn reached(&self, reads: &[&str], place: Place) -> Result<(), Problem> {
        if place.incarnation != self.incarnation {
            return Err(Code::InvalidCursor.into());
        }
        let deadline = Instant::now() + MIN_POSITION_WAIT_MAX;
        for projection in reads {
            let left = deadline.saturating_duration_since(Instant::now());
            self.projections.wait_for(projection, place.position, left).await?;
        }
        Ok(())
    }

    /// A row that the write side knows to exist: when the read model does not show it yet, waits for that.
    ///
    /// # Errors
    /// [`Code::Behind`] when it takes too long, and what `query` fails with.
    pub async fn found<T>(
        &self,
        reads: &[&str],
        query: impl AsyncFn() -> Result<Option<T>, QueryError>,
    ) -> Result<T, Problem> {
        if let Some(row) = query().await? {
            return Ok(row);
        }
        if let Some(position) = self.services.executor.log().head().await?.position {
            self.reached(reads, Place { incarnation: self.incarnation, position }).await?;
        }
        query().await?.ok_or_else(|| Code::Behind.into())
    }

    /// Opens the sealed parts of a page together, in their order.
    ///
    /// # Errors
    /// When a key cannot be reached or a part is damaged; erased parts are no error.
    pub async fn open<R: Record>(
        &self,
        cells: impl IntoIterator<Item = SealedCell>,
    ) -> Result<Vec<Opened<R>>, Problem> {
        let cells: Vec<_> = cells.into_iter().collect();
        Ok(self.sealer.open_all(&cells).await?)
    }
}
