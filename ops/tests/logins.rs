//! Failed logins against the real binary: what they take of its memory comes back.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use envoi_client::api::auth;
use envoi_client::http::Http;
use support::{Installation, Serving};

/// Logins that fail; the last is refused for its network's sake.
const LOGINS: usize = 100;
/// As many at once as clients of a few people.
const AT_ONCE: usize = 10;
/// MiB by which the process may have grown afterwards.
const GROWTH_MIB_MAX: u64 = 64;

fn resident_mib(server: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn a_hundred_failed_logins_leave_the_memory_as_it_was() {
    let installation = Installation::new();
    let server = installation.serve("api");
    let http = Http::new(server.url()).unwrap();
    let before = resident_mib(&server);
    for round in 0..LOGINS / AT_ONCE {
        let logins = (0..AT_ONCE).map(|number| {
            let (http, email) = (http.clone(), format!("nobody{round}.{number}@envoi.test"));
            installation.spawn(async move { auth::login(&http, &email, "wrong password", None, None).await })
        });
        for login in logins.collect::<Vec<_>>() {
            let refused = installation.block_on(login).unwrap().map(|_| ()).unwrap_err();
            assert!(refused.is("login_refused") || refused.is("login_locked"), "{refused}");
        }
    }
    let after = resident_mib(&server);
    assert!(after <= before + GROWTH_MIB_MAX, "{before} MiB before, {after} MiB after");
}
