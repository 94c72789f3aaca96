//! `POST /v1/conversations/{conversation_id}/generations`

use super::{ConversationPath, WrapBody};
use domain::Digest;
use domain::conversation::Suite;
use domain::conversation::commands::NewGeneration;

use crate::endpoint::prelude::*;
use crate::limits;

/// The new generation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitGenerationBody {
    /// Its number: the current one plus one.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Hash of the membership that it was made for: `next_transcript` of the recipients.
    pub transcript: Digest,
    /// One wrap for each active recipient.
    #[schemars(length(max = domain::limits::GENERATION_WRAPS_MAX))]
    pub wraps: Vec<WrapBody>,
}

/// See [`Endpoint::ABOUT`].
pub struct CommitGeneration;

impl Endpoint for CommitGeneration {
    const ABOUT: About = About::post(
        "conversations.commit_generation",
        "/v1/conversations/{conversation_id}/generations",
        "Commits a new generation of the conversation key.\n\nThe first commit of a number wins. Wraps are for exactly the active recipients: 409 `wraps_mismatch` names those that are missing or too many.",
    )
    .who(who::PARTICIPANTS)
    .status(204)
    .errors(&["conversation_not_found", "device_not_in_conversation", "generation_conflict", "transcript_mismatch", "wraps_mismatch", "wrap_invalid", "conversation_deleted", "workspace_archived"])
    .body_bytes_max(limits::GENERATION_BODY_BYTES_MAX);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = CommitGenerationBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let CommitGenerationBody { generation, suite, transcript, wraps } = input.body;
        let wraps = wraps.into_iter().map(Into::into).collect();
        let new = NewGeneration { generation, suite, transcript, wraps };
        let conversations = &state.services.conversations;
        let executed =
            conversations.commit_generation(&input.intent.request, input.path.conversation_id, new).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
