//! Permanent SQL of the write side: schema `write`.

use eventstore_schema::MigrateError;
use eventstore_schema::migrations::{Form, form_of};
use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings schema `write` to the form of this release. Safe to run from several processes at once.
///
/// # Errors
/// See [`MigrateError`]; a failed migration is rolled back.
pub async fn migrate(client: &mut Client) -> Result<(), MigrateError> {
    eventstore_schema::migrations::run(client, "write", embedded::migrations::runner()).await
}

/// The form of schema `write`, beside those that this release works with.
///
/// # Errors
/// As [`eventstore_schema::migrations::form`].
pub async fn form(client: &Client) -> Result<Form, tokio_postgres::Error> {
    form_of(client, "write", &embedded::migrations::runner()).await
}

/// A number that changes with every change of the migrations: names templates of test databases.
pub fn fingerprint() -> u64 {
    eventstore_schema::migrations::fingerprint(&embedded::migrations::runner())
}
