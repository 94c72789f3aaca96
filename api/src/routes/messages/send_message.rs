//! `POST /v1/conversations/{conversation_id}/messages`

use super::{CipherBody, body};
use crate::routes::conversations::ConversationPath;
use domain::conversation::ConversationEvent;
use domain::conversation::commands::SendMessage as SendMessageCommand;
use domain::{Blob, MessageId};

use crate::endpoint::prelude::*;
use crate::limits;

/// The message.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendMessageBody {
    /// The generation that the content is encrypted under; 0 in clear.
    pub generation: u32,
    /// Number of the message that it answers.
    #[serde(default)]
    pub reply_to: Option<u64>,
    /// Ciphertext; clear bytes when there is no cipher.
    #[schemars(extend("minLength" = 1, "maxLength" = crate::limits::base64_chars(domain::limits::MESSAGE_CIPHERTEXT_BYTES_MAX)))]
    pub content: Blob,
    /// What goes with a ciphertext; none in clear.
    pub cipher: Option<CipherBody>,
}

/// The message as it stands.
#[derive(Serialize, JsonSchema)]
pub struct SendMessageAnswer {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the conversation, from 1, contiguous.
    pub number: u64,
}

/// See [`Endpoint::ABOUT`].
pub struct SendMessage;

impl Endpoint for SendMessage {
    const ABOUT: About = About::post(
        "messages.send_message",
        "/v1/conversations/{conversation_id}/messages",
        "Sends a message.\n\n`Idempotency-Key` is the message's id, a UUID that the sending client made: within the conversation it belongs to who used it first, and 422 `idempotency_key_reused` says that somebody else did. The answer comes when the message is on disk. 409 `stale_generation` says which generation is current and whether a new one has to be committed first.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found", "conversation_deleted", "device_not_in_conversation", "stale_generation", "plaintext_refused", "message_not_found", "workspace_archived"])
    .key_is_id()
    .body_bytes_max(limits::MESSAGE_BODY_BYTES_MAX);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = SendMessageBody;
    type Answer = SendMessageAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<SendMessageAnswer>, Problem> {
        let message_id = input.intent.message_id()?;
        let SendMessageBody { generation, reply_to, content, cipher } = input.body;
        let command = SendMessageCommand { message_id, generation, reply_to, body: body(content, cipher) };
        let conversations = &state.services.conversations;
        let executed = conversations.send(&input.intent.request, input.path.conversation_id, command).await?;
        let number = executed.events.iter().find_map(|event| match event {
            ConversationEvent::MessageSent(sent) => Some(sent.number),
            _ => None,
        });
        let number = number.ok_or_else(|| Problem::internal("a sent message has no number"))?;
        Ok(Reply::of(&executed, SendMessageAnswer { message_id, number }))
    }
}
