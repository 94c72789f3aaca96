//! A PostgreSQL that a test can stop, kill and suspend.

use std::path::{Path, PathBuf};

use eventstore_schema::cluster::{Cluster, ClusterConfig};
use eventstore_schema::database::Config;
use tests::server::{Options, TestServer, migrate, until};

const DATABASE: &str = "envoi";

/// A PostgreSQL of the test's own, durable, which goes with it.
pub struct Postgres {
    place: PathBuf,
    cluster: Cluster,
    _directory: tempfile::TempDir,
}

impl Postgres {
    /// With a migrated database.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("cluster");
        let cluster = started(&place).await;
        cluster.ensure_database(DATABASE).await.unwrap();
        let mut client = eventstore_schema::database::connect(&cluster.config(DATABASE)).await.unwrap();
        eventstore_schema::migrate(&mut client).await.unwrap();
        migrate(&mut client).await;
        Self { place, cluster, _directory: directory }
    }

    /// How to connect.
    pub fn config(&self) -> Config {
        self.cluster.config(DATABASE)
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        let cluster = self.cluster.clone();
        tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap().unwrap();
    }

    /// Stops it as `pg_ctl stop -m immediate` does: sessions are cut off where they are, nothing is written out.
    pub async fn stop_immediately(&self) {
        let pid = self.cluster.postmaster_pid().unwrap().to_string();
        let stopped = tokio::process::Command::new("kill").args(["-QUIT", &pid]).status().await.unwrap();
        assert!(stopped.success());
        until(async || self.cluster.postmaster_pid().is_none().then_some(())).await;
    }

    /// Starts it where it stopped.
    pub async fn start_again(&self) {
        started(&self.place).await;
    }

    /// A server over it.
    pub async fn serve(&self, options: Options) -> TestServer {
        TestServer::over(&self.config(), options).await
    }

    /// Stops every process of it in the middle of whatever it does: connections stay open, nothing is answered.
    pub async fn suspend(&self) {
        self.signal("-STOP").await;
    }

    /// Goes on as if nothing had been.
    pub async fn resume(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let postmaster = self.cluster.postmaster_pid().unwrap().to_string();
        // Of a stopped postmaster there are no new children: it comes first, and last when all go on.
        let script = format!(
            "kill {signal} {postmaster}; kill {signal} $(pgrep -P {postmaster}); kill {signal} {postmaster}"
        );
        let sent = tokio::process::Command::new("sh").args(["-c", &script]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Ends it for good.
    pub async fn destroy(self) {
        tokio::task::spawn_blocking(move || self.cluster.destroy()).await.unwrap().unwrap();
    }
}

async fn started(place: &Path) -> Cluster {
    let config = ClusterConfig::new(place);
    tokio::task::spawn_blocking(move || Cluster::start(config)).await.unwrap().unwrap()
}
