//! `POST /v1/conversations/{conversation_id}/wraps/report`

use super::ConversationPath;
use domain::RecipientId;
use domain::conversation::commands::ReportWrap as ReportWrapCommand;

use crate::endpoint::prelude::*;

/// Which wrap.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportWrapBody {
    /// Which generation: the current one.
    pub generation: u32,
    /// One of the caller's own devices, or the recovery key.
    pub recipient_id: RecipientId,
}

/// See [`Endpoint::ABOUT`].
pub struct ReportWrap;

impl Endpoint for ReportWrap {
    const ABOUT: About = About::post(
        "conversations.report_wrap",
        "/v1/conversations/{conversation_id}/wraps/report",
        "Reports that a wrap cannot be opened: its recipient waits for another.",
    )
    .who(who::PARTICIPANTS)
    .status(204)
    .errors(&[
        "conversation_not_found",
        "workspace_archived",
        "device_not_in_conversation",
        "stale_generation",
        "recipient_not_found",
        "conversation_deleted",
    ]);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = ReportWrapBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ReportWrapBody { generation, recipient_id } = input.body;
        let command = ReportWrapCommand { generation, recipient_id };
        let executed = state
            .services
            .conversations
            .report_wrap(&input.intent.request, input.path.conversation_id, command)
            .await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
