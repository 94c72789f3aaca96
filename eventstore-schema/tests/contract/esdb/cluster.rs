//! A cluster changes its leader.

use std::time::Duration;

use eventstore_double::{Double, DoubleConfig, MemberState, cluster_url};
use eventstore_schema::EventLog;

use super::Esdb;
use crate::given;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_found_and_followed_when_it_changes() {
    let nodes = Double::start_cluster(DoubleConfig::default(), 3).await.unwrap();
    let esdb = Esdb::at(cluster_url(&nodes), None).await;
    let log = esdb.try_open(&esdb.url).await.unwrap();
    let stream = given::stream();
    log.append(given::append(stream, 1)).await.unwrap();
    for (leader, revision) in [(1, 0), (2, 1), (0, 2)] {
        nodes[leader].faults().set_state(MemberState::Leader);
        log.append(given::append_at(stream, revision, 1)).await.unwrap();
        assert_eq!(given::read(&*log, stream).await.len() as u64, revision + 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_is_replaced() {
    let mut nodes = Double::start_cluster(DoubleConfig::default(), 3).await.unwrap();
    let esdb = Esdb::at(cluster_url(&nodes), None).await;
    let mut config = esdb.config(&esdb.url);
    config.patience = Duration::from_secs(20);
    let log = eventstore_schema::EsdbEventLog::connect(config).await.unwrap();
    let stream = given::stream();
    log.append(given::append(stream, 1)).await.unwrap();
    nodes[0].stop().await;
    nodes[1].faults().set_state(MemberState::Leader);
    log.append(given::append_at(stream, 0, 1)).await.unwrap();
    assert_eq!(given::read(&log, stream).await.len(), 2);
}
