//! Every id of Envoi, each its own type, in alphabetical order.
//!
//! An id is 16 bytes: a UUID. Stored form is those bytes; for people and JSON it is the hyphenated text. Ids are made
//! outside this crate (UUIDv7 for what is new, derived from a hash where a retry must meet the same stream).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected}: a UUID such as 0190f5a0-7d3c-7000-8000-000000000000 is expected")]
pub struct InvalidId {
    expected: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name([u8; 16]);

            impl $name {
                /// Wraps the 16 bytes of a UUID.
                pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                    Self(bytes)
                }

                /// The 16 bytes, as they are stored.
                pub const fn as_bytes(&self) -> &[u8; 16] {
                    &self.0
                }

                /// The id as a UUID, for drivers that want one.
                pub const fn as_uuid(&self) -> Uuid {
                    Uuid::from_bytes(self.0)
                }
            }

            impl From<Uuid> for $name {
                fn from(value: Uuid) -> Self {
                    Self(value.into_bytes())
                }
            }

            impl From<$name> for Uuid {
                fn from(value: $name) -> Self {
                    value.as_uuid()
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.as_uuid().hyphenated().fmt(f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}({})", stringify!($name), self.as_uuid().hyphenated())
                }
            }

            impl FromStr for $name {
                type Err = InvalidId;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    Uuid::try_parse(text).map(Self::from).map_err(|_| InvalidId { expected: stringify!($name) })
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if serializer.is_human_readable() {
                        serializer.collect_str(self)
                    } else {
                        self.0.serialize(serializer)
                    }
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    if deserializer.is_human_readable() {
                        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                        text.parse().map_err(serde::de::Error::custom)
                    } else {
                        <[u8; 16]>::deserialize(deserializer).map(Self)
                    }
                }
            }

            impl schemars::JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({ "type": "string", "format": "uuid" })
                }
            }
        )*
    };
}

ids! {
    /// A person's or bot's account, known to the whole platform.
    AccountId
    /// One command; derived from who asks and the idempotency key, so a retry carries the same one.
    CommandId
    /// A conversation within one organization.
    ConversationId
    /// An account in a conversation; derived from the two ([`crate::conversation_member::conversation_member_id`]).
    ConversationMemberId
    /// Ties together everything that one request set off.
    CorrelationId
    /// A device of one account.
    DeviceId
    /// One recorded event.
    EventId
    /// An invitation into an organization.
    InvitationId
    /// A message, named by the client that sends it.
    MessageId
    /// An organization: the tenant.
    OrganizationId
    /// Whoever a conversation key is wrapped for: a device (same bytes as its [`DeviceId`]) or an account's recovery key.
    RecipientId
    /// A login session.
    SessionId
    /// A workspace within one organization.
    WorkspaceId
}

impl From<DeviceId> for RecipientId {
    fn from(value: DeviceId) -> Self {
        Self(value.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = AccountId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse::<AccountId>(), Ok(id));
    }

    #[test]
    fn text_that_is_no_uuid_is_refused_by_name() {
        let error = "nope".parse::<DeviceId>().unwrap_err();
        assert!(error.to_string().starts_with("not a DeviceId"));
    }
}
