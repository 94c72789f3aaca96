//! Byte strings with a meaning. Stored form: the bytes; JSON: base64url without padding (RFC 4648 section 5).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

struct ByteVisitor<const N: usize>;

impl<'de, const N: usize> serde::de::Visitor<'de> for ByteVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = [0u8; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = seq.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(index, &self))?;
        }
        Ok(bytes)
    }
}

macro_rules! fixed_bytes {
    ($($(#[$doc:meta])* $name:ident: $size:literal)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name([u8; $size]);

            impl $name {
                /// Length in bytes.
                pub const SIZE: usize = $size;

                /// Wraps the bytes.
                pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                    Self(bytes)
                }

                /// The bytes.
                pub const fn as_bytes(&self) -> &[u8; $size] {
                    &self.0
                }
            }

            impl TryFrom<&[u8]> for $name {
                type Error = std::array::TryFromSliceError;

                fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                    bytes.try_into().map(Self)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&to_base64url(&self.0))
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}({self})", stringify!($name))
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if serializer.is_human_readable() {
                        return serializer.collect_str(self);
                    }
                    use serde::ser::SerializeTuple;
                    let mut tuple = serializer.serialize_tuple($size)?;
                    for byte in &self.0 {
                        tuple.serialize_element(byte)?;
                    }
                    tuple.end()
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    use serde::de::Error;
                    if deserializer.is_human_readable() {
                        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                        let wrong = || D::Error::custom(concat!($size, " bytes as base64url without padding are expected"));
                        let bytes = from_base64url(&text).ok_or_else(wrong)?;
                        Self::try_from(bytes.as_slice()).map_err(|_| wrong())
                    } else {
                        deserializer.deserialize_tuple($size, ByteVisitor::<$size>).map(Self)
                    }
                }
            }

            impl schemars::JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({ "type": "string", "format": "base64url", "x-bytes": $size })
                }
            }
        )*
    };
}

fixed_bytes! {
    /// A 256-bit hash.
    Digest: 32
    /// An X25519 public key that HPKE wraps for (RFC 9180, DHKEM X25519).
    HpkeKey: 32
    /// A random AES-SIV nonce.
    Nonce: 16
    /// An Ed25519 signature (RFC 8032).
    Signature: 64
    /// An Ed25519 public key (RFC 8032).
    VerifyKey: 32
}

impl Digest {
    /// Compares in constant time: for hashes of secrets that somebody presented.
    pub fn matches(&self, other: &Digest) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

/// A byte string of any length. Its `Debug` shows the length only.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(Vec<u8>);

impl Blob {
    /// Wraps the bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&to_base64url(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

struct BlobVisitor;

impl serde::de::Visitor<'_> for BlobVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(bytes)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
            from_base64url(&text)
                .map(Self)
                .ok_or_else(|| D::Error::custom("base64url without padding is expected"))
        } else {
            deserializer.deserialize_byte_buf(BlobVisitor).map(Self)
        }
    }
}

impl schemars::JsonSchema for Blob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Blob".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "base64url" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_with_stray_bits_padding_or_symbols_is_refused() {
        for text in ["Zh", "Zg==", "Z", "Z+", "Zm9v\n"] {
            assert_eq!(from_base64url(text), None, "{text:?}");
        }
    }
}
