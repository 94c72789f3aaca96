//! Conversations: members, generations, messages.

use domain::conversation::commands::{
    AddMember, AddWrap, ChangeHistoryVisibility, ChangeRole, ChangeTitle, ClearReaction, CommitGeneration,
    ConversationCommand, CreateConversation, DeleteConversation, DeleteMessage, EditMessage, NewGeneration,
    PinMessage, RemoveMember, ReportWrap, SendMessage, SetReaction, UnpinMessage,
};
use domain::conversation::{
    Conversation, ConversationEvent, ConversationKind, ConversationRole, ConversationTitle,
    HistoryVisibility, Standing, direct_conversation_id,
};
use domain::{AccountId, Aggregate, ConversationId, OrganizationId, Rejection, WorkspaceId};
use eventstore_schema::Condition;

use super::facts;
use super::receipts::Windows;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::limits::CONVERSATION_HOMES_MAX;
use crate::request::Request;
use crate::signatures::Signatures;

type Answer = Result<Executed<ConversationEvent>, ExecuteError>;

/// What people do in conversations.
#[derive(Clone)]
pub struct Conversations {
    pub(super) executor: Executor,
    pub(super) signatures: Signatures,
    pub(super) receipts: Windows,
    /// Where conversations lie, which never changes: looking at the conversation first would cost every command a round trip.
    homes: moka::sync::Cache<ConversationId, Home>,
}

/// Where a conversation lies.
#[derive(Clone, Copy)]
struct Home {
    organization_id: OrganizationId,
    workspace_id: Option<WorkspaceId>,
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
    /// What members see of what was before they joined.
    pub history_visibility: HistoryVisibility,
    /// The first members beside the actor.
    pub members: Vec<AccountId>,
}

impl Conversations {
    pub(super) fn new(executor: Executor) -> Self {
        let signatures = Signatures::new(executor.runtime().clone());
        let homes = moka::sync::Cache::new(CONVERSATION_HOMES_MAX);
        Self { executor, signatures, receipts: Windows::default(), homes }
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
        let accounts = std::iter::once(actor).chain(new.members).collect();
        let (organization_id, workspace_id) = (new.organization_id, new.workspace_id);
        let ((), (candidates, workspace)) = tokio::try_join!(
            self.executor.admit(request),
            facts::candidates(&self.executor, Some(organization_id), workspace_id, accounts),
        )?;
        let request = &request.admitted();
        let mut candidates = candidates.into_iter();
        let Some(creator) = candidates.next() else { return Err(Rejection::AccountRequired.into()) };
        // As far as the conversation itself cannot know.
        let refusal = workspace.and_then(|workspace| {
            let is_here = workspace.organization_id == Some(organization_id);
            if !is_here || creator.in_workspace.is_none() {
                Some(Rejection::WorkspaceNotFound)
            } else {
                workspace.is_archived.then_some(Rejection::WorkspaceArchived)
            }
        });
        if let Some(refusal) = refusal {
            return self.executor.refuse::<Conversation>(conversation_id, request, refusal.into()).await;
        }
        let command = CreateConversation {
            conversation_id,
            organization_id,
            workspace_id,
            kind: new.kind,
            title: new.title.normal(),
            allows_plaintext: new.allows_plaintext,
            history_visibility: new.history_visibility,
            creator,
            members: candidates.collect(),
        };
        let command = ConversationCommand::Create(command);
        self.executor.execute::<Conversation>(conversation_id, command, request).await
    }

    /// Adds a member of the organization, and of the workspace if the conversation lies in one, with the recipients that the
    /// account has now.
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
        let ((), standing) = tokio::try_join!(self.executor.admit(request), self.standing(id, actor))?;
        let look = move |state: &Conversation, _| {
            let known = state.standing_role(actor, &standing).is_some();
            (state.organization().filter(|_| known), state.workspace().filter(|_| known))
        };
        // Whoever is no member is refused whatever the candidate: nothing about that account is read for them.
        let (organization_id, workspace_id) = self.executor.view(id, look).await?;
        let accounts = vec![account_id];
        let (candidates, _) =
            facts::candidates(&self.executor, organization_id, workspace_id, accounts).await?;
        let Some(member) = candidates.into_iter().next() else {
            return Err(Rejection::MemberNotFound.into());
        };
        let request = request.admitted().with_standing(standing);
        let command = ConversationCommand::AddMember(AddMember { member, role });
        self.executor.execute::<Conversation>(id, command, &request).await
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

    /// Sets what members see of what was before they joined.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn change_history_visibility(
        &self,
        request: &Request,
        id: ConversationId,
        history_visibility: HistoryVisibility,
    ) -> Answer {
        let command = ChangeHistoryVisibility { history_visibility };
        self.execute(request, id, ConversationCommand::ChangeHistoryVisibility(command)).await
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
        let admitted = self.admitted(request, id).await?;
        let context = admitted.context;
        let look = move |state: &Conversation, _| (new.admit(state, &context), new);
        let (signer, new) = self.executor.view(id, look).await?;
        let verified = match signer {
            Ok(signer) => self.signatures.verify(signer, new.wraps).await?,
            Err(rejection) => Err(rejection),
        };
        match verified {
            // Verifying takes a while: session and standing are looked at again.
            Ok(wraps) => {
                let command = ConversationCommand::CommitGeneration(CommitGeneration { wraps });
                self.execute_looking(request, id, command).await
            }
            Err(rejection) => self.executor.refuse::<Conversation>(id, &admitted, rejection.into()).await,
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
            let context = self.admitted(&request, id).await?.context;
            let (actor, standing) = (context.account()?, context.standing);
            let look = move |state: &Conversation, _| state.standing_role(actor, &standing).is_some();
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

    /// Deletes the conversation.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn delete(&self, request: &Request, id: ConversationId) -> Answer {
        self.execute(request, id, ConversationCommand::Delete(DeleteConversation {})).await
    }

    /// Executes a command of a member. Their session, and their standing in organization and workspace, are taken from what is
    /// cached, on condition that those streams have not gone on when the command is recorded; else they are looked at first.
    async fn execute(&self, request: &Request, id: ConversationId, command: ConversationCommand) -> Answer {
        if let Some((request, conditions)) = self.peek_admitted(request, id) {
            let command = command.clone();
            let answer = self.executor.execute_on::<Conversation>(id, command, &request, conditions).await;
            if !matches!(answer, Err(ExecuteError::Undecided)) {
                return answer;
            }
        }
        self.execute_looking(request, id, command).await
    }

    /// As [`Conversations::admitted`], by what is cached: also where the streams that it rests on ended.
    pub(super) fn peek_admitted(
        &self,
        request: &Request,
        id: ConversationId,
    ) -> Option<(Request, Vec<Condition>)> {
        let actor = request.context.account().ok()?;
        let home = self.homes.get(&id)?;
        let mut conditions = self.executor.peek_admission(request)?;
        let (standing, places) =
            facts::peek_standing(&self.executor, home.organization_id, home.workspace_id, actor)?;
        conditions.extend(places);
        Some((request.admitted().with_standing(standing), conditions))
    }

    /// Executes a command of a member, whose session, and standing in organization and workspace, are looked at just before, all
    /// at the same time.
    async fn execute_looking(
        &self,
        request: &Request,
        id: ConversationId,
        command: ConversationCommand,
    ) -> Answer {
        let request = self.admitted(request, id).await?;
        self.executor.execute::<Conversation>(id, command, &request).await
    }

    /// The request of a session that stands, with the caller's standing where the conversation lies.
    pub(super) async fn admitted(
        &self,
        request: &Request,
        id: ConversationId,
    ) -> Result<Request, ExecuteError> {
        let actor = request.context.account()?;
        let ((), standing) = tokio::try_join!(self.executor.admit(request), self.standing(id, actor))?;
        Ok(request.admitted().with_standing(standing))
    }

    /// What organization and workspace of the conversation say of the account.
    ///
    /// # Errors
    /// As [`Executor::view`].
    pub async fn standing(
        &self,
        id: ConversationId,
        account_id: AccountId,
    ) -> Result<Standing, ExecuteError> {
        let Some(home) = self.home(id).await? else { return Ok(Standing::NONE) };
        facts::standing(&self.executor, home.organization_id, home.workspace_id, account_id).await
    }

    /// Where the conversation lies; `None` before it was opened.
    async fn home(&self, id: ConversationId) -> Result<Option<Home>, ExecuteError> {
        if let Some(home) = self.homes.get(&id) {
            return Ok(Some(home));
        }
        let look = |state: &Conversation, _| {
            let organization_id = state.organization()?;
            Some(Home { organization_id, workspace_id: state.workspace() })
        };
        let home = self.executor.view(id, look).await?;
        if let Some(home) = home {
            self.homes.insert(id, home);
        }
        Ok(home)
    }
}
