//! Permanent SQL: append-only migrations, applied under one lock for the whole database.

use std::ops::RangeInclusive;

use refinery::Runner;
use refinery::error::Kind;
use tokio_postgres::Client;

use crate::database::Role;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Advisory lock under which all migrations of a database run, whichever part they belong to.
const MIGRATION_LOCK: i64 = 0x656e_766f_6931;

/// Why migrations were not applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The lock or the history schema could not be had.
    #[error("cannot prepare the database for migrations")]
    Prepare(#[source] tokio_postgres::Error),
    /// Another version of the product made the database: its migrations are not the ones that this version knows. Nothing was
    /// changed. Before the first release there is no way from one to the other.
    #[error("the {area} part of the database was made by another version of Envoi")]
    Foreign {
        /// Which part's migrations.
        area: &'static str,
    },
    /// A migration failed.
    #[error("cannot migrate {area}")]
    Run {
        /// Which part's migrations.
        area: &'static str,
        /// Why.
        source: Box<refinery::Error>,
    },
}

/// Brings the log and the keyring to the form of this release. Safe to run from several processes at once.
///
/// # Errors
/// See [`MigrateError`]; a failed migration is rolled back.
pub async fn migrate(client: &mut Client) -> Result<(), MigrateError> {
    run(client, "log", embedded::migrations::runner()).await
}

/// Makes the roles and the grants on the database itself, which copies of a database lack.
pub(crate) async fn ensure_roles(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(include_str!("../sql/roles.sql")).await
}

/// Versions of migrations that belong to one `a` of a release `a.b.c`: those of the next begin behind them. Within a series
/// migrations only add, so a server works on the form that its newest migration makes and on every later one of the series.
pub const SERIES: i32 = 100;

/// The form of a part of the database, beside those that this release works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Which part.
    pub area: &'static str,
    /// Versions that this release works with.
    pub wanted: RangeInclusive<i32>,
    /// The newest migration that was applied; none in a database that was never migrated.
    pub found: Option<i32>,
    /// Whether one that this release knows was another one when it was applied.
    pub is_foreign: bool,
}

impl Form {
    /// Why this release does not work with it, and what to do.
    pub fn problem(&self) -> Option<(String, &'static str)> {
        const MIGRATE: &str = "`envoi migrate` of this release brings it there";
        const OTHER: &str = "install the release that migrated this database, or a later one; ops/docs/upgrade.md says which go together";
        let Self { area, wanted, found, is_foreign } = self;
        let range = format!("this release works with {} to {}", wanted.start(), wanted.end());
        match found {
            None => Some((format!("the part {area} of the database was never migrated; {range}"), MIGRATE)),
            Some(_) if *is_foreign => Some((
                format!(
                    "the part {area} of the database was made by another version, whose migrations are not the ones of this release"
                ),
                OTHER,
            )),
            Some(found) if found < wanted.start() => {
                Some((format!("the part {area} of the database has the form {found}; {range}"), MIGRATE))
            }
            Some(found) if found > wanted.end() => {
                Some((format!("the part {area} of the database has the form {found}; {range}"), OTHER))
            }
            Some(_) => None,
        }
    }
}

/// The form of the log and the keyring.
///
/// # Errors
/// When the database does not answer, or the role may not look.
pub async fn form(client: &Client) -> Result<Form, tokio_postgres::Error> {
    form_of(client, "log", &embedded::migrations::runner()).await
}

/// The form of a part whose migrations these are, through a connection in role [`Role::App`].
///
/// # Errors
/// As [`form`].
pub async fn form_of(
    client: &Client,
    area: &'static str,
    runner: &Runner,
) -> Result<Form, tokio_postgres::Error> {
    let known = runner.get_migrations();
    let newest = known.iter().map(|one| one.version()).max().unwrap_or_default();
    let wanted = newest..=newest - newest % SERIES + SERIES - 1;
    let mut form = Form { area, wanted, found: None, is_foreign: false };
    let exists = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'migrations' AND tablename = $1)";
    if !client.query_one(exists, &[&area]).await?.try_get(0)? {
        return Ok(form);
    }
    for row in client.query(&format!("SELECT version, checksum FROM migrations.{area}"), &[]).await? {
        let (version, checksum): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
        form.found = form.found.max(Some(version));
        form.is_foreign |=
            known.iter().any(|one| one.version() == version && one.checksum().to_string() != checksum);
    }
    Ok(form)
}

/// Applies a part's migrations, with a history table of its own: `migrations.<area>`.
///
/// # Errors
/// See [`MigrateError`]; a failed migration is rolled back.
pub async fn run(client: &mut Client, area: &'static str, mut runner: Runner) -> Result<(), MigrateError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.map_err(MigrateError::Prepare)?;
    let result = run_locked(client, area, &mut runner).await;
    client
        .execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(MigrateError::Prepare)?;
    result
}

async fn run_locked(
    client: &mut Client,
    area: &'static str,
    runner: &mut Runner,
) -> Result<(), MigrateError> {
    // Whoever may make schemas must not be able to put a function of theirs in the way of one that the owner calls here.
    client.batch_execute("SET search_path = pg_catalog, pg_temp").await.map_err(MigrateError::Prepare)?;
    ensure_roles(client).await.map_err(MigrateError::Prepare)?;
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS migrations").await.map_err(MigrateError::Prepare)?;
    // Servers look which form the database has.
    let grant = format!("GRANT USAGE ON SCHEMA migrations TO {}", Role::App);
    client.batch_execute(&grant).await.map_err(MigrateError::Prepare)?;
    runner.set_migration_table_name(format!("migrations.{area}"));
    let report = runner.run_async(client).await.map_err(|source| match source.kind() {
        Kind::DivergentVersion(..) | Kind::MissingVersion(_) => MigrateError::Foreign { area },
        _ => MigrateError::Run { area, source: Box::new(source) },
    })?;
    let grant = format!("GRANT SELECT ON migrations.{area} TO {}", Role::App);
    client.batch_execute(&grant).await.map_err(MigrateError::Prepare)?;
    for migration in report.applied_migrations() {
        tracing::info!(area, %migration, "applied");
    }
    Ok(())
}

/// A number that changes with every change of the migrations: names templates of test databases.
pub fn fingerprint(runner: &Runner) -> u64 {
    runner.get_migrations().iter().fold(0, |sum: u64, one| sum.rotate_left(7) ^ one.checksum())
}

/// [`fingerprint`] of the log's and the keyring's migrations.
pub fn own_fingerprint() -> u64 {
    fingerprint(&embedded::migrations::runner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn a_database_of_another_version_is_refused_and_left_alone() {
        let database = TestDatabase::create_empty().await;
        let mut client = database.client().await;
        migrate(&mut client).await.unwrap();
        migrate(&mut client).await.unwrap();
        client.execute("UPDATE migrations.log SET checksum = '1' WHERE version = 1", &[]).await.unwrap();
        let error = migrate(&mut client).await.unwrap_err();
        assert!(matches!(error, MigrateError::Foreign { area: "log" }), "{error:?}");
        // One that this version does not know at all.
        let unknown = "UPDATE migrations.log SET version = 999, name = 'later' WHERE version = 1";
        client.execute(unknown, &[]).await.unwrap();
        let error = migrate(&mut client).await.unwrap_err();
        assert!(matches!(error, MigrateError::Foreign { area: "log" }), "{error:?}");
        client.query_one("SELECT one FROM log.identity", &[]).await.unwrap();
    }
}
