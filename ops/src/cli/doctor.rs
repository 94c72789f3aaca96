//! `envoi doctor`: looks at everything a server needs, says what is wrong and how to mend it. Changes nothing.

use std::borrow::Cow;
use std::path::Path;

use commands::clock::Clock;
use commands::reactions::{leaderless, parked_figures};
use eventstore_schema::Keyring;
use eventstore_schema::database::{self, Role};
use eventstore_schema::keyring::{RootKeyFile, RootProvider};
use eventstore_schema::migrations::Form;
use projections::audit::queries::CLOCKS_APART_MAX;
use prometheus::Registry;
use serde_json::json;
use tokio_postgres::Client;

use super::{CliError, Global, text};
use crate::config::Config;
use crate::runtime;
use crate::runtime::files::{self, Room};
use crate::runtime::rights::Rights;
use crate::runtime::server;
use crate::runtime::standing::Standing;

/// Arguments of `envoi doctor`.
#[derive(clap::Args)]
pub struct Args {}

/// Oldest PostgreSQL that has what the read side needs (views with `security_invoker`), as `server_version_num`.
const POSTGRES_MIN: i32 = 150_000;
/// From how many seconds on clocks that are apart are worth a look: pauses, tokens and leases allow for less.
const CLOCKS_DOUBTFUL_SECONDS: f64 = 30.0;

/// How a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Doubtful,
    Bad,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Doubtful => "doubtful",
            State::Bad => "BAD",
        }
    }
}

/// What was found about one part.
struct Finding {
    part: &'static str,
    state: State,
    found: String,
    mend: Option<Cow<'static, str>>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, part: &'static str, found: impl Into<String>) {
        self.0.push(Finding { part, state: State::Good, found: found.into(), mend: None });
    }

    fn bad(&mut self, part: &'static str, found: impl Into<String>, mend: impl Into<Cow<'static, str>>) {
        self.0.push(Finding { part, state: State::Bad, found: found.into(), mend: Some(mend.into()) });
    }

    fn doubtful(&mut self, part: &'static str, found: impl Into<String>, mend: impl Into<Cow<'static, str>>) {
        self.0.push(Finding { part, state: State::Doubtful, found: found.into(), mend: Some(mend.into()) });
    }
}

/// Runs `envoi doctor`.
pub async fn run(global: &Global, _args: Args) -> Result<(), CliError> {
    let config = global.configuration()?;
    let mut findings = Findings::default();
    findings.good("configuration", "is valid");
    open_files(&mut findings, &config);
    root_key(&mut findings, &config.keys.root_key_file);
    mail(&mut findings, &config).await;
    if let Some(client) = postgres(&mut findings, &config).await {
        settings(&mut findings, &client).await;
        clock(&mut findings, &client).await;
        rights(&mut findings, &client).await;
        schema(&mut findings, &config).await;
        keyring(&mut findings, &config).await;
        log(&mut findings, &config).await;
        standing(&mut findings, &config).await;
        read_models(&mut findings, &config).await;
        tables(&mut findings, &config).await;
        reactions(&mut findings, &config).await;
    }
    report(global, &findings.0)
}

fn report(global: &Global, findings: &[Finding]) -> Result<(), CliError> {
    let value: Vec<_> = findings
        .iter()
        .map(|one| json!({ "part": one.part, "state": one.state.word(), "found": one.found, "mend": one.mend }))
        .collect();
    let bad = findings.iter().filter(|one| one.state == State::Bad).count();
    global.output.result(&json!({ "healthy": bad == 0, "findings": value }), || {
        let mut text = String::new();
        for one in findings {
            text.push_str(&format!("{:<9} {:<14} {}\n", one.state.word(), one.part, one.found));
            if let Some(mend) = &one.mend {
                text.push_str(&format!("{:<9} {:<14} -> {mend}\n", "", ""));
            }
        }
        text
    });
    if bad == 0 {
        Ok(())
    } else {
        Err(CliError::check_failed(format!("{bad} parts are not as they should be")))
    }
}

/// Whether this process, and with it a server started as it was, may have enough files open.
fn open_files(findings: &mut Findings, config: &Config) {
    const PART: &str = "open files";
    let room = files::raise().and_then(|files| Ok((files, Room::within(files, config, server::Role::ALL)?)));
    match room {
        Ok((_, room)) if room.is_full() => {
            findings.good(PART, format!("are enough for {} live sockets", room.sockets));
        }
        Ok((files, room)) => findings.doubtful(PART, room.shortage(files, config), files::MEND),
        Err(error) => findings.bad(PART, error.message, files::MEND),
    }
}

fn root_key(findings: &mut Findings, path: &Path) {
    match RootKeyFile::open(path) {
        Ok(_) => findings.good("root key", format!("{} is readable by its owner only", path.display())),
        Err(error) => findings.bad(
            "root key",
            error.to_string(),
            "`envoi keys create-root` for a new installation; for a restored one bring back the key it was made under",
        ),
    }
}

async fn mail(findings: &mut Findings, config: &Config) {
    let mailer = match runtime::mailer(config) {
        Ok(mailer) => mailer,
        Err(error) => {
            let found = error.causes.into_iter().next().unwrap_or(error.message);
            return findings.bad("mail", found, "see `mail` in `envoi config docs`");
        }
    };
    match mailer.reach().await {
        Ok(()) if config.mail.transport.starts_with("file:") => findings.doubtful(
            "mail",
            "e-mails are written to files: nobody gets them",
            "set `mail.transport` to smtp:// or smtps:// in production",
        ),
        Ok(()) => findings.good("mail", "the server lets this one in (no e-mail was sent)"),
        Err(error) => findings.bad(
            "mail",
            error.to_string(),
            "is it running, and are `mail.transport` and its password right?",
        ),
    }
}

async fn postgres(findings: &mut Findings, config: &Config) -> Option<Client> {
    let database = match runtime::database(config) {
        Ok(database) => database,
        Err(error) => {
            findings.bad("postgres", error.message, "set `database.url`");
            return None;
        }
    };
    let client = match database::connect(&database).await {
        Ok(client) => client,
        Err(error) => {
            let found = CliError::unavailable("cannot be reached").because(&error).causes.join(": ");
            findings.bad("postgres", found, "is it running, and may this user log in from here?");
            return None;
        }
    };
    match setting(&client, "server_version_num").await.and_then(|text| text.parse::<i32>().ok()) {
        Some(version) if version >= POSTGRES_MIN => {
            findings.good("postgres", format!("answers, version {}", version / 10_000));
        }
        Some(version) => findings.bad(
            "postgres",
            format!("is version {}", version / 10_000),
            "PostgreSQL 15 or newer is needed",
        ),
        None => findings.bad("postgres", "does not tell its version", "is it PostgreSQL?"),
    }
    Some(client)
}

async fn setting(client: &Client, name: &str) -> Option<String> {
    let row = client.query_one("SELECT current_setting($1)", &[&name]).await.ok()?;
    row.try_get(0).ok()
}

/// Settings without which an acknowledged message can be lost.
async fn settings(findings: &mut Findings, client: &Client) {
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        match setting(client, name).await.as_deref() {
            Some("off") => findings.bad(
                "durability",
                format!("`{name}` is off: acknowledged messages can be lost"),
                "turn it on in postgresql.conf",
            ),
            Some(value) => findings.good("durability", format!("`{name}` is {value}")),
            None => {
                findings.doubtful("durability", format!("`{name}` cannot be read"), "look at postgresql.conf")
            }
        }
    }
}

/// Whether this machine's clock and PostgreSQL's, by which all nodes can be compared, go alike: events carry their node's time.
async fn clock(findings: &mut Findings, client: &Client) {
    const PART: &str = "clock";
    const MEND: &str = "let a time service set the clocks of both machines (chrony, systemd-timesyncd)";
    let now = "SELECT extract(epoch FROM clock_timestamp())::float8";
    let here = Clock::system().now().as_micros() as f64 / 1e6;
    let there: f64 = match client.query_one(now, &[]).await.and_then(|row| row.try_get(0)) {
        Ok(there) => there,
        Err(error) => return findings.doubtful(PART, error.to_string(), "is it PostgreSQL?"),
    };
    let apart = (there - here).abs();
    let found = format!("{apart:.0} s apart from PostgreSQL's");
    if apart > CLOCKS_APART_MAX.as_secs_f64() {
        findings.bad(PART, format!("{found}: a search of the audit log by time may miss events"), MEND);
    } else if apart > CLOCKS_DOUBTFUL_SECONDS {
        findings.doubtful(PART, found, MEND);
    } else {
        findings.good(PART, "goes with PostgreSQL's");
    }
}

/// Whether the login may do what a server does, and no more.
async fn rights(findings: &mut Findings, client: &Client) {
    const PART: &str = "rights";
    let rights = match Rights::of(client).await {
        Ok(rights) => rights,
        Err(error) => return findings.bad(PART, error.to_string(), "is it PostgreSQL 15 or newer?"),
    };
    if let Some((found, mend)) = rights.missing() {
        return findings.bad(PART, found, mend);
    }
    if !rights.beyond.is_empty() {
        findings.doubtful(
            PART,
            format!("the login {} {}: more than a server needs", rights.login, rights.beyond.join(", ")),
            "ops/docs/install.md has a login for servers that owns nothing",
        );
    }
    if !rights.can_be_ended {
        findings.doubtful(
            PART,
            "who takes over from a server that hangs cannot end its connections".to_owned(),
            format!("GRANT \"{}\" to the owner of the database", rights.login),
        );
    }
    if rights.beyond.is_empty() && rights.can_be_ended {
        findings.good(PART, format!("the login {} may do what a server does, and no more", rights.login));
    }
}

/// Whether every part of the database has a form that this release works with.
async fn schema(findings: &mut Findings, config: &Config) {
    const PART: &str = "schema";
    let Ok(database) = runtime::database(config) else { return };
    let forms = match runtime::schema::forms(&database).await {
        Ok(forms) => forms,
        Err(error) => {
            let found = CliError::failed("").because(&error).causes.join(": ");
            return findings.bad(PART, found, "`envoi migrate` makes it and gives the right to look");
        }
    };
    let mut is_good = true;
    for (problem, mend) in forms.iter().filter_map(Form::problem) {
        is_good = false;
        findings.bad(PART, problem, mend);
    }
    if is_good {
        let found = forms.iter().map(|form| {
            let (found, wanted) = (form.found.unwrap_or_default(), &form.wanted);
            format!("{} {found} ({} to {})", form.area, wanted.start(), wanted.end())
        });
        findings.good(
            PART,
            format!("has forms that this release works with: {}", found.collect::<Vec<_>>().join(", ")),
        );
    }
}

/// Whether the root key is the one that the keys in the database are wrapped by.
async fn keyring(findings: &mut Findings, config: &Config) {
    let Ok(root) = RootKeyFile::open(&config.keys.root_key_file) else { return };
    let Ok(pool) = runtime::database(config).map(|database| database::pool(&database, Role::App, 1)) else {
        return;
    };
    let Ok(pool) = pool else { return };
    match Keyring::root_on_record(pool).await {
        Ok(Some(id)) if id == root.id() => findings.good("keyring", "is wrapped by this root key"),
        Ok(Some(id)) => findings.bad(
            "keyring",
            format!("is wrapped by root key {id}, not by {}: nothing personal can be read", root.id()),
            "bring back the root key file that belongs to this database",
        ),
        Ok(None) => findings.good("keyring", "is empty: the first server makes its keys"),
        Err(error) => findings.bad("keyring", error.to_string(), "`envoi migrate` makes its tables"),
    }
}

async fn log(findings: &mut Findings, config: &Config) {
    const MEND: &str = "on PostgreSQL `envoi migrate` brings the database to this release's form; on EventStoreDB see \
        ops/docs/runbooks/eventstoredb.md";
    let Ok(database) = runtime::database(config) else { return };
    match runtime::engine::open(config, &database, &Registry::new()).await {
        Ok(log) => match log.head().await {
            Ok(head) => {
                let position =
                    head.position.map_or_else(|| "empty".to_owned(), |at| format!("at position {at}"));
                findings.good(
                    "log",
                    format!("engine {}, {position}, incarnation {}", log.engine(), head.incarnation.0),
                );
            }
            Err(error) => findings.bad("log", error.to_string(), MEND),
        },
        Err(error) => {
            let causes =
                error.causes.iter().fold(error.message.clone(), |text, cause| format!("{text}: {cause}"));
            findings.bad("log", causes, MEND);
        }
    }
}

/// Whether the log is the one that the installation knows: servers write to no other.
async fn standing(findings: &mut Findings, config: &Config) {
    const PART: &str = "log";
    let Ok(database) = runtime::database(config) else { return };
    // What keeps the log from being opened is told by its own part.
    let Ok(log) = runtime::engine::open(config, &database, &Registry::new()).await else { return };
    let Ok(pool) = database::pool(&database, Role::App, 1) else { return };
    let Ok(mut standing) = Standing::new(log, pool, &database) else { return };
    match standing.look().await {
        Ok(None) => findings.good(PART, "is the one that reactions and read models have followed"),
        Ok(Some(refusal)) => findings.bad(
            PART,
            format!("servers write nothing to it: {refusal}"),
            "ops/docs/runbooks/backup-restore.md says how to tell which log is the right one",
        ),
        Err(error) => {
            let found = CliError::failed("").because(&error).causes.join(": ");
            findings.bad(PART, found, "`envoi migrate` makes the tables that tell it");
        }
    }
}

/// Whether the tables and views of the read models are there, and as this release makes them.
async fn tables(findings: &mut Findings, config: &Config) {
    let Ok(database) = runtime::database(config) else { return };
    let all = match projections::differences(&database).await {
        Ok(all) => all,
        Err(error) => {
            let found = CliError::failed("").because(&error).causes.join(": ");
            return findings.bad("tables", found, "`envoi migrate` makes their bookkeeping and its rights");
        }
    };
    for (projection, differences) in all {
        let Some(first) = differences.first() else { continue };
        let (count, object, aspect) = (differences.len(), &first.object, &first.aspect);
        findings.bad(
            "tables",
            format!("{count} of {projection} are not as they are defined, first: {aspect} of {object}"),
            "`envoi projections verify` names all; `envoi projections rebuild` makes them anew",
        );
    }
}

const REACTIONS_MEND: &str = "`envoi migrate` makes their tables";

async fn reactions(findings: &mut Findings, config: &Config) {
    let Ok(database) = runtime::database(config) else { return };
    let client = match database::connect(&database::in_role(&database, Role::App)).await {
        Ok(client) => client,
        Err(error) => return findings.bad("reactions", error.to_string(), REACTIONS_MEND),
    };
    leaders(findings, &client).await;
    match parked_figures(&client).await {
        Ok(rows) if rows.is_empty() => findings.good("reactions", "nothing is set aside"),
        Ok(rows) => {
            for (name, parked) in rows {
                let since = parked.oldest.map_or_else(String::new, text::time);
                let word = if parked.events == 1 { "event" } else { "events" };
                findings.doubtful(
                    "reactions",
                    format!("{name} has set {} {word} aside since {since}", parked.events),
                    "`envoi reactions list` shows why; ops/docs/runbooks/parked-streams.md says what to do",
                );
            }
        }
        Err(error) => findings.bad("reactions", error.to_string(), REACTIONS_MEND),
    }
}

/// Whether somebody answers events.
async fn leaders(findings: &mut Findings, client: &Client) {
    const MEND: &str = "start a server with the role `reactor`; one that was killed is replaced after 6 s";
    match leaderless(client).await {
        Ok(names) if names.is_empty() => findings.good("reactions", "each is led by a server"),
        Ok(names) => findings.bad(
            "reactions",
            format!("no server leads {}: no mail is sent, nobody is removed", names.join(", ")),
            MEND,
        ),
        Err(error) => findings.bad("reactions", error.to_string(), REACTIONS_MEND),
    }
}

async fn read_models(findings: &mut Findings, config: &Config) {
    let Ok(database) = runtime::database(config) else { return };
    let Ok(log) = runtime::engine::open(config, &database, &Registry::new()).await else { return };
    let rows = match projections::status(&database, &*log).await {
        Ok(rows) => rows,
        Err(error) => {
            findings.bad("read models", error.to_string(), "`envoi migrate` makes their bookkeeping");
            return;
        }
    };
    let (rows, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.is_current);
    let running: Vec<&str> = rows.iter().map(|row| row.projection.as_str()).collect();
    for projector in projections::registry() {
        let name = projector.name();
        if running.contains(&name) {
            continue;
        }
        let found = match others.iter().any(|row| row.projection == name) {
            true => format!("{name} is there as another release makes it only, or is being made"),
            false => format!("{name} has never run"),
        };
        findings.doubtful("read models", found, "start a server of this release with the role `projector`");
    }
    for row in rows {
        if row.state == projections::LEADERLESS {
            findings.bad(
                "read models",
                format!("no server leads {}: it stands still", row.projection),
                "start a server with the role `projector`; one that was killed is replaced after 6 s",
            );
        } else if let Some(error) = row.error {
            findings.bad(
                "read models",
                format!("{} is {}: {error}", row.projection, row.state),
                "if the log is the right one, `envoi projections rebuild`; ops/docs/runbooks/backup-restore.md says how to tell",
            );
        } else if row.parked_streams > 0 {
            findings.bad(
                "read models",
                format!("{} has parked {} streams", row.projection, row.parked_streams),
                "`envoi projections parked` shows why; ops/docs/runbooks/parked-streams.md says what to do",
            );
        } else if row.lag >= projections::LAG_EVENTS_MAX {
            findings.doubtful(
                "read models",
                format!("{} is {} events behind, or more", row.projection, row.lag),
                "is a server with the role `projector` running?",
            );
        } else {
            findings.good("read models", format!("{} follows the log", row.projection));
        }
    }
}
