//! `GET /v1/conversations/{conversation_id}/recipients`

use super::ConversationPath;
use crate::access;
use domain::conversation::{Conversation, RecipientKind, Suite};
use domain::{AccountId, AccountRecipient, Digest, HpkeKey, RecipientId, Rejection, VerifyKey};

use crate::endpoint::prelude::*;

/// Whom a generation key is wrapped for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Recipient")]
pub struct RecipientAnswer {
    /// Whose.
    pub account_id: AccountId,
    /// Its id, which another account's recipient may have, too.
    pub recipient_id: RecipientId,
    /// Device or recovery key.
    pub kind: RecipientKind,
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs; recovery keys sign nothing.
    pub verify_key: Option<VerifyKey>,
    /// Whether it waits for a wrap of the current generation.
    pub waiting: bool,
}

/// Generation and recipients of a conversation.
#[derive(Serialize, JsonSchema)]
pub struct GetRecipientsAnswer {
    /// The generation committed last; 0 for none.
    pub generation: u32,
    /// How it encrypts; none before the first.
    pub suite: Option<Suite>,
    /// Whether a new generation has to be committed before anything encrypted can be sent.
    pub commit_required: bool,
    /// Membership transcript that the current generation was committed with; zero before the first.
    pub transcript: Digest,
    /// Membership transcript to commit the next generation with.
    pub next_transcript: Digest,
    /// The active recipients, ascending by account and id.
    pub recipients: Vec<RecipientAnswer>,
}

/// See [`Endpoint::ABOUT`].
pub struct GetRecipients;

impl Endpoint for GetRecipients {
    const ABOUT: About = About::get(
        "conversations.get_recipients",
        "/v1/conversations/{conversation_id}/recipients",
        "Shows for whom keys are wrapped, and who waits.\n\nWhat a client needs to commit a generation, as it is at this moment.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = GetRecipientsAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<GetRecipientsAnswer>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        access::conversation(state, account_id, conversation_id).await?;
        let look = move |state: &Conversation, revision| {
            state.role(account_id).and_then(|_| Some((answer(state)?, revision?)))
        };
        let shown = state.services.executor.view(conversation_id, look).await?;
        let (answer, revision) = shown.ok_or(Rejection::ConversationNotFound)?;
        Ok(Reply::new(answer).at(revision))
    }
}

fn answer(state: &Conversation) -> Option<GetRecipientsAnswer> {
    let recipients = state.recipients().map(|(account_id, recipient)| RecipientAnswer {
        account_id,
        recipient_id: recipient.recipient_id,
        kind: recipient.kind,
        hpke_key: recipient.hpke_key,
        verify_key: recipient.verify_key,
        waiting: state.is_waiting(AccountRecipient::new(account_id, recipient.recipient_id)),
    });
    Some(GetRecipientsAnswer {
        generation: state.generation(),
        suite: state.suite(),
        commit_required: state.commit_required(),
        transcript: state.transcript(),
        next_transcript: state.next_transcript()?,
        recipients: recipients.collect(),
    })
}
