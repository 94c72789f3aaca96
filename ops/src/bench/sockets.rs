//! What an idle live socket costs: thousands of them, of people who are members of conversations and say nothing, answering the
//! server's pings; against a server in a process of its own. At the end each of them gets a message, or it was no socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::child::{Child, resident_bytes};
use super::machine;
use super::resume::{address, follow, settled, token};
use super::socket::Socket;
use super::world::{Room, World};
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};
use crate::runtime::server::Role;
use crate::runtime::{Backend, files};

/// How many are opened where nobody names a number.
const SOCKETS: usize = 20_000;
/// Most that the server's resident memory may grow by, by socket, in bytes.
const BYTES_PER_SOCKET_MAX: u64 = 12_288;
/// Sockets of a person.
const PER_PERSON: usize = 2;
/// Members of a conversation.
const MEMBERS: usize = 10;
/// Sockets that connect at once, sessions that begin, and conversations that are opened.
const AT_ONCE: usize = 64;
/// How long they are idle before memory is looked at: each has been pinged twice by then.
const IDLE: Duration = Duration::from_secs(45);
/// How long the message may take to reach everybody.
const MESSAGE_WAIT_MAX: Duration = Duration::from_secs(60);
/// Time between two looks at it.
const MESSAGE_POLL: Duration = Duration::from_millis(100);

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Sockets that were open.
    pub sockets: usize,
    /// By how much the server's resident memory grew, by socket.
    pub bytes_per_socket: u64,
    /// What that may be at most.
    pub bytes_per_socket_max: u64,
    /// Whether it is.
    pub within_limit: bool,
    /// Those that got the message at the end: all.
    pub delivered: usize,
    /// Whose they are.
    pub people: usize,
    /// Resident memory of the server before the first, in bytes.
    pub resident_bytes_before: u64,
    /// And with all of them.
    pub resident_bytes_after: u64,
    /// Where.
    pub machine: Value,
}

impl Report {
    /// Fails when they cost too much.
    ///
    /// # Errors
    /// Says what was not met.
    pub fn check(&self) -> Result<(), CliError> {
        let Self { bytes_per_socket, bytes_per_socket_max, within_limit, .. } = self;
        if *within_limit {
            return Ok(());
        }
        Err(CliError::check_failed(format!(
            "a socket costs {bytes_per_socket} bytes, more than {bytes_per_socket_max}"
        )))
    }
}

/// Measures; without a number as many as files may be open for, 20,000 at most.
///
/// # Errors
/// When PostgreSQL or the server do not start, too few files may be open, or a socket is lost.
pub async fn run(sockets: Option<usize>, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    let scratch = Scratch::start(log).await?;
    let result = async {
        let sockets = as_many_as_fit(sockets, &scratch, output)?;
        let server = Child::start(&scratch, None).await?;
        let report = measure(&scratch, &server, sockets, output).await;
        server.stop().await?;
        report
    };
    let result = result.await;
    scratch.remove().await?;
    result
}

/// The server may have as many files as this process, whose are fewer.
fn as_many_as_fit(asked: Option<usize>, scratch: &Scratch, output: Output) -> Result<usize, CliError> {
    let files = files::raise()?;
    let room = files::Room::within(files, &scratch.configuration(), Role::ALL)?.sockets;
    match asked {
        Some(asked) if asked > room => {
            let text = format!("{files} open files are allowed, which is room for {room} sockets");
            Err(CliError::usage(text).hint(files::MEND))
        }
        Some(asked) => Ok(asked),
        None if SOCKETS > room => {
            output.note(format!("{files} open files are allowed: {room} sockets instead of {SOCKETS}"));
            Ok(room)
        }
        None => Ok(SOCKETS),
    }
}

async fn measure(
    scratch: &Scratch,
    server: &Child,
    sockets: usize,
    output: Output,
) -> Result<Report, CliError> {
    let mut config = scratch.configuration();
    config.server.public_url = server.url().to_owned();
    let backend = Arc::new(Backend::connect(&config).await?);
    let people = sockets.div_ceil(PER_PERSON);
    output.note(format!("{people} people, {MEMBERS} in a conversation, with {PER_PERSON} sessions each"));
    let world = World::found(backend.services.clone(), people).await?;
    let indexes: Vec<usize> = (0..people).collect();
    let rooms: Vec<Room> = stream::iter(indexes.chunks(MEMBERS))
        .map(|members| world.open(members.to_vec()))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let sessions: Vec<_> = stream::iter(0..sockets)
        .map(|index| world.begin_session(index / PER_PERSON))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    settled(&backend).await?;
    output.note(format!("{sockets} sockets"));
    let before = resident_bytes(server.pid())?;
    let messages = Arc::new(AtomicUsize::new(0));
    let opened: Vec<Socket> = stream::iter(sessions)
        .map(|session| {
            let backend = &backend;
            async move {
                let token = token(backend, session)?;
                let opened = follow(address(server), &token, None, 0).await;
                opened.map(|(socket, _)| socket).map_err(|_| CliError::failed("a socket did not connect"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut open: JoinSet<()> = JoinSet::new();
    for socket in opened {
        open.spawn(listen(socket, Arc::clone(&messages)));
    }
    tokio::time::sleep(IDLE).await;
    if open.try_join_next().is_some() {
        return Err(CliError::failed("a socket was lost while it was idle"));
    }
    let after = resident_bytes(server.pid())?;
    output.note("a message for each of them");
    for room in &rooms {
        world.send(room, 0).await?;
    }
    let delivered = delivered(&messages, sockets).await?;
    let bytes_per_socket = after.saturating_sub(before) / sockets.max(1) as u64;
    Ok(Report {
        sockets,
        bytes_per_socket,
        bytes_per_socket_max: BYTES_PER_SOCKET_MAX,
        within_limit: bytes_per_socket <= BYTES_PER_SOCKET_MAX,
        delivered,
        people,
        resident_bytes_before: before,
        resident_bytes_after: after,
        machine: machine(),
    })
}

/// Takes what comes, and counts messages, until the socket is lost.
async fn listen(mut socket: Socket, messages: Arc<AtomicUsize>) {
    while let Ok(frame) = socket.next().await {
        if frame.pointer("/event/name") == Some(&json!("conversation.message_sent")) {
            messages.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits until every socket got its message.
async fn delivered(messages: &AtomicUsize, sockets: usize) -> Result<usize, CliError> {
    let until = Instant::now() + MESSAGE_WAIT_MAX;
    loop {
        let delivered = messages.load(Ordering::Relaxed);
        if delivered >= sockets {
            return Ok(delivered);
        }
        if Instant::now() > until {
            return Err(CliError::check_failed(format!("{delivered} of {sockets} sockets got a message")));
        }
        tokio::time::sleep(MESSAGE_POLL).await;
    }
}
