//! `PUT /v1/conversations/{conversation_id}/title`

use super::ConversationPath;
use domain::conversation::ConversationTitle;

use crate::endpoint::prelude::*;

/// The new title.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTitleBody {
    /// Name to show.
    #[schemars(length(min = 1, max = domain::limits::NAME_CHARS_MAX))]
    pub title: Option<String>,
    /// What it is about.
    #[schemars(length(min = 1, max = domain::limits::DESCRIPTION_CHARS_MAX))]
    pub topic: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeTitle;

impl Endpoint for ChangeTitle {
    const ABOUT: About = About::put(
        "conversations.change_title",
        "/v1/conversations/{conversation_id}/title",
        "Replaces the title of a conversation.",
    )
    .who(who::MODERATORS)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "role_insufficient",
        "conversation_deleted",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = ChangeTitleBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ChangeTitleBody { title, topic } = input.body;
        let title = ConversationTitle { title, topic };
        let executed = state
            .services
            .conversations
            .change_title(&input.intent.request, input.path.conversation_id, title)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
