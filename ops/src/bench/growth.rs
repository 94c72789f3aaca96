//! Whether a send costs the same in a long conversation and behind a long log.

use std::time::Instant;

use eventstore_schema::AppendError;
use eventstore_schema::bench::{Ids, Order, fill, microseconds_by_append};
use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use uuid::Uuid;

use super::world::{Room, World};
use super::{machine, median};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};

/// Sends in one sample.
const SAMPLE: usize = 2_000;
/// Sends under way at once.
const SENDERS: usize = 64;
/// Samples of each kind; their median counts.
const ROUNDS: usize = 9;

/// How much more something may cost behind what has grown.
const RATIO_MAX: f64 = 1.2;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Cost of a send in the long conversation over one in a short one, taken in turns.
    pub conversation_ratio: f64,
    /// Messages in the long conversation before the first sample.
    pub conversation_messages: u64,
    /// Median microseconds by send: short conversation, long one.
    pub conversation_microseconds: [f64; 2],
    /// The long log, with ids in each order.
    pub logs: Vec<LogReport>,
    /// Events in each long log before the first sample.
    pub log_events: u64,
    /// What none of the ratios may be beyond.
    pub ratio_max: f64,
    /// Where.
    pub machine: serde_json::Value,
}

/// What was measured of one long log.
#[derive(Serialize)]
pub struct LogReport {
    /// In which order the ids of its streams, commands and events came.
    pub ids: &'static str,
    /// Cost of a send behind the long log over one behind an empty one, taken in turns.
    pub send_ratio: f64,
    /// Cost of an append with the next ids of that order behind the long log over one behind an empty one, taken in turns.
    pub append_ratio: f64,
    /// Median microseconds by send: empty log, long log.
    pub send_microseconds: [f64; 2],
    /// Median microseconds by append: empty log, long log.
    pub append_microseconds: [f64; 2],
    /// How fast the log was filled.
    pub fill_events_per_second: f64,
}

/// In which orders ids come.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum IdOrder {
    /// One behind the other.
    InOrder,
    /// Everywhere.
    AtRandom,
    /// Two logs, one after the other.
    Both,
}

impl IdOrder {
    fn orders(self) -> &'static [Order] {
        match self {
            Self::InOrder => &[Order::InOrder],
            Self::AtRandom => &[Order::AtRandom],
            Self::Both => &[Order::InOrder, Order::AtRandom],
        }
    }
}

impl Report {
    /// Whether what grows stays as cheap as it was.
    ///
    /// # Errors
    /// Names what does not.
    pub fn check(&self) -> Result<(), CliError> {
        let of_logs = self.logs.iter().flat_map(|log| {
            let named = |what| format!("{what} behind the long log with ids {}", log.ids);
            [(named("a send"), log.send_ratio), (named("an append"), log.append_ratio)]
        });
        let conversation = ("a send in the long conversation".to_owned(), self.conversation_ratio);
        let beyond: Vec<_> = std::iter::once(conversation)
            .chain(of_logs)
            // What is no number is no figure, and so not within.
            .filter(|(_, ratio)| !(*ratio <= RATIO_MAX))
            .map(|(what, ratio)| format!("{what} costs {ratio:.2} times as much"))
            .collect();
        if beyond.is_empty() {
            Ok(())
        } else {
            Err(CliError::check_failed(format!("{}; at most {RATIO_MAX} is allowed", beyond.join(", "))))
        }
    }
}

/// Measures all.
///
/// # Errors
/// When PostgreSQL does not start or a command fails.
pub async fn run(
    messages: u64,
    events: u64,
    ids: IdOrder,
    log: &LogChoice,
    output: Output,
) -> Result<Report, CliError> {
    let scratch = Scratch::start(log).await?;
    let conversation = in_conversation(&scratch, messages, output).await;
    scratch.remove().await?;
    let [short, long] = conversation?;
    let mut logs = Vec::new();
    for order in ids.orders() {
        // One pair of logs at a time: a long one takes much of a disk.
        let (long, empty) = (Scratch::start(log).await?, Scratch::start(log).await?);
        let report = behind_log(&long, &empty, events, *order, output).await;
        long.remove().await?;
        empty.remove().await?;
        logs.push(report?);
    }
    Ok(Report {
        conversation_ratio: long / short,
        conversation_messages: messages,
        conversation_microseconds: [short, long],
        logs,
        log_events: events,
        ratio_max: RATIO_MAX,
        machine: machine(),
    })
}

/// Microseconds by send in a short conversation and in a long one.
async fn in_conversation(scratch: &Scratch, messages: u64, output: Output) -> Result<[f64; 2], CliError> {
    let backend = scratch.backend().await?;
    let world = World::found(backend.services.clone(), 8).await?;
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
    Ok([median(&short_costs), median(&long_costs)])
}

async fn behind_log(
    long: &Scratch,
    empty: &Scratch,
    events: u64,
    order: Order,
    output: Output,
) -> Result<LogReport, CliError> {
    let failed = |error: AppendError| CliError::failed("an append failed").because(&error);
    let (long, empty) = (long.backend().await?, empty.backend().await?);
    let ids = Ids::of_run(Uuid::from_u128(0)).ordered(order);
    let name = if order == Order::InOrder { "in order" } else { "at random" };
    output.note(format!("a log of {events} events with ids {name}"));
    let bar = Bar::new(output);
    let started = Instant::now();
    fill(&*long.log, ids, events, &|done| bar.at(done, events)).await.map_err(failed)?;
    bar.finish();
    let fill_events_per_second = (events as f64 / started.elapsed().as_secs_f64()).round();
    let worlds =
        [World::found(empty.services.clone(), 8).await?, World::found(long.services.clone(), 8).await?];
    let logs = [&empty.log, &long.log];
    let (mut sends, mut appends) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    // What the first appends behind a long log pay once for all is no part of a round.
    for round in 0..=ROUNDS as u64 {
        let first = events.next_multiple_of(1 << 16) + round * SAMPLE as u64;
        for ((world, log), (sends, appends)) in
            worlds.iter().zip(logs).zip(sends.iter_mut().zip(appends.iter_mut()))
        {
            let room = world.open(vec![0, 1]).await?;
            sample(world, &room, 0, 10).await?;
            let send = sample(world, &room, 10, SAMPLE).await?;
            let (callers, each) = (SENDERS as u64, (SAMPLE / SENDERS) as u64);
            let append = microseconds_by_append(&**log, ids, first, callers, each).await.map_err(failed)?;
            if round > 0 {
                sends.push(send);
                appends.push(append);
            }
        }
    }
    let send_microseconds = sends.map(|costs| median(&costs));
    let append_microseconds = appends.map(|costs| median(&costs));
    let ratio = |[empty, long]: [f64; 2]| long / empty;
    Ok(LogReport {
        ids: name,
        send_ratio: ratio(send_microseconds),
        append_ratio: ratio(append_microseconds),
        send_microseconds,
        append_microseconds,
        fill_events_per_second,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_more_than_is_allowed_is_named() {
        let log = |ids, append_ratio| LogReport {
            ids,
            send_ratio: 1.0,
            append_ratio,
            send_microseconds: [1.0; 2],
            append_microseconds: [1.0, append_ratio],
            fill_events_per_second: 1.0,
        };
        let report = |conversation_ratio, append_ratio| Report {
            conversation_ratio,
            conversation_messages: 1,
            conversation_microseconds: [1.0; 2],
            logs: vec![log("in order", 1.2), log("at random", append_ratio)],
            log_events: 1,
            ratio_max: RATIO_MAX,
            machine: machine(),
        };
        report(1.2, 0.9).check().unwrap();
        let error = report(1.0, 1.21).check().unwrap_err().message;
        assert!(error.contains("an append behind the long log with ids at random costs 1.21"), "{error}");
        assert!(!error.contains("in order"), "{error}");
        assert!(report(f64::NAN, 1.0).check().is_err());
    }
}
