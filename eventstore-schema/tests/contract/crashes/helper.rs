//! Another process: this test program again, running one writer that says on its standard output what was acknowledged.

use std::process::Stdio;
use std::sync::Arc;

use domain::CommandId;
use eventstore_schema::database::{self, Config, Role};
use eventstore_schema::{
    EsdbEventLog, EsdbLogConfig, EsdbSettings, EventLog, Expected, PgEventLog, PgLogConfig, Revision,
    StreamAppend,
};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::given;

const ADDRESS_VARIABLE: &str = "ENVOI_CONTRACT_HELPER_ADDRESS";
const APPENDS_VARIABLE: &str = "ENVOI_CONTRACT_HELPER_APPENDS";
const THIS: &str = "crashes::helper::writes_for_another_test";
/// Tasks that append at once in one helper.
const CALLERS: usize = 8;

/// A line of a helper: this append was acknowledged, or is about to be tried.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    Trying { command: CommandId },
    Acknowledged { command: CommandId, position: u64 },
}

/// A running helper.
pub struct Helper {
    pub child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    /// Starts one that appends `appends` times with each of its callers, two events each, and then ends.
    pub fn start(address: &str, appends: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS, "--ignored", "--nocapture", "--quiet"])
            .env(ADDRESS_VARIABLE, address)
            .env(APPENDS_VARIABLE, appends.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing it said; `None` when it has ended.
    pub async fn next(&mut self) -> Option<Said> {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["TRYING", command] => return Some(Said::Trying { command: command.parse().unwrap() }),
                ["ACKNOWLEDGED", command, position] => {
                    let (command, position) = (command.parse().unwrap(), position.parse().unwrap());
                    return Some(Said::Acknowledged { command, position });
                }
                _ => {}
            }
        }
        None
    }
}

/// Opens the log at an address: a URL of PostgreSQL, or one of EventStoreDB, the prefix of its streams and a URL of
/// PostgreSQL for snapshots.
async fn open(address: &str) -> Arc<dyn EventLog> {
    match address.split(' ').collect::<Vec<_>>()[..] {
        [url] => {
            Arc::new(PgEventLog::connect(PgLogConfig::new(Config::parse(url, None).unwrap())).await.unwrap())
        }
        [url, prefix, snapshots] => {
            let snapshots = database::pool(&Config::parse(snapshots, None).unwrap(), Role::App, 1).unwrap();
            let mut config = EsdbLogConfig::new(EsdbSettings::parse(url).unwrap(), snapshots);
            config.stream_prefix = prefix.to_owned();
            Arc::new(EsdbEventLog::connect(config).await.unwrap())
        }
        _ => panic!("{address} is no address"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests run it as a process of its own"]
async fn writes_for_another_test() {
    let Ok(address) = std::env::var(ADDRESS_VARIABLE) else { return };
    let appends: u64 = std::env::var(APPENDS_VARIABLE).unwrap().parse().unwrap();
    let log = open(&address).await;
    let callers = (0..CALLERS).map(|_| write(&*log, appends));
    futures_util::future::join_all(callers).await;
}

async fn write(log: &dyn EventLog, appends: u64) {
    let stream = given::stream();
    for n in 0..appends {
        let expected = Expected::after((n * 2).checked_sub(1).map(Revision::new));
        let append = StreamAppend { expected, ..given::append(stream, 2) };
        let command = append.command.id;
        println!("TRYING {command}");
        let appended = log.append(append).await.unwrap();
        println!("ACKNOWLEDGED {command} {}", appended.position);
    }
}
