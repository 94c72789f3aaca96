//! Positions and cursors as clients hold them: sealed, so that they tell nobody how busy other tenants are.
//!
//! Deterministic AES-256-SIV (RFC 5297) over the plain cursor, with purpose and account as headers: the same place gives
//! the same text, a text given to one account or for one purpose is refused for another, and so is a changed one.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use domain::AccountId;
use eventstore_schema::{Incarnation, Position};

use crate::limits::CURSOR_BYTES_MAX;
use crate::problem::{Code, Problem};

/// What a cursor is for; one made for one purpose is refused for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A place in the log: `Envoi-Position`, `Envoi-Min-Position` and the live socket.
    Position,
    /// The next page of the route with this name.
    Page(&'static str),
}

impl Purpose {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Purpose::Position => b"position",
            Purpose::Page(name) => name.as_bytes(),
        }
    }
}

/// Seals and opens cursors.
pub struct Cursors {
    cipher_key: zeroize::Zeroizing<[u8; 64]>,
}

impl Cursors {
    /// Works with a secret that is the same on every node.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut cipher_key = zeroize::Zeroizing::new([0; 64]);
        let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 cursors v1");
        hasher.update(secret);
        hasher.finalize_xof().fill(cipher_key.as_mut());
        Self { cipher_key }
    }

    /// Seals `plain` for one account and purpose.
    ///
    /// # Errors
    /// When the cipher refuses, which it does only for sizes that no cursor has.
    pub fn seal(&self, purpose: Purpose, account: AccountId, plain: &[u8]) -> Result<String, Problem> {
        let headers: [&[u8]; 2] = [purpose.as_bytes(), account.as_bytes()];
        Aes256Siv::new((&*self.cipher_key).into())
            .encrypt(headers, plain)
            .map(|sealed| BASE64URL.encode(sealed))
            .map_err(|_| Problem::internal("a cursor cannot be sealed"))
    }

    /// Opens what [`Cursors::seal`] gave for the same account and purpose.
    ///
    /// # Errors
    /// [`Code::InvalidCursor`] for anything else.
    pub fn open(&self, purpose: Purpose, account: AccountId, text: &str) -> Result<Vec<u8>, Problem> {
        let invalid = || Problem::from(Code::InvalidCursor);
        if text.len() > CURSOR_BYTES_MAX {
            return Err(invalid());
        }
        let sealed = BASE64URL.decode(text).map_err(|_| invalid())?;
        let headers: [&[u8]; 2] = [purpose.as_bytes(), account.as_bytes()];
        Aes256Siv::new((&*self.cipher_key).into()).decrypt(headers, &sealed).map_err(|_| invalid())
    }

    /// Seals a place in the log.
    ///
    /// # Errors
    /// As [`Cursors::seal`].
    pub fn seal_place(&self, account: AccountId, place: Place) -> Result<String, Problem> {
        self.seal(Purpose::Position, account, &place.to_bytes())
    }

    /// Opens a place in the log.
    ///
    /// # Errors
    /// As [`Cursors::open`].
    pub fn open_place(&self, account: AccountId, text: &str) -> Result<Place, Problem> {
        let bytes = self.open(Purpose::Position, account, text)?;
        Place::from_bytes(&bytes).ok_or_else(|| Code::InvalidCursor.into())
    }
}

/// A position together with the log that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which log.
    pub incarnation: Incarnation,
    /// Where in it.
    pub position: Position,
}

impl Place {
    fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (log, position) = bytes.split_at_mut(16);
        log.copy_from_slice(self.incarnation.0.as_bytes());
        position.copy_from_slice(&self.position.get().to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (log, position) = bytes.split_first_chunk::<16>()?;
        let incarnation = Incarnation(uuid::Uuid::from_bytes(*log));
        let position = Position::new(u64::from_be_bytes(position.try_into().ok()?));
        Some(Self { incarnation, position })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: AccountId = AccountId::from_bytes([1; 16]);
    const BOB: AccountId = AccountId::from_bytes([2; 16]);

    fn place(position: u64) -> Place {
        Place { incarnation: Incarnation(uuid::Uuid::from_bytes([9; 16])), position: Position::new(position) }
    }

    #[test]
    fn a_place_reads_back_for_its_account_only() {
        let cursors = Cursors::new(&[7; 32]);
        let text = cursors.seal_place(ALICE, place(42)).unwrap();
        assert_eq!(cursors.open_place(ALICE, &text).unwrap(), place(42));
        assert_eq!(cursors.open_place(BOB, &text).unwrap_err().code(), "invalid_cursor");
    }

    #[test]
    fn a_cursor_of_one_purpose_is_refused_for_another() {
        let cursors = Cursors::new(&[7; 32]);
        let text = cursors.seal(Purpose::Page("messages.list"), ALICE, b"5").unwrap();
        assert!(cursors.open(Purpose::Page("audit.list"), ALICE, &text).is_err());
    }

    proptest! {
        #[test]
        fn a_changed_cursor_is_refused(position: u64, index in 0usize..54, replacement in "[A-Za-z0-9_-]") {
            let cursors = Cursors::new(&[7; 32]);
            let text = cursors.seal_place(ALICE, place(position)).unwrap();
            let mut changed = text.clone();
            changed.replace_range(index..=index, &replacement);
            prop_assume!(changed != text);
            prop_assert!(cursors.open_place(ALICE, &changed).is_err());
        }

        #[test]
        fn any_text_is_answered_without_panic(text in ".{0,600}") {
            prop_assert!(Cursors::new(&[7; 32]).open_place(ALICE, &text).is_err());
        }
    }
}
