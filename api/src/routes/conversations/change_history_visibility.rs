//! `PUT /v1/conversations/{conversation_id}/history-visibility`

use super::ConversationPath;
use domain::conversation::HistoryVisibility;

use crate::endpoint::prelude::*;

/// What members see.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeHistoryVisibilityBody {
    /// Of what was before they joined.
    pub history_visibility: HistoryVisibility,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeHistoryVisibility;

impl Endpoint for ChangeHistoryVisibility {
    const ABOUT: About = About::put(
        "conversations.change_history_visibility",
        "/v1/conversations/{conversation_id}/history-visibility",
        "Sets what members see of what was before they joined: nothing (`joined`) or everything (`all`).\n\nIt holds at once for \
         all, whenever they joined. Whoever left and came back joined when they came back. Keys of older generations are not \
         given with it. Of groups only.",
    )
    .who(who::MODERATORS)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "direct_is_fixed",
        "role_insufficient",
        "conversation_deleted",
    ]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = ChangeHistoryVisibilityBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let executed = state
            .services
            .conversations
            .change_history_visibility(
                &input.intent.request,
                input.path.conversation_id,
                input.body.history_visibility,
            )
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
