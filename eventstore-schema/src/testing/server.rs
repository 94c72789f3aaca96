//! The server that tests share.

use std::path::PathBuf;

use crate::database::Config;

use crate::cluster::{Cluster, ClusterConfig};

/// Names a server to use in place of a private one; its user must be a superuser.
const URL_VARIABLE: &str = "ENVOI_TEST_POSTGRES_URL";
/// Names the directory of the private one.
const DIRECTORY_VARIABLE: &str = "ENVOI_TEST_POSTGRES_DIR";
/// Connections of as many tests as run at once.
const CONNECTIONS_MAX: u16 = 300;
/// Enough for small databases; several worktrees have a server each.
const SHARED_BUFFERS_MIB: u32 = 64;

/// A server for tests. It forgets everything in a crash, in exchange for speed.
#[derive(Clone, Debug)]
pub enum TestServer {
    /// Ours, kept running between tests.
    Private(Cluster),
    /// Somebody else's.
    External(String),
}

impl TestServer {
    /// The server of this run, started if need be. Blocks.
    pub fn start() -> Self {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return TestServer::External(url);
        }
        let cluster = Cluster::start(config()).unwrap_or_else(|error| panic!("no server for tests: {error}"));
        TestServer::Private(cluster)
    }

    /// How to connect to one of its databases, as superuser.
    pub fn config(&self, database: &str) -> Config {
        match self {
            TestServer::Private(cluster) => cluster.config(database),
            TestServer::External(url) => {
                let mut config =
                    Config::parse(url, None).unwrap_or_else(|error| panic!("{URL_VARIABLE}: {error}"));
                config.dbname(database);
                config
            }
        }
    }

    /// The same as a URL.
    pub fn url(&self, database: &str) -> String {
        match self {
            TestServer::Private(cluster) => cluster.url(database),
            TestServer::External(url) => with_database(url, database),
        }
    }

    pub(super) fn is_private(&self) -> bool {
        matches!(self, TestServer::Private(_))
    }
}

/// Stops the private server of this worktree, with all its databases kept. Blocks.
pub fn stop() {
    let cluster = Cluster::at(config()).unwrap_or_else(|error| panic!("no server for tests: {error}"));
    cluster.stop().unwrap_or_else(|error| panic!("the server for tests does not stop: {error}"));
}

fn config() -> ClusterConfig {
    ClusterConfig {
        directory: directory(),
        durable: false,
        connections_max: CONNECTIONS_MAX,
        shared_buffers_mib: SHARED_BUFFERS_MIB,
    }
}

/// In Cargo's target directory, found by its tag above the running test; elsewhere where the server's account cannot
/// enter that.
fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) {
        return directory.into();
    }
    let program = std::env::current_exe().expect("the running program has a path");
    let target = program.ancestors().find(|path| path.join("CACHEDIR.TAG").is_file());
    let preferred = target.map(|target| target.join("test-postgres"));
    match preferred {
        Some(preferred) if Cluster::is_reachable(&preferred) => preferred,
        other => {
            let place = other.unwrap_or(program);
            let hash = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
            std::env::temp_dir().join(format!("envoi-test-postgres-{}", &hash[..16]))
        }
    }
}

/// `url` with another database: what stands between the authority and the parameters.
fn with_database(url: &str, database: &str) -> String {
    let (base, parameters) = url.split_once('?').map_or((url, ""), |(base, rest)| (base, rest));
    let authority_at = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority_at..].find('/').map_or(base.len(), |at| authority_at + at);
    let question = if parameters.is_empty() { "" } else { "?" };
    format!("{}/{database}{question}{parameters}", &base[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced() {
        let changed = with_database("postgresql://me:secret@host:5433/old?sslmode=disable", "new");
        assert_eq!(changed, "postgresql://me:secret@host:5433/new?sslmode=disable");
        assert_eq!(with_database("postgresql://me@host", "new"), "postgresql://me@host/new");
    }
}
