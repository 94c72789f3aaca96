//! What acknowledging costs: the members of one large conversation, each with a live socket, acknowledge every message of one
//! sender, through the SDK as an application does. Counted are the events that the log takes and the frames that the sockets get.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{AccountId, Category, ConversationId};
use envoi_client::Client;
use envoi_client::api::dto::DeliveryState;
use envoi_client::api::messages::deliveries;
use eventstore_schema::{EventLog, Position, ReadFilter};
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::child::Child;
use super::send::{Room, gather};
use super::{machine, send};
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};

/// Most events that the log may take by message, all acknowledgements included.
const EVENTS_PER_MESSAGE_MAX: f64 = 60.0;
/// Most frames that a member may get by message, the message's own included.
const FRAMES_PER_MESSAGE_MAX: f64 = 2.0;
/// How long everything that is under way at the end may take to arrive and to be shown.
const END_WAIT_MAX: Duration = Duration::from_secs(60);
/// Time between two looks at it.
const END_POLL: Duration = Duration::from_millis(200);
/// Clients that connect, or send what they have noted, at the same time.
const AT_ONCE: usize = 16;
/// Events read from the log at a time.
const PAGE_EVENTS: usize = 1_000;
/// What is sent.
const TEXT: &str = "The engine weaves algebraic patterns just as the loom weaves flowers and leaves.";

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Members, one of whom sends.
    pub members: usize,
    /// Messages a second.
    pub rate: u32,
    /// For how long.
    pub seconds: u64,
}

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Events of the conversation and its members by message.
    pub events_per_message: f64,
    /// Frames by member and message, the message's own included.
    pub frames_per_message: f64,
    /// What the first may be at most.
    pub events_per_message_max: f64,
    /// What the second may be at most.
    pub frames_per_message_max: f64,
    /// Whether both are.
    pub within_limits: bool,
    /// Messages sent.
    pub messages: u64,
    /// Members.
    pub members: usize,
    /// Messages a second, as they went.
    pub messages_per_second: f64,
    /// Events by which acknowledgements were recorded.
    pub receipts: u64,
    /// Frames with a message.
    pub message_frames: u64,
    /// Frames with a receipt.
    pub receipt_frames: u64,
    /// All other frames.
    pub other_frames: u64,
    /// Devices that the last message is shown as read on: all but the sender's.
    pub read_on_devices: usize,
    /// Where.
    pub machine: serde_json::Value,
}

impl Report {
    /// Fails when acknowledging costs too much.
    ///
    /// # Errors
    /// Says what was not met.
    pub fn check(&self) -> Result<(), CliError> {
        if self.within_limits {
            return Ok(());
        }
        Err(CliError::check_failed(format!(
            "{:.1} events a message (at most {:.0}), {:.2} frames a member and message (at most {:.0})",
            self.events_per_message,
            self.events_per_message_max,
            self.frames_per_message,
            self.frames_per_message_max
        )))
    }
}

/// Frames that came down all sockets.
#[derive(Default)]
struct Frames {
    messages: AtomicU64,
    receipts: AtomicU64,
    others: AtomicU64,
}

impl Frames {
    fn counts(&self) -> [u64; 3] {
        [&self.messages, &self.receipts, &self.others].map(|count| count.load(Ordering::Relaxed))
    }
}

/// As much of a frame as is looked at.
#[derive(Deserialize)]
struct Frame {
    r#type: String,
    #[serde(default)]
    event: Option<FrameEvent>,
}

#[derive(Deserialize)]
struct FrameEvent {
    name: String,
    data: FrameData,
}

#[derive(Deserialize)]
struct FrameData {
    #[serde(default)]
    number: Option<u64>,
    #[serde(default)]
    sender_id: Option<AccountId>,
}

fn failed(error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed("the bench failed").because(error)
}

/// Measures.
///
/// # Errors
/// When PostgreSQL or the server do not start, a request fails, or deliveries are not shown as they are.
pub async fn run(load: Load, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    let scratch = Scratch::start(log).await?;
    let result = async {
        let server = Child::start(&scratch, None).await?;
        let report = measure(&scratch, &server, load, output).await;
        server.stop().await?;
        report
    };
    let result = result.await;
    scratch.remove().await?;
    result
}

async fn measure(scratch: &Scratch, server: &Child, load: Load, output: Output) -> Result<Report, CliError> {
    output.note(format!("{} people register, set up a device each and join one conversation", load.members));
    let people = send::Load {
        clients: load.members,
        conversations: 1,
        seconds: load.seconds,
        in_flight: 1,
        servers: 1,
    };
    let mut rooms = gather(scratch, std::slice::from_ref(server), "member", people).await?;
    let room = rooms.pop().ok_or_else(|| CliError::usage("at least one member is needed"))?;
    let sender = room.members.first().ok_or_else(|| CliError::usage("at least one member is needed"))?;
    let frames = Arc::new(Frames::default());
    let mut sockets = connect_all(server.url(), &room, &frames).await?;
    let backend = scratch.backend().await?;
    let before = backend.log.head().await.map_err(|error| failed(&error))?.position;
    let counted = frames.counts();
    output.note(format!("{} messages a second for {} s", load.rate, load.seconds));
    let started = Instant::now();
    let last = send_all(sender, room.conversation_id, load).await?;
    let elapsed = started.elapsed();
    output.note("waiting for the last acknowledgements");
    flush_all(&room).await?;
    let read_on_devices = shown_as_read(sender, room.conversation_id, last.number, load.members).await?;
    // What was recorded last is on its way down.
    tokio::time::sleep(END_POLL * 5).await;
    sockets.abort_all();
    let [messages, receipts, others] = frames.counts();
    let [messages, receipts, others] = [messages - counted[0], receipts - counted[1], others - counted[2]];
    let (events, recorded) = count(backend.log.as_ref(), before).await?;
    let sent = last.messages.max(1) as f64;
    let events_per_message = events as f64 / sent;
    let frames_per_message = (messages + receipts + others) as f64 / sent / load.members.max(1) as f64;
    Ok(Report {
        events_per_message,
        frames_per_message,
        events_per_message_max: EVENTS_PER_MESSAGE_MAX,
        frames_per_message_max: FRAMES_PER_MESSAGE_MAX,
        within_limits: events_per_message <= EVENTS_PER_MESSAGE_MAX
            && frames_per_message <= FRAMES_PER_MESSAGE_MAX,
        messages: last.messages,
        members: load.members,
        messages_per_second: last.messages as f64 / elapsed.as_secs_f64(),
        receipts: recorded,
        message_frames: messages,
        receipt_frames: receipts,
        other_frames: others,
        read_on_devices,
        machine: machine(),
    })
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects every member; each acknowledges what comes from others until it is aborted.
async fn connect_all(url: &str, room: &Room, frames: &Arc<Frames>) -> Result<JoinSet<()>, CliError> {
    let connected: Vec<(Arc<Client>, Stream)> = stream::iter(room.members.iter().cloned())
        .map(|client| async move { connect(url, &client).await.map(|stream| (client, stream)) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut sockets = JoinSet::new();
    for (client, stream) in connected {
        let (frames, conversation_id) = (Arc::clone(frames), room.conversation_id);
        sockets.spawn(listen(client, stream, conversation_id, frames));
    }
    Ok(sockets)
}

/// A socket that was welcomed.
async fn connect(url: &str, client: &Client) -> Result<Stream, CliError> {
    let token = client.session().token().await.map_err(|error| failed(&error))?;
    let live = format!("{}/v1/live", url.replacen("http", "ws", 1));
    let mut request = live.into_client_request().map_err(|error| failed(&error))?;
    let bearer =
        HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(|error| failed(&error))?;
    request.headers_mut().insert("authorization", bearer);
    let (mut stream, _) = tokio_tungstenite::connect_async(request).await.map_err(|error| failed(&error))?;
    stream.send(Message::text(r#"{"type":"hello"}"#)).await.map_err(|error| failed(&error))?;
    match stream.next().await {
        Some(Ok(Message::Text(text))) if text.contains("\"welcome\"") => Ok(stream),
        other => Err(CliError::failed(format!("a socket was not welcomed: {other:?}"))),
    }
}

async fn listen(
    client: Arc<Client>,
    mut stream: Stream,
    conversation_id: ConversationId,
    frames: Arc<Frames>,
) {
    let me = client.account_id();
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        let frame = serde_json::from_str::<Frame>(&text).ok().filter(|frame| frame.r#type == "event");
        let event = frame.and_then(|frame| frame.event);
        match event {
            Some(FrameEvent { name, data }) if name == "conversation.message_sent" => {
                frames.messages.fetch_add(1, Ordering::Relaxed);
                if let Some(number) = data.number.filter(|_| data.sender_id != Some(me)) {
                    client.acknowledge(conversation_id, number, number);
                }
            }
            Some(FrameEvent { name, .. }) if name == "conversation_member.receipt_recorded" => {
                frames.receipts.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                frames.others.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What was sent.
struct Last {
    number: u64,
    messages: u64,
}

/// Sends at the load's rate, whatever an answer takes.
async fn send_all(sender: &Client, conversation_id: ConversationId, load: Load) -> Result<Last, CliError> {
    let every = Duration::from_secs_f64(1.0 / f64::from(load.rate.max(1)));
    let messages = load.seconds.saturating_mul(u64::from(load.rate));
    let ticks = stream::unfold((tokio::time::interval(every), 0), |(mut ticks, sent)| async move {
        if sent == messages {
            return None;
        }
        ticks.tick().await;
        Some(((), (ticks, sent + 1)))
    });
    let numbers: Vec<u64> = ticks
        .map(|()| async move {
            sender
                .send_text(conversation_id, TEXT)
                .await
                .map(|sent| sent.number)
                .map_err(|error| failed(&error))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Last { number: numbers.into_iter().max().unwrap_or_default(), messages })
}

async fn flush_all(room: &Room) -> Result<(), CliError> {
    stream::iter(&room.members)
        .map(|client| async move { client.flush().await.map_err(|error| failed(&error)) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Waits until the message is shown as read on everybody else's device; on how many it is.
async fn shown_as_read(
    sender: &Client,
    conversation_id: ConversationId,
    number: u64,
    members: usize,
) -> Result<usize, CliError> {
    let until = Instant::now() + END_WAIT_MAX;
    loop {
        let (mut read, mut cursor) = (0, None);
        loop {
            let page = deliveries(sender.session(), conversation_id, number, cursor.as_deref());
            let page = page.await.map_err(|error| failed(&error))?;
            read += page.items.iter().filter(|one| one.state == DeliveryState::Read).count();
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if read + 1 >= members {
            return Ok(read);
        }
        if Instant::now() > until {
            let text = format!("the last message is shown as read on {read} devices of {}", members - 1);
            return Err(CliError::check_failed(text));
        }
        tokio::time::sleep(END_POLL).await;
    }
}

/// Events of conversations and their members behind a position, and how many of them are receipts.
async fn count(log: &dyn EventLog, mut after: Option<Position>) -> Result<(u64, u64), CliError> {
    let categories = vec![Category::Conversation, Category::ConversationMember];
    let filter = ReadFilter { categories, ..ReadFilter::default() };
    let (mut events, mut receipts) = (0, 0);
    loop {
        let page = log.read_all(after, PAGE_EVENTS, &filter).await.map_err(|error| failed(&error))?;
        let Some(last) = page.last() else { return Ok((events, receipts)) };
        after = Some(last.position);
        for event in page {
            events += 1;
            receipts += u64::from(event.stream.category == Category::ConversationMember);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_far_as_it_is_looked_at() {
        let account = AccountId::from_bytes([7; 16]);
        let text = format!(
            r#"{{"type":"event","cursor":"c","event":{{"name":"conversation.message_sent","version":1,
            "data":{{"number":4,"sender_id":"{account}","reply_to":null}},"resource":{{"content":"AA"}}}}}}"#
        );
        let frame: Frame = serde_json::from_str(&text).unwrap();
        let event = frame.event.unwrap();
        assert_eq!((event.data.number, event.data.sender_id), (Some(4), Some(account)));
        let other: Frame = serde_json::from_str(r#"{"type":"cursor","cursor":"c"}"#).unwrap();
        assert!(other.event.is_none());
    }
}
