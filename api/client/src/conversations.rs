//! The keys of conversations: which generation is current, its key, who waits for it, and making a new one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::conversation::binding::Transcript;
use domain::conversation::{Suite, Wrap};
use domain::{AccountId, AccountRecipient, ConversationId, OrganizationId, RecipientId};

use crate::api::{self, dto};
use crate::e2ee::{
    CertifiedRecipient, DeviceKeys, GenerationContext, GenerationKey, HpkeSecret, OpenWrapError, RecoveryKey,
};
use crate::edge;
use crate::error::Error;
use crate::http::Position;
use crate::people::{People, may_come};
use crate::session::Session;

/// How often a commit or message is made anew because the membership changed meanwhile.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// First wait for something that is about to be there.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest single wait for a wrap: about two and a half seconds in all.
const WAIT_MAX: Duration = Duration::from_millis(1_280);

/// The generation that messages are sent under.
#[derive(Clone, Debug)]
pub struct Current {
    /// Its number.
    pub generation: u32,
    /// Its key.
    pub key: GenerationKey,
}

#[derive(Clone)]
struct Known {
    key: GenerationKey,
    /// Whose device the key came from.
    from: AccountId,
}

#[derive(Default)]
struct Entry {
    /// Never changes.
    organization_id: Option<OrganizationId>,
    /// The generation in force, as far as known.
    current: Option<u32>,
    /// Where keys were handed out last, as far as seen: wraps are asked for as of then.
    keys_at: Option<Position>,
    keys: HashMap<u32, Known>,
}

/// The keys of every conversation that this client has to do with.
pub struct Conversations {
    session: Arc<Session>,
    people: Arc<People>,
    entries: Mutex<HashMap<ConversationId, Entry>>,
    device: Mutex<Option<Arc<DeviceKeys>>>,
    /// Opens what was wrapped before this device was enrolled, while the vault is open.
    recovery: Mutex<Option<Arc<RecoveryKey>>>,
    /// Held while a generation is settled, so that one device makes one at a time.
    settling: tokio::sync::Mutex<()>,
}

impl Conversations {
    /// Knows no keys yet.
    pub fn new(session: Arc<Session>, people: Arc<People>) -> Self {
        let settling = tokio::sync::Mutex::new(());
        let (entries, device, recovery) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { session, people, entries, device, recovery, settling }
    }

    /// The generation in force and its key; commits a new one when the conversation requires it.
    ///
    /// # Errors
    /// [`Error::WaitingForKey`] when this device has not got its wrap yet, [`Error::NotInConversation`], [`Error::RolledBack`],
    /// [`Error::StrangersKey`], [`Error::Directory`] when a recipient's keys are not believed, [`Error::Contention`],
    /// [`Error::Api`].
    pub async fn current(&self, id: ConversationId) -> Result<Current, Error> {
        if let Some(current) = self.cached(id) {
            return Ok(current);
        }
        let _settling = self.settling.lock().await;
        let own: AccountRecipient = self.device()?.account_device().into();
        let mut outrun = Error::NotInConversation(id);
        let mut wait = FIRST_WAIT;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(current) = self.cached(id) {
                return Ok(current);
            }
            let roster = self.roster(id).await?;
            if !roster.recipients.iter().any(|one| one.account_recipient() == own) {
                // A new device is brought into conversations shortly after it was enrolled.
                tokio::time::sleep(edge::jittered(wait)).await;
                wait *= 2;
                continue;
            }
            if roster.generation > 0 && !roster.commit_required {
                let Known { key, from } = self.known_soon(id, &roster).await?;
                if !roster.recipients.iter().any(|one| one.account_id == from) {
                    return Err(Error::StrangersKey { conversation_id: id, account_id: from });
                }
                self.entry(id, |entry| entry.current = Some(roster.generation));
                return Ok(Current { generation: roster.generation, key });
            }
            match self.commit(id, &roster).await {
                Ok(current) => return Ok(current),
                // The membership is another by now, or a device in it was revoked and is about to be taken out.
                Err(error) if is_outrun(&error) || may_come(&error) => outrun = error,
                Err(error) => return Err(error),
            }
        }
        Err(outrun)
    }

    /// Forgets which generation is in force: something about the conversation has changed. Keys stay.
    pub fn changed(&self, id: ConversationId) {
        self.entry(id, |entry| entry.current = None);
    }

    /// Forgets which generation is in force anywhere: something may have been missed.
    pub fn all_changed(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values_mut().for_each(|entry| entry.current = None);
    }

    /// Takes note that `generation` was committed: any other is in force no more.
    pub(crate) fn committed(&self, id: ConversationId, generation: u32) {
        self.entry(id, |entry| entry.current = entry.current.filter(|current| *current == generation));
    }

    /// Takes note that keys were handed out at `position`.
    pub(crate) fn keys_given(&self, id: ConversationId, position: &Position) {
        self.entry(id, |entry| entry.keys_at = Some(position.clone()));
    }

    /// The key of a generation, opened from this device's wrap when it is not known.
    ///
    /// # Errors
    /// [`Error::WaitingForKey`], [`Error::OpenWrap`], [`Error::Directory`], [`Error::Api`].
    pub async fn key(&self, id: ConversationId, generation: u32) -> Result<GenerationKey, Error> {
        Ok(self.known(id, generation).await?.key)
    }

    /// The key of the generation in force. The roster is told from where commands are decided, wraps from a read model a
    /// little behind it: a wrap that has to be there is waited for.
    async fn known_soon(&self, id: ConversationId, roster: &dto::Roster) -> Result<Known, Error> {
        let own: AccountRecipient = self.device()?.account_device().into();
        let is_there = roster.recipients.iter().any(|one| one.account_recipient() == own && !one.waiting);
        let mut wait = FIRST_WAIT;
        loop {
            match self.known(id, roster.generation).await {
                Err(Error::WaitingForKey { .. }) if is_there && wait <= WAIT_MAX => {
                    tokio::time::sleep(edge::jittered(wait)).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
    }

    async fn known(&self, id: ConversationId, generation: u32) -> Result<Known, Error> {
        if let Some(known) = self.entry(id, |entry| entry.keys.get(&generation).cloned()) {
            return Ok(known);
        }
        let mut unopened = None;
        let keys_at = self.entry(id, |entry| entry.keys_at.clone());
        let told = api::conversations::own_wraps(&self.session, id, generation, keys_at).await?;
        for (recipient, secret) in self.secrets()? {
            let Some(told) = told.iter().find(|told| told.wrap.recipient() == recipient) else {
                continue;
            };
            match self.open(id, told, recipient, &secret).await? {
                Ok(key) => {
                    let known = Known { key, from: told.sender_id };
                    self.entry(id, |entry| entry.keys.insert(generation, known.clone()));
                    return Ok(known);
                }
                Err(source) => {
                    unopened = Some(source);
                    self.report(id, generation, recipient.recipient_id, source).await;
                }
            }
        }
        Err(match unopened {
            Some(source) => Error::OpenWrap { conversation_id: id, generation, source },
            None => Error::WaitingForKey { conversation_id: id, generation },
        })
    }

    async fn open(
        &self,
        id: ConversationId,
        told: &dto::ToldWrap,
        recipient: AccountRecipient,
        secret: &HpkeSecret,
    ) -> Result<Result<GenerationKey, OpenWrapError>, Error> {
        let sender = self.people.device(told.sender_id, told.device_id).await?;
        let context = GenerationContext {
            organization_id: self.organization(id).await?,
            conversation_id: id,
            generation: told.generation,
            suite: told.suite,
            transcript: told.transcript,
        };
        Ok(GenerationKey::open(&told.wrap, &context, recipient, secret, &sender))
    }

    /// Tells the server that a wrap does not open, so that its recipient waits for another. Old generations get no new
    /// wraps: that the server refuses then changes nothing.
    async fn report(
        &self,
        id: ConversationId,
        generation: u32,
        recipient: RecipientId,
        source: OpenWrapError,
    ) {
        tracing::warn!(conversation = %id, generation, %source, "a wrap does not open: reporting it");
        if let Err(error) = api::conversations::report_wrap(&self.session, id, generation, recipient).await {
            tracing::warn!(conversation = %id, generation, %error, "a wrap could not be reported");
        }
    }

    /// What wraps can be opened with: the device's key, and the recovery key while the vault is open.
    fn secrets(&self) -> Result<Vec<(AccountRecipient, HpkeSecret)>, Error> {
        let device = self.device()?;
        let mut secrets = vec![(device.account_device().into(), device.hpke().clone())];
        let recovery = self.recovery.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |key: &RecoveryKey| AccountRecipient::new(device.account_id(), key.recipient_id());
        secrets.extend(recovery.iter().map(|key| (name(key), key.secret().clone())));
        Ok(secrets)
    }

    /// Opens with the recovery key, too, from now on: what was sent before this device was enrolled can be read.
    pub fn use_recovery(&self, key: RecoveryKey) {
        *self.recovery.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }

    /// The membership as the server tells of it now.
    ///
    /// # Errors
    /// [`Error::RolledBack`], [`Error::Api`], [`Error::KeyStore`].
    pub async fn roster(&self, id: ConversationId) -> Result<dto::Roster, Error> {
        let roster = api::conversations::roster(&self.session, id).await?;
        let store = self.session.store();
        let seen = store.read(|state| state.generations.get(&id).copied()).unwrap_or_default();
        if roster.generation < seen {
            return Err(Error::RolledBack { conversation_id: id, told: roster.generation, seen });
        }
        if roster.generation > seen {
            self.saw(id, roster.generation)?;
        }
        Ok(roster)
    }

    fn saw(&self, id: ConversationId, generation: u32) -> Result<(), Error> {
        self.session.store().update(|state| {
            let highest = state.generations.entry(id).or_default();
            *highest = generation.max(*highest);
        })?;
        Ok(())
    }

    /// Makes a new generation for exactly the recipients of `roster`, each certified by its account.
    async fn commit(&self, id: ConversationId, roster: &dto::Roster) -> Result<Current, Error> {
        let device = self.device()?;
        let organization_id = self.organization(id).await?;
        let generation = roster.generation + 1;
        let transcript =
            Transcript { previous: roster.transcript, generation, organization_id, conversation_id: id };
        let context = GenerationContext {
            organization_id,
            conversation_id: id,
            generation,
            suite: Suite::X25519Siv,
            transcript: transcript
                .digest(roster.recipients.iter().map(|one| (one.account_id, &one.recipient))),
        };
        let recipients = self.certified(roster).await?;
        let (key, wraps) = wrap_for_all(&context, &recipients, &device)?;
        api::conversations::commit(&self.session, &context, wraps).await?;
        self.saw(id, generation)?;
        self.entry(id, |entry| {
            entry.keys.insert(generation, Known { key: key.clone(), from: device.account_id() });
            entry.current = Some(generation);
        });
        Ok(Current { generation, key })
    }

    async fn certified(&self, roster: &dto::Roster) -> Result<Vec<CertifiedRecipient>, Error> {
        let accounts: BTreeSet<_> = roster.recipients.iter().map(|one| one.account_id).collect();
        self.people.fetch_unknown(accounts).await?;
        let mut certified = Vec::with_capacity(roster.recipients.len());
        for one in &roster.recipients {
            certified.push(self.people.recipient(one.account_id, &one.recipient).await?);
        }
        Ok(certified)
    }

    /// Wraps the current generation for every recipient that waits for it and is certified by its member's identity key;
    /// tells how many were given theirs. Recipients whose keys are not believed are passed over.
    ///
    /// # Errors
    /// As [`Conversations::current`].
    pub async fn give_wraps(&self, id: ConversationId) -> Result<usize, Error> {
        let device = self.device()?;
        let roster = self.roster(id).await?;
        let waiting: Vec<_> = roster.recipients.iter().filter(|one| one.waiting).collect();
        let Some(suite) = roster.suite.filter(|_| !waiting.is_empty() && !roster.commit_required) else {
            return Ok(0);
        };
        let key = match self.key(id, roster.generation).await {
            Ok(key) => key,
            // This device waits itself: another one has to give.
            Err(Error::WaitingForKey { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let context = GenerationContext {
            organization_id: self.organization(id).await?,
            conversation_id: id,
            generation: roster.generation,
            suite,
            transcript: roster.transcript,
        };
        let mut given = 0;
        for one in waiting {
            let certified = match self.people.recipient(one.account_id, &one.recipient).await {
                Ok(certified) => certified,
                Err(Error::Directory(error)) => {
                    tracing::warn!(conversation = %id, %error, "nothing is wrapped for a recipient");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let wrap = key.wrap(&context, &certified, &device, &mut edge::random())?;
            match api::conversations::add_wrap(&self.session, &context, wrap).await {
                Ok(()) => given += 1,
                // Somebody else was faster, or the generation or the recipient is gone: nothing is left to do.
                Err(error) if is_settled(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(given)
    }

    fn cached(&self, id: ConversationId) -> Option<Current> {
        self.entry(id, |entry| {
            let generation = entry.current?;
            let key = entry.keys.get(&generation)?.key.clone();
            Some(Current { generation, key })
        })
    }

    async fn organization(&self, id: ConversationId) -> Result<OrganizationId, Error> {
        if let Some(organization) = self.entry(id, |entry| entry.organization_id) {
            return Ok(organization);
        }
        let organization = api::conversations::get(&self.session, id).await?.organization_id;
        self.entry(id, |entry| entry.organization_id = Some(organization));
        Ok(organization)
    }

    /// The device's keys; made from what is stored once, since deriving a public key takes as long as signing.
    pub(crate) fn device(&self) -> Result<Arc<DeviceKeys>, Error> {
        let mut kept = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.session.store().read(|state| {
            let id = state.device_id().ok_or(Error::NoDevice)?;
            let same = kept.as_ref().filter(|device| device.device_id() == id);
            Ok::<_, Error>(same.cloned().or_else(|| state.device().map(Arc::new)))
        })?;
        *kept = stored;
        kept.clone().ok_or(Error::NoDevice)
    }

    fn entry<T>(&self, id: ConversationId, look: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries: MutexGuard<'_, _> = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        look(entries.entry(id).or_default())
    }
}

fn wrap_for_all(
    context: &GenerationContext,
    recipients: &[CertifiedRecipient],
    device: &DeviceKeys,
) -> Result<(GenerationKey, Vec<Wrap>), Error> {
    let mut random = edge::random();
    let key = GenerationKey::generate(&mut random);
    let mut wraps = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        wraps.push(key.wrap(context, recipient, device, &mut random)?);
    }
    wraps.sort_by_key(Wrap::recipient);
    Ok((key, wraps))
}

/// Whether a commit came too late for the membership it was made for.
fn is_outrun(error: &Error) -> bool {
    ["generation_conflict", "wraps_mismatch", "transcript_mismatch"].iter().any(|code| error.is(code))
}

fn is_settled(error: &crate::problem::ApiError) -> bool {
    ["wrap_exists", "stale_generation", "recipient_not_found"].iter().any(|code| error.is(code))
}
