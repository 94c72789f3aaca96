//! Personal records: what lies in the sealed part of events. Each is whole, as one read row shows it.
//!
//! `Debug` of a record shows its name only.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::SealedSchema;

/// A personal record's stored form.
pub trait Record: Serialize + DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static {
    /// Name for ever.
    const NAME: &'static str;
    /// Version of the stored form, from 1.
    const VERSION: u16;
}

/// Stands for "no sealed part"; has no values.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub enum NoRecord {}

impl Record for NoRecord {
    const NAME: &'static str = "none";
    const VERSION: u16 = 0;
}

/// Declares the registry of records: one line each.
macro_rules! records {
    ($($variant:ident($record:ty) = $name:literal, $version:literal;)+) => {
        /// Any personal record, in clear.
        #[derive(Clone, PartialEq)]
        pub enum PersonalRecord { $(#[doc = concat!("`", $name, "`")] $variant($record),)+ }

        $(
            impl Record for $record {
                const NAME: &'static str = $name;
                const VERSION: u16 = $version;
            }

            impl From<$record> for PersonalRecord {
                fn from(record: $record) -> Self { PersonalRecord::$variant(record) }
            }

            impl std::fmt::Debug for $record {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!($name, "(..)"))
                }
            }
        )+

        impl PersonalRecord {
            /// Name of the record.
            pub fn name(&self) -> &'static str {
                match self { $(PersonalRecord::$variant(_) => $name,)+ }
            }

            /// Version of its stored form.
            pub fn version(&self) -> u16 {
                match self { $(PersonalRecord::$variant(_) => $version,)+ }
            }

            /// The registry: every kind of record, in a fixed order.
            pub fn types() -> Vec<SealedSchema> {
                vec![$(SealedSchema { name: $name, version: $version, schema: || schemars::schema_for!($record) },)+]
            }

            /// Decodes the current version of record `name`; `None` for an unknown name.
            pub fn decode<D: RecordDecoder>(name: &str, decoder: D) -> Option<Result<Self, D::Error>> {
                match name {
                    $($name => Some(decoder.decode::<$record>().map(PersonalRecord::$variant)),)+
                    _ => None,
                }
            }

            /// Hands the record to `visitor`.
            pub fn visit<V: RecordVisitor>(&self, visitor: V) -> V::Output {
                match self { $(PersonalRecord::$variant(record) => visitor.visit(record),)+ }
            }
        }

        impl std::fmt::Debug for PersonalRecord {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(..)", self.name())
            }
        }
    };
}

/// Receives the typed record inside a [`PersonalRecord`].
pub trait RecordVisitor {
    /// What the visit yields.
    type Output;
    /// Is called once, with the record.
    fn visit<R: Record>(self, record: &R) -> Self::Output;
}

/// Makes a record of a given type from stored bytes.
pub trait RecordDecoder {
    /// Why it could not.
    type Error;
    /// Is called once, for the type that the name stands for.
    fn decode<R: Record>(self) -> Result<R, Self::Error>;
}

records! {
    AccountContact(crate::account::AccountContact) = "account_contact", 1;
    AccountMetadata(crate::account::AccountMetadata) = "account_metadata", 1;
    AccountPassword(crate::account::AccountPassword) = "account_password", 1;
    AccountProfile(crate::account::AccountProfile) = "account_profile", 1;
    ConversationTitle(crate::conversation::ConversationTitle) = "conversation_title", 1;
    DeviceLabel(crate::device::DeviceLabel) = "device_label", 1;
    IdentityVault(crate::device::IdentityVault) = "identity_vault", 1;
    MessageBody(crate::conversation::MessageBody) = "message_body", 1;
    OrganizationProfile(crate::organization::OrganizationProfile) = "organization_profile", 1;
    SessionOrigin(crate::session::SessionOrigin) = "session_origin", 1;
    WorkspaceProfile(crate::workspace::WorkspaceProfile) = "workspace_profile", 1;
}
