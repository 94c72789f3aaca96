//! Rules that several commands share. Each says who or what is in the way; what passed comes back as a value, so that a
//! command cannot go on without having asked.

use crate::{
    AccountDevice, AccountId, ActorKind, Aggregate, Context, ConversationId, Digest, Rejection, VerifyKey,
    limits, text,
};

use super::{
    Conversation, ConversationKind, ConversationRole, ConversationTitle, MessageBody, RecipientKind, Suite,
    WrapSigner,
};

/// A current member who gives a command.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which kind of conversation.
    pub kind: ConversationKind,
    /// Who.
    pub account_id: AccountId,
    /// As what.
    pub role: ConversationRole,
}

impl Caller {
    /// Refuses members who are not admins.
    pub(super) fn require_admin(&self) -> Result<(), Rejection> {
        match self.role {
            ConversationRole::Admin => Ok(()),
            ConversationRole::Member => Err(Rejection::RoleInsufficient),
        }
    }

    /// Refuses direct conversations.
    pub(super) fn require_group(&self) -> Result<(), Rejection> {
        match self.kind {
            ConversationKind::Group => Ok(()),
            ConversationKind::Direct => Err(Rejection::DirectIsFixed),
        }
    }
}

/// An active device of a current member that gives a command.
#[derive(Clone, Copy)]
pub(super) struct CallerDevice {
    /// Whose.
    pub caller: Caller,
    /// Which.
    pub device: AccountDevice,
    /// Verifies what it signs.
    pub verify_key: VerifyKey,
}

/// Which limit of size a content has.
#[derive(Clone, Copy)]
pub(super) enum ContentSize {
    Message,
    Reaction,
}

impl Conversation {
    /// The member who gives the command, in a conversation that takes changes.
    pub(super) fn caller(&self, context: &Context) -> Result<Caller, Rejection> {
        let caller = self.reader(context)?;
        if context.standing.is_archived() {
            return Err(Rejection::WorkspaceArchived);
        }
        Ok(caller)
    }

    /// The member who gives a command that an archived workspace takes, too. To everybody else the conversation looks unknown,
    /// also to those whose membership has ended with a term and was not taken down yet.
    pub(super) fn reader(&self, context: &Context) -> Result<Caller, Rejection> {
        let account_id = context.account()?;
        let role = self.standing_role(account_id, &context.standing);
        let (Some(conversation_id), Some(kind), Some(role)) = (self.id(), self.kind(), role) else {
            return Err(Rejection::ConversationNotFound);
        };
        if self.is_deleted() {
            return Err(Rejection::ConversationDeleted);
        }
        Ok(Caller { conversation_id, kind, account_id, role })
    }

    /// The member and the device that give the command; the device is one of the member's active recipients here.
    pub(super) fn caller_device(&self, context: &Context) -> Result<CallerDevice, Rejection> {
        self.device_of(self.caller(context)?, context)
    }

    /// The same for a command that an archived workspace takes, too.
    pub(super) fn reader_device(&self, context: &Context) -> Result<CallerDevice, Rejection> {
        self.device_of(self.reader(context)?, context)
    }

    fn device_of(&self, caller: Caller, context: &Context) -> Result<CallerDevice, Rejection> {
        let device = AccountDevice::new(caller.account_id, context.device()?);
        let recipient = self.recipient(device.into()).filter(|one| one.kind == RecipientKind::Device);
        let verify_key =
            recipient.and_then(|one| one.verify_key).ok_or(Rejection::DeviceNotInConversation)?;
        Ok(CallerDevice { caller, device, verify_key })
    }

    /// The conversation, for what only the platform does.
    pub(super) fn platform(&self, context: &Context) -> Result<ConversationId, Rejection> {
        match context.actor.kind {
            ActorKind::System => self.id().ok_or(Rejection::ConversationNotFound),
            ActorKind::Anonymous | ActorKind::Account | ActorKind::Operator => Err(Rejection::PlatformOnly),
        }
    }

    /// Whether content may come in as it is; says whether it is encrypted.
    ///
    /// Encrypted content is taken under the current generation only, and not at all while a new one is due: whoever left
    /// reads nothing that is sent afterwards. What a ciphertext and its signature are worth is for the readers to verify.
    pub(super) fn accepts(
        &self,
        body: &MessageBody,
        generation: u32,
        size: ContentSize,
    ) -> Result<bool, Rejection> {
        let (bytes_max, too_long) = match size {
            ContentSize::Message => (limits::MESSAGE_CIPHERTEXT_BYTES_MAX, "is longer than 64 KiB"),
            ContentSize::Reaction => (limits::REACTION_CIPHERTEXT_BYTES_MAX, "is longer than 256 bytes"),
        };
        if body.content.is_empty() {
            return Err(Rejection::InvalidField { field: "content", reason: "is empty" });
        }
        if body.content.len() > bytes_max {
            return Err(Rejection::InvalidField { field: "content", reason: too_long });
        }
        let encrypted = body.cipher.is_some();
        if encrypted {
            self.require_in_force(generation)?;
        } else if !self.allows_plaintext() {
            return Err(Rejection::PlaintextRefused);
        } else if generation != 0 {
            return Err(Rejection::InvalidField { field: "generation", reason: "is 0 for content in clear" });
        }
        Ok(encrypted)
    }

    /// Refuses every generation but the one in force, and all of them while a new one is due.
    fn require_in_force(&self, generation: u32) -> Result<(), Rejection> {
        if self.commit_required() {
            return Err(self.stale_generation());
        }
        self.require_current(generation)
    }

    /// Refuses every generation but the one committed last.
    pub(super) fn require_current(&self, generation: u32) -> Result<(), Rejection> {
        if generation == 0 || generation != self.generation() {
            return Err(self.stale_generation());
        }
        Ok(())
    }

    /// Whose signatures the wraps that the device brings for a generation have to bear.
    pub(super) fn wrap_signer(
        &self,
        by: &CallerDevice,
        (generation, suite, transcript): (u32, Suite, Digest),
    ) -> Result<WrapSigner, Rejection> {
        Ok(WrapSigner {
            organization_id: self.organization().ok_or(Rejection::ConversationNotFound)?,
            conversation_id: by.caller.conversation_id,
            generation,
            suite,
            transcript,
            device: by.device,
            verify_key: by.verify_key,
        })
    }

    fn stale_generation(&self) -> Rejection {
        Rejection::StaleGeneration { current: self.generation(), commit_required: self.commit_required() }
    }

    /// Refuses messages that are not there, or hidden from whoever gives the command: which of the two, it does not tell.
    pub(super) fn require_message(&self, number: u64, caller: &Caller) -> Result<(), Rejection> {
        if self.shows(number, caller.account_id) { Ok(()) } else { Err(Rejection::MessageNotFound) }
    }

    /// Refuses messages that are not there, hidden or deleted.
    pub(super) fn require_live_message(&self, number: u64, caller: &Caller) -> Result<(), Rejection> {
        self.require_message(number, caller)?;
        if self.is_message_deleted(number) { Err(Rejection::MessageDeleted) } else { Ok(()) }
    }

    /// Whether `account_id` is the only admin.
    pub(super) fn is_last_admin(&self, account_id: AccountId) -> bool {
        let mut admins = self.members().filter(|(_, role)| *role == ConversationRole::Admin);
        admins.next().is_some_and(|(id, _)| id == account_id) && admins.next().is_none()
    }
}

impl ConversationTitle {
    /// Refuses texts that break the rules of [`text`]. Groups have titles; a direct conversation is called by its members'
    /// names.
    pub(super) fn check(&self, kind: ConversationKind) -> Result<(), Rejection> {
        if let Some(title) = &self.title {
            if kind == ConversationKind::Direct {
                return Err(Rejection::InvalidField { field: "title", reason: "is for groups" });
            }
            text::check_name("title", title)?;
        }
        match &self.topic {
            Some(topic) => text::check_text("topic", topic, limits::DESCRIPTION_CHARS_MAX),
            None => Ok(()),
        }
    }
}
