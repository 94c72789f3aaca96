//! Conversations: members, generations, messages, receipts.

use domain::conversation::commands::{
    AddMember, AddWrap, ChangeRole, ChangeTitle, ClearReaction, CommitGeneration, ConversationCommand,
    CreateConversation, DeleteConversation, DeleteMessage, EditMessage, NewGeneration, PinMessage,
    RecordReceipt, RemoveMember, ReportWrap, SendMessage, SetReaction, UnpinMessage,
};
use domain::conversation::{
    Conversation, ConversationEvent, ConversationKind, ConversationRole, ConversationTitle,
    direct_conversation_id,
};
use domain::workspace::Workspace;
use domain::{AccountId, Aggregate, ConversationId, OrganizationId, Rejection, WorkspaceId};

use super::facts;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::request::Request;
use crate::signatures::Signatures;

type Answer = Result<Executed<ConversationEvent>, ExecuteError>;

/// What people do in conversations.
#[derive(Clone)]
pub struct Conversations {
    executor: Executor,
    pub(super) signatures: Signatures,
}

/// A conversation to be opened.
#[derive(Clone, Debug)]
pub struct NewConversation {
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if any.
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: ConversationTitle,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// The first members beside the actor.
    pub members: Vec<AccountId>,
}

impl Conversations {
    pub(super) fn new(executor: Executor) -> Self {
        let signatures = Signatures::new(executor.runtime().clone());
        Self { executor, signatures }
    }

    /// Opens a conversation. Its id is in [`Executed::stream`]; a direct one's follows from its members.
    ///
    /// # Errors
    /// [`Rejection::WorkspaceNotFound`] when the actor is no member of the workspace; see [`ExecuteError`].
    pub async fn create(&self, request: &Request, new: NewConversation) -> Answer {
        let actor = request.context.account()?;
        let conversation_id = match (new.kind, new.members.as_slice()) {
            (ConversationKind::Direct, [other]) => direct_conversation_id(new.organization_id, actor, *other),
            _ => request.created_id("conversation"),
        };
        if let Some(refusal) = self.workspace_refusal(&new, actor).await? {
            return self.executor.refuse::<Conversation>(conversation_id, request, refusal.into()).await;
        }
        let accounts = std::iter::once(actor).chain(new.members).collect();
        let organization_id = new.organization_id;
        let mut candidates =
            facts::candidates(&self.executor, Some(organization_id), accounts).await?.into_iter();
        let Some(creator) = candidates.next() else { return Err(Rejection::AccountRequired.into()) };
        let command = CreateConversation {
            conversation_id,
            organization_id,
            workspace_id: new.workspace_id,
            kind: new.kind,
            title: new.title.normal(),
            allows_plaintext: new.allows_plaintext,
            creator,
            members: candidates.collect(),
        };
        self.execute(request, conversation_id, ConversationCommand::Create(command)).await
    }

    /// Why the actor cannot open a conversation in the workspace, as far as the conversation itself cannot know.
    async fn workspace_refusal(
        &self,
        new: &NewConversation,
        actor: AccountId,
    ) -> Result<Option<Rejection>, ExecuteError> {
        let Some(workspace_id) = new.workspace_id else { return Ok(None) };
        let organization_id = Some(new.organization_id);
        let look = move |state: &Workspace, _| {
            if state.organization() != organization_id || state.role(actor).is_none() {
                Some(Rejection::WorkspaceNotFound)
            } else if state.is_archived() {
                Some(Rejection::WorkspaceArchived)
            } else {
                None
            }
        };
        self.executor.view(workspace_id, look).await
    }

    /// Adds a member of the organization with the recipients that the account has now.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn add_member(
        &self,
        request: &Request,
        id: ConversationId,
        account_id: AccountId,
        role: ConversationRole,
    ) -> Answer {
        let actor = request.context.account()?;
        let look = move |state: &Conversation, _| (state.organization(), state.role(actor).is_some());
        let (organization_id, known) = self.executor.view(id, look).await?;
        // Whoever is no member is refused whatever the candidate: nothing about that account is read for them.
        let organization_id = organization_id.filter(|_| known);
        let candidates = facts::candidates(&self.executor, organization_id, vec![account_id]).await?;
        let Some(member) = candidates.into_iter().next() else {
            return Err(Rejection::MemberNotFound.into());
        };
        self.execute(request, id, ConversationCommand::AddMember(AddMember { member, role })).await
    }

    /// Replaces the title.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_title(
        &self,
        request: &Request,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Answer {
        let title = title.normal();
        self.execute(request, id, ConversationCommand::ChangeTitle(ChangeTitle { title })).await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_role(
        &self,
        request: &Request,
        id: ConversationId,
        account_id: AccountId,
        role: ConversationRole,
    ) -> Answer {
        self.execute(request, id, ConversationCommand::ChangeRole(ChangeRole { account_id, role })).await
    }

    /// Removes a member, or the actor.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn remove_member(
        &self,
        request: &Request,
        id: ConversationId,
        account_id: AccountId,
    ) -> Answer {
        self.execute(request, id, ConversationCommand::RemoveMember(RemoveMember { account_id })).await
    }

    /// Commits a new generation; the first commit of a number wins. The signatures of its wraps are verified before the
    /// command stands in line, so that nobody else's waits for that.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn commit_generation(
        &self,
        request: &Request,
        id: ConversationId,
        new: NewGeneration,
    ) -> Answer {
        let context = request.context;
        let look = move |state: &Conversation, _| (new.admit(state, &context), new);
        let (admitted, new) = self.executor.view(id, look).await?;
        let verified = match admitted {
            Ok(signer) => self.signatures.verify(signer, new.wraps).await?,
            Err(rejection) => Err(rejection),
        };
        match verified {
            Ok(wraps) => {
                let command = ConversationCommand::CommitGeneration(CommitGeneration { wraps });
                self.execute(request, id, command).await
            }
            Err(rejection) => self.executor.refuse::<Conversation>(id, request, rejection.into()).await,
        }
    }

    /// Gives a waiting recipient its wrap of the current generation.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn add_wrap(&self, request: &Request, id: ConversationId, command: AddWrap) -> Answer {
        self.execute(request, id, ConversationCommand::AddWrap(command)).await
    }

    /// Reports that a wrap cannot be opened.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn report_wrap(&self, request: &Request, id: ConversationId, command: ReportWrap) -> Answer {
        self.execute(request, id, ConversationCommand::ReportWrap(command)).await
    }

    /// Sends a message; its number is in the one event. Its id is its sender's in this conversation: under it, the same is
    /// answered as the first time, and what anybody else sends is refused.
    ///
    /// # Errors
    /// [`ExecuteError::CommandReused`] when the id is taken; see [`ExecuteError`].
    pub async fn send(&self, request: &Request, id: ConversationId, command: SendMessage) -> Answer {
        let request = request.naming(id, command.message_id);
        let sent = self.execute(&request, id, ConversationCommand::SendMessage(command)).await;
        // That an id is taken is for members to know.
        if let Err(ExecuteError::CommandReused { .. }) = sent {
            let actor = request.context.account()?;
            let look = move |state: &Conversation, _| state.role(actor).is_some();
            if !self.executor.view(id, look).await? {
                return Err(Rejection::ConversationNotFound.into());
            }
        }
        sent
    }

    /// Replaces a message's content.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn edit(&self, request: &Request, id: ConversationId, command: EditMessage) -> Answer {
        self.execute(request, id, ConversationCommand::EditMessage(command)).await
    }

    /// Deletes a message for everyone.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn delete_message(&self, request: &Request, id: ConversationId, number: u64) -> Answer {
        self.execute(request, id, ConversationCommand::DeleteMessage(DeleteMessage { number })).await
    }

    /// Fills a reaction slot.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn set_reaction(&self, request: &Request, id: ConversationId, command: SetReaction) -> Answer {
        self.execute(request, id, ConversationCommand::SetReaction(command)).await
    }

    /// Empties a reaction slot.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn clear_reaction(
        &self,
        request: &Request,
        id: ConversationId,
        number: u64,
        slot: u8,
    ) -> Answer {
        let command = ConversationCommand::ClearReaction(ClearReaction { number, slot });
        self.execute(request, id, command).await
    }

    /// Pins a message.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn pin(&self, request: &Request, id: ConversationId, number: u64) -> Answer {
        self.execute(request, id, ConversationCommand::PinMessage(PinMessage { number })).await
    }

    /// Unpins a message.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn unpin(&self, request: &Request, id: ConversationId, number: u64) -> Answer {
        self.execute(request, id, ConversationCommand::UnpinMessage(UnpinMessage { number })).await
    }

    /// Records what the device has got and its owner has read.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn record_receipt(
        &self,
        request: &Request,
        id: ConversationId,
        command: RecordReceipt,
    ) -> Answer {
        self.execute(request, id, ConversationCommand::RecordReceipt(command)).await
    }

    /// Deletes the conversation.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn delete(&self, request: &Request, id: ConversationId) -> Answer {
        self.execute(request, id, ConversationCommand::Delete(DeleteConversation {})).await
    }

    async fn execute(&self, request: &Request, id: ConversationId, command: ConversationCommand) -> Answer {
        self.executor.execute::<Conversation>(id, command, request).await
    }
}
