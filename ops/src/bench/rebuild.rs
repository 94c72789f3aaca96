//! Building all read models anew from a log of real events.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use super::machine;
use super::world::World;
use crate::cli::progress::Bar;
use crate::cli::{CliError, Output};
use crate::runtime::scratch::{LogChoice, Scratch};

/// Conversations among which the messages are spread.
const ROOMS: usize = 16;
/// Members of each.
const MEMBERS: usize = 4;
/// Sends under way at once while the log is filled.
const SENDERS: usize = 256;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Events folded a second, all read models together, indexes and the switch included.
    pub events_per_second: f64,
    /// Events folded.
    pub events: u64,
    /// How long it took.
    pub seconds: f64,
    /// Read models built.
    pub projections: usize,
    /// Sends a second while the log was filled, through the command path without HTTP.
    pub fill_events_per_second: f64,
    /// Where.
    pub machine: serde_json::Value,
}

/// Fills a log with `events` events and rebuilds everything from it.
///
/// # Errors
/// When PostgreSQL does not start, a command or the rebuild fails.
pub async fn run(events: u64, log: &LogChoice, output: Output) -> Result<Report, CliError> {
    let scratch = Scratch::start(log).await?;
    let result = measure(&scratch, events, output).await;
    scratch.remove().await?;
    result
}

async fn measure(scratch: &Scratch, events: u64, output: Output) -> Result<Report, CliError> {
    let backend = scratch.backend().await?;
    output.note(format!("filling the log with {events} events"));
    let started = std::time::Instant::now();
    fill(World::found(backend.services.clone(), MEMBERS * 2).await?, events, output).await?;
    let fill_events_per_second = events as f64 / started.elapsed().as_secs_f64();
    output.note("rebuilding every read model");
    let bar = Bar::new(output);
    let report = |at: projections::RebuildProgress| bar.at(at.events, at.events_total);
    let projectors = projections::registry();
    let count = projectors.len();
    let rebuilt = projections::rebuild(&backend.database, Arc::clone(&backend.log), projectors, &report)
        .await
        .map_err(|error| CliError::failed("the rebuild failed").because(&error))?;
    bar.finish();
    let seconds = rebuilt.elapsed.as_secs_f64();
    Ok(Report {
        events_per_second: (rebuilt.events as f64 / seconds).round(),
        events: rebuilt.events,
        seconds,
        projections: count,
        fill_events_per_second: fill_events_per_second.round(),
        machine: machine(),
    })
}

/// Sends `events` messages in [`ROOMS`] conversations of the world.
///
/// # Errors
/// When a command fails.
pub async fn fill(world: World, events: u64, output: Output) -> Result<World, CliError> {
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        rooms.push(world.open((0..MEMBERS).map(|member| (room + member) % (MEMBERS * 2)).collect()).await?);
    }
    let bar = Bar::new(output);
    let total = usize::try_from(events).unwrap_or(usize::MAX);
    let (world_ref, rooms_ref) = (&world, &rooms);
    let mut sends = stream::iter(0..total)
        .map(|n| async move {
            match rooms_ref.get(n % ROOMS) {
                Some(room) => world_ref.send(room, n / ROOMS).await,
                None => Ok(()),
            }
        })
        .buffer_unordered(SENDERS);
    let mut done = 0_u64;
    while let Some(sent) = sends.next().await {
        sent?;
        done += 1;
        if done.is_multiple_of(1_000) {
            bar.at(done, events);
        }
    }
    drop(sends);
    bar.finish();
    Ok(world)
}
