//! Support for tests of this crate and those above it.

use eventstore_schema::testing::TestDatabase;

/// A fresh database with the log, the keyring and schema `write`.
///
/// # Panics
/// When there is no PostgreSQL to be had: tests need one.
#[allow(clippy::expect_used, reason = "a test without its database cannot go on")]
pub async fn database() -> TestDatabase {
    TestDatabase::create_with("write", crate::migrations::fingerprint(), async |client| {
        crate::migrate(client).await.expect("the write side's migrations apply");
    })
    .await
}
