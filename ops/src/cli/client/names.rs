//! What people are called, asked for once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::AccountId;
use envoi_client::Client;
use envoi_client::http::Outgoing;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::cli::text;

/// Longest list that names are looked up for: each costs a request.
const LOOKED_UP_MAX: usize = 200;
/// Characters of an id that tell two of one name apart: its last, which are random.
const SHORT_ID_CHARS: usize = 8;

/// Names of accounts.
pub struct Names<'a> {
    client: &'a Client,
    known: Known,
}

impl<'a> Names<'a> {
    /// Knows nobody yet.
    pub fn new(client: &'a Client) -> Self {
        Self { client, known: Known::default() }
    }

    /// Takes in a name that the server told.
    pub fn know(&mut self, account: AccountId, name: Option<String>) {
        if !self.known.names.contains_key(&account) {
            self.known.add(account, name);
        }
    }

    /// The name that an account shows, as it is; none when it cannot be seen.
    pub async fn of(&mut self, account: AccountId) -> Option<String> {
        if let Some(known) = self.known.names.get(&account) {
            return known.clone();
        }
        let request = Outgoing::get(format!("/v1/accounts/{account}/profile"));
        let profile = self.client.session().call::<Value>(request).await.ok().map(|answer| answer.body);
        let name = profile.and_then(|profile| profile.get("display_name")?.as_str().map(str::to_owned));
        self.known.add(account, name.clone());
        name
    }

    /// The name for people; see [`Names::label`].
    pub async fn shown(&mut self, account: AccountId, is_signed: bool) -> String {
        self.of(account).await;
        self.label(account, is_signed)
    }

    /// The name for people of an account that was asked for: with the end of its id, and the id where there is no name.
    ///
    /// Anybody may take anybody's name, and the server tells the names. So a name stands alone only with what its owner signed
    /// (`is_signed`), where that is oneself or somebody whose safety number was compared, and nobody else asked for is called
    /// alike.
    pub fn label(&self, account: AccountId, is_signed: bool) -> String {
        let is_known = account == self.client.account_id() || self.client.people().is_verified(account);
        self.known.label(account, is_signed && is_known)
    }

    /// Adds `display_name` to rows with an `account_id` that have none.
    pub async fn add_to(&mut self, rows: &mut [Value]) {
        if rows.len() > LOOKED_UP_MAX {
            return;
        }
        for row in rows {
            let account = row.get("account_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
            if let (Some(account), Value::Object(row)) = (account, row)
                && !row.contains_key("display_name")
            {
                row.insert("display_name".to_owned(), self.of(account).await.into());
            }
        }
    }
}

#[derive(Default)]
struct Known {
    names: HashMap<AccountId, Option<String>>,
    /// Whom each name may mean, as far as people can tell names apart.
    alike: BTreeMap<String, BTreeSet<AccountId>>,
}

impl Known {
    fn add(&mut self, account: AccountId, name: Option<String>) {
        if let Some(name) = &name {
            self.alike.entry(folded(name)).or_default().insert(account);
        }
        self.names.insert(account, name);
    }

    fn label(&self, account: AccountId, is_made_sure: bool) -> String {
        let Some(Some(name)) = self.names.get(&account) else { return account.to_string() };
        let shown = text::name(name);
        let is_one_of_many = self.alike.get(&folded(name)).is_some_and(|alike| alike.len() > 1);
        match !is_made_sure || is_one_of_many || shown.is_empty() {
            true => format!("{shown} ‹{}›", short(account)),
            false => shown,
        }
    }
}

/// A name as people read it: without regard to case, width, form and space.
fn folded(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// The end of an id.
fn short(account: AccountId) -> String {
    let id = account.to_string();
    let end = id.len().saturating_sub(SHORT_ID_CHARS);
    id.get(end..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_name_are_told_apart_and_nobody_else_can_look_so() {
        let account = |byte: u8| AccountId::from_bytes([byte; 16]);
        let mut known = Known::default();
        known.add(account(1), Some("Ann Archer".to_owned()));
        assert_eq!(known.label(account(1), false), "Ann Archer ‹01010101›");
        assert_eq!(known.label(account(1), true), "Ann Archer");
        for (byte, name) in [(2, "ANN  ARCHER"), (3, "\u{ff21}nn Archer"), (4, "Ann\u{200b} Archer ")] {
            known.add(account(byte), Some(name.to_owned()));
            let end = format!(" ‹{}›", format!("{byte:02}").repeat(4));
            assert!(known.label(account(byte), true).ends_with(&end), "{name}");
        }
        assert_eq!(known.label(account(1), true), "Ann Archer ‹01010101›");
        known.add(account(5), Some("Bob ‹01010101›".to_owned()));
        assert!(!known.label(account(5), true).contains(['‹', '›']));
        known.add(account(6), None);
        assert_eq!(known.label(account(6), true), account(6).to_string());
    }
}
