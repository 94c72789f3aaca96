//! Permanent SQL: append-only migrations, applied under one lock for the whole database.

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
