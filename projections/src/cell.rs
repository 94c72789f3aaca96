//! How a value stands in a column: its SQL type and its bytes in PostgreSQL's binary format, which loading, writing,
//! `COPY` and content digests all share.

use bytes::{BufMut, Bytes, BytesMut};
use domain::account::PasswordCause;
use domain::conversation::{
    ConversationKind, ConversationRole, DeliveryState, HistoryVisibility, RecipientKind, Suite,
};
use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::session::SessionRevocationCause;
use domain::workspace::WorkspaceRole;
use domain::{ActorKind, Blob, Digest, HpkeKey, Signature, Timestamp, VerifyKey};
use eventstore_schema::{Position, SealedCell};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The bytes in a column are not of the type that the column is declared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a column holds no {expected}")]
pub struct CellError {
    /// What was expected.
    pub expected: &'static str,
}

/// A value that stands in one column.
pub trait Cell: Sized + Clone + Send + Sync + 'static {
    /// SQL type of the column.
    const SQL: &'static str;
    /// Whether the column may be null.
    const NULLABLE: bool = false;

    /// Appends the value's bytes; `false` for null, which has none.
    fn put(&self, out: &mut BytesMut) -> bool;

    /// Reads what [`Cell::put`] wrote; `None` is null.
    ///
    /// # Errors
    /// When the bytes are of another type.
    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError>;
}

/// Appends a cell as `COPY`, arrays and records hold it: length, then bytes; -1 for null.
pub(crate) fn put_field<C: Cell>(cell: &C, out: &mut BytesMut) {
    let start = out.len();
    out.put_i32(-1);
    let body = out.len();
    if cell.put(out) {
        let length = i32::try_from(out.len().saturating_sub(body)).unwrap_or(i32::MAX);
        if let Some(place) = out.get_mut(start..body) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

impl<C: Cell> Cell for Option<C> {
    const SQL: &'static str = C::SQL;
    const NULLABLE: bool = true;

    fn put(&self, out: &mut BytesMut) -> bool {
        self.as_ref().is_some_and(|cell| cell.put(out))
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
        bytes.map(|bytes| C::read(Some(bytes))).transpose()
    }
}

/// Cells of fixed size: SQL type, to bytes, from bytes.
macro_rules! fixed_cells {
    ($($type:ty = $sql:literal, |$value:ident| $to:expr, |$bytes:ident| $from:expr;)+) => {
        $(
            impl Cell for $type {
                const SQL: &'static str = $sql;

                fn put(&self, out: &mut BytesMut) -> bool {
                    let $value = self;
                    out.put_slice(&$to);
                    true
                }

                fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
                    let wrong = CellError { expected: stringify!($type) };
                    let $bytes = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(wrong.clone())?;
                    let read: Option<Self> = $from;
                    read.ok_or(wrong)
                }
            }
        )+
    };
}

/// A number that PostgreSQL's signed type holds; what exceeds it has no business in a log.
fn big(value: u64) -> [u8; 8] {
    i64::try_from(value).unwrap_or(i64::MAX).to_be_bytes()
}

fixed_cells! {
    bool = "boolean", |value| [u8::from(*value)], |bytes| { let [byte]: [u8; 1] = bytes; Some(byte != 0) };
    i16 = "smallint", |value| value.to_be_bytes(), |bytes| Some(i16::from_be_bytes(bytes));
    i32 = "int", |value| value.to_be_bytes(), |bytes| Some(i32::from_be_bytes(bytes));
    i64 = "bigint", |value| value.to_be_bytes(), |bytes| Some(i64::from_be_bytes(bytes));
    u8 = "smallint", |value| i16::from(*value).to_be_bytes(), |bytes| u8::try_from(i16::from_be_bytes(bytes)).ok();
    u32 = "bigint", |value| i64::from(*value).to_be_bytes(), |bytes| u32::try_from(i64::from_be_bytes(bytes)).ok();
    u64 = "bigint", |value| big(*value), |bytes| u64::try_from(i64::from_be_bytes(bytes)).ok();
    Position = "bigint", |value| big(value.get()),
        |bytes| u64::try_from(i64::from_be_bytes(bytes)).ok().map(Position::new);
    Timestamp = "bigint", |value| value.as_micros().to_be_bytes(),
        |bytes| Some(Timestamp::from_micros(i64::from_be_bytes(bytes)));
    uuid::Uuid = "uuid", |value| *value.as_bytes(), |bytes| Some(uuid::Uuid::from_bytes(bytes));
}

macro_rules! byte_cells {
    ($sql:literal: $($type:ty)+) => {
        fixed_cells! { $($type = $sql, |value| *value.as_bytes(), |bytes| Some(<$type>::from_bytes(bytes));)+ }
    };
}

byte_cells! { "uuid":
    domain::AccountId domain::CommandId domain::ConversationId domain::CorrelationId domain::DeviceId domain::EventId
    domain::InvitationId domain::MessageId domain::OrganizationId domain::RecipientId domain::SessionId
    domain::WorkspaceId
}
byte_cells! { "bytea": Digest HpkeKey Signature VerifyKey }

/// Codes stand in columns as their words.
macro_rules! code_cells {
    ($($type:ty)+) => {
        $(
            impl Cell for $type {
                const SQL: &'static str = "text";

                fn put(&self, out: &mut BytesMut) -> bool {
                    out.put_slice(self.as_str().as_bytes());
                    true
                }

                fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
                    bytes
                        .and_then(|bytes| std::str::from_utf8(bytes).ok())
                        .and_then(|word| word.parse().ok())
                        .ok_or(CellError { expected: stringify!($type) })
                }
            }
        )+
    };
}

code_cells! {
    ActorKind ConversationKind ConversationRole DeliveryState DeviceRevocationCause HistoryVisibility OrganizationRole PasswordCause RecipientKind
    SessionRevocationCause Suite WorkspaceRole
}

impl Cell for String {
    const SQL: &'static str = "text";

    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(self.as_bytes());
        true
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
        bytes
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .map(str::to_owned)
            .ok_or(CellError { expected: "text" })
    }
}

impl Cell for Bytes {
    const SQL: &'static str = "bytea";

    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(self);
        true
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
        bytes.map(Bytes::copy_from_slice).ok_or(CellError { expected: "bytes" })
    }
}

impl Cell for Blob {
    const SQL: &'static str = "bytea";

    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(self.as_slice());
        true
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
        bytes.map(|bytes| Blob::new(bytes.to_vec())).ok_or(CellError { expected: "bytes" })
    }
}

impl Cell for SealedCell {
    const SQL: &'static str = "bytea";

    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(&self.to_bytes());
        true
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self, CellError> {
        let wrong = CellError { expected: "sealed cell" };
        SealedCell::from_bytes(bytes.ok_or(wrong.clone())?).map_err(|_| wrong)
    }
}

/// A cell as parameter or result of a query.
#[derive(Clone, Debug)]
pub struct Sql<C>(pub C);

impl<C: Cell + std::fmt::Debug> ToSql for Sql<C> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(if self.0.put(out) { IsNull::No } else { IsNull::Yes })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a, C: Cell> FromSql<'a> for Sql<C> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Sql(C::read(Some(raw))?))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Sql(C::read(None)?))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_back_and_knows_null() {
        let mut out = BytesMut::new();
        put_field(&Some(7u64), &mut out);
        assert_eq!(&out[..4], 8i32.to_be_bytes());
        assert_eq!(<Option<u64>>::read(Some(&out[4..])), Ok(Some(7)));
        out.clear();
        put_field(&None::<u64>, &mut out);
        assert_eq!(&out[..], (-1i32).to_be_bytes());
        assert_eq!(<Option<u64>>::read(None), Ok(None));
        assert!(u64::read(None).is_err());
    }

    #[test]
    fn a_code_stands_as_its_word_and_an_unknown_word_is_refused() {
        let mut out = BytesMut::new();
        assert!(OrganizationRole::Owner.put(&mut out));
        assert_eq!(&out[..], b"owner");
        assert!(OrganizationRole::read(Some(b"emperor")).is_err());
    }
}
