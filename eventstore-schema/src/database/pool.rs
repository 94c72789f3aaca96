//! Connections that are shared, and given back only when nothing of the borrower's is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    BuildError, ClientWrapper, Connect, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime,
    Status,
};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Error, NoTls, Row, Statement, ToStatement};

use super::{Config, Role, in_role, open, with_options, worked};

/// How long a borrower waits for a free connection, for a new one, or for a returned one to be found healthy: less than
/// a request may take altogether, so that it can say why it failed.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long the server keeps a transaction, and the locks in it, of a process that does not go on with it.
const IDLE_TRANSACTION_MAX: Duration = Duration::from_secs(5);
/// How long a cancel request may take.
const CANCEL_WAIT_MAX: Duration = Duration::from_secs(2);

/// What a pool is made with.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Most connections at once.
    pub size: usize,
    /// Longest that the server works on one statement, waiting for locks included.
    pub statement_wait_max: Duration,
    /// More options for the server, as `-c name=value`.
    pub server_options: &'static str,
}

impl PoolOptions {
    /// A pool for requests and reactions: whoever waits for a statement has gone after some seconds.
    pub const fn of_size(size: usize) -> Self {
        Self { size, statement_wait_max: Duration::from_secs(5), server_options: "" }
    }
}

/// Connections in one role. Nothing is connected before somebody needs it. Clones share everything.
///
/// All connections are worked by the runtime that the pool was made on, whoever borrows them first: a borrower's thread that is
/// busy, or ends, takes none of them away from the others.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    config: Config,
    runtime: Handle,
    lent: Arc<AtomicUsize>,
}

/// Connects on the pool's runtime.
struct Connector {
    config: Config,
    runtime: Handle,
}

impl Connect for Connector {
    fn connect(
        &self,
        _: &tokio_postgres::Config,
    ) -> BoxFuture<'_, Result<(tokio_postgres::Client, JoinHandle<()>), Error>> {
        let (config, runtime) = (self.config.clone(), self.runtime.clone());
        let connecting = AbortOnDrop(self.runtime.spawn(async move {
            let (client, messages) = open(&config).await?;
            Ok((client, runtime.spawn(worked(messages))))
        }));
        Box::pin(async move {
            let mut connecting = connecting;
            (&mut connecting.0).await.unwrap_or_else(|_| Err(Error::__private_api_timeout()))
        })
    }
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pool {
    /// A pool of connections in `role`.
    ///
    /// # Errors
    /// When `size` is zero, or outside a Tokio runtime.
    pub fn new(config: &Config, role: Role, options: PoolOptions) -> Result<Self, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntimeSpecified)?;
        let (statement_ms, idle_ms) =
            (options.statement_wait_max.as_millis(), IDLE_TRANSACTION_MAX.as_millis());
        let more = format!(
            "-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={idle_ms} {}",
            options.server_options
        );
        let config = with_options(&in_role(config, role), more.trim_end());
        Self::build(config, options.size, runtime)
    }

    /// A pool of one connection that is made alike: for who has to get on whatever the borrowers of this one do.
    ///
    /// # Errors
    /// Never where this one could be made.
    pub fn apart(&self) -> Result<Self, BuildError> {
        Self::build(self.config.clone(), 1, self.runtime.clone())
    }

    fn build(config: Config, size: usize, runtime: Handle) -> Result<Self, BuildError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connection = tokio_postgres::Config::clone(&config);
        let connector = Connector { config: config.clone(), runtime: runtime.clone() };
        let manager = Manager::from_connect(connection, connector, recycling);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .recycle_timeout(Some(WAIT_MAX))
            .build()?;
        Ok(Self { inner, config, runtime, lent: Arc::default() })
    }

    /// Borrows a connection, waiting for one if all are in use.
    ///
    /// # Errors
    /// When none is free, or can be made, within two seconds.
    pub async fn get(&self) -> Result<Connection, PoolError> {
        self.lent.fetch_add(1, Ordering::Relaxed);
        let object = Some(self.inner.get().await?);
        let (config, runtime) = (self.config.clone(), self.runtime.clone());
        Ok(Connection { object, config, runtime, under_way: AtomicUsize::new(0) })
    }
}

impl Pool {
    /// How many connections there are, are free, and are waited for.
    pub(super) fn status(&self) -> Status {
        self.inner.status()
    }

    /// How often a connection was asked for.
    pub fn lent(&self) -> usize {
        self.lent.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("status", &self.inner.status()).finish_non_exhaustive()
    }
}

/// A borrowed connection. Dropped while a query is under way (its caller has gone), it cancels the query on the server and
/// closes, so that the next borrower never waits behind it.
pub struct Connection {
    object: Option<Object>,
    config: Config,
    runtime: Handle,
    under_way: AtomicUsize,
}

/// Counts one query for as long as nobody has its answer.
struct UnderWay<'a>(&'a AtomicUsize);

impl UnderWay<'_> {
    fn ended<T>(self, answer: T) -> T {
        self.0.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

/// Forwards to the driver, counting.
macro_rules! counted {
    ($($(#[$doc:meta])* $name:ident($($parameter:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// As the driver's method of the same name.
            pub async fn $name<T: ?Sized + ToStatement>(&self, statement: &T $(, $parameter: $type)*) -> Result<$answer, Error> {
                let under_way = self.counted();
                let answer = self.client()?.$name(statement $(, $parameter)*).await;
                under_way.ended(answer)
            }
        )+
    };
}

impl Connection {
    counted! {
        /// Runs a statement and gives its rows.
        query(parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row>;
        /// Runs a statement that gives exactly one row.
        query_one(parameters: &[&(dyn ToSql + Sync)]) -> Row;
        /// Runs a statement that gives one row at most.
        query_opt(parameters: &[&(dyn ToSql + Sync)]) -> Option<Row>;
        /// Runs a statement and gives the number of rows that it touched.
        execute(parameters: &[&(dyn ToSql + Sync)]) -> u64;
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// As the driver's method of the same name.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        let under_way = self.counted();
        let answer = self.client()?.batch_execute(sql).await;
        under_way.ended(answer)
    }

    /// The statement, prepared once a connection. Only for constant SQL: what is prepared stays.
    ///
    /// # Errors
    /// As the driver's method of the same name.
    pub async fn prepare_cached(&self, sql: &str) -> Result<Statement, Error> {
        let under_way = self.counted();
        let answer = self.client()?.prepare_cached(sql).await;
        under_way.ended(answer)
    }

    /// Begins a transaction on this connection. One that is not committed when the connection is dropped is undone, and the
    /// connection closed.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn begin(&self) -> Result<(), Error> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.batch_execute("BEGIN").await
    }

    /// Commits what was begun.
    ///
    /// # Errors
    /// When it was not committed, or nobody knows.
    pub async fn commit(&self) -> Result<(), Error> {
        self.batch_execute("COMMIT").await?;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the connection: it leaves the pool, closes when dropped, and nothing that runs through it is cancelled.
    ///
    /// # Errors
    /// Never while the connection is borrowed.
    pub fn detach(mut self) -> Result<ClientWrapper, Error> {
        self.object.take().map(Object::take).ok_or_else(Error::__private_api_timeout)
    }

    /// The driver's client, for what also works on connections of no pool. Not for requests: a query through it that is dropped
    /// runs on, and the next borrower waits behind it.
    ///
    /// # Errors
    /// Never while the connection is borrowed.
    pub fn client(&self) -> Result<&ClientWrapper, Error> {
        self.object.as_deref().ok_or_else(Error::__private_api_timeout)
    }

    fn counted(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.under_way.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(abandoned) = self.object.take().map(Object::take) else { return };
        let (token, config) = (abandoned.cancel_token(), self.config.clone());
        self.runtime.spawn(async move {
            // Not before: the server gives the number that the token names to another connection.
            let _closed_after = abandoned;
            if tokio::time::timeout(CANCEL_WAIT_MAX, cancel(&token, &config)).await.is_err() {
                tracing::debug!("PostgreSQL took no cancel request in time");
            }
        });
    }
}

async fn cancel(token: &CancelToken, config: &Config) {
    let sent = match &config.tls {
        None => token.cancel_query(NoTls).await,
        Some(tls) => token.cancel_query(tls.clone()).await,
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "PostgreSQL could not be asked to cancel a query");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::testing::TestDatabase;

    async fn running(client: &tokio_postgres::Client) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active' \
            AND datname = current_database() AND pid <> pg_backend_pid()";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_query_that_nobody_waits_for_is_cancelled_and_holds_nobody_up() {
        let database = TestDatabase::create().await;
        let observer = database.client().await;
        let pool = Pool::new(&database.config(), Role::Reader, PoolOptions::of_size(1)).unwrap();
        let sleeper = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get().await.unwrap().query("SELECT pg_sleep(60)", &[]).await }
        });
        while running(&observer).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sleeper.abort();
        let row = pool.get().await.unwrap().query_one("SELECT 1", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 1);
        while running(&observer).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_connection_is_given_back_after_answers_and_errors_alike() {
        let database = TestDatabase::create().await;
        let pool = Pool::new(&database.config(), Role::Reader, PoolOptions::of_size(1)).unwrap();
        let backend = async || -> i32 {
            let connection = pool.get().await.unwrap();
            connection.query("SELECT nothing", &[]).await.unwrap_err();
            connection.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
        };
        assert_eq!(backend().await, backend().await);
    }

    #[tokio::test]
    async fn a_transaction_left_open_is_undone_and_its_connection_closed() {
        let database = TestDatabase::create().await;
        let pool = Pool::new(&database.config(), Role::App, PoolOptions::of_size(1)).unwrap();
        let place = |connection: Connection| async move {
            let row = connection
                .query_one("SELECT pg_backend_pid(), txid_current_if_assigned() IS NULL", &[])
                .await
                .unwrap();
            (row.get::<_, i32>(0), row.get::<_, bool>(1))
        };
        let open = pool.get().await.unwrap();
        open.begin().await.unwrap();
        open.execute("CREATE TEMPORARY TABLE mine ()", &[]).await.unwrap();
        let (left, _) = place(open).await;
        let next = pool.get().await.unwrap();
        next.begin().await.unwrap();
        next.commit().await.unwrap();
        let (kept, is_clean) = place(next).await;
        assert!(left != kept && is_clean);
        assert_eq!(place(pool.get().await.unwrap()).await, (kept, true));
    }

    #[tokio::test]
    async fn a_statement_that_waits_for_a_lock_ends() {
        let database = TestDatabase::create().await;
        let holder = database.client().await;
        holder.batch_execute("BEGIN; LOCK TABLE log.snapshots").await.unwrap();
        let options =
            PoolOptions { statement_wait_max: Duration::from_millis(200), ..PoolOptions::of_size(1) };
        let pool = Pool::new(&database.config(), Role::App, options).unwrap();
        let began = Instant::now();
        let error = pool.get().await.unwrap().query("SELECT FROM log.snapshots", &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::QUERY_CANCELED));
        assert!(began.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn a_borrower_that_hangs_in_a_transaction_loses_it_and_what_it_locks() {
        let database = TestDatabase::create().await;
        let pool = Pool::new(&database.config(), Role::App, PoolOptions::of_size(1)).unwrap();
        let hangs = pool.get().await.unwrap();
        hangs.begin().await.unwrap();
        hangs.batch_execute("LOCK TABLE log.snapshots").await.unwrap();
        // Ends once the lock is free.
        database.client().await.query("SELECT FROM log.snapshots", &[]).await.unwrap();
        hangs.commit().await.unwrap_err();
    }

    #[tokio::test]
    async fn no_connection_compiles_its_queries() {
        let database = TestDatabase::create().await;
        let pool = Pool::new(&database.config(), Role::Reader, PoolOptions::of_size(1)).unwrap();
        let pooled = pool.get().await.unwrap().query_one("SHOW jit", &[]).await.unwrap();
        let single = database.client().await.query_one("SHOW jit", &[]).await.unwrap();
        assert_eq!((pooled.get::<_, &str>(0), single.get::<_, &str>(0)), ("off", "off"));
    }

    #[test]
    fn a_borrower_whose_thread_is_busy_or_ends_takes_no_connection_along() {
        let here =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let database = here.block_on(TestDatabase::create());
        let options = PoolOptions::of_size(1);
        let pool = here.block_on(async { Pool::new(&database.config(), Role::Reader, options).unwrap() });
        let backend = async |pool: &Pool| -> i32 {
            pool.get().await.unwrap().query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
        };
        let (busy, made) = std::sync::mpsc::channel();
        let (over, wait) = std::sync::mpsc::channel::<()>();
        let there = std::thread::spawn({
            let pool = pool.clone();
            move || {
                let there = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                busy.send(there.block_on(backend(&pool))).unwrap();
                wait.recv().unwrap();
            }
        });
        let first = made.recv().unwrap();
        let patience = Duration::from_secs(60);
        let while_busy = here.block_on(async { tokio::time::timeout(patience, backend(&pool)).await });
        over.send(()).unwrap();
        there.join().unwrap();
        let afterwards = here.block_on(backend(&pool));
        assert_eq!((while_busy.ok(), afterwards), (Some(first), first));
        here.block_on(async move { drop((pool, database)) });
    }
}
