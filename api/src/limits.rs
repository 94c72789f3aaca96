//! Every limit of HTTP and live, with its reason. Limits of the rules lie in `domain::limits`.

use std::time::Duration;

use domain::limits::{GENERATION_WRAPS_MAX, MESSAGE_CIPHERTEXT_BYTES_MAX};
use projections::messages::{TOMBSTONE_PERIOD_DAYS, TOMBSTONE_PERIODS_KEPT};

/// Shortest and longest password in characters.
pub use commands::auth::password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};

/// Characters of so many bytes as base64url without padding.
pub const fn base64_chars(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Largest ordinary body in bytes: names, keys, a vault.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest body with a message in bytes: the largest ciphertext as base64url, and what goes with it.
pub const MESSAGE_BODY_BYTES_MAX: usize = 96 * 1024;
/// Largest body with a generation in bytes: wraps for a full conversation.
pub const GENERATION_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// One wrap as JSON in bytes, at most.
const WRAP_JSON_BYTES_MAX: usize = 400;
/// Largest batch in bytes: a few generations or many messages.
pub const BATCH_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most commands in a batch: one answer stays quick enough to wait for.
pub const BATCH_COMMANDS_MAX: usize = 100;
/// Longest query string in bytes: cursors and a few words.
pub const QUERY_BYTES_MAX: usize = 2_048;

/// Longest wait for a body: a phone on a bad line sends 2 MiB in it.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for a request's headers: stops clients that trickle them.
pub const HEADERS_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a client to close a connection that the server closes.
pub const DISCONNECT_WAIT_MAX: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted: thousands of clients that come back at once.
pub const CONNECTIONS_WAITING_MAX: i32 = 4_096;
/// How long an idle connection is kept: longer than the common proxies keep theirs.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a stopping server waits for requests in progress.
pub const SHUTDOWN_SECONDS_MAX: u64 = 10;
/// Longest time from the last byte of a request's body to the first of its answer, sockets apart: proxies and people wait
/// longer, and what hangs is told while they do. The rest up to three seconds is for threads that are busy.
pub const REQUEST_WAIT_MAX: Duration = Duration::from_millis(2_800);
/// What of a batch's time is kept for writing its answer.
pub const BATCH_ANSWER_WAIT: Duration = Duration::from_millis(100);
/// Longest wait of a query for the position that it asks for: a projection that is further behind is reported as such.
pub const MIN_POSITION_WAIT_MAX: Duration = Duration::from_secs(2);
/// What a client that was sent away for overload or outage is told to wait when the part itself gave no time.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long an answer about readiness is given again: however many ask, the parts are asked once in this time.
pub const READY_FRESH: Duration = Duration::from_secs(1);
/// Longest a readiness probe waits for one part.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Longest idempotency key in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Longest request id that is taken over from a client or proxy, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// Longest bearer token that is looked at, in bytes: ours have some 400.
pub const TOKEN_BYTES_MAX: usize = 2_048;
/// Longest cursor that is looked at, in bytes.
pub const CURSOR_BYTES_MAX: usize = 512;
/// Longest user agent that is kept, in characters.
pub const USER_AGENT_CHARS_MAX: usize = 200;
/// Rows in a page when the client names no number.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// Most rows in a page: their sealed parts are opened together.
pub const PAGE_ROWS_MAX: u32 = 200;

/// Most ids that one request names: as many as a query string takes, and their keys are read together.
pub const BULK_IDS_MAX: usize = 50;
/// Most devices shown of each of several accounts: nearly all have fewer, revoked ones with them.
pub const BULK_DEVICES_MAX: u32 = 50;

/// Longest text that people are searched for, in characters: a name.
pub const PEOPLE_QUERY_CHARS_MAX: usize = domain::limits::NAME_CHARS_MAX;
/// People found when the client names no number.
pub const PEOPLE_FOUND_DEFAULT: u32 = 20;
/// Most people found: who is not among them is found by another letter.
pub const PEOPLE_FOUND_MAX: u32 = 50;
/// People whose names are opened for one search, at most: some may have another name by then, or none.
pub const PEOPLE_LOOKED_AT_MAX: usize = 200;
/// Most names of one organization in memory; of a larger one so many are found.
pub const PEOPLE_NAMES_MAX: usize = 100_000;
/// What all names in memory may take, in bytes, about. What was not used for longest goes first.
pub const PEOPLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most organizations whose names are in memory.
pub const PEOPLE_ORGANIZATIONS_MAX: usize = 256;
/// Changed names of an organization that wait for somebody to search: with more, all are dropped, and read at the next search.
pub const PEOPLE_STALE_MAX: usize = 5_000;
/// Organizations whose names are read at once: a connection and some keys each.
pub const PEOPLE_FILLS_AT_ONCE: usize = 2;
/// How long names are kept in memory before they are read anew: about as long as an erasure takes to be known everywhere.
pub const PEOPLE_KEPT_MAX: Duration = Duration::from_secs(600);
/// Longest that a search waits for names to be read; beyond, it shows those that are.
pub const PEOPLE_FILL_WAIT_MAX: Duration = Duration::from_millis(1_000);
/// Oldest event behind a cursor that changes are told from, in seconds: what was taken away leaves tombstones for as long. Whoever
/// was away longer is answered everything.
pub const SYNC_SINCE_SECONDS_MAX: i64 = 30 * 86_400;
/// Looks at an account's organizations for one page, when it joins others meanwhile.
pub const SYNC_LOOKS_MAX: usize = 3;

/// Most devices whose keys are shown of one account, revoked ones with them.
pub const DEVICES_SHOWN_MAX: usize = 2_000;

/// Requests a second that one account may make, in the long run.
pub const ACCOUNT_REQUESTS_PER_SECOND: u32 = 100;
/// Requests that one account may make at once.
pub const ACCOUNT_REQUESTS_BURST: u32 = 400;
/// Probes and scrapes a second from one network, in the long run: balancers, monitors and restarters ask once a second or
/// less, and other requests from there never use up what these have.
pub const PROBES_PER_SECOND: u32 = 50;
/// Probes from one network at once.
pub const PROBES_BURST: u32 = 200;
/// Requests a second that one address may make without an account, in the long run: an office behind one address.
pub const ADDRESS_REQUESTS_PER_SECOND: u32 = 10;
/// Requests that one address may make at once without an account.
pub const ADDRESS_REQUESTS_BURST: u32 = 60;
/// How often rate limiters forget whom they have not seen lately.
pub const RATE_SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Most live sockets of one account: its devices, and windows on them.
pub const LIVE_CONNECTIONS_PER_ACCOUNT_MAX: usize = 32;
/// Most live sockets of a node: each costs some 8 kB when idle.
pub const LIVE_CONNECTIONS_MAX: usize = 50_000;
/// Events that wait for one socket: more than the feed brings at once. Whoever is further behind is cut, and resumes.
pub const LIVE_QUEUE_EVENTS_MAX: usize = 2_048;
/// The same in bytes: a burst of the largest messages. They are there once for all sockets that they wait for.
pub const LIVE_QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deliveries that a socket writes before it looks at what its client sends.
pub const LIVE_DELIVERIES_AT_ONCE_MAX: usize = 64;
/// Largest frame that a client sends, in bytes: a message with what goes with it.
pub const LIVE_FRAME_BYTES_MAX: usize = MESSAGE_BODY_BYTES_MAX + 4_096;
/// Longest name that a client gives a frame, in bytes.
pub const LIVE_FRAME_ID_BYTES_MAX: usize = 64;
/// Frames in a row that are none before a client is taken for broken.
pub const LIVE_BAD_FRAMES_MAX: u32 = 3;
/// Commands of one socket that are executed at once; further frames wait unread.
pub const LIVE_COMMANDS_AT_ONCE_MAX: usize = 32;
/// Receipts of one socket that wait at once, each for at most a second.
pub const LIVE_RECEIPTS_AT_ONCE_MAX: usize = 256;
/// Signals (typing, presence) of one socket in [`LIVE_SIGNALS_WINDOW`]: quick fingers in a few conversations.
pub const LIVE_SIGNALS_PER_WINDOW_MAX: u32 = 20;
/// Over which signals are counted.
pub const LIVE_SIGNALS_WINDOW: Duration = Duration::from_secs(10);
/// Signals that wait for a node's hub; older ones are lost.
pub const LIVE_SIGNALS_KEPT: usize = 1_024;
/// Signals that wait for one socket, one of each account and conversation; older ones are lost. A new socket is told of as many.
pub const LIVE_SIGNALS_WAITING_MAX: usize = LIVE_SIGNAL_RECIPIENTS_MAX;
/// Signals that a socket is sent before its client shows that it reads, by a pong: a few kilobytes, so that they never fill the
/// line that events need.
pub const LIVE_SIGNALS_UNREAD_MAX: u32 = 32;
/// Most accounts that one signal goes to, and that a new socket is told the presence of: a signal is no broadcast.
pub const LIVE_SIGNAL_RECIPIENTS_MAX: usize = 1_000;
/// Members that are looked at to find them: in many conversations of the same people few looks find anybody new.
pub const LIVE_SIGNAL_LOOKS_MAX: usize = 10_000;
/// Recent events in memory: what reconnects within some seconds resume from, also at full load.
pub const LIVE_RECENT_EVENTS_MAX: usize = 20_000;
/// The same in bytes.
pub const LIVE_RECENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Recent events that a socket may be behind when it joins the feed: gone through under the hub's lock, and the visible
/// ones have to fit its queue.
pub const LIVE_ATTACH_EVENTS_MAX: usize = 1_024;
/// The same in bytes; also of what is taken from recent events at a time for a socket that catches up.
pub const LIVE_ATTACH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events of its own streams that a socket may have missed: more than a client is quicker to take in than to read anew. Those of
/// others do not count. Beyond, it is reset.
pub const LIVE_CATCH_UP_EVENTS_MAX: usize = 100_000;
/// Events of its streams read at a time for it: kept in memory until the client took those that it sees.
pub const LIVE_CATCH_UP_PAGE_EVENTS: usize = 256;
/// The same in bytes, so that 10,000 clients that take their time keep little more than a gigabyte.
pub const LIVE_CATCH_UP_PAGE_BYTES: usize = 128 * 1024;
/// Sockets that read at once to catch up: a few for each connection to the databases.
pub const LIVE_READ_PERMITS_MAX: usize = 16;
/// Sockets of one account among them, and among those that wait for a permit.
pub const LIVE_READ_PERMITS_PER_ACCOUNT_MAX: usize = 2;
/// Longest wait for a permit to read: when tens of thousands of sockets come back at once. Beyond, a socket is cut, and
/// resumes from where it came.
pub const LIVE_READ_PERMIT_WAIT_MAX: Duration = Duration::from_secs(30);
/// Resets of one socket before it follows: each further one means that the node is overrun.
pub const LIVE_RESETS_MAX: usize = 3;
/// Longest wait for a client's first frame.
pub const LIVE_HELLO_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the server asks whether a client is there, and tells it how far it has come.
pub const LIVE_HEARTBEAT_EVERY: Duration = Duration::from_secs(20);
/// After how long without a word a client counts as gone: two heartbeats unanswered.
pub const LIVE_SILENCE_MAX: Duration = Duration::from_secs(50);
/// Longest wait for a client to take one frame.
pub const LIVE_WRITE_WAIT_MAX: Duration = Duration::from_secs(20);
/// What a socket reads at a time, in bytes; an idle one has no memory for it.
pub const LIVE_READ_BYTES: usize = 4_096;
/// Longest wait for a client to take the frame that says why it is cut, and to close its end.
pub const LIVE_CLOSE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Streams that are looked at at once for one request or one socket that begins to follow: enough to hide round trips.
pub const LOOKS_AT_ONCE: usize = 16;
/// How long the hub and sockets wait before they ask again what could not be reached.
pub const LIVE_RETRY: Duration = Duration::from_millis(200);
/// How often a socket asks again for the key of an event before it is cut, to resume when keys can be had.
pub const LIVE_KEY_TRIES_MAX: usize = 10;
/// How long written bytes may stay untaken before the kernel gives a connection up (TCP_USER_TIMEOUT).
pub const UNREAD_WAIT_MAX: Duration = Duration::from_secs(60);

const _: () = assert!(REQUEST_WAIT_MAX.as_millis() > MIN_POSITION_WAIT_MAX.as_millis());
const _: () = assert!(LIVE_SILENCE_MAX.as_secs() > 2 * LIVE_HEARTBEAT_EVERY.as_secs());
const _: () = assert!(LIVE_QUEUE_EVENTS_MAX > LIVE_ATTACH_EVENTS_MAX);
const _: () = assert!(LIVE_QUEUE_BYTES_MAX > LIVE_ATTACH_BYTES_MAX);
const _: () = assert!(LIVE_RECENT_EVENTS_MAX > LIVE_ATTACH_EVENTS_MAX);
const _: () = assert!(LIVE_READ_PERMITS_MAX > LIVE_READ_PERMITS_PER_ACCOUNT_MAX);
const _: () = assert!(MESSAGE_BODY_BYTES_MAX > MESSAGE_CIPHERTEXT_BYTES_MAX * 4 / 3 + 1_024);
const _: () = assert!(GENERATION_BODY_BYTES_MAX > GENERATION_WRAPS_MAX * WRAP_JSON_BYTES_MAX);
const _: () = assert!(BATCH_BODY_BYTES_MAX >= GENERATION_BODY_BYTES_MAX);
const _: () = assert!(PAGE_ROWS_DEFAULT <= PAGE_ROWS_MAX);
const _: () = assert!(BULK_IDS_MAX * 37 + 64 <= QUERY_BYTES_MAX);
const _: () =
    assert!(PEOPLE_FOUND_DEFAULT <= PEOPLE_FOUND_MAX && PEOPLE_LOOKED_AT_MAX <= PAGE_ROWS_MAX as usize);
const _: () = assert!(
    PEOPLE_FILL_WAIT_MAX.as_millis() + MIN_POSITION_WAIT_MAX.as_millis() / 2 < REQUEST_WAIT_MAX.as_millis()
);
const _: () = assert!(SYNC_SINCE_SECONDS_MAX <= TOMBSTONE_PERIODS_KEPT * TOMBSTONE_PERIOD_DAYS * 86_400);
