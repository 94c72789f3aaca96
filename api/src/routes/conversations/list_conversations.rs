//! `GET /v1/organizations/{organization_id}/conversations`

use super::ConversationAnswer;
use crate::access;
use crate::extract::{Page, PageAnswer};
use crate::routes::organizations::OrganizationPath;
use domain::WorkspaceId;
use projections::conversations::queries;

use crate::endpoint::prelude::*;

/// Which ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListConversationsQuery {
    /// Of this workspace only.
    pub workspace_id: Option<WorkspaceId>,
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListConversations;

impl Endpoint for ListConversations {
    const ABOUT: About = About::get(
        "conversations.list_conversations",
        "/v1/organizations/{organization_id}/conversations",
        "Lists the conversations of an organization that the caller is a member of.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["conversations", "messages"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = ListConversationsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<ConversationAnswer>;

    async fn handle(
        state: &State,
        input: Input<Self>,
    ) -> Result<Reply<PageAnswer<ConversationAnswer>>, Problem> {
        let account_id = input.caller.account_id;
        let reading = access::organization(state, account_id, input.path.organization_id).await?;
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let (viewer, workspace_id) = (&reading.viewer, input.query.workspace_id);
        let rows = queries::mine(&input.intent.reader, viewer, workspace_id, page.query()).await?;
        let last = rows.last().map(|row| row.conversation_id);
        let rows = access::conversations(state, &reading, rows).await?;
        let items = ConversationAnswer::all(state, rows).await?;
        PageAnswer::of::<Self, _>(state, account_id, &page, items, last).map(Reply::new)
    }
}
