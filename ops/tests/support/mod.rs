//! The real binary, and a private installation that it runs.

#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod installation;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

pub use installation::{Installation, LOGIN, OWNER, Serving};

/// The binary, with none of the caller's configuration.
pub fn envoi(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envoi"));
    for (name, _) in std::env::vars() {
        if name.starts_with("ENVOI_") && !name.starts_with("ENVOI_TEST_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a run of the binary came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(mut command: Command) -> Self {
        Self::from(command.output().unwrap())
    }

    pub fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON that it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A directory that the PostgreSQL user gets through, on a disk.
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("envoi-test-").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    directory
}

/// `envoi dev`, stopped when dropped.
pub struct Dev {
    pub url: String,
    pub root: PathBuf,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Dev {
    pub fn start() -> Self {
        Self::start_over("postgres")
    }

    /// The same over another log, named as the configuration names it.
    pub fn start_over(log: &str) -> Self {
        let directory = directory();
        let root = directory.path().join("installation");
        let mut child = envoi(&["dev", "--json", "--directory", root.to_str().unwrap()])
            .env("ENVOI_LOG", log)
            .env("ENVOI_SERVER_LISTEN", "127.0.0.1:0")
            .env("ENVOI_SERVER_METRICS_LISTEN", "127.0.0.1:0")
            .env("ENVOI_SERVER_RATE_LIMITS", "false")
            .env("ENVOI_TELEMETRY_FILTER", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let told = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
        let told = told.expect("envoi dev ended before it listened").unwrap();
        let url = format!("http://{}", told["listening"].as_str().unwrap());
        Self { url, root, child, _directory: directory }
    }

    pub fn mail(&self) -> PathBuf {
        self.root.join("mail")
    }

    /// The token in the e-mail to an address; waits for it.
    pub fn token_for(&self, address: &str) -> String {
        token_in(&self.mail(), address)
    }
}

/// The token in the e-mail to an address that is written to a folder; waits for it.
pub fn token_in(mails: &Path, address: &str) -> String {
    let to = format!("To: {address}\r\n");
    let began = std::time::Instant::now();
    while began.elapsed() < installation::PATIENCE {
        for entry in std::fs::read_dir(mails).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let token = text.split_inclusive('\n').find_map(|line| line.trim_start().strip_prefix("token: "));
            if let Some(token) = token.filter(|token| text.contains(&to) && token.ends_with('\n')) {
                return token.trim().to_owned();
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("no e-mail to {address}");
}

impl Drop for Dev {
    fn drop(&mut self) {
        terminate(&mut self.child);
    }
}

/// Asks a process to end, and waits until it has.
pub fn terminate(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let _ = child.wait();
}

/// Somebody at a terminal: their key files and secrets.
pub struct Person<'a> {
    pub dev: &'a Dev,
    pub home: &'a Path,
    pub profile: &'a str,
    pub email: String,
    pub passphrase: String,
}

pub const PASSWORD: &str = "correct horse battery staple";

impl<'a> Person<'a> {
    /// Nobody yet.
    pub fn new(dev: &'a Dev, home: &'a Path, profile: &'a str) -> Self {
        let email = format!("{profile}@example.org");
        Self { dev, home, profile, email, passphrase: format!("violet harbour tractor of {profile}") }
    }

    /// A verb of `envoi client`, to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = envoi(&["client", "--profile", self.profile]);
        command
            .args(arguments)
            .env("ENVOI_HOME", self.home)
            .env("ENVOI_PASSWORD", PASSWORD)
            .env("ENVOI_PASSPHRASE", &self.passphrase);
        command
    }

    pub fn runs(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Runs a verb for machines, which has to succeed.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> Value {
        let mut command = self.command(arguments);
        command.arg("--json");
        Ran::of(command).succeeded().json()
    }

    /// Runs a verb for people, which has to succeed.
    #[track_caller]
    pub fn sees(&self, arguments: &[&str]) -> String {
        self.runs(arguments).succeeded().stdout
    }

    /// Registers, confirms and logs in; gives the account's id.
    pub fn enters(&self, name: &str) -> String {
        let server = ["--server", &self.dev.url];
        self.does(&[&server[..], &["register", "--email", &self.email, "--name", name]].concat());
        let token = self.dev.token_for(&self.email);
        self.does(&[&server[..], &["confirm", "--token", &token]].concat());
        let logged_in = self.does(&[&server[..], &["login", "--email", &self.email]].concat());
        text(&logged_in, "account_id")
    }
}

/// A member of a JSON object that is text.
#[track_caller]
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}

/// A running `envoi client listen --json`.
pub struct Listening {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Listening {
    /// Starts it and waits until it follows.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listening = Self { child, lines };
        listening.next("connected");
        listening
    }

    /// The next thing of this kind.
    pub fn next(&mut self, kind: &str) -> Value {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended before {kind}")).unwrap();
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["event"] == kind {
                return value;
            }
        }
    }

    /// Waits for its end.
    pub fn ends(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends it as Ctrl-C does.
    pub fn interrupt(mut self) -> i32 {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

/// Runs a command with this on its standard input.
pub fn fed(mut command: Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}
