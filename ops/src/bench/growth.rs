//! Whether a send costs the same in a long conversation and behind a long log.

use std::time::Instant;

use eventstore_schema::bench::{Ids, Order, fill, microseconds_by_append};
use eventstore_schema::{AppendError, database};
use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use uuid::Uuid;

use super::world::{Room, World};
use super::{machine, median};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Output};
use crate::runtime::Backend;
use crate::runtime::scratch::{LogChoice, Scratch};

/// Sends in one sample.
const SAMPLE: usize = 2_000;
/// Sends under way at once.
const SENDERS: usize = 64;
/// Samples of each kind, in turns; of the ratios of each turn the median counts: whatever else the machine does changes more slowly.
const ROUNDS: usize = 21;
/// Of so many events of a long log one is appended before it is measured.
const WARM_UP_SHARE: u64 = 50;

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
            .filter(|(_, ratio)| ratio.is_nan() || *ratio > RATIO_MAX)
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
    let conversation = conversation?;
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
        conversation_ratio: ratio(&conversation),
        conversation_messages: messages,
        conversation_microseconds: medians(&conversation),
        logs,
        log_events: events,
        ratio_max: RATIO_MAX,
        machine: machine(),
    })
}

/// Microseconds by send in a short conversation and in a long one, in turns.
async fn in_conversation(
    scratch: &Scratch,
    messages: u64,
    output: Output,
) -> Result<Vec<[f64; 2]>, CliError> {
    let backend = scratch.backend().await?;
    let world = World::found(backend.services.clone(), 8).await?;
    output.note(format!("a conversation of {messages} messages"));
    let long_room = world.open(vec![0, 1]).await?;
    sample(&world, &long_room, 0, usize::try_from(messages).unwrap_or(usize::MAX)).await?;
    let mut turns = Vec::new();
    let mut sent = usize::try_from(messages).unwrap_or(usize::MAX);
    for _ in 0..ROUNDS {
        // A new conversation each time: by the end of a sample it is short no more.
        let short_room = world.open(vec![0, 1]).await?;
        sample(&world, &short_room, 0, 10).await?;
        let short = sample(&world, &short_room, 10, SAMPLE).await?;
        turns.push([short, sample(&world, &long_room, sent, SAMPLE).await?]);
        sent += SAMPLE;
    }
    Ok(turns)
}

/// One of the two logs that are compared.
struct Side {
    backend: Backend,
    world: World,
}

impl Side {
    async fn open(scratch: &Scratch) -> Result<Self, CliError> {
        let backend = scratch.backend().await?;
        let world = World::found(backend.services.clone(), 8).await?;
        Ok(Self { backend, world })
    }

    /// Microseconds by send, and by append of events that are numbered from `first` on.
    async fn turn(&self, ids: Ids, first: u64) -> Result<[f64; 2], CliError> {
        let room = self.world.open(vec![0, 1]).await?;
        sample(&self.world, &room, 0, 10).await?;
        let send = sample(&self.world, &room, 10, SAMPLE).await?;
        Ok([send, self.append(ids, first, (SAMPLE / SENDERS) as u64).await?])
    }

    async fn append(&self, ids: Ids, first: u64, each: u64) -> Result<f64, CliError> {
        microseconds_by_append(&*self.backend.log, ids, first, SENDERS as u64, each).await.map_err(failed)
    }
}

fn failed(error: AppendError) -> CliError {
    CliError::failed("an append failed").because(&error)
}

async fn behind_log(
    long: &Scratch,
    empty: &Scratch,
    events: u64,
    order: Order,
    output: Output,
) -> Result<LogReport, CliError> {
    let (long_side, empty_side) = (Side::open(long).await?, Side::open(empty).await?);
    let ids = Ids::of_run(Uuid::from_u128(0)).ordered(order);
    let name = if order == Order::InOrder { "in order" } else { "at random" };
    output.note(format!("a log of {events} events with ids {name}"));
    let bar = Bar::new(output);
    let started = Instant::now();
    fill(&*long_side.backend.log, ids, events, &|done| bar.at(done, events)).await.map_err(failed)?;
    bar.finish();
    let fill_events_per_second = (events as f64 / started.elapsed().as_secs_f64()).round();
    rest(long, empty).await?;
    // Behind a checkpoint every page is written whole once, which is a cost of checkpoints and not of an append.
    let (first, senders) = (events.next_multiple_of(1 << 16), SENDERS as u64);
    let each = events.div_ceil(WARM_UP_SHARE * senders).max(1);
    long_side.append(ids, first, each).await?;
    let first = (first + each * senders).next_multiple_of(1 << 16);
    let (mut sends, mut appends) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let next = first + round as u64 * SAMPLE as u64;
        // Whoever comes second finds the machine as the first has left it.
        let ([empty_send, empty_append], [long_send, long_append]) = if round % 2 == 0 {
            (empty_side.turn(ids, next).await?, long_side.turn(ids, next).await?)
        } else {
            let long = long_side.turn(ids, next).await?;
            (empty_side.turn(ids, next).await?, long)
        };
        sends.push([empty_send, long_send]);
        appends.push([empty_append, long_append]);
    }
    Ok(LogReport {
        ids: name,
        send_ratio: ratio(&sends),
        append_ratio: ratio(&appends),
        send_microseconds: medians(&sends),
        append_microseconds: medians(&appends),
        fill_events_per_second,
    })
}

/// Lets PostgreSQL write to disk what the filling has left, so that it does not do that while it is measured.
async fn rest(long: &Scratch, empty: &Scratch) -> Result<(), CliError> {
    for scratch in [long, empty] {
        let failed = |error: tokio_postgres::Error| CliError::failed("a checkpoint").because(&error);
        let client = database::connect(&scratch.private().cluster().config("postgres")).await;
        client.map_err(failed)?.batch_execute("CHECKPOINT").await.map_err(failed)?;
    }
    Ok(())
}

/// The median of what the second of each turn costs over the first.
fn ratio(turns: &[[f64; 2]]) -> f64 {
    median(&turns.iter().map(|[one, other]| other / one).collect::<Vec<_>>())
}

/// The median of each of the two.
fn medians(turns: &[[f64; 2]]) -> [f64; 2] {
    let of = |figure: fn(&[f64; 2]) -> f64| median(&turns.iter().map(figure).collect::<Vec<_>>());
    [of(|[one, _]| *one), of(|[_, other]| *other)]
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
