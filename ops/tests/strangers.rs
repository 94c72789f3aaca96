//! What strangers send to the real server leaves short lines in its log, and no line of theirs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::Installation;

/// Longest line that anybody who asks can cause, in bytes.
const LINE_BYTES_MAX: usize = 500;

/// Sends bytes as they are and reads until the server has answered or gone.
fn send(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // What is refused early may be cut off while it is being sent.
    let _ = stream.write_all(bytes);
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap_or_default();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn what_strangers_send_leaves_short_lines_and_none_of_their_own() {
    let installation = Installation::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    let serving = installation.serve_with("api", |command| {
        command.env("ENVOI_TELEMETRY_FILTER", "info").env("NO_COLOR", "1").stderr(log.reopen().unwrap());
    });
    let address = serving.url().strip_prefix("http://").unwrap().to_owned();
    let long = "A".repeat(60_000);
    let requests = [
        format!("{long} /v1/me HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /v1/organizations/{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /v1/me?{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /v1/nothing HTTP/1.1\r\nhost: {long}\r\n\r\n"),
        format!(
            "GET /v1/me HTTP/1.1\r\nhost: x\r\nuser-agent: {long}\r\nauthorization: Bearer {long}\r\n\r\n"
        ),
        format!("GET /v1/me HTTP/1.1\r\nhost: x\r\nx-request-id: {long}\r\n\r\n"),
        "GET /%1b%5b2J%0aAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nbad header {long}\r\n\r\n"),
        format!("GET / HTTP/9.9\r\n{long}"),
        format!("\u{1b}[2J\u{7}{long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}{long}{long}\r\n\r\n"),
    ];
    for request in &requests {
        let answer = send(&address, request.as_bytes());
        let asked: String = request.chars().take(40).collect();
        let is_refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505");
        assert!(answer.is_empty() || is_refused, "{asked:?} -> {:?}", answer.lines().next());
    }
    assert!(send(&address, b"PROPFIND /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n").contains("404"));
    let written = || std::fs::read_to_string(log.path()).unwrap();
    installation.eventually("the last request is in the log", || written().contains("status=404"));
    let text = written();
    for line in text.lines() {
        assert!(line.len() <= LINE_BYTES_MAX, "{} bytes: {line:.200}", line.len());
        assert!(!line.contains("AAAAAAAA") && !line.contains("actix_http"), "{line}");
    }
    assert!(text.lines().any(|line| line.contains("other") && line.contains("unknown")), "{text}");
}
