//! A database for one test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::database::Pool;
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::database::Config;

use super::process;
use super::server::TestServer;
use crate::database::{self, Role};
use crate::migrations;

/// Databases of this kind belong to a test: `<prefix><process>_<number>`.
const PREFIX: &str = "envoi_test_";
/// Databases of this kind are copied: `<prefix><label>.<fingerprint>`.
const TEMPLATE_PREFIX: &str = "envoi_template.";
/// Advisory lock of whoever cleans up.
const CLEANING_LOCK: i64 = 0x656e_766f_6932;
/// Most leftovers that one test removes, so that none is slowed for long.
const LEFTOVERS_MAX: usize = 8;
/// Connections of a test's pool.
const POOL_SIZE: usize = 8;

static SERVER: OnceCell<TestServer> = OnceCell::const_new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A fresh database with the whole permanent schema, removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    server: TestServer,
    name: String,
}

impl TestDatabase {
    /// A database with the log and the keyring.
    pub async fn create() -> Self {
        Self::create_with("log", 0, async |_: &mut Client| {}).await
    }

    /// A database with the log, the keyring and what `migrate` adds. `label` names those migrations and `fingerprint`
    /// ([`migrations::fingerprint`]) changes with them: they run once for all tests that say the same.
    pub async fn create_with(label: &str, fingerprint: u64, migrate: impl AsyncFnOnce(&mut Client)) -> Self {
        let server = server().await.clone();
        let admin = connect(&server.config("postgres")).await;
        let template = ensure_template(&server, &admin, label, fingerprint, migrate).await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}_{number}", process::own_name());
        drop_database(&admin, &name).await.expect("the name is free");
        admin
            .batch_execute(&format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY"#))
            .await
            .unwrap_or_else(|error| panic!("cannot copy {template}: {error:?}"));
        let database = Self { server, name };
        let client = connect(&database.config()).await;
        migrations::ensure_roles(&client).await.expect("the roles are granted");
        if database.server.is_private() {
            remove_leftovers(&admin).await;
        }
        database
    }

    /// An empty database: for tests of the migrations themselves.
    pub async fn create_empty() -> Self {
        let server = server().await.clone();
        let admin = connect(&server.config("postgres")).await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}_{number}", process::own_name());
        admin.batch_execute(&format!(r#"CREATE DATABASE "{name}""#)).await.expect("an empty database");
        Self { server, name }
    }

    /// How to connect, as superuser.
    pub fn config(&self) -> Config {
        self.server.config(&self.name)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// A connection as superuser.
    pub async fn client(&self) -> Client {
        connect(&self.config()).await
    }

    /// A pool in a role.
    pub fn pool(&self, role: Role) -> Pool {
        database::pool(&self.config(), role, POOL_SIZE).expect("a pool")
    }
}

impl Drop for TestDatabase {
    /// Removes the database with whoever is still connected. What cannot be removed now is a leftover for later tests.
    fn drop(&mut self) {
        let (config, name) = (self.server.config("postgres"), self.name.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let admin = database::connect(&config).await.ok()?;
                drop_database(&admin, &name).await.ok()
            })
        };
        let _ = std::thread::spawn(work).join();
    }
}

async fn server() -> &'static TestServer {
    SERVER
        .get_or_init(|| async {
            tokio::task::spawn_blocking(TestServer::start).await.expect("the server for tests starts")
        })
        .await
}

async fn connect(config: &Config) -> Client {
    database::connect(config)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to the test server: {error:?}"))
}

async fn drop_database(admin: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    admin.batch_execute(&format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#)).await
}

/// Name of the template, which exists when this returns. It gets its name only when it is complete, so one that a killed
/// test left half made is never copied.
async fn ensure_template(
    server: &TestServer,
    admin: &Client,
    label: &str,
    fingerprint: u64,
    migrate: impl AsyncFnOnce(&mut Client),
) -> String {
    let fingerprint = fingerprint.rotate_left(32) ^ migrations::own_fingerprint();
    let template = format!("{TEMPLATE_PREFIX}{label}.{fingerprint:016x}");
    let exists = "SELECT FROM pg_database WHERE datname = $1";
    if admin.query_opt(exists, &[&template]).await.expect("the list of databases").is_some() {
        return template;
    }
    let lock = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
    admin.execute(lock, &[&template]).await.expect("the template's lock");
    if admin.query_opt(exists, &[&template]).await.expect("the list of databases").is_none() {
        let unfinished = format!("{template}.new");
        drop_database(admin, &unfinished).await.expect("an unfinished template is removed");
        admin.batch_execute(&format!(r#"CREATE DATABASE "{unfinished}""#)).await.expect("a template");
        let mut client = connect(&server.config(&unfinished)).await;
        migrations::migrate(&mut client).await.unwrap_or_else(|error| panic!("cannot migrate: {error:?}"));
        migrate(&mut client).await;
        drop(client);
        wait_until_unused(admin, &unfinished).await;
        admin
            .batch_execute(&format!(r#"ALTER DATABASE "{unfinished}" RENAME TO "{template}""#))
            .await
            .expect("the template is named");
        remove_older_templates(admin, label, &template).await;
    }
    let unlock = "SELECT pg_advisory_unlock(hashtextextended($1, 0))";
    admin.execute(unlock, &[&template]).await.expect("the template's lock is given back");
    template
}

async fn wait_until_unused(admin: &Client, name: &str) {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    loop {
        let count: i64 = admin.query_one(sessions, &[&name]).await.expect("the sessions").get(0);
        if count == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Best effort: one that is being copied at this moment stays until the next change.
async fn remove_older_templates(admin: &Client, label: &str, newest: &str) {
    let older = "SELECT datname FROM pg_database WHERE starts_with(datname, $1) AND datname <> $2";
    let prefix = format!("{TEMPLATE_PREFIX}{label}.");
    for row in admin.query(older, &[&prefix, &newest]).await.unwrap_or_default() {
        let _ = drop_database(admin, row.get(0)).await;
    }
}

/// Removes databases of tests that were killed. One process at a time; the others have nothing to wait for.
async fn remove_leftovers(admin: &Client) {
    let lock = admin.query_one("SELECT pg_try_advisory_lock($1)", &[&CLEANING_LOCK]).await;
    if !lock.is_ok_and(|row| row.get(0)) {
        return;
    }
    let ours = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)";
    let mut removed = 0;
    for row in admin.query(ours, &[&PREFIX]).await.unwrap_or_default() {
        let name: &str = row.get(0);
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('_')).map(|(owner, _)| owner);
        if removed < LEFTOVERS_MAX && owner.is_some_and(|owner| !process::is_alive(owner)) {
            let _ = drop_database(admin, name).await;
            removed += 1;
        }
    }
    let _ = admin.execute("SELECT pg_advisory_unlock($1)", &[&CLEANING_LOCK]).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_databases_share_nothing() {
        let (one, other) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        one.client().await.batch_execute("CREATE TABLE mark (n int)").await.unwrap();
        let marks = "SELECT count(*) FROM pg_tables WHERE tablename = 'mark'";
        let count: i64 = other.client().await.query_one(marks, &[]).await.unwrap().get(0);
        assert_eq!(count, 0);
    }

    #[tokio::test]
    async fn a_dropped_database_is_gone() {
        let database = TestDatabase::create().await;
        let (config, name) = (database.server.config("postgres"), database.name.clone());
        drop(database);
        let admin = connect(&config).await;
        let found = admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
        assert!(found.is_none());
    }

    #[tokio::test]
    async fn own_migrations_are_in_the_copy() {
        let migrate =
            async |client: &mut Client| client.batch_execute("CREATE TABLE public.mine ()").await.unwrap();
        let database = TestDatabase::create_with("own", 1, migrate).await;
        database.client().await.batch_execute("SELECT FROM mine").await.unwrap();
    }

    #[tokio::test]
    async fn a_pool_is_in_its_role() {
        let database = TestDatabase::create().await;
        for role in Role::ALL {
            let client = database.pool(*role).get().await.unwrap();
            let name: String = client.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
            assert_eq!(name, role.name());
        }
    }
}
