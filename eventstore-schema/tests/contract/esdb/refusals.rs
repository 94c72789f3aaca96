//! Servers that are not as they should be: a clear error, and no more than that.

use bytes::Bytes;
use eventstore_double::{DoubleConfig, TlsIdentity};
use eventstore_schema::{AppendError, LogError, NewEvent, StreamAppend};

use super::Esdb;
use crate::engine::Engine;
use crate::given;

async fn refusal(esdb: &Esdb, url: &str) -> String {
    match esdb.try_open(url).await {
        Ok(_) => panic!("{url} was let in"),
        Err(error @ LogError::Unavailable { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_said_to_be_unreachable() {
    let mut esdb = Esdb::doubled().await;
    let url = esdb.double().url();
    esdb.double().stop().await;
    let text = refusal(&esdb, &url).await;
    assert!(text.contains("cannot be reached"), "{text}");
    esdb.double().start_again().await.unwrap();
    esdb.try_open(&url).await.expect("the next attempt finds it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_named_and_not_shown() {
    let credentials = Some(("envoi".to_owned(), "right".to_owned()));
    let mut esdb = Esdb::with(DoubleConfig { credentials, ..DoubleConfig::default() }).await;
    let wrong = esdb.double().url_as("envoi", "hunter2");
    let text = refusal(&esdb, &wrong).await;
    assert!(text.contains("credentials") && !text.contains("hunter2"), "{text}");
    let right = esdb.double().url_as("envoi", "right");
    esdb.try_open(&right).await.expect("the right ones are let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_does_not_match_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let identity = TlsIdentity::self_signed(&["localhost"]).unwrap();
    let stranger = TlsIdentity::self_signed(&["localhost"]).unwrap();
    let (own, other) = (directory.path().join("own.pem"), directory.path().join("other.pem"));
    std::fs::write(&own, &identity.certificate_pem).unwrap();
    std::fs::write(&other, &stranger.certificate_pem).unwrap();
    let mut esdb = Esdb::with(DoubleConfig { tls: Some(identity), ..DoubleConfig::default() }).await;
    let port = esdb.double().address().port();
    let url = |host: &str, file: &std::path::Path| {
        format!("esdb://{host}:{port}?tls=true&tlsCaFile={}", file.display())
    };
    for wrong in
        [url("localhost", &other), url("127.0.0.1", &own), format!("esdb://localhost:{port}?tls=false")]
    {
        let text = refusal(&esdb, &wrong).await;
        assert!(text.contains("cannot be reached"), "{text}");
    }
    let log = esdb.try_open(&url("localhost", &own)).await.expect("the right certificate is let in");
    log.append(given::append(given::stream(), 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_grpc_is_refused() {
    let esdb = Esdb::doubled().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = socket.write_all(answer).await;
        }
    });
    let text = refusal(&esdb, &format!("esdb://{address}?tls=false")).await;
    assert!(text.contains("cannot be reached"), "{text}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_larger_than_the_server_takes_is_refused_whole() {
    let mut esdb = Esdb::with(DoubleConfig { max_append_bytes: 64 * 1024, ..DoubleConfig::default() }).await;
    let log = esdb.open().await;
    let stream = given::stream();
    let large = NewEvent { payload: Bytes::from(vec![7; 70_000]), ..given::event("") };
    let append = StreamAppend { events: vec![given::event("small"), large], ..given::append(stream, 1) };
    let error = log.append(append).await.unwrap_err();
    assert!(matches!(error, AppendError::Size { events: 2, .. }), "{error}");
    assert!(given::read(&*log, stream).await.is_empty());
    let name = esdb.name(stream);
    assert_eq!(esdb.double().faults().last_revision(&name), None);
}
