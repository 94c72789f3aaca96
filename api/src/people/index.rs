//! The names of one organization, by their words.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use domain::AccountId;
use eventstore_schema::Position;

use super::words;

/// What a word costs beside its letters, in the two maps, in bytes: about.
const WORD_BYTES: usize = 96;
/// What a name costs beside its words, in bytes: about.
const NAME_BYTES: usize = 64;

/// How far the names were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// They are being read.
    Not,
    /// There are more members than are kept.
    Partly,
    /// All are here.
    Wholly,
}

/// The names of an organization's members, as far as they were read.
pub struct Index {
    /// Tells this one from another of the same organization that it took the place of.
    pub id: u64,
    /// How far they were read.
    pub filled: Filled,
    /// The keyring's epoch before the first name was opened: under a later one some may be erased.
    pub epoch: u64,
    /// When it was used last, by counting uses.
    pub used: u64,
    /// Since when names are read into it.
    pub since: Instant,
    /// Whose name or membership has changed, and where: to be read anew before it counts.
    stale: BTreeMap<AccountId, Position>,
    by_word: BTreeSet<(Box<str>, AccountId)>,
    of: HashMap<AccountId, Box<[Box<str>]>>,
    bytes: usize,
}

impl Index {
    /// Knows nobody yet, and was used just now.
    pub fn new(id: u64, epoch: u64) -> Self {
        Self {
            id,
            filled: Filled::Not,
            epoch,
            used: id,
            since: Instant::now(),
            stale: BTreeMap::new(),
            by_word: BTreeSet::new(),
            of: HashMap::new(),
            bytes: 0,
        }
    }

    /// Sets what a member is called.
    pub fn put(&mut self, account_id: AccountId, name: &str) {
        self.remove(account_id);
        let words: Box<[Box<str>]> = words::words(name).into();
        self.bytes += NAME_BYTES;
        for word in &words {
            self.bytes += WORD_BYTES + 2 * word.len();
            self.by_word.insert((word.clone(), account_id));
        }
        self.of.insert(account_id, words);
    }

    /// Forgets a member.
    pub fn remove(&mut self, account_id: AccountId) {
        let Some(words) = self.of.remove(&account_id) else { return };
        self.bytes = self.bytes.saturating_sub(NAME_BYTES);
        for word in words {
            self.bytes = self.bytes.saturating_sub(WORD_BYTES + 2 * word.len());
            self.by_word.remove(&(word, account_id));
        }
    }

    /// Whether somebody of that account is among the members read so far.
    pub fn knows(&self, account_id: AccountId) -> bool {
        self.of.contains_key(&account_id)
    }

    /// Whose name or membership changed at a position is not found until it was read anew.
    pub fn outdate(&mut self, account_id: AccountId, at: Position) {
        self.remove(account_id);
        self.stale.insert(account_id, at);
    }

    /// Whether somebody is to be read anew.
    pub fn is_stale(&self, account_id: AccountId) -> bool {
        self.stale.contains_key(&account_id)
    }

    /// Those to be read anew, at most so many, and from where on read models have to show them.
    pub fn stale(&self, most: usize) -> (Vec<AccountId>, Option<Position>) {
        let stale = || self.stale.iter().take(most);
        (stale().map(|(account_id, _)| *account_id).collect(), stale().map(|(_, at)| *at).max())
    }

    /// How many are to be read anew.
    pub fn stale_count(&self) -> usize {
        self.stale.len()
    }

    /// Somebody was read anew as of a position: with a name, or as no member. What changed later is not made up for.
    pub fn renew(&mut self, account_id: AccountId, as_of: Position, name: Option<&str>) {
        if self.stale.get(&account_id).is_none_or(|at| *at > as_of) {
            return;
        }
        self.stale.remove(&account_id);
        if let Some(name) = name {
            self.put(account_id, name);
        }
    }

    /// Members read so far.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Members of whose names each of the words begins one, in the order of the names' words, at most so many.
    pub fn find(&self, query: &[Box<str>], most: usize) -> Vec<AccountId> {
        // The longest word leaves the fewest to be looked at.
        let Some(probe) = query.iter().max_by_key(|word| word.len()) else { return Vec::new() };
        let first = (probe.clone(), AccountId::from_bytes([0; 16]));
        let begun = self.by_word.range(first..).take_while(|(word, _)| word.starts_with(&**probe));
        let mut seen = HashSet::new();
        let found = begun.map(|(_, account_id)| *account_id).filter(|account_id| {
            let name = self.of.get(account_id);
            name.is_some_and(|name| words::begin(query, name)) && seen.insert(*account_id)
        });
        found.take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u8) -> AccountId {
        AccountId::from_bytes([number; 16])
    }

    fn index(names: &[&str]) -> Index {
        let mut index = Index::new(1, 0);
        for (number, name) in names.iter().enumerate() {
            index.put(account(number as u8), name);
        }
        index
    }

    fn found(index: &Index, query: &str) -> Vec<u8> {
        index.find(&words::words(query), 10).iter().map(|id| id.as_bytes()[0]).collect()
    }

    #[test]
    fn people_are_found_by_the_beginnings_of_their_words() {
        let mut index = index(&["Ann Archer", "Anna Berg", "Bob Anderson", "Zoë Ann"]);
        assert_eq!(found(&index, "ann"), [0, 3, 1]);
        assert_eq!(found(&index, "an b"), [2, 1]);
        assert_eq!(found(&index, "zoe"), [3]);
        assert_eq!(found(&index, "x"), [0_u8; 0]);
        assert_eq!(found(&index, ""), [0_u8; 0]);
        index.put(account(0), "Nell Archer");
        assert_eq!((found(&index, "ann"), found(&index, "nell")), (vec![3, 1], vec![0]));
        index.remove(account(3));
        assert_eq!(found(&index, "ann"), [1]);
        assert_eq!(index.find(&words::words("a"), 2).len(), 2);
    }

    #[test]
    fn bytes_are_given_back() {
        let mut index = index(&["Ann Ann Archer", "Bob"]);
        assert!(index.bytes() > 0);
        index.put(account(1), "Robert Tables");
        index.remove(account(0));
        index.remove(account(1));
        assert_eq!((index.bytes(), index.len(), index.by_word.len()), (0, 0, 0));
    }

    #[test]
    fn who_changed_is_not_found_until_read_as_of_then() {
        let mut index = index(&["Ann"]);
        index.outdate(account(0), Position::new(7));
        assert!(!index.knows(account(0)) && index.stale(9) == (vec![account(0)], Some(Position::new(7))));
        index.renew(account(0), Position::new(6), Some("Ann"));
        assert_eq!((found(&index, "ann"), index.stale_count()), (vec![], 1));
        index.renew(account(0), Position::new(7), Some("Nell"));
        assert_eq!((found(&index, "nell"), index.stale_count()), (vec![0], 0));
        index.renew(account(0), Position::new(9), Some("Ann"));
        assert_eq!(found(&index, "ann"), [0_u8; 0]);
    }
}
