//! What people are called, beside their ids: as their records stand, under the rights that reading profiles has.

use std::collections::{BTreeSet, HashMap};

use domain::AccountId;
use domain::account::AccountProfile;
use eventstore_schema::Opened;
use projections::accounts::queries;
use projections::{Reader, Viewer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::Problem;
use crate::state::State;

/// What an account is called.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Name {
    /// Name to show; null when it was erased, or is not for the caller to see.
    pub display_name: Option<String>,
    /// Whether the name was erased.
    pub erased: bool,
}

/// An account with its name.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NamedAccount {
    /// Who.
    pub account_id: AccountId,
    /// What they are called.
    #[serde(flatten)]
    pub name: Name,
}

/// The names of a page's people.
pub struct Names(HashMap<AccountId, Name>);

impl Names {
    /// Opens the names of those that `account_id` may see; a page's at most.
    ///
    /// # Errors
    /// When read models or keys cannot be reached.
    pub async fn of(
        state: &State,
        reader: &Reader,
        account_id: AccountId,
        ids: impl IntoIterator<Item = AccountId>,
    ) -> Result<Self, Problem> {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let viewer = Viewer { account_id, organization_id: None };
        let rows = queries::profiles(reader, &viewer, &ids.into_iter().collect::<Vec<_>>()).await?;
        let profiles = state.open::<AccountProfile>(rows.iter().map(|row| row.profile.clone())).await?;
        let names = rows.iter().zip(profiles).map(|(row, profile)| {
            let erased = profile == Opened::Erased;
            (row.account_id, Name { display_name: profile.clear().map(|one| one.display_name), erased })
        });
        Ok(Self(names.collect()))
    }

    /// One account's.
    pub fn get(&self, account_id: AccountId) -> Name {
        self.0.get(&account_id).cloned().unwrap_or_default()
    }

    /// All of them, by account.
    pub fn all(self) -> Vec<NamedAccount> {
        let named = self.0.into_iter().map(|(account_id, name)| NamedAccount { account_id, name });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by_key(|one| one.account_id);
        named
    }
}
