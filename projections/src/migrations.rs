//! Permanent SQL of the read side. Read models are not in it: their tables come from their definitions.

use eventstore_schema::MigrateError;
use eventstore_schema::migrations::{Form, form_of};
use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings the read side's book-keeping to the form of this release. The log's migrations come first.
///
/// # Errors
/// See [`MigrateError`]; a failed migration is rolled back.
pub async fn migrate(client: &mut Client) -> Result<(), MigrateError> {
    eventstore_schema::migrations::run(client, "projection", embedded::migrations::runner()).await
}

/// The form of the read side's book-keeping, beside those that this release works with.
///
/// # Errors
/// As [`eventstore_schema::migrations::form`].
pub async fn form(client: &Client) -> Result<Form, tokio_postgres::Error> {
    form_of(client, "projection", &embedded::migrations::runner()).await
}

/// A number that changes with every change of the migrations.
#[cfg(any(test, feature = "testing"))]
pub fn fingerprint() -> u64 {
    eventstore_schema::migrations::fingerprint(&embedded::migrations::runner())
}
