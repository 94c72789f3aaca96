//! `GET /v1/accounts/profiles`

use super::get_profile::GetProfileAnswer;
use crate::extract::ids;
use domain::AccountId;
use domain::account::AccountProfile;
use projections::Viewer;
use projections::accounts::queries;

use crate::endpoint::prelude::*;

/// Whose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListProfilesQuery {
    /// 1 to 50 accounts, separated by commas.
    pub accounts: String,
}

/// Profiles.
#[derive(Serialize, JsonSchema)]
pub struct ListProfilesAnswer {
    /// By account. Those of accounts that there are none of, or that the caller may not see, are absent.
    pub items: Vec<GetProfileAnswer>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListProfiles;

impl Endpoint for ListProfiles {
    const ABOUT: About = About::get(
        "accounts.list_profiles",
        "/v1/accounts/profiles",
        "Shows what several accounts tell of themselves.\n\nThose of members of the same organizations and conversations; others are absent.",
    )
    .who(who::ACCOUNTS)
    .reads(&["accounts", "organizations", "conversations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = ListProfilesQuery;
    type Body = Nothing;
    type Answer = ListProfilesAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ListProfilesAnswer>, Problem> {
        let ids: Vec<AccountId> = ids("accounts", &input.query.accounts)?;
        let viewer = Viewer { account_id: input.caller.account_id, organization_id: None };
        let rows = queries::profiles(&input.intent.reader, &viewer, &ids).await?;
        let profiles = state.open::<AccountProfile>(rows.iter().map(|row| row.profile.clone())).await?;
        let show =
            |(row, profile): (&queries::ProfileView, _)| GetProfileAnswer::new(row.account_id, Some(profile));
        Ok(Reply::new(ListProfilesAnswer { items: rows.iter().zip(profiles).map(show).collect() }))
    }
}
