//! The one place where clock, randomness and new ids come from. What is below takes them as arguments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::Timestamp;
use uuid::Uuid;

use crate::e2ee::random::{SystemRandom, draw, system};

/// The operating system's randomness.
pub fn random() -> SystemRandom {
    system()
}

#[allow(clippy::disallowed_methods, reason = "this is the edge that owns the client's clock")]
fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What time it is.
pub fn now() -> Timestamp {
    Timestamp::from_micros(i64::try_from(unix_time().as_micros()).unwrap_or(i64::MAX))
}

/// A new id, UUIDv7 (RFC 9562), of whichever kind is wanted.
pub fn new_id<T: From<Uuid>>() -> T {
    let millis = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
    uuid::Builder::from_unix_timestamp_millis(millis, &draw(&mut random())).into_uuid().into()
}

/// A new idempotency key: 128 random bits.
pub fn new_idempotency_key() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(draw::<16>(&mut random()))
}

/// Between half and all of `wait`, so that many clients do not come back at once.
pub fn jittered(wait: Duration) -> Duration {
    let part = u32::from(u16::from_be_bytes(draw(&mut random())));
    wait / 2 + wait / 2 * part / u32::from(u16::MAX)
}
