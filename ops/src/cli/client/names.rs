//! What people are called, asked for once.

use std::collections::HashMap;

use domain::AccountId;
use envoi_client::Client;
use envoi_client::http::Outgoing;
use serde_json::Value;

use crate::cli::text::one_line;

/// Longest list that names are looked up for: each costs a request.
const LOOKED_UP_MAX: usize = 200;

/// Names of accounts.
pub struct Names<'a> {
    client: &'a Client,
    known: HashMap<AccountId, Option<String>>,
}

impl<'a> Names<'a> {
    /// Knows nobody yet.
    pub fn new(client: &'a Client) -> Self {
        Self { client, known: HashMap::new() }
    }

    /// The name that an account shows; none when it cannot be seen.
    pub async fn of(&mut self, account: AccountId) -> Option<String> {
        if let Some(known) = self.known.get(&account) {
            return known.clone();
        }
        let request = Outgoing::get(format!("/v1/accounts/{account}/profile"));
        let profile = self.client.session().call::<Value>(request).await.ok().map(|answer| answer.body);
        let name = profile.and_then(|profile| profile.get("display_name")?.as_str().map(one_line));
        self.known.insert(account, name.clone());
        name
    }

    /// The name for people, or else the id.
    pub async fn shown(&mut self, account: AccountId) -> String {
        self.of(account).await.unwrap_or_else(|| account.to_string())
    }

    /// Adds `display_name` to rows with an `account_id`.
    pub async fn add_to(&mut self, rows: &mut [Value]) {
        if rows.len() > LOOKED_UP_MAX {
            return;
        }
        for row in rows {
            let account = row.get("account_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
            if let (Some(account), Value::Object(row)) = (account, row) {
                row.insert("display_name".to_owned(), self.of(account).await.into());
            }
        }
    }
}
