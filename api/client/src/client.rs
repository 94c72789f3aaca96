//! What an application works with: a server, and somebody logged in there with the keys of a device.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::conversation::ConversationRole;
use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::{AccountId, Blob, ConversationId, DeviceId, MessageId, OrganizationId, WorkspaceId};

use crate::api::{self, dto, messages::Range};
use crate::conversations::Conversations;
use crate::e2ee::{Content, Cost, DeviceKeys, PassphraseError, PassphraseKey, Vault, is_weak};
use crate::edge;
use crate::error::Error;
use crate::http::{Http, Position};
use crate::keystore::{KeyState, KeyStore, KnownIdentity};
use crate::live::Live;
use crate::messages::{Message, Messages, Sent};
use crate::people::People;
use crate::receipts::Receipts;
use crate::session::Session;

/// A server, before anybody has logged in.
#[derive(Clone)]
pub struct Server {
    http: Http,
}

/// Where a client keeps its keys and session.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    /// In memory: the device is lost with the process.
    Memory,
    /// In a file under a passphrase, which is not the login's password.
    File {
        /// The file.
        path: &'a Path,
        /// Its passphrase.
        passphrase: &'a str,
        /// What opening it costs, when it is made.
        cost: Cost,
    },
}

impl Server {
    /// Names a server by its address, such as `https://envoi.example`.
    ///
    /// # Errors
    /// [`Error::Api`] for something that is no such address.
    pub fn new(base: &str) -> Result<Self, Error> {
        Ok(Self { http: Http::new(base)? })
    }

    /// Registers an account. The answer is the same whether the address was known or not.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn register(&self, new: &dto::Registration) -> Result<(), Error> {
        Ok(api::auth::register(&self.http, new).await?)
    }

    /// Confirms the e-mail address by the token that was sent to it.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn confirm_email(&self, token: &str) -> Result<(), Error> {
        Ok(api::auth::confirm_email(&self.http, token).await?)
    }

    /// Logs in. A key file that is there already has to be this account's; its device is the session's. The passphrase of a
    /// new one has to be hard to guess, and not the password, which the server sees.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::KeyStore`], [`Error::ForeignKeyFile`], [`Error::Passphrase`].
    pub async fn login(&self, email: &str, password: &str, keep: Keep<'_>) -> Result<Client, Error> {
        let existing = match keep {
            Keep::File { path, passphrase, .. } if path.exists() => Some(self.open(path, passphrase)?),
            // Before anything is asked of the server.
            Keep::File { passphrase, .. } if is_weak(passphrase) || passphrase == password => {
                return Err(PassphraseError::Weak.into());
            }
            Keep::File { .. } | Keep::Memory => None,
        };
        let device = existing.as_ref().and_then(|store| store.read(enrolled_device));
        let keys = existing.as_ref().and_then(|store| store.read(KeyState::enrolled_device));
        let proof = keys.map(|keys| keys.login_proof(edge::now()));
        let tokens = api::auth::login(&self.http, email, password, device, proof).await?;
        let store = match (existing, keep) {
            (Some(store), _) if store.read(|state| state.account_id) != tokens.account_id => {
                return Err(Error::ForeignKeyFile);
            }
            (Some(store), _) => store,
            (None, Keep::Memory) => KeyStore::in_memory(self.new_state(tokens.account_id)),
            (None, Keep::File { path, passphrase, cost }) => {
                KeyStore::create(path, passphrase, cost, self.new_state(tokens.account_id))?
            }
        };
        let session = Session::begin(self.http.clone(), Arc::new(store), tokens)?;
        Ok(Client::new(session))
    }

    /// Goes on with the session that a key file keeps.
    ///
    /// # Errors
    /// [`Error::KeyStore`], [`Error::ForeignKeyFile`].
    pub fn resume(&self, path: &Path, passphrase: &str) -> Result<Client, Error> {
        let store = self.open(path, passphrase)?;
        Ok(Client::new(Session::resume(self.http.clone(), Arc::new(store))))
    }

    fn open(&self, path: &Path, passphrase: &str) -> Result<KeyStore, Error> {
        let store = KeyStore::open(path, passphrase)?;
        let ours = store.read(|state| state.server == self.http.base());
        if ours { Ok(store) } else { Err(Error::ForeignKeyFile) }
    }

    fn new_state(&self, account: AccountId) -> KeyState {
        KeyState::new(self.http.base(), account)
    }
}

fn enrolled_device(state: &KeyState) -> Option<DeviceId> {
    state.device_id().filter(|_| state.enrolled)
}

/// Somebody logged in.
pub struct Client {
    session: Arc<Session>,
    people: Arc<People>,
    conversations: Arc<Conversations>,
    messages: Arc<Messages>,
    pub(crate) receipts: Arc<Receipts>,
}

impl Client {
    /// Goes on with the session that a key file keeps, on the server that it names.
    ///
    /// # Errors
    /// [`Error::KeyStore`], [`Error::Api`] for an address that is none.
    pub fn resume(path: &Path, passphrase: &str) -> Result<Self, Error> {
        let store = KeyStore::open(path, passphrase)?;
        let http = Http::new(&store.read(|state| state.server.clone()))?;
        Ok(Self::new(Session::resume(http, Arc::new(store))))
    }

    pub(crate) fn new(session: Session) -> Self {
        let session = Arc::new(session);
        let people = Arc::new(People::new(Arc::clone(&session)));
        let conversations = Arc::new(Conversations::new(Arc::clone(&session), Arc::clone(&people)));
        let messages =
            Arc::new(Messages::new(Arc::clone(&session), Arc::clone(&people), Arc::clone(&conversations)));
        let receipts = Receipts::new(Arc::clone(&session));
        Self { session, people, conversations, messages, receipts }
    }

    /// The session: for requests that this type has no method for (see [`crate::api`]).
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Other people's keys and safety numbers.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// The keys of conversations.
    pub fn conversations(&self) -> &Arc<Conversations> {
        &self.conversations
    }

    /// Sending and reading.
    pub fn messages(&self) -> &Arc<Messages> {
        &self.messages
    }

    /// Who is logged in.
    pub fn account_id(&self) -> AccountId {
        self.session.store().read(|state| state.account_id)
    }

    /// On which device, once it is enrolled.
    pub fn device_id(&self) -> Option<DeviceId> {
        self.session.store().read(enrolled_device)
    }

    /// Gives this client a device of its own: publishes the account's identity when there is none yet, else opens its vault
    /// with the passphrase; makes and certifies device keys; enrolls them. Can be repeated after any failure; does nothing
    /// when all is done. Opening the vault lets this device read what was sent before ([`Conversations::use_recovery`]).
    ///
    /// # Errors
    /// [`Error::Passphrase`], [`Error::ForeignVault`], [`Error::Enrolment`], [`Error::Api`], [`Error::KeyStore`].
    pub async fn set_up(&self, passphrase: &str, cost: Cost, device_name: &str) -> Result<(), Error> {
        if self.device_id().is_some() {
            return Ok(());
        }
        let vault = self.vault(passphrase, cost).await?;
        self.become_device(vault, device_name).await
    }

    /// Makes a new identity for an account that has one, and this client its only device: for whoever has lost all devices and
    /// the passphrase, and has reset the password by mail within the last day. The other devices are revoked, others see another
    /// safety number, and **what was sent before cannot be read any more**. Whatever fails after the identity was published is
    /// made up for by [`Client::set_up`].
    ///
    /// # Errors
    /// [`Error::Api`], with `identity_exists` when the password was not reset of late; as [`Client::set_up`].
    pub async fn begin_anew(&self, passphrase: &str, cost: Cost, device_name: &str) -> Result<(), Error> {
        let (vault, sealed) = self.new_vault(passphrase, cost)?;
        api::devices::publish_identity(&self.session, self.account_id(), &vault, sealed.clone()).await?;
        self.keep_vault(&vault, Blob::new(sealed))?;
        self.become_device(vault, device_name).await
    }

    async fn become_device(&self, vault: Vault, device_name: &str) -> Result<(), Error> {
        let device = self.new_device()?;
        self.enroll(&vault, &device, device_name).await?;
        self.session.store().update(|state| state.enrolled = true)?;
        let token = self.session.token().await?;
        self.session.renew(&token).await?;
        self.people.forget(self.account_id());
        self.conversations.use_recovery(vault.recovery);
        Ok(())
    }

    /// Opens the vault, so that what was sent before this device was enrolled can be read.
    ///
    /// # Errors
    /// As [`Client::set_up`].
    pub async fn unlock_history(&self, passphrase: &str) -> Result<(), Error> {
        let sealed = api::devices::vault(&self.session).await?.ok_or(Error::NoKeys(self.account_id()))?;
        let vault = self.open_vault(passphrase, sealed)?;
        self.conversations.use_recovery(vault.recovery);
        Ok(())
    }

    async fn vault(&self, passphrase: &str, cost: Cost) -> Result<Vault, Error> {
        if let Some(sealed) = api::devices::vault(&self.session).await? {
            return self.open_vault(passphrase, sealed);
        }
        let account = self.account_id();
        let (vault, sealed) = self.new_vault(passphrase, cost)?;
        match api::devices::publish_identity(&self.session, account, &vault, sealed.clone()).await {
            Ok(()) => {
                self.keep_vault(&vault, Blob::new(sealed))?;
                Ok(vault)
            }
            // Another device of the account was faster: its keys are the account's.
            Err(error) if error.is("identity_exists") => {
                let sealed = api::devices::vault(&self.session).await?.ok_or(Error::NoKeys(account))?;
                self.open_vault(passphrase, sealed)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn new_vault(&self, passphrase: &str, cost: Cost) -> Result<(Vault, Vec<u8>), Error> {
        let mut random = edge::random();
        let vault = Vault::generate(edge::new_id(), &mut random);
        let key = PassphraseKey::new(passphrase, cost, &mut random)?;
        let sealed = vault.seal(self.account_id(), &key, &mut random)?;
        Ok((vault, sealed))
    }

    fn open_vault(&self, passphrase: &str, sealed: Blob) -> Result<Vault, Error> {
        let account = self.account_id();
        let vault = Vault::open(account, passphrase, sealed.as_slice())?;
        let known = self.session.store().read(|state| state.identities.get(&account).copied());
        if known.is_some_and(|known| known.identity_key != vault.identity.public()) {
            return Err(Error::ForeignVault);
        }
        self.keep_vault(&vault, sealed)?;
        Ok(vault)
    }

    /// One's own identity key came out of the vault. There is nobody to compare it with.
    fn keep_vault(&self, vault: &Vault, sealed: Blob) -> Result<(), Error> {
        let account = self.account_id();
        let own = KnownIdentity { identity_key: vault.identity.public(), verified: false };
        self.session.store().update(|state| {
            state.vault = Some(sealed);
            state.identities.insert(account, own);
        })?;
        Ok(())
    }

    /// Keys are kept before the server hears of them: a lost answer then loses no device.
    fn new_device(&self) -> Result<DeviceKeys, Error> {
        let kept = self.session.store().read(KeyState::device);
        if let Some(device) = kept {
            return Ok(device);
        }
        let device = DeviceKeys::generate(self.account_id(), edge::new_id(), &mut edge::random());
        self.session.store().update(|state| state.set_device(&device))?;
        Ok(device)
    }

    async fn enroll(&self, vault: &Vault, device: &DeviceKeys, name: &str) -> Result<(), Error> {
        let certified = vault.identity.certify_device(device);
        let answer = api::devices::enroll(&self.session, &certified, name).await;
        match answer {
            Err(error) if error.is("device_exists") || error.is("idempotency_key_reused") => {
                // Enrolled at an earlier try whose answer was lost; the session of then was bound to it, not this one.
                let keys = self.people.fetch(self.account_id()).await?;
                let same = keys.device(device.device_id())?.verify_key() == device.verify_key();
                if !same {
                    return Err(Error::Enrolment);
                }
                self.session.store().update(|state| state.enrolled = true)?;
                Err(Error::Enrolment)
            }
            Err(error) if error.is("session_bound") => Err(Error::Enrolment),
            other => Ok(other?),
        }
    }

    /// Logs out, once what is noted to be acknowledged was sent. The device stays enrolled; its keys stay in the key file.
    ///
    /// # Errors
    /// [`Error::Api`], when the server could not be told.
    pub async fn logout(&self) -> Result<(), Error> {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what was acknowledged last is lost");
        }
        Ok(self.session.end().await?)
    }

    /// The account's devices.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn devices(&self) -> Result<Vec<dto::Device>, Error> {
        Ok(api::devices::list(&self.session).await?)
    }

    /// Revokes a device of the account, for good. Each of its conversations gets a new generation before the next message.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn revoke_device(&self, device: DeviceId, cause: DeviceRevocationCause) -> Result<(), Error> {
        api::devices::revoke(&self.session, device, cause).await?;
        self.people.forget(self.account_id());
        Ok(())
    }

    /// Founds an organization.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn create_organization(&self, name: &str) -> Result<OrganizationId, Error> {
        Ok(api::organizations::create(&self.session, name).await?)
    }

    /// Makes an invitation that `uses_max` people can use until `lasts` is over.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn invite(
        &self,
        organization: OrganizationId,
        role: OrganizationRole,
        uses_max: u32,
        lasts: Duration,
    ) -> Result<dto::Invitation, Error> {
        let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
        let expires_at = edge::now().plus_seconds(seconds);
        Ok(api::organizations::invite(&self.session, organization, role, uses_max, expires_at).await?)
    }

    /// Joins an organization by an invitation's token.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn accept_invitation(&self, token: &str) -> Result<OrganizationId, Error> {
        Ok(api::organizations::accept_invitation(&self.session, token).await?)
    }

    /// Creates a workspace.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn create_workspace(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<WorkspaceId, Error> {
        Ok(api::workspaces::create(&self.session, organization, name, None).await?)
    }

    /// Opens a group.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn create_group(
        &self,
        organization: OrganizationId,
        new: &dto::NewGroup,
    ) -> Result<ConversationId, Error> {
        Ok(api::conversations::create_group(&self.session, organization, new).await?)
    }

    /// Opens the conversation with another member, or gives the one there is.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn open_direct(
        &self,
        organization: OrganizationId,
        other: AccountId,
    ) -> Result<ConversationId, Error> {
        Ok(api::conversations::open_direct(&self.session, organization, other).await?)
    }

    /// Adds a member to a group and gives their devices the current key.
    ///
    /// # Errors
    /// [`Error::Api`]; as [`Conversations::give_wraps`], when they are members but without the key.
    pub async fn add_member(
        &self,
        conversation: ConversationId,
        account: AccountId,
        role: ConversationRole,
    ) -> Result<(), Error> {
        api::conversations::add_member(&self.session, conversation, account, role).await?;
        self.conversations.changed(conversation);
        self.conversations.give_wraps(conversation).await.map(|_| ())
    }

    /// Removes a member from a group, or leaves it.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn remove_member(&self, conversation: ConversationId, account: AccountId) -> Result<(), Error> {
        api::conversations::remove_member(&self.session, conversation, account).await?;
        self.conversations.changed(conversation);
        Ok(())
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Messages::send`].
    pub async fn send_text(&self, conversation: ConversationId, text: &str) -> Result<Sent, Error> {
        self.messages.send(conversation, &Content::text(text), None).await
    }

    /// Replaces the text of one's own message.
    ///
    /// # Errors
    /// As [`Messages::edit`].
    pub async fn edit_text(
        &self,
        conversation: ConversationId,
        number: u64,
        id: MessageId,
        text: &str,
    ) -> Result<(), Error> {
        self.messages.edit(conversation, number, id, &Content::text(text)).await
    }

    /// Deletes a message for everyone.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn delete_message(&self, conversation: ConversationId, number: u64) -> Result<(), Error> {
        api::messages::delete(&self.session, conversation, number).await?;
        Ok(())
    }

    /// The newest messages, ascending.
    ///
    /// # Errors
    /// As [`Messages::history`].
    pub async fn latest(&self, conversation: ConversationId, limit: u32) -> Result<Vec<Message>, Error> {
        self.messages.history(conversation, Range::Latest, limit).await
    }

    /// Follows what happens, from `resume_after` on or else from now. Runs on the current tokio runtime.
    pub fn live(&self, resume_after: Option<Position>) -> Live {
        Live::start(self, resume_after)
    }
}
