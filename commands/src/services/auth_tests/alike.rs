//! What is asked for without a login costs the same whatever is there. Counted, not timed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use domain::{CommandId, Digest};
use eventstore_schema::{
    AppendError, Appended, Head, Incarnation, LogError, Position, Revision, Snapshot, StreamAppend, StreamId,
    Subscription,
};
use tokio::sync::watch;

use super::*;

const UNKNOWN: &str = "nobody@example.org";
const UNCONFIRMED: &str = "ben@example.org";
const VOIDED: &str = "cleo@example.org";
const ADDRESSES: [&str; 4] = [EMAIL, UNCONFIRMED, VOIDED, UNKNOWN];

/// A log that counts what is asked of it. What loads a stream waits at the gate.
struct CountingLog {
    log: Arc<dyn EventLog>,
    asked: Mutex<BTreeMap<&'static str, usize>>,
    gate: watch::Sender<bool>,
}

impl CountingLog {
    fn count(&self, name: &'static str) -> &Arc<dyn EventLog> {
        *self.asked.lock().unwrap().entry(name).or_default() += 1;
        &self.log
    }

    async fn pass(&self) {
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[async_trait]
impl EventLog for CountingLog {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        self.count("append").append(append).await
    }
    async fn append_in_order(&self, appends: Vec<StreamAppend>) -> Vec<Result<Appended, AppendError>> {
        self.count("append").append_in_order(appends).await
    }
    async fn find_command(
        &self,
        stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        self.count("find command").find_command(stream, command).await
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.count("read stream").read_stream(stream, from, limit).await
    }
    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError> {
        self.count("last of stream").last_of_stream(stream).await
    }
    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.count("read all").read_all(after, limit, filter).await
    }
    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        self.count("subscribe").subscribe(after, filter).await
    }
    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        self.count("adopt").adopt(incarnation).await
    }
    async fn head(&self) -> Result<Head, LogError> {
        self.count("head").head().await
    }
    async fn load_snapshot(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        self.pass().await;
        self.count("load snapshot").load_snapshot(stream, state_version).await
    }
    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.count("store snapshot").store_snapshot(snapshot).await
    }
    fn engine(&self) -> &'static str {
        self.log.engine()
    }
}

/// What something cost: calls of the log, passwords hashed, connections of the write side borrowed.
type Cost = (BTreeMap<&'static str, usize>, usize, usize);

/// A site with an address of each kind, and the cost of what nodes that have just started are asked.
struct Costs {
    site: Site,
    log: Arc<dyn EventLog>,
}

impl Costs {
    async fn new() -> Self {
        let site = Site::new().await;
        let node = site.node().await;
        confirmed(&site, &node).await;
        node.register("unconfirmed", UNCONFIRMED, PASSWORD).await.unwrap();
        node.register("first", VOIDED, PASSWORD).await.unwrap();
        node.register("second", VOIDED, OTHER_PASSWORD).await.unwrap();
        // So long ago that every mail may go again.
        site.clock.advance_seconds(domain::limits::TOKEN_MAIL_FORGET_SECONDS);
        Self { site, log: Arc::clone(&node.parts.log) }
    }

    /// The cost of `ask` before it is answered; `is_open` for what has to load streams before.
    async fn of<T>(&self, is_open: bool, ask: impl AsyncFnOnce(&Node) -> T) -> Cost {
        let counting = Arc::new(CountingLog {
            log: Arc::clone(&self.log),
            asked: Mutex::default(),
            gate: watch::Sender::new(is_open),
        });
        let log: Arc<dyn EventLog> = Arc::clone(&counting) as _;
        let node = self.site.node_over(log).await;
        let (hashes, lent) = (node.parts.auth.passwords.made(), node.parts.pool.lent());
        counting.asked.lock().unwrap().clear();
        ask(&node).await;
        let asked = counting.asked.lock().unwrap().clone();
        let cost = (asked, node.parts.auth.passwords.made() - hashes, node.parts.pool.lent() - lent);
        counting.gate.send_replace(true);
        node.services.accounts.idle().await;
        cost
    }
}

fn all_alike(costs: &[Cost], hashes: usize) {
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:#?}");
    assert_eq!(costs[0].1, hashes);
    assert!(!costs[0].0.is_empty() && costs[0].2 > 0);
}

#[tokio::test]
async fn registering_costs_the_same_whatever_the_address_is() {
    let costs = Costs::new().await;
    let mut found = Vec::new();
    for email in ADDRESSES {
        let ask = async |node: &Node| {
            let new = NewAccount {
                email: email.to_owned(),
                password: Zeroizing::new(PASSWORD.to_owned()),
                display_name: "Eve".to_owned(),
                locale: None,
            };
            node.services.accounts.register(&node.anonymous("key"), new).await.unwrap();
        };
        found.push(costs.of(false, ask).await);
    }
    all_alike(&found, 1);
}

#[tokio::test]
async fn asking_for_a_mail_costs_the_same_whatever_the_address_is() {
    let costs = Costs::new().await;
    let (mut resends, mut resets) = (Vec::new(), Vec::new());
    for email in ADDRESSES {
        let resend = async |node: &Node| {
            node.services.accounts.resend_confirmation(&node.anonymous("key"), email).await.unwrap();
        };
        resends.push(costs.of(false, resend).await);
        let reset = async |node: &Node| {
            node.services.accounts.request_password_reset(&node.anonymous("key"), email).await.unwrap();
        };
        resets.push(costs.of(false, reset).await);
    }
    all_alike(&resends, 0);
    all_alike(&resets, 0);
}

#[tokio::test]
async fn a_login_in_vain_costs_the_same_whatever_the_address_is() {
    let costs = Costs::new().await;
    let mut found = Vec::new();
    for (email, password) in [
        (EMAIL, OTHER_PASSWORD),
        (UNCONFIRMED, OTHER_PASSWORD),
        (UNCONFIRMED, PASSWORD),
        (VOIDED, PASSWORD),
        (UNKNOWN, PASSWORD),
    ] {
        let ask = async |node: &Node| {
            let answer = node.login("key", email, password).await;
            assert!(matches!(answer, Err(AuthError::Refused)), "{email}");
            // And again, when something is remembered.
            let answer = node.login("again", email, password).await;
            assert!(matches!(answer, Err(AuthError::Refused)), "{email}");
        };
        found.push(costs.of(true, ask).await);
    }
    all_alike(&found, 2);
}
