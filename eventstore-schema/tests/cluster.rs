//! A private cluster's life.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets the unexpected fails")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eventstore_schema::cluster::{Cluster, ClusterConfig, ClusterError, ClusterStatus};
use eventstore_schema::database;

fn config(directory: &Path) -> ClusterConfig {
    ClusterConfig {
        durable: false,
        shared_buffers_mib: 16,
        connections_max: 20,
        ..ClusterConfig::new(directory)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_made_once_keeps_its_data_and_goes_away_whole() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::set_permissions(parent.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // Too long for a socket beside the data.
    let directory = parent.path().join("long".repeat(25));
    assert_eq!(Cluster::at(config(&directory)).unwrap().status(), ClusterStatus::Absent);

    let starters =
        [config(&directory), config(&directory)].map(|config| blocking(move || Cluster::start(config)));
    let [one, other] = <[_; 2]>::try_from(futures_util::future::join_all(starters).await).unwrap();
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.postmaster_pid(), other.postmaster_pid());
    assert_eq!(other.status(), ClusterStatus::Running);

    one.ensure_database("it's \"mine\"").await.unwrap();
    one.ensure_database("it's \"mine\"").await.unwrap();
    one.ensure_database("envoi").await.unwrap();
    let client = database::connect(&database::Config::parse(&one.url("envoi"), None).unwrap()).await.unwrap();
    client.batch_execute("CREATE TABLE kept AS SELECT 7 AS n").await.unwrap();
    drop(client);

    let stopping = one.clone();
    blocking(move || stopping.stop()).await.unwrap();
    assert_eq!(other.status(), ClusterStatus::Stopped);
    let stopping = one.clone();
    blocking(move || stopping.stop()).await.unwrap();

    let again = config(&directory);
    let again = blocking(move || Cluster::start(again)).await.unwrap();
    let client = database::connect(&again.config("envoi")).await.unwrap();
    let kept: i32 = client.query_one("SELECT n FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(kept, 7);
    drop(client);
    blocking(move || again.destroy()).await.unwrap();
    assert!(!directory.exists());
}

#[test]
fn data_of_a_version_that_is_not_installed_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(directory.path().join("data/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(config(directory.path())).unwrap_err();
    assert!(matches!(error, ClusterError::Version { data: 9, .. }), "{error}");
    assert!(error.to_string().contains("postgresql-9"));
}

#[test]
fn a_directory_that_the_servers_account_cannot_enter_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let inner = directory.path().join("inner");
    if Cluster::is_reachable(&inner) {
        return; // Not root: the server runs as this account.
    }
    let error = Cluster::start(config(&inner)).unwrap_err();
    let ClusterError::Unreachable { barrier, .. } = error else { panic!("{error}") };
    assert_eq!(barrier, directory.path().canonicalize().unwrap());
}
