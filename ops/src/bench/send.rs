//! Real encrypted sends over HTTP by many clients, against a server in a process of its own; then, at half of that load, the
//! time from a send to another member's live socket. With several servers, the sends once more, the members of each
//! conversation spread over all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ConversationId;
use domain::organization::OrganizationRole;
use envoi_client::Client;
use envoi_client::api::dto::NewGroup;
use envoi_client::live::Incoming;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::task::JoinSet;

use super::child::{Child, cpu_seconds};
use super::{machine, percentile_ms};
use crate::cli::{CliError, Output};
use crate::runtime::people::Entrance;
use crate::runtime::scratch::{LogChoice, Scratch};

/// People who register at the same time.
const REGISTERING: usize = 8;
/// Length of a message: a sentence or two.
const TEXT: &str =
    "The engine might compose elaborate and scientific pieces of music of any degree of complexity.";
/// How long deliveries that are still under way at the end are waited for.
const LAST_DELIVERY: Duration = Duration::from_secs(2);

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients, each with an account and a device of its own.
    pub clients: usize,
    /// Conversations that they are spread over.
    pub conversations: usize,
    /// Length of each part.
    pub seconds: u64,
    /// Sends that a client has under way at once.
    pub in_flight: usize,
    /// Servers over the one log; at least one.
    pub servers: usize,
}

/// Percentiles in milliseconds.
#[derive(Serialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
}

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Messages answered with 201, which says that they are on disk.
    pub messages_per_second: f64,
    /// From a client's call, encryption included, to its answer.
    pub latency_ms: Percentiles,
    /// From a client's call to another member's opened event, at half of that load.
    pub delivery_ms: Percentiles,
    /// CPU seconds of server and PostgreSQL by 1,000 messages.
    pub cpu_seconds_per_1000: f64,
    /// CPU seconds of the generator, which shares the machine, by 1,000 messages.
    pub generator_cpu_seconds_per_1000: f64,
    /// Growth of the database by 1,000 messages: log, read models, indexes.
    pub bytes_per_1000: f64,
    /// Messages sent at full load.
    pub messages: usize,
    /// Deliveries measured.
    pub deliveries: usize,
    /// Clients.
    pub clients: usize,
    /// Conversations.
    pub conversations: usize,
    /// The same load over several servers, where asked for.
    #[serde(flatten)]
    pub several: Option<Several>,
    /// Where.
    pub machine: serde_json::Value,
}

/// What several servers do with conversations whose members are spread over all of them.
#[derive(Serialize)]
pub struct Several {
    /// How many.
    pub servers: usize,
    /// Messages answered with 201 by all of them together.
    pub several_messages_per_second: f64,
    /// From a client's call, encryption included, to its answer.
    pub several_latency_ms: Percentiles,
    /// Their messages a second over those of one, in the same run.
    pub ratio: f64,
}

/// Measures.
///
/// # Errors
/// When PostgreSQL or the server do not start, or a request fails.
pub async fn run(load: Load, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    let scratch = Scratch::start(log).await?;
    let mut servers = Vec::new();
    let result = measure(&scratch, &mut servers, load, output).await;
    for server in servers {
        server.stop().await?;
    }
    scratch.remove().await?;
    result
}

/// One server, then as many as asked for.
async fn measure(
    scratch: &Scratch,
    servers: &mut Vec<Child>,
    load: Load,
    output: Output,
) -> Result<Report, CliError> {
    let first = Child::start(scratch, None).await?;
    let one = measure_one(scratch, &first, load, output).await;
    servers.push(first);
    let mut report = one?;
    if load.servers > 1 {
        while servers.len() < load.servers {
            let server = Child::start(scratch, servers.first()).await?;
            servers.push(server);
        }
        report.several = Some(measure_several(scratch, servers, load, &report, output).await?);
    }
    Ok(report)
}

async fn measure_several(
    scratch: &Scratch,
    servers: &[Child],
    load: Load,
    one: &Report,
    output: Output,
) -> Result<Several, CliError> {
    output.note(format!(
        "{} others register, each conversation's members over {} servers",
        load.clients,
        servers.len()
    ));
    let rooms = gather(scratch, servers, "other", load).await?;
    output.note(format!("full load for {} s", load.seconds));
    let started = Instant::now();
    let mut latencies = flood(&rooms, load).await?;
    let messages_per_second = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Several {
        servers: servers.len(),
        several_messages_per_second: messages_per_second.round(),
        several_latency_ms: percentiles(&latencies),
        ratio: messages_per_second / one.messages_per_second.max(1.0),
    })
}

fn failed(error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed("the bench failed").because(error)
}

async fn measure_one(
    scratch: &Scratch,
    server: &Child,
    load: Load,
    output: Output,
) -> Result<Report, CliError> {
    output.note(format!("{} people register and set up a device each", load.clients));
    let rooms = gather(scratch, std::slice::from_ref(server), "person", load).await?;
    output.note(format!("full load for {} s", load.seconds));
    let before = Usage::now(scratch, server).await?;
    let started = Instant::now();
    let mut latencies = flood(&rooms, load).await?;
    let elapsed = started.elapsed();
    let used = Usage::now(scratch, server).await?.since(&before);
    latencies.sort_unstable();
    let messages_per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    output.note(format!("half of that load for {} s, with live sockets", load.seconds));
    let mut deliveries = deliver(&rooms, load, messages_per_second / 2.0).await?;
    deliveries.sort_unstable();
    let thousands = latencies.len() as f64 / 1_000.0;
    Ok(Report {
        messages_per_second: messages_per_second.round(),
        latency_ms: percentiles(&latencies),
        delivery_ms: percentiles(&deliveries),
        cpu_seconds_per_1000: used.server_cpu / thousands,
        generator_cpu_seconds_per_1000: used.own_cpu / thousands,
        bytes_per_1000: (used.bytes / thousands).round(),
        messages: latencies.len(),
        deliveries: deliveries.len(),
        clients: load.clients,
        conversations: load.conversations,
        several: None,
        machine: machine(),
    })
}

fn percentiles(sorted: &[Duration]) -> Percentiles {
    Percentiles {
        p50: percentile_ms(sorted, 0.50),
        p95: percentile_ms(sorted, 0.95),
        p99: percentile_ms(sorted, 0.99),
    }
}

/// What was used up to a moment.
struct Usage {
    server_cpu: f64,
    own_cpu: f64,
    bytes: f64,
}

impl Usage {
    async fn now(scratch: &Scratch, server: &Child) -> Result<Self, CliError> {
        let postgres = scratch.private().cluster().postmaster_pid().map_or(0.0, cpu_seconds);
        let config = scratch.configuration();
        let database = crate::runtime::database(&config)?;
        let client = eventstore_schema::database::connect(&database).await.map_err(|error| failed(&error))?;
        let row = client
            .query_one("SELECT pg_database_size(current_database())::float8", &[])
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self {
            server_cpu: cpu_seconds(server.pid()) + postgres,
            own_cpu: cpu_seconds(std::process::id()),
            bytes: row.try_get(0).map_err(|error| failed(&error))?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            server_cpu: self.server_cpu - before.server_cpu,
            own_cpu: self.own_cpu - before.own_cpu,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// A conversation and its members.
pub(super) struct Room {
    pub(super) conversation_id: ConversationId,
    pub(super) members: Vec<Arc<Client>>,
}

/// Brings everybody in and opens the conversations, each with a committed generation that every member holds. The members of
/// each conversation come in by the servers in turn, and stay with theirs.
pub(super) async fn gather(
    scratch: &Scratch,
    servers: &[Child],
    name: &str,
    load: Load,
) -> Result<Vec<Room>, CliError> {
    let mails = scratch.private().mail_directory();
    let entrances: Vec<Entrance> =
        servers.iter().map(|server| Entrance::new(server.url(), &mails)).collect::<Result<_, _>>()?;
    let people: Vec<Arc<Client>> = stream::iter(0..load.clients)
        .zip(stream::iter(
            entrances.iter().flat_map(|entrance| std::iter::repeat_n(entrance, load.conversations)).cycle(),
        ))
        .map(|(index, entrance)| async move {
            let email = format!("{name}{index}@example.org");
            let password = format!("a password of person {index}");
            entrance.register(&format!("Person {index}"), &email, &password).await?;
            entrance.log_in(&email, &password, "bench").await.map(Arc::new)
        })
        .buffered(REGISTERING)
        .try_collect()
        .await?;
    let founder = people.first().ok_or_else(|| CliError::usage("at least one client is needed"))?;
    let organization = founder.create_organization("Bench").await.map_err(|error| failed(&error))?;
    let uses = u32::try_from(load.clients).unwrap_or(u32::MAX);
    let invitation = founder
        .invite(organization, OrganizationRole::Member, uses, Duration::from_secs(3_600))
        .await
        .map_err(|error| failed(&error))?;
    let token = invitation.token.as_str();
    stream::iter(people.iter().skip(1))
        .map(|person| async move { person.accept_invitation(token).await.map_err(|error| failed(&error)) })
        .buffer_unordered(REGISTERING)
        .try_collect::<Vec<_>>()
        .await?;
    let mut rooms = Vec::with_capacity(load.conversations);
    for index in 0..load.conversations {
        let members: Vec<_> = people.iter().skip(index).step_by(load.conversations).cloned().collect();
        let Some((creator, others)) = members.split_first() else {
            return Err(CliError::usage("there are more conversations than clients"));
        };
        let new = NewGroup {
            title: Some(format!("Room {index}")),
            members: others.iter().map(|other| other.account_id()).collect(),
            ..NewGroup::default()
        };
        let conversation_id =
            creator.create_group(organization, &new).await.map_err(|error| failed(&error))?;
        for member in &members {
            member.send_text(conversation_id, "hello").await.map_err(|error| failed(&error))?;
        }
        rooms.push(Room { conversation_id, members });
    }
    Ok(rooms)
}

/// Has every client send as fast as answers come; gives the latency of each send.
async fn flood(rooms: &[Room], load: Load) -> Result<Vec<Duration>, CliError> {
    let until = Instant::now() + Duration::from_secs(load.seconds);
    let mut senders = JoinSet::new();
    for room in rooms {
        for member in &room.members {
            for _ in 0..load.in_flight {
                let (client, conversation_id) = (Arc::clone(member), room.conversation_id);
                senders.spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < until {
                        let started = Instant::now();
                        client.send_text(conversation_id, TEXT).await.map_err(|error| failed(&error))?;
                        latencies.push(started.elapsed());
                    }
                    Ok::<_, CliError>(latencies)
                });
            }
        }
    }
    join(senders).await
}

async fn join<T: 'static>(mut tasks: JoinSet<Result<Vec<T>, CliError>>) -> Result<Vec<T>, CliError> {
    let mut all = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        all.append(&mut finished.map_err(|error| failed(&error))??);
    }
    Ok(all)
}

type Moment = ((ConversationId, u64), Instant);

/// Sends at `rate` messages a second in all; gives the time until the last member of each conversation had each.
async fn deliver(rooms: &[Room], load: Load, rate: f64) -> Result<Vec<Duration>, CliError> {
    let mut watchers = JoinSet::new();
    let mut connected = Vec::new();
    let stop = Arc::new(tokio::sync::Notify::new());
    for room in rooms {
        let Some(watcher) = room.members.last() else { continue };
        let (mut live, stop) = (watcher.live(None), Arc::clone(&stop));
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        connected.push(is_ready);
        watchers.spawn(async move {
            let mut ready = Some(ready);
            let mut arrivals: Vec<Moment> = Vec::new();
            let stopped = stop.notified();
            tokio::pin!(stopped);
            loop {
                let incoming =
                    tokio::select! { incoming = live.next() => incoming, () = &mut stopped => break };
                match incoming {
                    Some(Incoming::Connected) => {
                        if let Some(ready) = ready.take() {
                            let _nobody_waits = ready.send(());
                        }
                    }
                    Some(Incoming::Event(happening)) => arrivals.extend(message_of(&happening)),
                    Some(_) => {}
                    None => break,
                }
            }
            Ok::<_, CliError>(arrivals)
        });
    }
    for ready in connected {
        ready.await.map_err(|error| failed(&error))?;
    }
    let sends = send_at_rate(rooms, load, rate).await?;
    tokio::time::sleep(LAST_DELIVERY).await;
    stop.notify_waiters();
    let arrivals: HashMap<(ConversationId, u64), Instant> = join(watchers).await?.into_iter().collect();
    let deliveries = sends.iter().filter_map(|(place, started)| {
        arrivals.get(place).map(|arrived| arrived.saturating_duration_since(*started))
    });
    let deliveries: Vec<Duration> = deliveries.collect();
    if deliveries.len() < sends.len() {
        let lost = sends.len() - deliveries.len();
        return Err(CliError::check_failed(format!("{lost} of {} messages did not arrive", sends.len())));
    }
    Ok(deliveries)
}

fn message_of(happening: &envoi_client::live::Happening) -> Option<Moment> {
    match &happening.event {
        domain::Event::Conversation(domain::conversation::ConversationEvent::MessageSent(sent)) => {
            Some(((sent.conversation_id, sent.number), Instant::now()))
        }
        _ => None,
    }
}

/// Every member but the watcher sends at its share of the rate.
async fn send_at_rate(rooms: &[Room], load: Load, rate: f64) -> Result<Vec<Moment>, CliError> {
    let until = Instant::now() + Duration::from_secs(load.seconds);
    let senders_count: usize = rooms.iter().map(|room| room.members.len().saturating_sub(1)).sum();
    let every = Duration::from_secs_f64(senders_count.max(1) as f64 / rate.max(1.0));
    let mut senders = JoinSet::new();
    let watched =
        rooms.iter().flat_map(|room| room.members.iter().rev().skip(1).map(move |member| (room, member)));
    for (index, (room, member)) in watched.enumerate() {
        let (client, conversation_id) = (Arc::clone(member), room.conversation_id);
        // Spread over the period: senders that tick together would measure their own queue.
        let offset = every.mul_f64(index as f64 / senders_count.max(1) as f64);
        senders.spawn(async move {
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut sent = Vec::new();
            while Instant::now() < until {
                ticks.tick().await;
                let started = Instant::now();
                let answer = client.send_text(conversation_id, TEXT).await.map_err(|error| failed(&error))?;
                sent.push(((conversation_id, answer.number), started));
            }
            Ok::<_, CliError>(sent)
        });
    }
    join(senders).await
}
