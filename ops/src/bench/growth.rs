//! Whether a send costs the same in a long conversation and behind a long log.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use super::world::{Room, World};
use super::{machine, median, rebuild};
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};

/// Sends in one sample.
const SAMPLE: usize = 2_000;
/// Sends under way at once.
const SENDERS: usize = 64;
/// Samples of each kind; their median counts.
const ROUNDS: usize = 9;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Cost of a send in the long conversation over one in a short one, taken in turns.
    pub conversation_ratio: f64,
    /// Cost of a send behind the long log over one behind an empty one, taken in turns.
    pub log_ratio: f64,
    /// Messages in the long conversation before the first sample.
    pub conversation_messages: u64,
    /// Events in the long log before the first sample.
    pub log_events: u64,
    /// Median microseconds by send: short conversation, long one, empty log, long log.
    pub microseconds: [f64; 4],
    /// Where.
    pub machine: serde_json::Value,
}

/// Measures both.
///
/// # Errors
/// When PostgreSQL does not start or a command fails.
pub async fn run(messages: u64, events: u64, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    let (long, empty) = (Scratch::start(log).await?, Scratch::start(log).await?);
    let result = measure(&long, &empty, messages, events, output).await;
    long.remove().await?;
    empty.remove().await?;
    result
}

async fn measure(
    long: &Scratch,
    empty: &Scratch,
    messages: u64,
    events: u64,
    output: Output,
) -> Result<Report, CliError> {
    let long_backend = long.backend().await?;
    let empty_backend = empty.backend().await?;
    let world = World::found(long_backend.services.clone(), 8).await?;
    output.note(format!("a conversation of {messages} messages"));
    let long_room = world.open(vec![0, 1]).await?;
    sample(&world, &long_room, 0, usize::try_from(messages).unwrap_or(usize::MAX)).await?;
    let (mut short_costs, mut long_costs) = (Vec::new(), Vec::new());
    let mut sent = usize::try_from(messages).unwrap_or(usize::MAX);
    for _ in 0..ROUNDS {
        // A new conversation each time: by the end of a sample it is short no more.
        let short_room = world.open(vec![0, 1]).await?;
        sample(&world, &short_room, 0, 10).await?;
        short_costs.push(sample(&world, &short_room, 10, SAMPLE).await?);
        long_costs.push(sample(&world, &long_room, sent, SAMPLE).await?);
        sent += SAMPLE;
    }
    output.note(format!("a log of {events} events"));
    let world = rebuild::fill(world, events, output).await?;
    let other = World::found(empty_backend.services.clone(), 8).await?;
    let (mut empty_costs, mut full_costs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (world, costs) in [(&other, &mut empty_costs), (&world, &mut full_costs)] {
            let room = world.open(vec![0, 1]).await?;
            sample(world, &room, 0, 10).await?;
            costs.push(sample(world, &room, 10, SAMPLE).await?);
        }
    }
    let medians = [&short_costs, &long_costs, &empty_costs, &full_costs].map(|costs| median(costs));
    let [short, long, empty, full] = medians;
    Ok(Report {
        conversation_ratio: long / short,
        log_ratio: full / empty,
        conversation_messages: messages,
        log_events: events,
        microseconds: medians,
        machine: machine(),
    })
}

/// Microseconds by send over `count` sends, [`SENDERS`] at once.
async fn sample(world: &World, room: &Room, from: usize, count: usize) -> Result<f64, CliError> {
    let started = Instant::now();
    let mut sends =
        stream::iter(from..from.saturating_add(count)).map(|n| world.send(room, n)).buffer_unordered(SENDERS);
    while let Some(sent) = sends.next().await {
        sent?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / count as f64)
}
