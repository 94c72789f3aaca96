//! What a client keeps on disk: device keys, a copy of the vault, known identity keys, the session. One file, encrypted.
//!
//! The file is a passphrase box ([`crate::e2ee::passphrase`]) for the purpose `envoi key file v1` around JSON. It is written
//! with mode 0600 beside the old one, flushed to disk and renamed over it, so that a crash leaves one or the other. Every
//! change reads the file again under a lock (`<file>.lock`), so that two processes with one file lose nothing.
//!
//! Without a path everything stays in memory: for tests, load generators and bots that enroll anew.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AccountId, Blob, ConversationId, DeviceId, SessionId, VerifyKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::e2ee::{Cost, DeviceKeys, HpkeSecret, PassphraseError, PassphraseKey};
use crate::edge;
use crate::http::Position;

const PURPOSE: &[u8] = b"envoi key file v1";
/// Largest key file that is read: thousands of known people and conversations.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Room for the encoded state, so that encoding seldom leaves copies of secrets behind while it grows.
const STATE_BYTES: usize = 64 * 1024;

/// How long another process is waited for that exchanges the refresh token: longer than a request takes.
const EXCHANGE_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether it is done.
const EXCHANGE_POLL: Duration = Duration::from_millis(20);

/// Why keys could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// There is a key file already.
    #[error("there is a key file already: {0}")]
    Exists(PathBuf),
    /// There is no key file.
    #[error("there is no key file {0}: log in first")]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {verb} {path}")]
    File {
        /// What was attempted.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened with the passphrase.
    #[error("the key file cannot be opened")]
    Passphrase(#[source] PassphraseError),
    /// The file is of another version.
    #[error("the key file is of a version that this client does not know")]
    Version,
    /// The file's passphrase was changed by another process.
    #[error("the key file's passphrase was changed meanwhile: open it again")]
    PassphraseChanged,
}

/// An identity key that was seen: the first is trusted until the person says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIdentity {
    /// The key.
    pub identity_key: VerifyKey,
    /// Whether the person compared safety numbers.
    pub verified: bool,
}

/// A login session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The session.
    pub session_id: SessionId,
    /// The refresh token, good for one use.
    pub refresh_token: String,
}

impl std::fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredSession({})", self.session_id)
    }
}

impl Drop for StoredSession {
    fn drop(&mut self) {
        self.refresh_token.zeroize();
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredDevice {
    device_id: DeviceId,
    hpke_secret: [u8; 32],
    signing_seed: [u8; 32],
}

impl Drop for StoredDevice {
    fn drop(&mut self) {
        self.hpke_secret.zeroize();
        self.signing_seed.zeroize();
    }
}

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyState {
    version: u32,
    /// The server's address.
    pub server: String,
    /// Whose keys.
    pub account_id: AccountId,
    /// The session, while logged in.
    pub session: Option<StoredSession>,
    device: Option<StoredDevice>,
    /// Whether the server has the device's certificate.
    pub enrolled: bool,
    /// The vault, encrypted under its own passphrase.
    pub vault: Option<Blob>,
    /// Identity keys of people, by account.
    pub identities: BTreeMap<AccountId, KnownIdentity>,
    /// The highest generation seen of each conversation: an older one told by the server is refused.
    pub generations: BTreeMap<ConversationId, u32>,
    /// Up to where the device's owner was told what changed.
    #[serde(default)]
    pub synced: Option<Position>,
}

const STATE_VERSION: u32 = 1;

impl KeyState {
    /// The state of somebody who has just logged in for the first time.
    pub fn new(server: &str, account_id: AccountId) -> Self {
        Self {
            version: STATE_VERSION,
            server: server.to_owned(),
            account_id,
            session: None,
            device: None,
            enrolled: false,
            vault: None,
            identities: BTreeMap::new(),
            generations: BTreeMap::new(),
            synced: None,
        }
    }

    /// Which device, once there is one.
    pub fn device_id(&self) -> Option<DeviceId> {
        self.device.as_ref().map(|device| device.device_id)
    }

    /// The device's keys, once there are some.
    pub fn device(&self) -> Option<DeviceKeys> {
        self.device.as_ref().map(|device| {
            let hpke = HpkeSecret::from_bytes(device.hpke_secret);
            DeviceKeys::from_parts(self.account_id, device.device_id, hpke, &device.signing_seed)
        })
    }

    /// The device's keys, once the server has its certificate.
    pub fn enrolled_device(&self) -> Option<DeviceKeys> {
        self.device().filter(|_| self.enrolled)
    }

    /// Keeps the keys of a device that is to be enrolled.
    pub fn set_device(&mut self, device: &DeviceKeys) {
        self.enrolled = false;
        self.device = Some(StoredDevice {
            device_id: device.device_id(),
            hpke_secret: *device.hpke().as_bytes(),
            signing_seed: *device.signing_seed(),
        });
    }

    /// Forgets the device and the session.
    pub fn clear_device(&mut self) {
        self.device = None;
        self.enrolled = false;
        self.session = None;
    }
}

impl std::fmt::Debug for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyState(account {})", self.account_id)
    }
}

/// Held while a refresh token is exchanged; let go when dropped.
pub struct Exchange<'a> {
    _here: tokio::sync::MutexGuard<'a, ()>,
    _elsewhere: Option<File>,
}

struct OnDisk {
    path: PathBuf,
    key: PassphraseKey,
}

/// Keeps a [`KeyState`].
pub struct KeyStore {
    disk: Option<OnDisk>,
    state: Mutex<KeyState>,
    exchange: tokio::sync::Mutex<()>,
}

impl KeyStore {
    /// Keeps `state` in memory only.
    pub fn in_memory(state: KeyState) -> Self {
        Self { disk: None, state: Mutex::new(state), exchange: tokio::sync::Mutex::default() }
    }

    /// Makes the file `path`, which must not exist. Takes `cost`'s time and memory.
    ///
    /// # Errors
    /// [`KeyStoreError::Exists`], [`KeyStoreError::File`].
    pub fn create(path: &Path, passphrase: &str, cost: Cost, state: KeyState) -> Result<Self, KeyStoreError> {
        let key =
            PassphraseKey::new(passphrase, cost, &mut edge::random()).map_err(KeyStoreError::Passphrase)?;
        let disk = OnDisk { path: path.to_owned(), key };
        let _lock = disk.lock()?;
        if path.exists() {
            return Err(KeyStoreError::Exists(path.to_owned()));
        }
        disk.write(&state)?;
        Ok(Self { disk: Some(disk), state: Mutex::new(state), exchange: tokio::sync::Mutex::default() })
    }

    /// Opens the file `path`. Takes the time and memory that it names.
    ///
    /// # Errors
    /// All but [`KeyStoreError::Exists`] and [`KeyStoreError::PassphraseChanged`].
    pub fn open(path: &Path, passphrase: &str) -> Result<Self, KeyStoreError> {
        let sealed = read(path)?;
        let (key, plain) =
            PassphraseKey::open(passphrase, PURPOSE, &sealed).map_err(KeyStoreError::Passphrase)?;
        let disk = OnDisk { path: path.to_owned(), key };
        let (state, exchange) = (Mutex::new(decode(&plain)?), tokio::sync::Mutex::default());
        Ok(Self { disk: Some(disk), state, exchange })
    }

    /// Waits until nobody else with this store exchanges its refresh token, in this process or another with the same file
    /// (`<file>.session.lock`): each then exchanges the newest one, and none looks like a thief. Another process that hangs is
    /// waited for [`EXCHANGE_WAIT_MAX`] at most.
    ///
    /// # Errors
    /// [`KeyStoreError::File`].
    pub async fn exchange(&self) -> Result<Exchange<'_>, KeyStoreError> {
        let here = self.exchange.lock().await;
        let elsewhere = match &self.disk {
            Some(disk) => disk.lock_exchange().await?,
            None => None,
        };
        Ok(Exchange { _here: here, _elsewhere: elsewhere })
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&KeyState) -> T) -> T {
        look(&self.guard())
    }

    /// Changes the state: what another process has written is taken over first, what this one writes is on disk when
    /// this returns. A change that fails to be written is not kept in memory either.
    ///
    /// # Errors
    /// [`KeyStoreError::File`] and its like.
    pub fn update<T>(&self, change: impl FnOnce(&mut KeyState) -> T) -> Result<T, KeyStoreError> {
        let mut guard = self.guard();
        let Some(disk) = &self.disk else {
            return Ok(change(&mut guard));
        };
        let _lock = disk.lock()?;
        let mut state = disk.read()?;
        let answer = change(&mut state);
        disk.write(&state)?;
        *guard = state;
        Ok(answer)
    }

    /// Takes over what another process has written.
    ///
    /// # Errors
    /// [`KeyStoreError::File`] and its like.
    pub fn reload(&self) -> Result<(), KeyStoreError> {
        if let Some(disk) = &self.disk {
            let mut guard = self.guard();
            *guard = disk.read()?;
        }
        Ok(())
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.disk.as_ref().map(|disk| disk.path.as_path())
    }

    fn guard(&self) -> MutexGuard<'_, KeyState> {
        // A panic while it was held cannot have left half a state: it is replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnDisk {
    fn failed(&self, verb: &'static str) -> impl Fn(std::io::Error) -> KeyStoreError {
        let path = self.path.clone();
        move |source| KeyStoreError::File { verb, path: path.clone(), source }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// Waits for the lock; it is let go when the file is dropped.
    fn lock(&self) -> Result<File, KeyStoreError> {
        let file =
            private().create(true).truncate(false).open(self.beside(".lock")).map_err(self.failed("lock"))?;
        file.lock().map_err(self.failed("lock"))?;
        Ok(file)
    }

    async fn lock_exchange(&self) -> Result<Option<File>, KeyStoreError> {
        let path = self.beside(".session.lock");
        let file = private().create(true).truncate(false).open(path).map_err(self.failed("lock"))?;
        let patience = tokio::time::Instant::now() + EXCHANGE_WAIT_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < patience => {
                    tokio::time::sleep(EXCHANGE_POLL).await;
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(self.failed("lock")(error)),
            }
        }
    }

    fn read(&self) -> Result<KeyState, KeyStoreError> {
        let sealed = read(&self.path)?;
        let plain = self.key.reopen(PURPOSE, &sealed).map_err(|error| match error {
            PassphraseError::WrongPassphrase => KeyStoreError::PassphraseChanged,
            other => KeyStoreError::Passphrase(other),
        })?;
        decode(&plain)
    }

    fn write(&self, state: &KeyState) -> Result<(), KeyStoreError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(STATE_BYTES));
        serde_json::to_writer(&mut *plain, state)
            .map_err(|error| self.failed("write")(std::io::Error::other(error)))?;
        let sealed =
            self.key.seal(PURPOSE, &plain, &mut edge::random()).map_err(KeyStoreError::Passphrase)?;
        let new = self.beside(".new");
        let write = || -> std::io::Result<()> {
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.write_all(&sealed)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            // The name itself is on disk only when its directory is.
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(self.failed("write"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeyStoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => KeyStoreError::Missing(path.to_owned()),
        _ => KeyStoreError::File { verb: "read", path: path.to_owned(), source },
    };
    let mut sealed = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_BYTES_MAX).read_to_end(&mut sealed).map_err(failed)?;
    Ok(sealed)
}

fn decode(plain: &[u8]) -> Result<KeyState, KeyStoreError> {
    let state: KeyState = serde_json::from_slice(plain).map_err(|_| KeyStoreError::Version)?;
    if state.version == STATE_VERSION { Ok(state) } else { Err(KeyStoreError::Version) }
}

/// Files that only their owner reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2ee::testing::{CHEAP, seeded};

    const ANN: AccountId = AccountId::from_bytes([1; 16]);

    fn state() -> KeyState {
        let mut state = KeyState::new("http://localhost", ANN);
        state.set_device(&DeviceKeys::generate(ANN, DeviceId::from_bytes([2; 16]), &mut seeded(1)));
        state
    }

    #[test]
    fn what_is_kept_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        let store = KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        let known = KnownIdentity { identity_key: VerifyKey::from_bytes([3; 32]), verified: true };
        store.update(|state| state.identities.insert(ANN, known)).unwrap();

        let again = KeyStore::open(&path, "violet harbour tractor sesame").unwrap();
        assert_eq!(again.read(|state| state.identities.get(&ANN).copied()), Some(known));
        let device = again.read(KeyState::device).unwrap();
        assert_eq!(device.verify_key(), state().device().unwrap().verify_key());
        assert!(!folder.path().join("ann.keys.new").exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_shows_nothing_and_opens_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"localhost"));
        let answer = KeyStore::open(&path, "violet harbour tractor barley").map(|_| ());
        assert!(matches!(answer, Err(KeyStoreError::Passphrase(PassphraseError::WrongPassphrase))));
    }

    #[test]
    fn a_file_is_never_overwritten_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        let answer = KeyStore::create(&path, "violet harbour tractor barley", CHEAP, state()).map(|_| ());
        assert!(matches!(answer, Err(KeyStoreError::Exists(_))));
        let missing = KeyStore::open(&folder.path().join("bob.keys"), "x").map(|_| ());
        assert!(matches!(missing, Err(KeyStoreError::Missing(_))));
    }

    #[test]
    fn two_stores_on_one_file_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        let one = KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        let other = KeyStore::open(&path, "violet harbour tractor sesame").unwrap();
        std::thread::scope(|scope| {
            for (store, first) in [(&one, 0u8), (&other, 100)] {
                scope.spawn(move || {
                    for number in first..first + 20 {
                        let id = ConversationId::from_bytes([number; 16]);
                        store.update(|state| state.generations.insert(id, 1)).unwrap();
                    }
                });
            }
        });
        one.reload().unwrap();
        assert_eq!(one.read(|state| state.generations.len()), 40);
    }

    #[test]
    fn a_change_that_cannot_be_written_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        let store = KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state()).unwrap();
        std::fs::create_dir(folder.path().join("ann.keys.new")).unwrap();
        let id = ConversationId::from_bytes([1; 16]);
        assert!(store.update(|state| state.generations.insert(id, 1)).is_err());
        assert_eq!(store.read(|state| state.generations.len()), 0);
    }
}
