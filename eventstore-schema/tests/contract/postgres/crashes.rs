//! G1 and G3 where it hurts: several processes, a writer that is killed, a server that is killed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::CommandId;
use eventstore_schema::cluster::{Cluster, ClusterConfig, ClusterStatus};
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{
    AppendError, EventLog, Expected, PgEventLog, PgLogConfig, ReadFilter, RecordedEvent, Revision,
    StreamAppend, migrate,
};

use super::helper::{Helper, Said};
use crate::given;

const SOON: Duration = Duration::from_secs(60);

/// Everything that is in the log, after checking that it is whole: positions without gaps, revisions contiguous per
/// stream, both events of every command there and next to each other.
async fn whole_log(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map(|event| event.position);
        let page = log.read_all(after, 5_000, &ReadFilter::all()).await.unwrap();
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    let mut next: HashMap<_, u64> = HashMap::new();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position.get(), position);
        let revision = next.entry(event.stream).or_default();
        assert_eq!(event.revision.get(), *revision);
        *revision += 1;
    }
    for pair in events.chunks(2) {
        assert_eq!(pair.len(), 2);
        assert_eq!(pair[0].command_id, pair[1].command_id, "a command was torn");
    }
    events
}

fn assert_acknowledged_is_there(events: &[RecordedEvent], acknowledged: &[(CommandId, u64)]) {
    let last: HashMap<_, _> = events.iter().map(|event| (event.command_id, event.position.get())).collect();
    for (command, position) in acknowledged {
        assert_eq!(last.get(command), Some(position), "acknowledged and not there: {command}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_readers_see_one_order_while_several_processes_write() {
    const PROCESSES: usize = 3;
    const APPENDS: u64 = 40;
    const EVENTS: usize = PROCESSES * 8 * APPENDS as usize * 2;
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let mut followed = log.subscribe(None, ReadFilter::all()).await.unwrap();
    let helpers: Vec<_> = (0..PROCESSES).map(|_| Helper::start(&database.url(), APPENDS)).collect();
    let listening = helpers.into_iter().map(|mut helper| {
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while let Some(said) = helper.next().await {
                if let Said::Acknowledged { command, position } = said {
                    acknowledged.push((command, position));
                }
            }
            assert!(helper.child.wait().await.unwrap().success());
            acknowledged
        })
    });
    let listening: Vec<_> = listening.collect();

    let (mut live, mut polled): (Vec<RecordedEvent>, Vec<RecordedEvent>) = (Vec::new(), Vec::new());
    while live.len() < EVENTS {
        let batch = tokio::time::timeout(SOON, followed.next(100)).await.expect("events come").unwrap();
        live.extend(batch);
        let after = polled.last().map(|event| event.position);
        polled.extend(log.read_all(after, 70, &ReadFilter::all()).await.unwrap());
    }
    let truth = whole_log(&log).await;
    assert_eq!(truth.len(), EVENTS);
    assert_eq!(live, truth);
    assert_eq!(polled, truth[..polled.len()]);
    for acknowledged in listening {
        let acknowledged = acknowledged.await.unwrap();
        assert_eq!(acknowledged.len(), 8 * APPENDS as usize);
        assert_acknowledged_is_there(&truth, &acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_writer_that_is_killed_loses_nothing_that_it_acknowledged() {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let (mut acknowledged, mut tried) = (Vec::new(), HashSet::new());
    for round in 1..=3 {
        let mut helper = Helper::start(&database.url(), 1_000_000);
        let mut killed = false;
        while let Some(said) = helper.next().await {
            match said {
                Said::Trying { command } => {
                    tried.insert(command);
                }
                Said::Acknowledged { command, position } => acknowledged.push((command, position)),
            }
            if !killed && acknowledged.len() >= round * 150 {
                helper.child.start_kill().unwrap();
                killed = true;
            }
        }
        assert!(!helper.child.wait().await.unwrap().success());
    }
    // What was on its way when the writer died may still be committed by the server: it waits for the lock first.
    log.append(given::append(given::stream(), 2)).await.unwrap();
    let events = whole_log(&log).await;
    assert_acknowledged_is_there(&events, &acknowledged);
    let there: HashSet<_> = events.iter().map(|event| event.command_id).collect();
    assert!(there.len() <= tried.len() + 1, "there is more than was ever tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_server_that_is_killed_loses_nothing_and_the_engine_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        ClusterConfig { shared_buffers_mib: 32, ..ClusterConfig::new(directory.path().join("cluster")) };
    let cluster = started(config.clone()).await;
    cluster.ensure_database("log").await.unwrap();
    migrate(&mut eventstore_schema::database::connect(&cluster.config("log")).await.unwrap()).await.unwrap();
    let mut patient = PgLogConfig::new(cluster.config("log"));
    patient.patience = Duration::from_secs(1);
    let log = std::sync::Arc::new(PgEventLog::connect(patient).await.unwrap());

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..16).map(|_| tokio::spawn(persist(log.clone(), stopped.clone()))).collect();
    let mut followed = log.subscribe(None, ReadFilter::all()).await.unwrap();
    let mut live: Vec<RecordedEvent> = Vec::new();
    for round in 1..=2 {
        while live.len() < round * 400 {
            live.extend(followed.next(50).await.unwrap_or_default());
        }
        let pid = cluster.postmaster_pid().unwrap().to_string();
        let killed = tokio::process::Command::new("kill").args(["-9", &pid]).status().await.unwrap();
        assert!(killed.success());
        while cluster.postmaster_pid().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started(config.clone()).await;
        assert_eq!(cluster.status(), ClusterStatus::Running);
    }
    let enough = live.len() + 400;
    while live.len() < enough {
        live.extend(followed.next(50).await.unwrap_or_default());
    }
    stop.send(true).unwrap();
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.unwrap());
    }
    let events = whole_log(&*log).await;
    while live.len() < events.len() {
        live.extend(followed.next(50).await.unwrap());
    }
    assert_eq!(live, events, "a subscriber saw something else than what is there");
    assert_acknowledged_is_there(&events, &acknowledged);
    assert_eq!(events.len(), acknowledged.len() * 2, "something is there that nobody was told of, or twice");
    drop(log);
    tokio::task::spawn_blocking(move || cluster.destroy()).await.unwrap().unwrap();
}

async fn started(config: ClusterConfig) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::start(config)).await.unwrap().unwrap()
}

/// Appends until told to stop, repeating each append for as long as nobody can say whether it was written.
async fn persist(
    log: std::sync::Arc<PgEventLog>,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> Vec<(CommandId, u64)> {
    let stream = given::stream();
    let mut acknowledged = Vec::new();
    let mut last: Option<Revision> = None;
    while !*stopped.borrow() {
        let append = StreamAppend { expected: Expected::after(last), ..given::append(stream, 2) };
        let appended = loop {
            match log.append(append.clone()).await {
                Ok(appended) => break appended,
                Err(AppendError::Unavailable { .. } | AppendError::Overloaded { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        };
        last = Some(appended.last_revision);
        acknowledged.push((append.command.id, appended.position.get()));
    }
    acknowledged
}
