//! The binary: says where it listens, answers there, ends when it is told to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use eventstore::{AppendToStreamOptions, Client, EventData};

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_binary_prints_its_url_answers_and_ends_on_a_signal() {
    let child = Command::new(env!("CARGO_BIN_EXE_eventstore-double"))
        .args(["--listen", "127.0.0.1:0", "--user", "admin", "--password", "changeit"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    assert!(url.starts_with("esdb://127.0.0.1:") && url.ends_with("?tls=false"), "{url}");

    let client = Client::new(url.replace("esdb://", "esdb://admin:changeit@").parse().unwrap()).unwrap();
    let event = EventData::binary("happened", Bytes::new());
    client.append_to_stream("a", &AppendToStreamOptions::default(), event).await.unwrap();

    let told = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(told.success() && running.0.wait().unwrap().success());
}
