//! `PUT /v1/conversations/{conversation_id}/messages/{number}`

use super::{CipherBody, MessagePath, body};
use domain::conversation::commands::EditMessage as EditMessageCommand;
use domain::{Blob, MessageId};

use crate::endpoint::prelude::*;
use crate::limits;

/// The new content.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMessageBody {
    /// Its id, as sent.
    pub message_id: MessageId,
    /// The generation that the content is encrypted under; 0 in clear.
    pub generation: u32,
    /// Ciphertext; clear bytes when there is no cipher.
    #[schemars(extend("minLength" = 1, "maxLength" = crate::limits::base64_chars(domain::limits::MESSAGE_CIPHERTEXT_BYTES_MAX)))]
    pub content: Blob,
    /// What goes with a ciphertext; none in clear.
    pub cipher: Option<CipherBody>,
}

/// See [`Endpoint::ABOUT`].
pub struct EditMessage;

impl Endpoint for EditMessage {
    const ABOUT: About = About::put(
        "messages.edit_message",
        "/v1/conversations/{conversation_id}/messages/{number}",
        "Replaces a message's content; its sender only.",
    )
    .who(who::PARTICIPANTS)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "message_not_found",
        "message_deleted",
        "not_sender",
        "stale_generation",
        "conversation_deleted",
        "device_not_in_conversation",
        "plaintext_refused",
    ])
    .body_bytes_max(limits::MESSAGE_BODY_BYTES_MAX);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = MessagePath;
    type Query = Nothing;
    type Body = EditMessageBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let MessagePath { conversation_id, number } = input.path;
        let EditMessageBody { message_id, generation, content, cipher } = input.body;
        let command = EditMessageCommand { number, message_id, generation, body: body(content, cipher) };
        let executed =
            state.services.conversations.edit(&input.intent.request, conversation_id, command).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
