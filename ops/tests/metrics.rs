//! What operators scrape: of every role, in the form that Prometheus wants.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Installation, Serving};

fn scraped(installation: &Installation, serving: &Serving) -> String {
    installation.get(&format!("{}/metrics", serving.metrics)).1
}

/// What `promtool check metrics` has to say of a text.
fn judged(text: &str) -> String {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/promtool");
    assert!(tool.exists(), "{} is missing: run ops/install-tools", tool.display());
    let mut command = Command::new(tool);
    command.args(["check", "metrics"]);
    let judged = support::fed(command, text);
    format!("{}{}", judged.stdout, judged.stderr)
}

#[test]
fn every_role_says_what_it_is_and_takes_in_the_form_that_prometheus_wants() {
    let installation = Installation::new();
    assert!(judged("bad_micros 1\n").contains("bad_micros"), "it finds what is wrong");
    for role in ["api", "projector", "reactor"] {
        let serving = installation.serve(role);
        let text = scraped(&installation, &serving);
        let version = format!("envoi_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        for line in [version.as_str(), "process_resident_memory_bytes ", "process_open_fds "] {
            assert!(text.contains(line), "{role}: no {line}");
        }
        assert_eq!(judged(&text), "", "{role}");
    }
}
