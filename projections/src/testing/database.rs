//! A database that read models can be built in.

use eventstore_schema::testing::TestDatabase;
use tokio_postgres::Client;

/// A fresh database with the log, the keyring and the read side's book-keeping.
pub async fn database() -> TestDatabase {
    let migrate =
        async |client: &mut Client| crate::migrate(client).await.expect("the read side's migrations");
    TestDatabase::create_with("projections", crate::migrations::fingerprint(), migrate).await
}
