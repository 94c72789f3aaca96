//! A server that is killed under load.

use std::time::Duration;

use domain::CommandId;
use eventstore_schema::cluster::{Cluster, ClusterConfig, ClusterStatus};
use eventstore_schema::{
    AppendError, EventLog, Expected, PgEventLog, PgLogConfig, ReadFilter, RecordedEvent, Revision,
    StreamAppend, migrate,
};

use crate::crashes::{assert_acknowledged_is_there, whole_log};
use crate::given;

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
    assert_eq!(events.last().unwrap().position.get(), events.len() as u64, "positions have no gaps here");
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
