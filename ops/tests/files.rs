//! A server and the limit of open files: it takes what it may, says when that is little, and goes on when files run out.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use support::{Installation, Ran, Serving};

/// The command with a limit of open files, soft and hard.
fn limited(command: &Command, files: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -n {files} && exec \"$0\" \"$@\"")).arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// What the doctor says of open files.
fn found(installation: &Installation, files: u32) -> (String, String) {
    let report = Ran::of(limited(&installation.command(&["doctor", "--json"]), files)).json();
    let all = report["findings"].as_array().unwrap();
    let finding = all.iter().find(|one| one["part"] == "open files").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&finding["state"]), text(&finding["found"]))
}

#[test]
fn too_few_files_are_told_before_they_run_out() {
    let installation = Installation::new();
    let (state, told) = found(&installation, 1_000);
    assert!(
        state == "doubtful" && told.starts_with("1000 open files are allowed: there is room for"),
        "{told}"
    );
    let (state, told) = found(&installation, 180);
    assert!(state == "BAD" && told.starts_with("180 open files are allowed,"), "{told}");
    let refused = Ran::of(limited(&installation.command(&["serve", "--json"]), 180));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("180 open files are allowed,"), "{}", refused.stderr);
}

#[test]
fn a_server_raises_its_limit_to_the_hard_one() {
    let installation = Installation::new();
    let serving = installation.serve("projector");
    let [soft, hard] = limits(&serving);
    assert_eq!(soft, hard);
}

#[test]
fn who_comes_when_files_have_run_out_is_served_when_there_are_some_again() {
    let installation = Installation::new();
    let serving = installation.serve("api,projector,reactor");
    let reference = format!("{}/v1/openapi.json", serving.url());
    assert_eq!(installation.get(&reference).0, 200);
    let files = std::fs::read_dir(format!("/proc/{}/fd", serving.id())).unwrap().count() as u64;
    let process = Pid::from_raw(i32::try_from(serving.id()).unwrap());
    let few = Rlimit { current: Some(files + 4), maximum: hard(&serving) };
    prlimit(process, Resource::Nofile, few).unwrap();
    let address = serving.url().trim_start_matches("http://").to_owned();
    let connect = || TcpStream::connect(&address).unwrap();
    let waiting: Vec<TcpStream> = (0..20).map(|_| connect()).collect();
    installation.eventually("no file is left", || {
        std::fs::read_dir(format!("/proc/{}/fd", serving.id())).unwrap().count() as u64 >= files + 4
    });
    // Longer than whoever accepts waits after it could not.
    std::thread::sleep(std::time::Duration::from_secs(2));
    drop(waiting);
    installation.eventually("it is served", || installation.get(&reference).0 == 200);
}

/// Soft and hard limit of a server, as `proc(5)` has them.
fn limits(serving: &Serving) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let both: Vec<String> = files.split_whitespace().skip(3).take(2).map(str::to_owned).collect();
    both.try_into().unwrap()
}

/// The hard limit of a server; none where there is none.
fn hard(serving: &Serving) -> Option<u64> {
    let [_, hard] = limits(serving);
    hard.parse().ok()
}
