//! Pages: how many rows, and after which.

use domain::AccountId;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cursor::{Cursors, Purpose};
use crate::endpoint::Endpoint;
use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::problem::{Code, Problem};
use crate::state::State;

/// One page of a list: the rows after `after`, at most `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// Key of the last row of the page before.
    pub after: Option<K>,
    /// Most rows.
    pub limit: u32,
}

impl<K: Copy> Page<K> {
    /// The page as the queries take it.
    pub fn query(&self) -> projections::Page<K> {
        projections::Page::new(self.after, self.limit)
    }
}

impl<K: DeserializeOwned> Page<K> {
    /// Reads the page that an endpoint was asked for.
    ///
    /// # Errors
    /// As [`Page::read`].
    pub fn of<E: Endpoint>(
        state: &State,
        account: AccountId,
        cursor: &Option<String>,
        limit: Option<u32>,
    ) -> Result<Self, Problem> {
        Self::read(&state.cursors, E::ABOUT.name, account, cursor.as_deref(), limit)
    }

    /// Reads a page from a query string's `cursor` and `limit`.
    ///
    /// # Errors
    /// When the cursor is not one of this list for this account, or the limit is none.
    pub fn read(
        cursors: &Cursors,
        list: &'static str,
        account: AccountId,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Self, Problem> {
        let after = match cursor {
            None => None,
            Some(text) => {
                let plain = cursors.open(Purpose::Page(list), account, text)?;
                Some(serde_json::from_slice(&plain).map_err(|_| Code::InvalidCursor)?)
            }
        };
        Self::at(after, limit)
    }
}

impl<K> Page<K> {
    /// Whether there may be more rows than these.
    pub fn is_filled_by(&self, rows: usize) -> bool {
        rows >= usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// The rows behind a key that clients know, such as a number.
    ///
    /// # Errors
    /// When the limit is none.
    pub fn at(after: Option<K>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT);
        if (1..=PAGE_ROWS_MAX).contains(&limit) {
            return Ok(Self { after, limit });
        }
        let problem = Problem::from(Code::InvalidQuery).with("field", "limit".into());
        Err(problem.detail(format!("limit has to be 1 to {PAGE_ROWS_MAX}")))
    }
}

/// A page as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct PageAnswer<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; absent when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> PageAnswer<T> {
    /// Makes the page that an endpoint answers.
    ///
    /// # Errors
    /// As [`PageAnswer::new`].
    pub fn of<E: Endpoint, K: Serialize>(
        state: &State,
        account: AccountId,
        page: &Page<K>,
        items: Vec<T>,
        last: Option<K>,
    ) -> Result<Self, Problem> {
        let rows = items.len();
        Self::filtered::<E, K>(state, account, page, items, last, rows)
    }

    /// The same for items that are fewer than the `rows` they were made of.
    ///
    /// # Errors
    /// As [`PageAnswer::new`].
    pub fn filtered<E: Endpoint, K: Serialize>(
        state: &State,
        account: AccountId,
        page: &Page<K>,
        items: Vec<T>,
        last: Option<K>,
        rows: usize,
    ) -> Result<Self, Problem> {
        let last = last.filter(|_| page.is_filled_by(rows));
        Self::new(&state.cursors, E::ABOUT.name, account, items, last)
    }

    /// The cursor of an endpoint's list that goes on behind a key.
    ///
    /// # Errors
    /// When the cursor cannot be sealed.
    pub fn cursor<E: Endpoint, K: Serialize>(
        state: &State,
        account: AccountId,
        key: &K,
    ) -> Result<String, Problem> {
        sealed(&state.cursors, E::ABOUT.name, account, key)
    }

    /// Makes the page of `items`; `last` is the key of the last row when there may be another page behind it.
    ///
    /// # Errors
    /// When the cursor cannot be sealed.
    pub fn new<K: Serialize>(
        cursors: &Cursors,
        list: &'static str,
        account: AccountId,
        items: Vec<T>,
        last: Option<K>,
    ) -> Result<Self, Problem> {
        let next_cursor = last.map(|key| sealed(cursors, list, account, &key)).transpose()?;
        Ok(Self { items, next_cursor })
    }
}

fn sealed<K: Serialize>(
    cursors: &Cursors,
    list: &'static str,
    account: AccountId,
    key: &K,
) -> Result<String, Problem> {
    let plain = serde_json::to_vec(key).map_err(Problem::internal)?;
    cursors.seal(Purpose::Page(list), account, &plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId::from_bytes([1; 16]);

    #[test]
    fn the_next_page_begins_after_the_last_row() {
        let cursors = Cursors::new(&[7; 32]);
        let first = Page::<u64>::read(&cursors, "l", ALICE, None, Some(2)).unwrap();
        let answer = PageAnswer::new(&cursors, "l", ALICE, vec!['a', 'b'], Some(9)).unwrap();
        let next = Page::<u64>::read(&cursors, "l", ALICE, answer.next_cursor.as_deref(), Some(2)).unwrap();
        assert_eq!(next.after, Some(9));
        assert!(first.is_filled_by(2) && !next.is_filled_by(1));
    }

    #[test]
    fn a_page_has_at_least_one_row_and_not_too_many() {
        let cursors = Cursors::new(&[7; 32]);
        for limit in [0, PAGE_ROWS_MAX + 1] {
            assert!(Page::<u64>::read(&cursors, "l", ALICE, None, Some(limit)).is_err());
        }
    }
}
