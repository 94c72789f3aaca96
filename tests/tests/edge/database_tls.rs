//! PostgreSQL over TLS: every connection is encrypted, and ends at the server that it is meant for or nowhere.

use std::error::Error;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use eventstore_schema::cluster::{Cluster, ClusterConfig};
use eventstore_schema::database::{self, Config};
use tests::authority::Authority;
use tests::mail::free_port;
use tests::person::Person;
use tests::server::{Options, TestServer, migrate};

const DATABASE: &str = "envoi";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A cluster that is reached over TCP as well, there with TLS only.
async fn cluster(directory: &Path, authority: &Authority) -> (Cluster, u16) {
    let config = ClusterConfig { shared_buffers_mib: 16, ..ClusterConfig::new(directory) };
    let started = config.clone();
    let cluster = blocking(move || Cluster::start(started)).await.unwrap();
    cluster.ensure_database(DATABASE).await.unwrap();
    let data = cluster.data_directory();
    let issued = authority.issue("localhost", &data);
    let owner = std::fs::metadata(&data).unwrap();
    for file in [&issued.certificate, &issued.key] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
        chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
    std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
    let port = free_port().await;
    let client = database::connect(&cluster.config(DATABASE)).await.unwrap();
    for setting in [
        "ssl = on".to_owned(),
        "ssl_cert_file = 'server.crt'".to_owned(),
        "ssl_key_file = 'server.key'".to_owned(),
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("port = {port}"),
    ] {
        client.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    drop(client);
    let stopped = cluster.clone();
    blocking(move || stopped.stop()).await.unwrap();
    (blocking(move || Cluster::start(config)).await.unwrap(), port)
}

fn why(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_at_the_server_they_are_meant_for() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::default());
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (cluster, port) = cluster(&directory.path().join("cluster"), &authority).await;
    let (root, stranger) = (authority.root(), Authority::default().root());
    let user = cluster.config(DATABASE).get_user().unwrap().to_owned();
    let config = |host: &str, mode: &str, roots: Option<&str>| {
        let url = format!("postgres://{user}@{host}:{port}/{DATABASE}?sslmode={mode}");
        Config::parse(&url, roots.map(str::as_bytes)).unwrap()
    };
    let encrypted = async |config: Config| {
        let client = database::connect(&config).await.map_err(|error| why(&error))?;
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = client.query_one(sql, &[]).await.map_err(|error| why(&error))?;
        Ok::<bool, String>(row.get(0))
    };
    let whole = config("localhost", "verify-full", Some(&root));
    assert_eq!(encrypted(whole.clone()).await, Ok(true));
    assert_eq!(encrypted(config("127.0.0.1", "verify-ca", Some(&root))).await, Ok(true));
    assert_eq!(encrypted(config("127.0.0.1", "require", Some(&root))).await, Ok(true));
    assert_eq!(encrypted(config("127.0.0.1", "require", None)).await, Ok(true));
    for (refused, reason) in [
        (config("127.0.0.1", "verify-full", Some(&root)), "not valid for name"),
        (config("localhost", "verify-full", Some(&stranger)), "invalid peer certificate"),
        (config("localhost", "verify-ca", Some(&stranger)), "invalid peer certificate"),
        (config("localhost", "require", Some(&stranger)), "invalid peer certificate"),
        (config("localhost", "verify-full", None), "UnknownIssuer"),
        (config("localhost", "disable", None), "no encryption"),
        (config("localhost", "prefer", None), "no encryption"),
    ] {
        let answer = encrypted(refused).await;
        assert!(answer.as_ref().is_err_and(|text| text.contains(reason)), "{reason}: {answer:?}");
    }

    let mut client = database::connect(&whole).await.unwrap();
    eventstore_schema::migrate(&mut client).await.unwrap();
    migrate(&mut client).await;
    let server = TestServer::over(&whole, Options::default()).await;
    Person::register(&server, "ann").await.client.create_organization("Acme").await.unwrap();
    server.settled().await;
    let sql = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) \
               FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend'";
    let row = client.query_one(sql, &[]).await.unwrap();
    let (encrypted, clear): (i64, i64) = (row.get(0), row.get(1));
    assert!(encrypted > 5 && clear == 0, "{encrypted} encrypted, {clear} in clear");
    drop((server, client));
    blocking(move || cluster.destroy()).await.unwrap();
}
