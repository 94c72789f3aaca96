//! How far a projection is: which event it folded last, of which log, into which generation of its tables. Releases that make
//! different tables of the same events have a checkpoint each, beside one another.

use domain::Digest;
use eventstore_schema::lease::Lease;
use eventstore_schema::{EventLog, Incarnation, LogError, Position};
use tokio_postgres::{Client, Row, Statement};

use crate::acquainted;
use crate::cell::{Cell, Sql};
use crate::projector::Projector;
use crate::store::StoreError;
use crate::table::Visible;
use crate::views::hex;

/// The last event folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) hash: Digest,
}

/// A projection's checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Number of the schema `rm_<name>_<generation>` that is live.
    pub(crate) generation: i32,
    /// [`Projector::fingerprint`] that filled it.
    pub(crate) fingerprint: Digest,
    /// The log that it was filled from.
    pub(crate) incarnation: Incarnation,
    /// `None` before the first event.
    pub(crate) mark: Option<Mark>,
}

const COLUMNS: &str = "generation, fingerprint, incarnation, position, hash";

impl Checkpoint {
    pub(crate) fn position(&self) -> Option<Position> {
        self.mark.map(|mark| mark.position)
    }

    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let position: Option<Position> = get(row, "position")?;
        let hash: Option<Digest> = get(row, "hash")?;
        Ok(Self {
            generation: get(row, "generation")?,
            fingerprint: get(row, "fingerprint")?,
            incarnation: Incarnation(get(row, "incarnation")?),
            mark: position.zip(hash).map(|(position, hash)| Mark { position, hash }),
        })
    }

    /// The checkpoint, if the projection was ever filled as this release defines it.
    pub(crate) async fn read(client: &Client, projector: &dyn Projector) -> Result<Option<Self>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM projection.checkpoints WHERE name = $1 AND fingerprint = $2");
        Self::query(client, &sql, projector).await
    }

    /// As [`Checkpoint::read`], holding the row until the transaction ends: nobody moves it meanwhile.
    pub(crate) async fn lock(client: &Client, projector: &dyn Projector) -> Result<Option<Self>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM projection.checkpoints WHERE name = $1 AND fingerprint = $2 FOR UPDATE"
        );
        Self::query(client, &sql, projector).await
    }

    async fn query(
        client: &Client,
        sql: &str,
        projector: &dyn Projector,
    ) -> Result<Option<Self>, StoreError> {
        let failed = || StoreError::at("reading a checkpoint");
        let row = client.query_opt(sql, &[&projector.name(), &Sql(projector.fingerprint())]).await;
        row.map_err(failed())?.as_ref().map(Self::from_row).transpose().map_err(failed())
    }

    /// Every checkpoint of this name, whatever release it is of.
    pub(crate) async fn of_every_release(client: &Client, name: &str) -> Result<Vec<Self>, StoreError> {
        let failed = || StoreError::at("reading the checkpoints of all releases");
        let sql = format!("SELECT {COLUMNS} FROM projection.checkpoints WHERE name = $1");
        let rows = client.query(&sql, &[&name]).await.map_err(failed())?;
        rows.iter().map(Self::from_row).collect::<Result<_, _>>().map_err(failed())
    }

    /// The checkpoints of all projections.
    pub(crate) async fn all(client: &Client) -> Result<Vec<Self>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM projection.checkpoints");
        let failed = || StoreError::at("reading checkpoints");
        let rows = client.query(&sql, &[]).await.map_err(failed())?;
        rows.iter().map(Self::from_row).collect::<Result<_, _>>().map_err(failed())
    }

    /// Writes the checkpoint whatever is there.
    pub(crate) async fn put(&self, client: &Client, name: &str) -> Result<(), StoreError> {
        const SQL: &str = "WITH used AS (INSERT INTO projection.uses (name, fingerprint) VALUES ($1, $3) \
             ON CONFLICT (name, fingerprint) DO UPDATE SET used_at = now()) \
             INSERT INTO projection.checkpoints \
             (name, generation, fingerprint, incarnation, position, hash) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (name, fingerprint) DO UPDATE SET generation = excluded.generation, \
             incarnation = excluded.incarnation, position = excluded.position, hash = excluded.hash, \
             state = 'following', error = NULL, moved_at = now()";
        let (position, hash) = (Sql(self.position()), Sql(self.mark.map(|mark| mark.hash)));
        client
            .execute(
                SQL,
                &[&name, &self.generation, &Sql(self.fingerprint), &self.incarnation.0, &position, &hash],
            )
            .await
            .map_err(StoreError::at("writing a checkpoint"))?;
        Ok(())
    }

    /// The statement of [`Checkpoint::advance`].
    pub(crate) const ADVANCE: &'static str = "UPDATE projection.checkpoints \
         SET position = $1, hash = $2, moved_at = now() \
         WHERE name = $3 AND fingerprint = $8 AND generation = $4 AND position IS NOT DISTINCT FROM $5 \
         AND lease.hold($6, $7)";

    /// Moves the checkpoint to `mark` if it still is where this one says, and the lease is not somebody else's.
    pub(crate) async fn advance(
        &self,
        client: &Client,
        statement: &Statement,
        lease: &Lease,
        name: &'static str,
        mark: Mark,
    ) -> Result<Self, StoreError> {
        let (position, generation, before) = (Sql(mark.position), self.generation, Sql(self.position()));
        let (hash, fingerprint, epoch) = (Sql(mark.hash), Sql(self.fingerprint), lease.epoch());
        let moved = client
            .execute(
                statement,
                &[&position, &hash, &name, &generation, &before, &lease.name(), &epoch, &fingerprint],
            )
            .await
            .map_err(StoreError::at("moving a checkpoint"))?;
        match moved {
            1 => Ok(Self { mark: Some(mark), ..*self }),
            _ => Err(StoreError::Fenced { projection: name }),
        }
    }

    /// Whether the log has what was folded last at the place where it was; why not otherwise.
    pub(crate) async fn compare(&self, log: &dyn EventLog) -> Result<Option<String>, LogError> {
        let head = log.head().await?;
        if head.incarnation != self.incarnation {
            let (ours, theirs) = (self.incarnation.0, head.incarnation.0);
            return Ok(Some(format!("the log is another one: {theirs} in place of {ours}")));
        }
        let Some(mark) = self.mark else { return Ok(None) };
        if head.position < Some(mark.position) {
            return Ok(Some(format!("the log ends before position {}", mark.position)));
        }
        let found = log.event_at(mark.position).await?;
        let is_same = found.is_some_and(|event| event.hash == mark.hash);
        Ok((!is_same).then(|| format!("the log has another event at position {}", mark.position)))
    }
}

/// Records in which state a projection is, for those who look from other processes; its leader alone does.
pub(crate) async fn put_state(
    client: &Client,
    lease: &Lease,
    projector: &dyn Projector,
    state: &str,
    error: Option<&str>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE projection.checkpoints SET state = $2, error = $3 WHERE name = $1 \
         AND fingerprint = $6 AND (state, error) IS DISTINCT FROM ($2, $3) AND lease.hold($4, $5)";
    let (name, fingerprint) = (projector.name(), Sql(projector.fingerprint()));
    client
        .execute(SQL, &[&name, &state, &error, &lease.name(), &lease.epoch(), &fingerprint])
        .await
        .map_err(StoreError::at("recording a projection's state"))?;
    Ok(())
}

pub(crate) fn get<C: Cell>(row: &Row, column: &str) -> Result<C, tokio_postgres::Error> {
    row.try_get::<_, Sql<C>>(column).map(|cell| cell.0)
}

/// Statements that make a read model's relations.
pub(crate) struct Layout<'a>(pub(crate) &'a dyn Projector);

impl Layout<'_> {
    /// The schema of a generation.
    pub(crate) fn schema(&self, generation: i32) -> String {
        format!("rm_{}_{generation}", self.0.name())
    }

    /// Makes the schema anew with empty tables, which have neither keys nor indexes.
    pub(crate) fn create(&self, schema: &str) -> String {
        let edition = self.0.edition();
        let mut sql = format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; \
             GRANT USAGE ON SCHEMA {schema} TO envoi_reader;\n"
        );
        if self.asks_acquainted() {
            sql.push_str(&acquainted::create(edition));
        }
        self.0.tables().iter().for_each(|def| sql.push_str(&def.table().create(schema)));
        self.0.tables().iter().for_each(|def| sql.push_str(&def.table().create_policy(schema, edition)));
        sql
    }

    /// Makes the keys, and the indexes that folding needs.
    pub(crate) fn create_keys(&self, schema: &str) -> String {
        self.0.tables().iter().map(|def| def.table().create_key(schema)).collect()
    }

    /// Makes the indexes that only queries need.
    pub(crate) fn create_indexes(&self, schema: &str) -> String {
        self.0.tables().iter().map(|def| def.table().create_indexes(schema)).collect()
    }

    /// Gathers statistics.
    pub(crate) fn analyze(&self, schema: &str) -> String {
        let tables = self.0.tables().iter();
        tables.map(|def| format!("ANALYZE {schema}.{};\n", def.table().name)).collect()
    }

    /// Makes the views anew, over the schema. Whoever reads meanwhile waits for the transaction's end, then goes on.
    pub(crate) fn publish(&self, schema: &str) -> String {
        let views = self.views();
        let function = match self.asks_acquainted() {
            true => acquainted::renew(self.0.edition()),
            false => String::new(),
        };
        format!(
            "{function}DROP SCHEMA IF EXISTS {views} CASCADE; CREATE SCHEMA {views}; GRANT USAGE ON SCHEMA {views} TO envoi_reader;\n{}",
            self.publish_in(&views, schema)
        )
    }

    fn asks_acquainted(&self) -> bool {
        self.0.tables().iter().any(|def| matches!(def.table().visible, Visible::Acquaintances))
    }

    /// The same for views elsewhere.
    pub(crate) fn publish_in(&self, views: &str, schema: &str) -> String {
        let tables = self.0.tables().iter().map(|def| {
            let table = def.table();
            (table.name, format!("SELECT {} FROM {schema}.{}", table.column_list(), table.name))
        });
        let others = self.0.views().iter().map(|view| (view.name, view.sql.replace("{schema}", schema)));
        let waiting = format!(
            "SELECT organization_id, stream, position FROM projection.parked_events \
             WHERE projection = '{}' AND fingerprint = '\\x{}'",
            self.0.name(),
            hex(self.0.fingerprint())
        );
        let place = format!(
            "SELECT position FROM projection.checkpoints WHERE name = '{}' AND fingerprint = '\\x{}'",
            self.0.name(),
            hex(self.0.fingerprint())
        );
        let (parked, checkpoint) = (parked_view(self.0), checkpoint_view(self.0));
        tables
            .chain(others)
            .chain([(parked.as_str(), waiting), (checkpoint.as_str(), place)])
            .map(|(name, query)| {
                format!(
                    "DROP VIEW IF EXISTS {views}.{name};\n\
                     CREATE VIEW {views}.{name} WITH (security_invoker = true) AS {query};\n\
                     GRANT SELECT ON {views}.{name} TO envoi_reader;\n"
                )
            })
            .collect()
    }
}

/// The view of the events that a projection put aside.
fn parked_view(projector: &dyn Projector) -> String {
    format!("{}_parked", projector.name())
}

/// The view of how far a projection is.
fn checkpoint_view(projector: &dyn Projector) -> String {
    format!("{}_checkpoint", projector.name())
}

/// Names of all relations that queries may read of a projection.
pub(crate) fn relations(projector: &dyn Projector) -> impl Iterator<Item = String> {
    let tables = projector.tables().iter().map(|def| def.table().name.to_owned());
    let views = projector.views().iter().map(|view| view.name.to_owned());
    tables.chain(views).chain([parked_view(projector), checkpoint_view(projector)])
}
