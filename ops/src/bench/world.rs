//! An organization with people, devices and encrypted conversations, made through the services without HTTP: what benches of
//! the parts behind the edge work on. Keys, certificates and wraps are real.

use std::sync::atomic::{AtomicU64, Ordering};

use commands::Services;
use commands::request::{self, CommandIdentity, Request, command_id};
use commands::services::{InvitationToken, NewConversation, NewInvitation};
use domain::conversation::commands::{NewGeneration, SendMessage};
use domain::conversation::{
    Conversation, ConversationKind, ConversationTitle, HistoryVisibility, MessageBody, Suite,
};
use domain::device::commands::{DeviceCommand, EnrollDevice, PublishIdentity};
use domain::device::{DeviceLabel, DeviceSet, IdentityVault};
use domain::organization::{OrganizationProfile, OrganizationRole};
use domain::session::commands::{SessionCommand, StartSession};
use domain::session::{Session, SessionOrigin};
use domain::{
    AccountId, Actor, Blob, ConversationId, CorrelationId, DeviceId, Digest, OrganizationId, SessionId,
};
use envoi_client::e2ee::{
    AccountKeys, ClaimedKeys, Content, DeviceKeys, GenerationContext, GenerationKey, RecoveryKey, Vault,
};
use envoi_client::edge;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::cli::CliError;

/// People who enter at once.
const AT_ONCE: usize = 32;

/// Somebody with one device.
pub struct Person {
    /// The account.
    pub account_id: AccountId,
    device: DeviceKeys,
    keys: AccountKeys,
}

/// A conversation with a committed generation.
pub struct Room {
    /// Its id.
    pub conversation_id: ConversationId,
    members: Vec<usize>,
    generation: u32,
    bodies: Vec<MessageBody>,
}

/// The organization.
pub struct World {
    services: Services,
    organization_id: OrganizationId,
    people: Vec<Person>,
    next: AtomicU64,
}

fn failed(error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed("the bench could not make its world").because(error)
}

impl World {
    /// An organization of `people` members, each with one device.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn found(services: Services, people: usize) -> Result<Self, CliError> {
        let mut world = Self {
            services,
            organization_id: OrganizationId::from_bytes([0; 16]),
            people: Vec::new(),
            next: AtomicU64::new(0),
        };
        let entering = stream::iter(0..people).map(|_| world.enter()).buffered(AT_ONCE);
        let people: Vec<_> = entering.try_collect().await?;
        world.people = people;
        let organizations = world.services.organizations.clone();
        let profile = OrganizationProfile { name: "Bench".to_owned() };
        let created = organizations.create(&world.by(0)?, profile).await.map_err(|error| failed(&error))?;
        world.organization_id = OrganizationId::from(created.stream.id);
        let new = NewInvitation {
            role: OrganizationRole::Member,
            uses_max: 10_000,
            expires_at: edge::now().plus_seconds(86_400),
        };
        let invited = organizations
            .create_invitation(&world.by(0)?, world.organization_id, new)
            .await
            .map_err(|error| failed(&error))?;
        stream::iter(1..world.people.len())
            .map(|index| world.join(index, &invited.token))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(world)
    }

    async fn join(&self, index: usize, token: &InvitationToken) -> Result<(), CliError> {
        let joined = self.services.organizations.accept_invitation(&self.by(index)?, token).await;
        joined.map(|_| ()).map_err(|error| failed(&error))
    }

    fn request(&self, actor: AccountId) -> Request {
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let actor = Actor::account(actor);
        let command = CommandIdentity {
            id: command_id(actor, &key),
            content: request::Content::of("bench", &[key.as_bytes()]),
        };
        Request::new(edge::now(), actor, command, CorrelationId::from_bytes(*command.id.as_bytes()))
    }

    fn person(&self, index: usize) -> Result<&Person, CliError> {
        self.people.get(index).ok_or_else(|| CliError::failed("the bench has no such person"))
    }

    fn by(&self, index: usize) -> Result<Request, CliError> {
        let person = self.person(index)?;
        Ok(self.request(person.account_id).with_device(Some(person.device.device_id())))
    }

    async fn enter(&self) -> Result<Person, CliError> {
        let account_id: AccountId = edge::new_id();
        let mut random = edge::random();
        let vault = Vault::generate(edge::new_id(), &mut random);
        let device = DeviceKeys::generate(account_id, edge::new_id(), &mut random);
        let certified = vault.identity.certify_device(&device);
        let keys = claimed(account_id, &vault, &vault.recovery, certified);
        let publish = PublishIdentity {
            account_id,
            identity_key: keys.identity_key,
            recovery_id: keys.recovery_id,
            recovery_key: keys.recovery_key,
            recovery_certificate: keys.recovery_certificate,
            vault: IdentityVault { encrypted_private_key: Blob::new(vec![1; 256]) },
            reset: None,
        };
        let executor = &self.services.executor;
        executor
            .execute::<DeviceSet>(
                account_id,
                DeviceCommand::PublishIdentity(publish),
                &self.request(account_id),
            )
            .await
            .map_err(|error| failed(&error))?;
        let certified = vault.identity.certify_device(&device);
        let enroll = EnrollDevice {
            device_id: certified.device_id,
            hpke_key: certified.hpke_key,
            verify_key: certified.verify_key,
            certificate: certified.certificate,
            label: DeviceLabel { name: "bench".to_owned() },
        };
        executor
            .execute::<DeviceSet>(account_id, DeviceCommand::Enroll(enroll), &self.request(account_id))
            .await
            .map_err(|error| failed(&error))?;
        let keys = AccountKeys::verify(&keys, None).map_err(|error| failed(&error))?;
        Ok(Person { account_id, device, keys })
    }

    /// Begins a session of somebody's device, without a password; whose it is.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn begin_session(&self, index: usize) -> Result<(AccountId, SessionId, DeviceId), CliError> {
        let person = self.person(index)?;
        let (account_id, session_id) = (person.account_id, edge::new_id());
        let device_id = person.device.device_id();
        let start = StartSession {
            session_id,
            account_id,
            device_id: Some(device_id),
            // Of a token that nobody has.
            refresh_hash: Digest::from_bytes([0; 32]),
            password_revision: 0,
            origin: SessionOrigin { ip: None, user_agent: None },
        };
        let executor = &self.services.executor;
        let (start, request) = (SessionCommand::Start(start), self.by(index)?);
        executor.execute::<Session>(session_id, start, &request).await.map_err(|error| failed(&error))?;
        Ok((account_id, session_id, device_id))
    }

    /// Opens a conversation of the people with these indexes and commits its first generation.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn open(&self, members: Vec<usize>) -> Result<Room, CliError> {
        let first = members.first().copied().ok_or_else(|| CliError::failed("a conversation of nobody"))?;
        let others: Vec<AccountId> = members
            .iter()
            .skip(1)
            .map(|index| self.person(*index).map(|one| one.account_id))
            .collect::<Result<_, _>>()?;
        let new = NewConversation {
            organization_id: self.organization_id,
            workspace_id: None,
            kind: ConversationKind::Group,
            title: ConversationTitle { title: Some("Bench".to_owned()), topic: None },
            allows_plaintext: false,
            history_visibility: HistoryVisibility::Joined,
            members: others,
        };
        let created = self
            .services
            .conversations
            .create(&self.by(first)?, new)
            .await
            .map_err(|error| failed(&error))?;
        let conversation_id = ConversationId::from(created.stream.id);
        let (key, context) = self.commit(conversation_id, first, &members).await?;
        let mut bodies = Vec::with_capacity(members.len());
        for index in &members {
            bodies.push(self.body(&context, &key, *index)?);
        }
        Ok(Room { conversation_id, members, generation: context.generation, bodies })
    }

    async fn commit(
        &self,
        conversation_id: ConversationId,
        by: usize,
        members: &[usize],
    ) -> Result<(GenerationKey, GenerationContext), CliError> {
        let loaded = self
            .services
            .executor
            .load::<Conversation>(conversation_id)
            .await
            .map_err(|error| failed(&error))?;
        let transcript = loaded
            .state
            .next_transcript()
            .ok_or_else(|| CliError::failed("a conversation without members"))?;
        let context = GenerationContext {
            organization_id: self.organization_id,
            conversation_id,
            generation: 1,
            suite: Suite::X25519Siv,
            transcript,
        };
        let mut random = edge::random();
        let key = GenerationKey::generate(&mut random);
        let sender = &self.person(by)?.device;
        let mut wraps = Vec::new();
        for index in members {
            let person = self.person(*index)?;
            for recipient in loaded.state.recipients_of(person.account_id) {
                let certified = person.keys.recipient(recipient).map_err(|error| failed(&error))?;
                let wrap =
                    key.wrap(&context, &certified, sender, &mut random).map_err(|error| failed(&error))?;
                wraps.push(wrap);
            }
        }
        wraps.sort_by_key(domain::conversation::Wrap::recipient);
        let new = NewGeneration { generation: 1, suite: Suite::X25519Siv, transcript, wraps };
        self.services
            .conversations
            .commit_generation(&self.by(by)?, conversation_id, new)
            .await
            .map_err(|error| failed(&error))?;
        Ok((key, context))
    }

    fn body(
        &self,
        context: &GenerationContext,
        key: &GenerationKey,
        index: usize,
    ) -> Result<MessageBody, CliError> {
        let person = self.person(index)?;
        let binding = domain::conversation::binding::MessageBinding {
            conversation_id: context.conversation_id,
            generation: context.generation,
            sender_id: person.account_id,
            device_id: person.device.device_id(),
            message_id: edge::new_id(),
            kind: domain::conversation::binding::ContentKind::Message,
            target: 0,
        };
        let content =
            Content::text("The engine weaves algebraic patterns just as the loom weaves flowers and leaves.");
        envoi_client::e2ee::message::seal(&content, &binding, key, &person.device, &mut edge::random())
            .map_err(|error| failed(&error))
    }

    /// Sends the `n`th message of a conversation, its members taking turns; returns when it is durable. What is sent is a
    /// real ciphertext of the sender, made before: benches of the parts behind the edge do not measure clients.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn send(&self, room: &Room, n: usize) -> Result<(), CliError> {
        let turn = n % room.members.len().max(1);
        let (Some(index), Some(body)) = (room.members.get(turn), room.bodies.get(turn)) else {
            return Err(CliError::failed("a conversation of nobody"));
        };
        let command = SendMessage {
            message_id: edge::new_id(),
            generation: room.generation,
            reply_to: None,
            body: body.clone(),
        };
        self.services
            .conversations
            .send(&self.by(*index)?, room.conversation_id, command)
            .await
            .map(|_| ())
            .map_err(|error| CliError::failed("a send failed").because(&error))
    }
}

fn claimed(
    account_id: AccountId,
    vault: &Vault,
    recovery: &RecoveryKey,
    device: envoi_client::e2ee::ClaimedDevice,
) -> ClaimedKeys {
    ClaimedKeys {
        account_id,
        identity_key: vault.identity.public(),
        recovery_id: recovery.recipient_id(),
        recovery_key: recovery.secret().public(),
        recovery_certificate: vault.identity.certify_recovery(account_id, recovery),
        devices: vec![device],
    }
}
