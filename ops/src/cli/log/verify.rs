//! `envoi log verify`: the log compared with itself.

use std::collections::BTreeMap;

use domain::Digest;
use eventstore_schema::verify::{self, Finding, Kind, Options, Verified};
use eventstore_schema::{EventLog, LogError, Position};
use prometheus::Registry;
use serde_json::{Value, json};

use crate::cli::progress::Bar;
use crate::cli::text::{printable, table};
use crate::cli::{CliError, Global};
use crate::runtime::{self, engine};

/// Arguments of `envoi log verify`.
#[derive(clap::Args)]
pub struct Args {
    /// Replay each stream through the rules of its aggregate, too, and compare its snapshot with what comes of that.
    #[arg(long)]
    rules: bool,
    /// Look only at what stands behind this position; an earlier run has said how far it came.
    #[arg(long, value_name = "POSITION")]
    since: Option<u64>,
    /// The record hash that stood at that position then.
    #[arg(long, value_name = "HASH", requires = "since", allow_hyphen_values = true, value_parser = digest)]
    hash: Option<Digest>,
    /// Most findings to name; the rest are counted.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    findings: usize,
}

fn digest(text: &str) -> Result<Digest, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// Findings as they come: the first are kept, all are counted.
struct Findings {
    kept: Vec<Finding>,
    kept_max: usize,
    counts: BTreeMap<Kind, u64>,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        if self.kept.len() < self.kept_max {
            self.kept.push(finding);
        }
    }

    fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Runs `envoi log verify`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.configuration()?;
    let database = runtime::database(&config)?;
    let log = engine::open(&config, &database, &Registry::new()).await?;
    let since = args.since.map(Position::new);
    let mut findings = Findings { kept: Vec::new(), kept_max: args.findings, counts: BTreeMap::new() };
    let unreadable = |error: LogError| {
        CliError::unavailable("the log could not be read to its end").because(&error).hint(
            "what was found so far is not told: run it again, with `--since` from where an earlier run ended",
        )
    };
    if let Some(since) = since {
        let finding = remembered(&*log, since, args.hash).await.map_err(unreadable)?;
        finding.into_iter().for_each(|finding| findings.add(finding));
    }
    let bar = Bar::new(global.output);
    let progress = |at: Position, until: Position| {
        let begin = since.map_or(0, Position::get);
        bar.at(at.get().saturating_sub(begin), until.get().saturating_sub(begin));
    };
    let options = Options { since, rules: args.rules };
    let verified = verify::verify(&*log, options, &mut |finding| findings.add(finding), &progress).await;
    bar.finish();
    let verified = verified.map_err(unreadable)?;
    let value = as_json(&*log, options, &verified, &findings);
    global.output.result(&value, || as_text(options, &verified, &findings));
    if findings.total() == 0 {
        return Ok(());
    }
    Err(CliError::check_failed("the log is not as Envoi wrote it")
        .hint("runbooks/verify.md says what each finding may mean and what to do"))
}

/// What an earlier run noted has to be there still.
async fn remembered(
    log: &dyn EventLog,
    since: Position,
    hash: Option<Digest>,
) -> Result<Option<Finding>, LogError> {
    let found = match log.event_at(since).await {
        Ok(found) => found.map(|event| event.hash),
        Err(LogError::Corrupt { .. }) => None,
        Err(error @ LogError::Unavailable { .. }) => return Err(error),
    };
    let what = match (found, hash) {
        (None, _) => "the log has no event that can be read where an earlier one ended",
        (Some(found), Some(hash)) if found != hash => "another event stands where an earlier log ended",
        (Some(_), _) => return Ok(None),
    };
    let (position, what) = (Some(since), what.to_owned());
    Ok(Some(Finding { position, stream: None, revision: None, kind: Kind::Position, what }))
}

fn as_json(log: &dyn EventLog, options: Options, verified: &Verified, findings: &Findings) -> Value {
    let listed: Vec<Value> = findings
        .kept
        .iter()
        .map(|one| {
            json!({
                "position": one.position.map(Position::get), "stream": one.stream.map(|stream| stream.to_string()),
                "revision": one.revision.map(|revision| revision.get()), "kind": one.kind.as_str(), "what": one.what,
            })
        })
        .collect();
    let kinds: BTreeMap<&str, u64> =
        findings.counts.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    json!({
        "sound": findings.total() == 0, "engine": log.engine(), "incarnation": verified.head.incarnation.0,
        "since": options.since.map(Position::get), "position": verified.head.position.map(Position::get),
        "hash": verified.head_hash.map(|hash| hash.to_string()), "events": verified.events,
        "rules": options.rules, "streams_replayed": verified.streams,
        "findings_total": findings.total(), "findings_by_kind": kinds, "findings": listed,
    })
}

fn as_text(options: Options, verified: &Verified, findings: &Findings) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut text = String::new();
    if !findings.kept.is_empty() {
        let head = ["POSITION", "KIND", "STREAM", "REVISION", "WHAT"].map(str::to_owned).to_vec();
        let rows = findings.kept.iter().map(|one| {
            vec![
                or_dash(one.position.map(|at| at.to_string())),
                one.kind.to_string(),
                or_dash(one.stream.map(|stream| stream.to_string())),
                or_dash(one.revision.map(|revision| revision.to_string())),
                printable(&one.what),
            ]
        });
        text.push_str(&table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
        let kept = u64::try_from(findings.kept.len()).unwrap_or(u64::MAX);
        match findings.total().saturating_sub(kept) {
            0 => {}
            rest => text.push_str(&format!("and {rest} more\n")),
        }
        text.push('\n');
    }
    let replayed =
        if options.rules { format!(", {} streams replayed", verified.streams) } else { String::new() };
    let result = match findings.total() {
        0 => "nothing found".to_owned(),
        count => format!("{count} FOUND"),
    };
    text.push_str(&format!("{} events looked at{replayed}: {result}.\n", verified.events));
    if let (Some(position), Some(hash)) = (verified.head.position, verified.head_hash) {
        text.push_str(&format!("Note this for the next time: --since {position} --hash {hash}\n"));
    }
    text
}
