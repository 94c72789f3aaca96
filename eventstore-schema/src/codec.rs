//! Bytes of payloads, records and snapshots: bincode 2, standard configuration, one struct at a time, never an enum of
//! events. Decoding is bounded and refuses trailing bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Most bytes a decoder may claim: the largest append with room for its in-memory form. A hostile length fails here.
const DECODE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes a snapshot's decoder may claim: what one value in PostgreSQL can have. A state counts each number of a list by
/// its size in memory, so a conversation of millions of messages is far above what an event may be.
const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024 * 1024;

fn configuration() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

/// Why bytes could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value cannot be encoded.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// The bytes are not of this type.
    #[error("cannot decode: {0}")]
    Decode(String),
    /// Bytes are left over.
    #[error("cannot decode: {0} bytes are left over")]
    Trailing(usize),
}

/// Encodes one struct.
///
/// # Errors
/// When the type is not of the stored kinds (integers, byte arrays, strings, bytes, options, lists, structs).
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map(Bytes::from)
        .map_err(|error| CodecError::Encode(error.to_string()))
}

/// Encodes one struct into bytes that are wiped when dropped, without leaving copies behind on the way.
///
/// # Errors
/// As [`encode`].
pub fn encode_secret<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    let refused = |error: bincode::error::EncodeError| CodecError::Encode(error.to_string());
    let mut size = Size(0);
    bincode::serde::encode_into_std_write(value, &mut size, bincode::config::standard()).map_err(refused)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
    bincode::serde::encode_into_std_write(value, &mut *bytes, bincode::config::standard())
        .map_err(refused)?;
    Ok(bytes)
}

/// Counts what is written.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Decodes one struct from all of `bytes`.
///
/// # Errors
/// When the bytes are not exactly one such struct.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_with(bytes, configuration())
}

/// Decodes an aggregate's state from all of `bytes`, which may be as large as [`encode`] makes it.
///
/// # Errors
/// As [`decode`].
pub fn decode_snapshot<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_with(bytes, bincode::config::standard().with_limit::<SNAPSHOT_BYTES_MAX>())
}

fn decode_with<T: DeserializeOwned>(
    bytes: &[u8],
    config: impl bincode::config::Config,
) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| CodecError::Decode(error.to_string()))?;
    match bytes.len().checked_sub(used) {
        Some(0) => Ok(value),
        left => Err(CodecError::Trailing(left.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_millions_of_messages_is_read_back() {
        let messages: Vec<u32> = (0..5_000_000).collect();
        let bytes = encode(&messages).unwrap();
        // What is no state is bounded as before.
        assert!(decode::<Vec<u32>>(&bytes).is_err());
        assert_eq!(decode_snapshot::<Vec<u32>>(&bytes).unwrap(), messages);
    }
}
