//! Every bound of the write side, with its reason.

use std::time::Duration;

/// Most streams whose state is held in memory: those of 20,000 people who are connected (session, account, devices, and what they
/// acknowledge in conversations), each a kilobyte; large states count by their bytes.
pub const CELLS_MAX: usize = 100_000;
/// Most bytes of state held in memory, as far as known: an estimate from the encoded size.
pub const CELLS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most commands that wait for one stream: more than a second of the fastest stream, so waiting longer helps nobody.
pub const WAITING_PER_STREAM_MAX: usize = 1_024;
/// Most commands that wait in all; at 64 KiB each the largest amount of memory they hold is a gigabyte.
pub const WAITING_MAX: usize = 16_384;
/// Most commands of one stream that are appended together: later ones go with the next round trip.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Bytes after which a batch is closed, so that one busy stream does not hold up the log's other writers.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often a command is decided again because others wrote to its stream first.
pub const CONFLICT_ATTEMPTS_MAX: u32 = 10;
/// Signatures verified in one turn: some milliseconds of a core, so that a large generation holds up no small one.
pub const SIGNATURES_PER_TURN: usize = 64;
/// Times in a row under the append lock without news from other processes, after which a stream is taken to be this one's again.
pub const CONTENDED_LOCKS: u8 = 8;
/// Most commands that are decided at once under the append lock: some milliseconds of work.
pub const LOCKED_COMMANDS_MAX: usize = 64;
/// Waits before an append of unknown outcome is repeated; after the last the caller is told.
pub const UNKNOWN_OUTCOME_DELAYS: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];
/// What a refused caller is asked to wait when a queue is full: several batches of the log.
pub const OVERLOADED_RETRY_AFTER: Duration = Duration::from_millis(250);
/// Events read from a stream at a time while loading it.
pub const LOAD_PAGE_EVENTS: usize = 1_000;
/// Fewest events between two snapshots of a stream: replaying so many takes a few milliseconds.
pub const SNAPSHOT_EVENTS_MIN: u64 = 500;
/// Bytes of snapshot written for each event, at most: a state of n bytes is snapshotted every n / 256 events, so the cost
/// of an event stays the same however large the state grows.
pub const SNAPSHOT_BYTES_PER_EVENT: u64 = 256;
/// Events that a reaction reads at a time: its checkpoint is written once for them.
pub const REACTION_BATCH_EVENTS: usize = 200;
/// How often a process asks whether a reaction is without leader: so long a reaction may stand still after its leader died.
pub const REACTION_LEAD_POLL: Duration = Duration::from_secs(1);
/// Events of different accounts and organizations that a reaction answers at once: so many have to hang before the others wait.
pub const REACTION_EVENTS_AT_ONCE: usize = 32;
/// How long a reaction waits for events before it looks after its connection and what was set aside.
pub const REACTION_TICK: Duration = Duration::from_secs(5);
/// Tries after which an event is set aside, so that those behind it are answered.
pub const REACTION_ATTEMPTS_MAX: u32 = 5;
/// For how long an event is tried before it is set aside: so long it holds up those behind it of the same account or organization.
pub const REACTION_ATTEMPTS_TIME_MAX: Duration = Duration::from_secs(10);
/// First wait before an event is tried again; it doubles each time.
pub const REACTION_RETRY_DELAY_MIN: Duration = Duration::from_millis(20);
/// Longest wait before an event is tried again.
pub const REACTION_RETRY_DELAY_MAX: Duration = Duration::from_secs(2);
/// How long the log may take to show that it takes appends, before it is held to be gone.
pub const REACTION_PROBE_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether something that was set aside is due.
pub const REACTION_PARKED_POLL: Duration = Duration::from_secs(1);
/// How long an event that was set aside rests before it is tried again; it doubles each time. A mail relay that asks to come
/// back later means a minute or so.
pub const REACTION_PARKED_REST_SECONDS_MIN: i32 = 10;
/// Longest rest of an event that was set aside: several tries within the life of every token that is mailed.
pub const REACTION_PARKED_REST_SECONDS_MAX: i32 = 600;
/// Longest try of an event that was set aside: it holds up nobody, and some mail relays think it over for half a minute.
pub const REACTION_PARKED_TRY_MAX: Duration = Duration::from_secs(60);
/// Events set aside that are tried at once: enough for many that hang, few enough to leave the log to people.
pub const REACTION_PARKED_AT_ONCE: usize = 32;
/// Events set aside that are read at a time.
pub const REACTION_PARKED_PAGE: i64 = 200;
/// Longest reason that is kept with an event that was set aside, in characters: a line or two.
pub const REACTION_REASON_CHARS_MAX: usize = 500;
/// Conversations of which it is remembered where they lie: a few megabytes.
pub const CONVERSATION_HOMES_MAX: u64 = 100_000;
/// How long receipts of one device in one conversation wait to be recorded with others: a second, so that a device that
/// acknowledges everything costs the log one event a second however fast messages come.
pub const RECEIPT_WINDOW: Duration = Duration::from_secs(1);
/// Most receipts that wait in one window: more than a device that waits for its answers has under way. Further ones wait for them.
pub const RECEIPTS_PER_WINDOW_MAX: usize = 64;
/// Most windows that are open at once: more receipts a second than a log takes.
pub const RECEIPT_WINDOWS_MAX: usize = 32_768;
/// Commands that one event's answer has under way at once: enough to hide round trips, few enough to leave the log to people.
pub const REACTION_COMMANDS_AT_ONCE: usize = 8;

const _: () = assert!(4 * REACTION_PARKED_REST_SECONDS_MAX as i64 <= domain::limits::PASSWORD_RESET_SECONDS);
const _: () = assert!(2 * REACTION_PARKED_AT_ONCE as i64 <= REACTION_PARKED_PAGE);
const _: () = assert!(REACTION_PROBE_WAIT_MAX.as_secs() < REACTION_ATTEMPTS_TIME_MAX.as_secs());
const _: () = assert!(BATCH_COMMANDS_MAX <= WAITING_PER_STREAM_MAX);
const _: () = assert!(WAITING_PER_STREAM_MAX <= WAITING_MAX);
const _: () = assert!(BATCH_BYTES_MAX >= eventstore_schema::StreamAppend::BYTES_MAX);
