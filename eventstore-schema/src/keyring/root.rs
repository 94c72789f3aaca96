//! The root key: wraps the shard keys and is never in PostgreSQL.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::wrap::{self, SivKey};
use crate::entropy::{self, EntropyError};

/// Tells root keys apart without telling anything of them: stored beside what the root key wraps, so that a wrong root
/// key is noticed before anything is unwrapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootId([u8; 16]);

impl RootId {
    /// Wraps the bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootId({self})")
    }
}

/// Why the root key cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// There is no such file.
    #[error("there is no root key file {}: restore it from its safe copy, or create one for a new installation", .0.display())]
    Missing(PathBuf),
    /// A file is there already and is never replaced.
    #[error("{} exists already and is not replaced", .0.display())]
    Exists(PathBuf),
    /// Others than the owner may read or write the file.
    #[error("root key file {} has mode {mode:04o}: others must not reach it; run chmod 600 on it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no root key.
    #[error("root key file {} has {bytes} bytes instead of {}: restore it from its safe copy", path.display(), RootKeyFile::BYTES)]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size, as far as it was read.
        bytes: usize,
    },
    /// The file could not be read or written.
    #[error("cannot {attempt} root key file {}: {source}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No key could be made.
    #[error("cannot make a root key")]
    Entropy(#[from] EntropyError),
    /// What is to be unwrapped was wrapped by another root key or changed since.
    #[error("the root key {0} does not open what it is said to have wrapped")]
    Refused(RootId),
    /// The service that holds the root key cannot be reached: try again.
    #[error("the root key service cannot be reached: {0}")]
    Unavailable(String),
}

/// Holds the root key, here or in a key management service.
#[async_trait]
pub trait RootProvider: Send + Sync + 'static {
    /// Which root key this is.
    fn id(&self) -> RootId;

    /// Wraps a shard key. `context` says which, and unwrapping takes the same.
    ///
    /// # Errors
    /// When the holder of the root key cannot be reached.
    async fn wrap_key(&self, context: &[u8], key: &SivKey) -> Result<Vec<u8>, RootError>;

    /// Unwraps what [`RootProvider::wrap_key`] gave.
    ///
    /// # Errors
    /// [`RootError::Refused`] when it was wrapped by another root key, for another context, or changed since.
    async fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SivKey, RootError>;
}

/// A root key in memory.
pub(super) struct RootKey {
    id: RootId,
    key: SivKey,
}

impl RootKey {
    pub(super) fn new(key: SivKey) -> Self {
        let hash = blake3::derive_key("envoi 2026-11-21 root key id v1", key.as_slice());
        let (id, _) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self { id: RootId(*id), key }
    }
}

#[async_trait]
impl RootProvider for RootKey {
    fn id(&self) -> RootId {
        self.id
    }

    async fn wrap_key(&self, context: &[u8], key: &SivKey) -> Result<Vec<u8>, RootError> {
        wrap::wrap(&self.key, &[context], key.as_slice()).map_err(|_| RootError::Refused(self.id))
    }

    async fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SivKey, RootError> {
        wrap::unwrap::<64>(&self.key, &[context], wrapped).map_err(|_| RootError::Refused(self.id))
    }
}

/// A root key in a file of 64 random bytes that its owner alone may reach.
pub struct RootKeyFile(RootKey);

impl RootKeyFile {
    /// Size of the file.
    pub const BYTES: usize = 64;
    /// Permission bits that must not be set: any of others, and execution.
    const MODE_REFUSED: u32 = 0o177;

    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing, has another size, or others than its owner may reach it.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RootError::Missing(path.to_owned()));
            }
            Err(source) => return Err(io_error("open", path, source)),
        };
        let metadata = file.metadata().map_err(|source| io_error("examine", path, source))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & Self::MODE_REFUSED != 0 {
            return Err(RootError::Permissions { path: path.to_owned(), mode });
        }
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if !metadata.is_file() || size != Self::BYTES {
            return Err(RootError::Size { path: path.to_owned(), bytes: size });
        }
        let mut key: SivKey = Zeroizing::new([0; Self::BYTES]);
        file.read_exact(key.as_mut_slice()).map_err(|source| io_error("read", path, source))?;
        Ok(Self(RootKey::new(key)))
    }

    /// Makes a new root key and its file: the file is on disk, whole, when this returns, and none is ever replaced. Of
    /// several at once one succeeds.
    ///
    /// # Errors
    /// [`RootError::Exists`] when there is a file already.
    pub fn create(path: &Path) -> Result<Self, RootError> {
        let key = entropy::random::<{ Self::BYTES }>()?;
        let suffix = u64::from_be_bytes(*entropy::random::<8>()?);
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = directory.join(format!(".root-key-{suffix:016x}"));
        let made = write_draft(&draft, &key).and_then(|()| publish(&draft, path, directory));
        let removed = fs::remove_file(&draft);
        made?;
        removed.map_err(|source| io_error("remove the draft of", path, source))?;
        Ok(Self(RootKey::new(key)))
    }

    /// Reads the file, or makes it when there is none. For new installations: where a keyring exists already, its open
    /// fails with a wrong root key if this made one.
    ///
    /// # Errors
    /// As [`RootKeyFile::open`] and [`RootKeyFile::create`].
    pub fn open_or_create(path: &Path) -> Result<Self, RootError> {
        match Self::open(path) {
            Err(RootError::Missing(_)) => match Self::create(path) {
                Err(RootError::Exists(_)) => Self::open(path),
                made => made,
            },
            opened => opened,
        }
    }
}

fn io_error(attempt: &'static str, path: &Path, source: io::Error) -> RootError {
    RootError::Io { attempt, path: path.to_owned(), source }
}

fn write_draft(draft: &Path, key: &SivKey) -> Result<(), RootError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .and_then(|mut file| file.write_all(key.as_slice()).and_then(|()| file.sync_all()));
    written.map_err(|source| io_error("write", draft, source))
}

/// Gives the draft its name. A hard link fails where a rename would replace.
fn publish(draft: &Path, path: &Path, directory: &Path) -> Result<(), RootError> {
    match fs::hard_link(draft, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(RootError::Exists(path.to_owned()));
        }
        Err(source) => return Err(io_error("create", path, source)),
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| io_error("make durable", path, source))
}

#[async_trait]
impl RootProvider for RootKeyFile {
    fn id(&self) -> RootId {
        self.0.id()
    }

    async fn wrap_key(&self, context: &[u8], key: &SivKey) -> Result<Vec<u8>, RootError> {
        self.0.wrap_key(context, key).await
    }

    async fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SivKey, RootError> {
        self.0.unwrap_key(context, wrapped).await
    }
}

#[cfg(test)]
mod tests;
