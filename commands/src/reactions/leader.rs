//! One process at a time leads a reaction: whoever has its lease ([`eventstore_schema::lease`]), taken through a connection of
//! its own. What a leader writes goes through that connection, in transactions that ask for the lease; what it does elsewhere
//! begins only while the lease holds.

use std::future::Future;
use std::ops::Deref;

use deadpool_postgres::ClientWrapper;
use eventstore_schema::database::Pool;
use eventstore_schema::lease::{Lease, Leases, Taken, is_lost};
use futures_util::future::{join4, try_join};
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::ReactionError;

/// Name of the lease of whoever leads a reaction.
pub(super) fn lease_name(reaction: &str) -> String {
    format!("reaction/{reaction}")
}

/// A connection that waits for the lead.
pub(super) struct Candidate {
    connection: ClientWrapper,
}

/// What became of asking for the lead.
pub(super) enum Asked {
    /// It is ours.
    Leads(Lead),
    /// Another process has it.
    Waits(Candidate),
}

impl Candidate {
    /// Connects.
    pub(super) async fn connect(pool: &Pool) -> Result<Self, ReactionError> {
        // Taken out of the pool: it must close, not go back, when the lead ends.
        Ok(Self { connection: pool.get().await?.detach()? })
    }

    /// Takes the lead, unless another process has it.
    pub(super) async fn ask(self, leases: &Leases, reaction: &str) -> Result<Asked, ReactionError> {
        Ok(match leases.take(&self.connection, &lease_name(reaction)).await? {
            Taken::Ours(lease) => {
                Asked::Leads(Lead { connection: self.connection, lease, writing: Mutex::new(()) })
            }
            Taken::Theirs(_) => Asked::Waits(self),
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.connection.is_closed()
    }
}

/// The lead of a reaction.
pub struct Lead {
    connection: ClientWrapper,
    lease: Lease,
    /// Statements of one transaction must not get between those of another.
    writing: Mutex<()>,
}

impl Lead {
    /// Whether nobody else can lead at this moment.
    pub fn holds(&self) -> bool {
        !self.connection.is_closed() && self.lease.is_valid()
    }

    /// To be asked right before anything begins that no transaction can refuse: an e-mail, a command.
    ///
    /// # Errors
    /// [`ReactionError::Unavailable`] when somebody else may lead by now: this process was asleep, or cut off.
    pub fn check(&self) -> Result<(), ReactionError> {
        if self.holds() { Ok(()) } else { Err(lost()) }
    }

    /// Ends when the lead is lost.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + '_ {
        self.lease.lost()
    }

    /// Executes a statement in a transaction that is refused when somebody else leads. All of it is sent at once: one round
    /// trip, and a caller that goes away leaves no transaction open.
    ///
    /// # Errors
    /// When the database refuses or cannot be reached, and when somebody else leads.
    pub async fn write(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, ReactionError> {
        const HOLD: &str = "SELECT lease.hold($1, $2)";
        let client = &self.connection;
        let (hold, statement) = try_join(client.prepare_cached(HOLD), client.prepare_cached(sql)).await?;
        let (name, epoch) = (self.lease.name(), self.lease.epoch());
        let holding: [&(dyn ToSql + Sync); 2] = [&name, &epoch];
        let _alone = self.writing.lock().await;
        let (begun, held, done, committed) = join4(
            client.batch_execute("BEGIN"),
            client.query_one(&hold, &holding),
            client.execute(&statement, values),
            client.batch_execute("COMMIT"),
        )
        .await;
        begun?;
        held.inspect_err(|error| {
            if is_lost(error) {
                self.lease.lose();
            }
        })?;
        let touched = done?;
        committed?;
        Ok(touched)
    }

    /// Reads what this leader, or another one before it, has written.
    pub(super) async fn read(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, ReactionError> {
        let statement = self.connection.prepare_cached(sql).await?;
        Ok(self.connection.query(&statement, values).await?)
    }

    /// Lets the next one lead at once.
    pub(crate) async fn give_back(self) {
        if let Err(error) = self.lease.give_back(&self.connection).await {
            tracing::debug!(%error, "a lead could not be given back: it ends with its connection");
        }
    }
}

impl Deref for Lead {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

fn lost() -> ReactionError {
    ReactionError::Unavailable("the lead is lost".to_owned())
}
