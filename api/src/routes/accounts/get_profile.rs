//! `GET /v1/accounts/{account_id}/profile`

use super::AccountPath;
use domain::account::AccountProfile;
use domain::{AccountId, Rejection};
use eventstore_schema::Opened;
use projections::Viewer;
use projections::accounts::queries;

use crate::endpoint::prelude::*;

/// What an account tells of itself.
#[derive(Serialize, JsonSchema)]
pub struct GetProfileAnswer {
    /// Whose.
    pub account_id: AccountId,
    /// Name to show; null when erased.
    pub display_name: Option<String>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
    /// Whether it was erased.
    pub erased: bool,
}

impl GetProfileAnswer {
    /// An account's profile; without anything where that does not open.
    pub fn new(account_id: AccountId, profile: Option<Opened<AccountProfile>>) -> Self {
        let erased = profile == Some(Opened::Erased);
        let profile = profile.and_then(Opened::clear);
        Self {
            account_id,
            locale: profile.as_ref().and_then(|profile| profile.locale.clone()),
            display_name: profile.map(|profile| profile.display_name),
            erased,
        }
    }
}

/// See [`Endpoint::ABOUT`].
pub struct GetProfile;

impl Endpoint for GetProfile {
    const ABOUT: About = About::get(
        "accounts.get_profile",
        "/v1/accounts/{account_id}/profile",
        "Shows what an account tells of itself.\n\nTo members of the same organizations and conversations.",
    )
    .who(who::RELATED)
    .errors(&["account_not_found"])
    .reads(&["accounts", "organizations", "conversations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = AccountPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = GetProfileAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<GetProfileAnswer>, Problem> {
        let viewer = Viewer { account_id: input.caller.account_id, organization_id: None };
        let account_id = input.path.account_id;
        let row = queries::profile(&input.intent.reader, &viewer, account_id).await?;
        let row = row.ok_or(Rejection::AccountNotFound)?;
        let profile = state.open::<AccountProfile>([row.profile]).await?.pop();
        Ok(Reply::new(GetProfileAnswer::new(account_id, profile)))
    }
}
