//! Thousands of live sockets that are cut at once and resume, by cursor and with the waits of the SDK, behind what others did
//! meanwhile; against a server in a process of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use envoi_client::edge;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::child::Child;
use super::machine;
use super::rebuild;
use super::socket::{Lost, Socket};
use super::world::{Room, World};
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};
use crate::runtime::{Backend, files};

/// Longest that all of them may take.
const SECONDS_MAX: f64 = 60.0;
/// How long those are waited for that do not come back.
const PATIENCE: Duration = Duration::from_secs(180);
/// Wait before the first reconnection, and the longest: those of the SDK.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Members of a conversation; each has missed a message there.
const MEMBERS: usize = 10;
/// People of another organization, who do what the others do not see.
const OTHERS: usize = 8;
/// Sockets that are connected at once, and sessions begun, before it is measured.
const AT_ONCE: usize = 64;
/// Files of a process beside its sockets.
const OTHER_FILES: u64 = 1_000;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Sockets that were cut.
    pub sockets: usize,
    /// Those that follow again and have what they missed.
    pub resumed: usize,
    /// How often one was told to read anew.
    pub resets: usize,
    /// Until the last of them followed.
    pub seconds: f64,
    /// Connections that it took, more than the sockets where some were sent away meanwhile.
    pub connections: usize,
    /// Events of others while they were away.
    pub events: u64,
    /// Where.
    pub machine: Value,
}

impl Report {
    /// Fails when not everybody came back, or not in time.
    ///
    /// # Errors
    /// Says what was not met.
    pub fn check(&self) -> Result<(), CliError> {
        let Self { sockets, resumed, resets, seconds, .. } = self;
        if resumed < sockets || *resets > 0 {
            return Err(CliError::check_failed(format!(
                "{resumed} of {sockets} resumed, with {resets} resets"
            )));
        }
        if *seconds > SECONDS_MAX {
            return Err(CliError::check_failed(format!(
                "it took {seconds:.1} s, more than {SECONDS_MAX:.0}"
            )));
        }
        Ok(())
    }
}

/// Measures.
///
/// # Errors
/// When PostgreSQL or the server do not start, too few files may be open, or a command fails.
pub async fn run(sockets: usize, events: u64, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    if files::raise()? < sockets as u64 + OTHER_FILES {
        return Err(
            CliError::usage(format!("too few files may be open for {sockets} sockets")).hint(files::MEND)
        );
    }
    let scratch = Scratch::start(log).await?;
    let server = Child::start(&scratch, None).await?;
    let result = measure(&scratch, &server, sockets, events, output).await;
    server.stop().await?;
    scratch.remove().await?;
    result
}

async fn measure(
    scratch: &Scratch,
    server: &Child,
    sockets: usize,
    events: u64,
    output: Output,
) -> Result<Report, CliError> {
    let mut config = scratch.configuration();
    config.server.public_url = server.url().to_owned();
    let backend = Arc::new(Backend::connect(&config).await?);
    output.note(format!("{sockets} people with a device each, {MEMBERS} in a conversation"));
    let world = World::found(backend.services.clone(), sockets).await?;
    let people: Vec<usize> = (0..sockets).collect();
    let rooms: Vec<Room> = stream::iter(people.chunks(MEMBERS))
        .map(|members| world.open(members.to_vec()))
        .buffer_unordered(OTHERS)
        .try_collect()
        .await?;
    output.note("they connect, and are cut");
    let away = connect(&world, &backend, server, sockets).await?;
    output.note(format!("{events} events of others"));
    let others = World::found(backend.services.clone(), OTHERS).await?;
    rebuild::fill(others, events, output).await?;
    for room in &rooms {
        world.send(room, 0).await?;
    }
    settled(&backend).await?;
    output.note("all resume at once");
    let resumed = resume(away, &backend, server).await?;
    Ok(Report {
        sockets,
        resumed: resumed.sockets,
        resets: resumed.resets,
        seconds: resumed.seconds,
        connections: resumed.connections,
        events,
        machine: machine(),
    })
}

pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed("the bench failed").because(error)
}

/// Somebody whose socket was cut.
struct Away {
    session: (domain::AccountId, domain::SessionId, domain::DeviceId),
    cursor: String,
}

impl Away {
    fn token(&self, backend: &Backend) -> Result<String, CliError> {
        token(backend, self.session)
    }
}

pub(super) fn token(
    backend: &Backend,
    (account, session, device): (domain::AccountId, domain::SessionId, domain::DeviceId),
) -> Result<String, CliError> {
    let issued = backend.parts.auth.tokens.issue(account, session, Some(device), edge::now(), edge::new_id());
    issued.map(|(token, _)| token).map_err(|error| failed(&error))
}

pub(super) fn address(server: &Child) -> &str {
    server.url().trim_start_matches("http://")
}

/// Connects everybody, waits until all follow, and cuts them.
async fn connect(
    world: &World,
    backend: &Backend,
    server: &Child,
    sockets: usize,
) -> Result<Vec<Away>, CliError> {
    let opened: Vec<(Away, Socket)> = stream::iter(0..sockets)
        .map(|index| async move {
            let session = world.begin_session(index).await?;
            let token = token(backend, session)?;
            let opened = follow(address(server), &token, None, 0).await;
            let Ok((socket, Followed { cursor: Some(cursor), .. })) = opened else {
                return Err(CliError::failed("a socket did not connect"));
            };
            Ok((Away { session, cursor }, socket))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(opened.into_iter().map(|(away, _)| away).collect())
}

/// What came until a socket followed.
#[derive(Default)]
pub(super) struct Followed {
    cursor: Option<String>,
    resets: usize,
}

/// Opens a socket and waits until it follows and so many messages came.
pub(super) async fn follow(
    address: &str,
    token: &str,
    resume_after: Option<&str>,
    messages: usize,
) -> Result<(Socket, Followed), Lost> {
    let mut socket = Socket::open(address, token, resume_after).await?;
    // Answered when the socket follows.
    socket.say(&json!({ "type": "ping" })).await?;
    let (mut followed, mut came, mut follows) = (Followed::default(), 0, false);
    while !follows || came < messages {
        let frame = socket.next().await?;
        if let Some(cursor) = frame.get("cursor").and_then(Value::as_str) {
            followed.cursor = Some(cursor.to_owned());
        }
        match frame.get("type").and_then(Value::as_str) {
            Some("pong") => follows = true,
            Some("reset") => {
                followed.resets += 1;
                // What it missed does not come.
                came = messages;
            }
            Some("event") if frame.pointer("/event/name") == Some(&json!("conversation.message_sent")) => {
                came += 1;
            }
            _ => {}
        }
    }
    Ok((socket, followed))
}

/// Waits until the read models show all that happened.
pub(super) async fn settled(backend: &Backend) -> Result<(), CliError> {
    loop {
        let all =
            projections::status(&backend.database, &*backend.log).await.map_err(|error| failed(&error))?;
        if all.iter().all(|one| one.lag == 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How it went.
struct Resumed {
    sockets: usize,
    resets: usize,
    connections: usize,
    seconds: f64,
}

/// Has everybody come back at once, each from where it was.
async fn resume(away: Vec<Away>, backend: &Arc<Backend>, server: &Child) -> Result<Resumed, CliError> {
    let address: Arc<str> = address(server).into();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for one in away {
        let (backend, address) = (Arc::clone(backend), Arc::clone(&address));
        tasks.spawn(async move { tokio::time::timeout(PATIENCE, come_back(&one, &backend, &address)).await });
    }
    let mut resumed = Resumed { sockets: 0, resets: 0, connections: 0, seconds: 0.0 };
    let mut open = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let Ok(back) = ended.map_err(|error| failed(&error))? else { continue };
        let (socket, followed, connections) = back?;
        resumed.sockets += 1;
        resumed.resets += followed.resets;
        resumed.connections += connections;
        resumed.seconds = started.elapsed().as_secs_f64();
        open.push(socket);
    }
    Ok(resumed)
}

/// Connects until it follows, waiting longer each time.
async fn come_back(
    away: &Away,
    backend: &Backend,
    address: &str,
) -> Result<(Socket, Followed, usize), CliError> {
    let (mut wait, mut connections) = (FIRST_WAIT, 0);
    loop {
        connections += 1;
        let token = away.token(backend)?;
        if let Ok((socket, followed)) = follow(address, &token, Some(&away.cursor), 1).await {
            return Ok((socket, followed, connections));
        }
        tokio::time::sleep(edge::jittered(wait)).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}
