//! `GET /v1/accounts/keys`

use std::collections::BTreeMap;

use super::get_keys::{DeviceKeysAnswer, GetKeysAnswer};
use crate::extract::ids;
use crate::limits::BULK_DEVICES_MAX;
use domain::AccountId;
use projections::Viewer;
use projections::devices::queries;

use crate::endpoint::prelude::*;

/// Whose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListKeysQuery {
    /// 1 to 50 accounts, separated by commas.
    pub accounts: String,
}

/// Public keys of an account, as far as they are shown beside others'.
#[derive(Serialize, JsonSchema)]
pub struct AccountKeysAnswer {
    /// The keys.
    #[serde(flatten)]
    pub keys: GetKeysAnswer,
    /// Whether the account has more devices than are shown here: ask for its keys alone.
    pub has_more_devices: bool,
}

/// Public keys.
#[derive(Serialize, JsonSchema)]
pub struct ListKeysAnswer {
    /// By account. Accounts without keys, or that the caller may not see, are absent.
    pub items: Vec<AccountKeysAnswer>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListKeys;

impl Endpoint for ListKeys {
    const ABOUT: About = About::get(
        "accounts.list_keys",
        "/v1/accounts/keys",
        "Shows the public keys of several accounts and their devices, revoked ones too.\n\nThose of members of the same organizations and conversations; others are absent. Of each account at most 50 devices are shown.",
    )
    .who(who::ACCOUNTS)
    .reads(&["devices", "organizations", "conversations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = ListKeysQuery;
    type Body = Nothing;
    type Answer = ListKeysAnswer;

    async fn handle(_: &State, input: Input<Self>) -> Result<Reply<ListKeysAnswer>, Problem> {
        let ids: Vec<AccountId> = ids("accounts", &input.query.accounts)?;
        let viewer = Viewer { account_id: input.caller.account_id, organization_id: None };
        let reader = &input.intent.reader;
        let keys = queries::public_keys_of(reader, &viewer, &ids).await?;
        let known: Vec<_> = keys.iter().map(|row| row.account_id).collect();
        let most = BULK_DEVICES_MAX.saturating_add(1);
        let mut devices: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in queries::public_devices_of(reader, &viewer, &known, most).await? {
            devices.entry(row.account_id).or_default().push(DeviceKeysAnswer::new(&row));
        }
        let mut show = |row: &queries::PublicKeysView| {
            let mut devices = devices.remove(&row.account_id).unwrap_or_default();
            let shown = usize::try_from(BULK_DEVICES_MAX).unwrap_or(usize::MAX);
            let has_more_devices = devices.len() > shown;
            devices.truncate(shown);
            AccountKeysAnswer { keys: GetKeysAnswer::new(row, devices), has_more_devices }
        };
        Ok(Reply::new(ListKeysAnswer { items: keys.iter().map(&mut show).collect() }))
    }
}
