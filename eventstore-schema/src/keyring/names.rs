//! What keys there are, and how each is named in the keyring.

use std::fmt;

use domain::{ConversationId, OrganizationId, Period, SubjectId};

use crate::sealed::{KeyRef, Tenant};

/// The kinds of keys. The number is stored and never given to another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Takes part in sealing everything of a tenant.
    Tenant = 1,
    /// Takes part in sealing everything about a subject.
    Subject = 2,
    /// Takes part in sealing what a conversation holds of a retention period.
    Period = 3,
    /// Seals nothing of events: signs, derives or indexes.
    Secret = 4,
}

impl KeyKind {
    /// The stored number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(KeyKind::Tenant),
            2 => Some(KeyKind::Subject),
            3 => Some(KeyKind::Period),
            4 => Some(KeyKind::Secret),
            _ => None,
        }
    }

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyKind::Tenant => "tenant",
            KeyKind::Subject => "subject",
            KeyKind::Period => "period",
            KeyKind::Secret => "secret",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Declares [`Secret`]: one line each.
macro_rules! secrets {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// The secrets that have a name of their own. Each is made on first use and kept in the keyring.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Secret { $($(#[$doc])* $variant,)+ }

        impl Secret {
            /// Every secret.
            pub const ALL: &'static [Secret] = &[$(Secret::$variant,)+];

            /// Name in the keyring, for ever.
            pub const fn name(self) -> &'static str {
                match self { $(Secret::$variant => $name,)+ }
            }

            /// The secret with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Secret::$variant),)+ _ => None }
            }
        }
    };
}

secrets! {
    /// Seed of the Ed25519 key that signs access tokens.
    AccessTokenSigning = "access-token-signing";
    /// Blind index of what somebody whom nobody knows asks for: names their commands.
    AnonymousCommandIndex = "anonymous-command-index";
    /// Blind index of e-mail addresses.
    EmailIndex = "email-index";
    /// Derives the tokens that travel by e-mail.
    EmailTokens = "email-tokens";
    /// Derives the tokens of invitations.
    InvitationTokens = "invitation-tokens";
    /// Seed of the Ed25519 key that signs the checkpoints of the proof log.
    LogSigning = "log-signing";
    /// Blind index of whoever tries to log in.
    LoginAttemptIndex = "login-attempt-index";
    /// Blind index of phone numbers.
    PhoneIndex = "phone-index";
    /// Seals positions and cursors on their way out of the server.
    PositionSealing = "position-sealing";
    /// Derives a refresh token's successor.
    RefreshTokens = "refresh-tokens";
}

/// Names one key of the keyring, in all its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// A tenant's key.
    Tenant(Tenant),
    /// A subject's key.
    Subject(SubjectId),
    /// A period's key.
    Period(Period),
    /// A named secret.
    Secret(Secret),
}

impl KeyName {
    /// Longest id in bytes, so that what is stored can be bounded.
    pub const ID_BYTES_MAX: usize = 64;

    /// Kind of the key.
    pub const fn kind(&self) -> KeyKind {
        match self {
            KeyName::Tenant(_) => KeyKind::Tenant,
            KeyName::Subject(_) => KeyKind::Subject,
            KeyName::Period(_) => KeyKind::Period,
            KeyName::Secret(_) => KeyKind::Secret,
        }
    }

    /// Id of the key among those of its kind: for tenants nothing (the platform) or 16 bytes, for subjects 16, for
    /// periods conversation (16) and number (4, big-endian), for secrets the name.
    pub fn id(&self) -> Vec<u8> {
        match self {
            KeyName::Tenant(Tenant::Platform) => Vec::new(),
            KeyName::Tenant(Tenant::Organization(id)) => id.as_bytes().to_vec(),
            KeyName::Subject(id) => id.as_bytes().to_vec(),
            KeyName::Period(period) => {
                let mut id = period.conversation.as_bytes().to_vec();
                id.extend_from_slice(&period.number.to_be_bytes());
                id
            }
            KeyName::Secret(secret) => secret.name().as_bytes().to_vec(),
        }
    }

    /// Reads kind and id back; `None` when they name no key of ours.
    pub fn from_parts(kind: u8, id: &[u8]) -> Option<Self> {
        match kind {
            1 if id.is_empty() => Some(KeyName::Tenant(Tenant::Platform)),
            1 => {
                let id = OrganizationId::from_bytes(id.try_into().ok()?);
                Some(KeyName::Tenant(Tenant::Organization(id)))
            }
            2 => Some(KeyName::Subject(SubjectId::from_bytes(id.try_into().ok()?))),
            3 => {
                let (conversation, number) = id.split_first_chunk::<16>()?;
                let number = u32::from_be_bytes(number.try_into().ok()?);
                let conversation = ConversationId::from_bytes(*conversation);
                Some(KeyName::Period(Period { conversation, number }))
            }
            4 => Secret::from_name(std::str::from_utf8(id).ok()?).map(KeyName::Secret),
            _ => None,
        }
    }

    /// Number of the shard that the key lies in: the first byte of BLAKE3 over kind and id.
    pub fn shard(&self) -> u8 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[self.kind().code()]);
        hasher.update(&self.id());
        let [first, ..] = *hasher.finalize().as_bytes();
        first
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyName::Tenant(Tenant::Platform) => f.write_str("tenant platform"),
            KeyName::Tenant(Tenant::Organization(id)) => write!(f, "tenant {id}"),
            KeyName::Subject(id) => {
                write!(f, "subject {}", uuid::Uuid::from_bytes(*id.as_bytes()).hyphenated())
            }
            KeyName::Period(period) => write!(f, "period {} of {}", period.number, period.conversation),
            KeyName::Secret(secret) => write!(f, "secret {}", secret.name()),
        }
    }
}

impl KeyRef {
    /// The keys that take part: tenant, subject and, with a period, the period's.
    pub fn keys(&self) -> impl Iterator<Item = KeyName> + use<> {
        [
            Some(KeyName::Tenant(self.tenant)),
            Some(KeyName::Subject(self.subject)),
            self.period.map(KeyName::Period),
        ]
        .into_iter()
        .flatten()
    }
}
