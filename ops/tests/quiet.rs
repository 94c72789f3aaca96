//! Whoever runs an installation in order is warned of nothing: a line at WARN or above is always worth a look.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};

use support::{Installation, Serving};

/// The servers of an installation, and where they say what they have to say.
struct Servers<'a> {
    installation: &'a Installation,
    directory: &'a Path,
    said: Vec<PathBuf>,
}

impl Servers<'_> {
    fn start(&mut self, roles: &str) -> Serving {
        let path = self.directory.join(format!("{}-{roles}", self.said.len()));
        let file = File::create(&path).unwrap();
        self.said.push(path);
        self.installation.serve_with(roles, |command| {
            command.env("ENVOI_TELEMETRY_FILTER", "warn").env("ENVOI_SERVER_RATE_LIMITS", "false");
            command.env("ENVOI_SERVER_DRAIN_SECONDS", "1").stderr(file);
        })
    }

    /// What they warned of.
    fn warned(&self) -> Vec<String> {
        let all = self.said.iter().map(|path| std::fs::read_to_string(path).unwrap());
        let lines = all.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect()
    }
}

/// People log in, open conversations, send, react and change keys on a server; everything is checked.
fn play(installation: &Installation, api: &Serving) {
    let mail = installation.mail();
    let arguments = ["demo", "--json", "--server", api.url(), "--mail-dir", mail.to_str().unwrap()];
    installation.runs(&arguments).succeeded();
}

#[test]
fn a_run_in_order_warns_of_nothing() {
    // Without its disk PostgreSQL would be worth a warning.
    let installation = Installation::durable();
    let directory = tempfile::tempdir().unwrap();
    let mut servers = Servers { installation: &installation, directory: directory.path(), said: Vec::new() };
    let (projector, reactor) = (servers.start("projector"), servers.start("reactor"));
    let api = servers.start("api");
    play(&installation, &api);
    // Others take over what the first led; the clients' server is replaced while another one is there.
    let all = servers.start("api,projector,reactor");
    for stopped in [projector, reactor, api] {
        assert!(stopped.ends_when_asked());
    }
    play(&installation, &all);
    assert!(all.ends_when_asked());
    let again = servers.start("api,projector,reactor");
    play(&installation, &again);
    let metrics = installation.get(&format!("{}/metrics", again.metrics)).1;
    let figures = [
        "envoi_keys{purpose=\"subject\",state=\"active\"}",
        "envoi_keys_active_age_seconds{purpose=\"tenant\"}",
        "envoi_keys_uses_total{outcome=\"done\",use=\"seal\"}",
        "envoi_log_refused 0",
    ];
    for figure in figures {
        assert!(metrics.contains(figure), "{figure} is not in {metrics}");
    }
    assert!(again.ends_when_asked());
    assert_eq!(servers.warned(), [] as [String; 0]);
}
