//! `PUT /v1/conversations/{conversation_id}/messages/{number}/reactions/{slot}`

use super::{CipherBody, ReactionPath, body};
use domain::conversation::commands::SetReaction as SetReactionCommand;
use domain::{Blob, MessageId};

use crate::endpoint::prelude::*;

/// The reaction.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetReactionBody {
    /// Names it: part of what its encryption binds.
    pub reaction_id: MessageId,
    /// The generation that the content is encrypted under; 0 in clear.
    pub generation: u32,
    /// Ciphertext; clear bytes when there is no cipher.
    #[schemars(extend("minLength" = 1, "maxLength" = crate::limits::base64_chars(domain::limits::REACTION_CIPHERTEXT_BYTES_MAX)))]
    pub content: Blob,
    /// What goes with a ciphertext; none in clear.
    pub cipher: Option<CipherBody>,
}

/// See [`Endpoint::ABOUT`].
pub struct SetReaction;

impl Endpoint for SetReaction {
    const ABOUT: About = About::put(
        "messages.set_reaction",
        "/v1/conversations/{conversation_id}/messages/{number}/reactions/{slot}",
        "Fills one of the caller's reaction slots on a message.",
    )
    .who(who::PARTICIPANTS)
    .errors(&[
        "conversation_not_found",
        "message_not_found",
        "message_deleted",
        "stale_generation",
        "conversation_deleted",
        "device_not_in_conversation",
        "plaintext_refused",
        "workspace_archived",
    ]);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ReactionPath;
    type Query = Nothing;
    type Body = SetReactionBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ReactionPath { conversation_id, number, slot } = input.path;
        let SetReactionBody { reaction_id, generation, content, cipher } = input.body;
        let command =
            SetReactionCommand { reaction_id, number, slot, generation, body: body(content, cipher) };
        let executed = state
            .services
            .conversations
            .set_reaction(&input.intent.request, conversation_id, command)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
