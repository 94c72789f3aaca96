//! A real mail server: `tests/smtp/server.py`, over aiosmtpd, which `ops/install --for-tests` installs.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::authority::Issued;
use crate::server::PATIENCE;

/// The interpreter for which the distribution installs aiosmtpd.
const PYTHON: &str = "/usr/bin/python3";

/// A mail server that runs until it is dropped.
pub struct MailServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// An e-mail as the server got it.
#[derive(Debug)]
pub struct Mail {
    /// Sender on the envelope.
    pub from: String,
    /// Recipients on the envelope.
    pub to: Vec<String>,
    /// Headers and body as they travelled.
    pub content: String,
    /// The text, as a program that reads mail shows it: decoded by Python's package `email`.
    pub text: String,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// Who had logged in.
    pub login: Option<String>,
}

impl Mail {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let (head, _) = self.content.split_once("\r\n\r\n").expect("headers and a body");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// The command in it, as a shell reads it: without what joins its lines.
    pub fn command(&self) -> Vec<&str> {
        let lines = self.text.lines().skip_while(|line| !line.trim().starts_with("envoi "));
        let mut words = Vec::new();
        for line in lines {
            let (line, goes_on) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
            words.extend(line.split_whitespace());
            if !goes_on {
                break;
            }
        }
        words
    }

    /// The token in it.
    pub fn token(&self) -> &str {
        let mut tokens = self.text.lines().filter_map(|line| line.trim().strip_prefix("token: "));
        tokens.next().expect("a token")
    }
}

/// What a mail server asks of its clients.
#[derive(Default)]
pub struct Demands<'a> {
    /// STARTTLS, with this certificate.
    pub tls: Option<&'a Issued>,
    /// A user and a password.
    pub login: Option<(&'a str, &'a str)>,
    /// Addresses in ASCII.
    pub ascii: bool,
}

impl MailServer {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it does not start: most likely aiosmtpd is not installed.
    pub async fn start(demands: &Demands<'_>) -> Self {
        Self::start_on(free_port().await, demands).await
    }

    /// Starts it on a port.
    ///
    /// # Panics
    /// As [`MailServer::start`].
    pub async fn start_on(port: u16, demands: &Demands<'_>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp/server.py");
        let mut command = Command::new(PYTHON);
        command.args([script, "--port", &port.to_string()]);
        if let Some(issued) = demands.tls {
            command.arg("--tls").args([&issued.certificate, &issued.key]);
        }
        if let Some((user, password)) = demands.login {
            command.args(["--login", user, password]);
        }
        if demands.ascii {
            command.arg("--ascii");
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs; `ops/install --for-tests` installs it");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let first =
            next(&mut lines).await.expect("a mail server; `ops/install --for-tests` installs aiosmtpd");
        assert_eq!(first["port"], port);
        Self { port, lines, _process: process }
    }

    /// Waits for the next e-mail.
    pub async fn next(&mut self) -> Mail {
        let mail = next(&mut self.lines).await.expect("the mail server runs");
        let text = |name: &str| mail[name].as_str().map(str::to_owned);
        let to = mail["to"].as_array().into_iter().flatten();
        Mail {
            from: text("from").expect("a sender"),
            to: to.filter_map(Value::as_str).map(str::to_owned).collect(),
            content: text("content").expect("content"),
            text: text("text").expect("a text"),
            encrypted: mail["encrypted"] == true,
            login: text("login"),
        }
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("it says something").expect("its output")?;
    Some(serde_json::from_str(&line).expect("JSON"))
}

/// A port on which nothing listens.
pub async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    listener.local_addr().expect("its address").port()
}
