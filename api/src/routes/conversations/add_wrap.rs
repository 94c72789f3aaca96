//! `POST /v1/conversations/{conversation_id}/wraps`

use super::{ConversationPath, WrapBody};
use domain::conversation::commands::AddWrap as AddWrapCommand;

use crate::endpoint::prelude::*;

/// The wrap.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddWrapBody {
    /// Which generation: the current one.
    pub generation: u32,
    /// The wrap.
    pub wrap: WrapBody,
}

/// See [`Endpoint::ABOUT`].
pub struct AddWrap;

impl Endpoint for AddWrap {
    const ABOUT: About = About::post(
        "conversations.add_wrap",
        "/v1/conversations/{conversation_id}/wraps",
        "Gives a waiting recipient its wrap of the current generation.",
    )
    .who(who::PARTICIPANTS)
    .status(204)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "device_not_in_conversation",
        "stale_generation",
        "recipient_not_found",
        "wrap_exists",
        "wrap_invalid",
        "conversation_deleted",
    ]);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = AddWrapBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let command = AddWrapCommand { generation: input.body.generation, wrap: input.body.wrap.into() };
        let executed = state
            .services
            .conversations
            .add_wrap(&input.intent.request, input.path.conversation_id, command)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
