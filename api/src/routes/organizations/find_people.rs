//! `GET /v1/organizations/{organization_id}/people`

use std::collections::HashMap;

use super::OrganizationPath;
use crate::access;
use crate::limits::{PEOPLE_FOUND_DEFAULT, PEOPLE_FOUND_MAX, PEOPLE_LOOKED_AT_MAX, PEOPLE_QUERY_CHARS_MAX};
use crate::people::{Found, words};
use crate::problem::Code;
use domain::AccountId;
use domain::account::AccountProfile;
use domain::organization::OrganizationRole;
use eventstore_schema::Opened;
use projections::{accounts, organizations};

use crate::endpoint::prelude::*;

/// Somebody who may be meant.
#[derive(Serialize, JsonSchema)]
pub struct FoundPerson {
    /// Who.
    pub account_id: AccountId,
    /// Their name.
    pub display_name: String,
    /// As what they are in the organization.
    pub role: OrganizationRole,
}

/// Whom.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindPeopleQuery {
    /// Beginnings of words of the name, in any order; case, width and marks on letters make no difference.
    pub query: String,
    /// Most people, 1 to 50; 20 when absent.
    pub limit: Option<u32>,
}

/// People who may be meant.
#[derive(Serialize, JsonSchema)]
pub struct FindPeopleAnswer {
    /// In the order of the words of their names.
    pub items: Vec<FoundPerson>,
    /// Whether there are more: another letter tells them apart.
    pub has_more: bool,
    /// Whether all members were looked at; not while names are being read, for a moment, and in organizations with more members
    /// than are kept.
    pub is_complete: bool,
}

/// See [`Endpoint::ABOUT`].
pub struct FindPeople;

impl Endpoint for FindPeople {
    const ABOUT: About = About::get(
        "organizations.find_people",
        "/v1/organizations/{organization_id}/people",
        "Finds members of an organization by name.",
    )
    .who(who::ORGANIZATION)
    .errors(&["organization_not_found"])
    .reads(&["organizations", "accounts", "conversations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = OrganizationPath;
    type Query = FindPeopleQuery;
    type Body = Nothing;
    type Answer = FindPeopleAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<FindPeopleAnswer>, Problem> {
        let (account_id, organization_id) = (input.caller.account_id, input.path.organization_id);
        let viewer = access::organization(state, account_id, organization_id).await?.viewer;
        let limit = limit(input.query.limit)?;
        let query = asked(&input.query.query)?;
        let Found { accounts, is_complete } =
            state.people.find(viewer, organization_id, &query, PEOPLE_LOOKED_AT_MAX).await;
        // What was found in memory says where to look; shown is what the read models say now.
        let reader = &input.intent.reader;
        let members =
            organizations::queries::members_among(reader, &viewer, organization_id, &accounts).await?;
        let roles: HashMap<_, _> = members.iter().map(|row| (row.account_id, row.role)).collect();
        let rows = accounts::queries::profiles(reader, &viewer, &accounts).await?;
        let profiles = state.open::<AccountProfile>(rows.iter().map(|row| row.profile.clone())).await?;
        let mut names: HashMap<_, _> = rows.iter().map(|row| row.account_id).zip(profiles).collect();
        let found = accounts.iter().filter_map(|account_id| {
            let profile = names.remove(account_id);
            if profile == Some(Opened::Erased) {
                state.people.forget(organization_id, *account_id);
            }
            let display_name = profile.and_then(Opened::clear)?.display_name;
            let role = *roles.get(account_id)?;
            let is_meant = words::begin(&query, &words::words(&display_name));
            is_meant.then_some(FoundPerson { account_id: *account_id, display_name, role })
        });
        let mut items: Vec<_> = found.collect();
        let has_more = items.len() > limit || accounts.len() >= PEOPLE_LOOKED_AT_MAX;
        items.truncate(limit);
        Ok(Reply::new(FindPeopleAnswer { items, has_more, is_complete }))
    }
}

fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(PEOPLE_FOUND_DEFAULT);
    if (1..=PEOPLE_FOUND_MAX).contains(&limit) {
        return Ok(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let problem = Problem::from(Code::InvalidQuery).with("field", "limit".into());
    Err(problem.detail(format!("limit has to be 1 to {PEOPLE_FOUND_MAX}")))
}

fn asked(text: &str) -> Result<Vec<Box<str>>, Problem> {
    let words = words::words(text);
    if text.chars().count() <= PEOPLE_QUERY_CHARS_MAX && !words.is_empty() {
        return Ok(words);
    }
    let problem = Problem::from(Code::InvalidQuery).with("field", "query".into());
    Err(problem
        .detail(format!("a letter or digit is expected, and at most {PEOPLE_QUERY_CHARS_MAX} characters")))
}
