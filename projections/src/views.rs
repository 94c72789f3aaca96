//! Where queries find the read models of their release.
//!
//! Two releases may run over one database, each with tables of its own wherever their definitions differ. So views lie in a
//! schema for each projection and fingerprint. Queries say `read.<relation>`, which stands for the view of the release that
//! they are part of.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use domain::Digest;

use crate::checkpoint::{Layout, relations};
use crate::projector::fingerprint_in;

/// What stands before a relation's name in a query.
const PREFIX: &str = "read.";

/// The views of one release.
pub struct Views {
    /// The schema of every relation.
    schemas: HashMap<String, String>,
    fingerprints: BTreeMap<&'static str, Digest>,
    /// Queries as they are sent.
    qualified: RwLock<HashMap<&'static str, Arc<str>>>,
}

impl Views {
    /// Those of this release.
    pub fn current() -> Arc<Self> {
        static CURRENT: OnceLock<Arc<Views>> = OnceLock::new();
        Arc::clone(CURRENT.get_or_init(|| Arc::new(Self::of_edition(0))))
    }

    /// Those of another [`Projector::edition`](crate::Projector::edition).
    pub fn of_edition(edition: u32) -> Self {
        let mut schemas = HashMap::new();
        let mut fingerprints = BTreeMap::new();
        for projector in crate::registry() {
            let fingerprint = fingerprint_in(&*projector, edition);
            let schema = views_schema(projector.name(), fingerprint);
            schemas.extend(relations(&*projector).map(|relation| (relation, schema.clone())));
            fingerprints.insert(projector.name(), fingerprint);
        }
        Self { schemas, fingerprints, qualified: RwLock::default() }
    }

    /// Only those of some projections, at an edition.
    pub(crate) fn of(names: &[&str], edition: u32) -> Self {
        let all = Self::of_edition(edition);
        let is_named = |schema: &str| names.iter().any(|name| schema.starts_with(&format!("read_{name}_")));
        let schemas = all.schemas.into_iter().filter(|(_, schema)| is_named(schema)).collect();
        Self { schemas, ..all }
    }

    /// `sql` with each `read.<relation>` replaced by the view's name. What is no relation of a read model stays as it is.
    pub fn qualify(&self, sql: &str) -> String {
        let mut qualified = String::with_capacity(sql.len().saturating_mul(2));
        let mut rest = sql;
        while let Some((before, behind)) = rest.split_once(PREFIX) {
            qualified.push_str(before);
            let end = behind.find(|c: char| !is_name(c)).unwrap_or(behind.len());
            let (relation, behind) = behind.split_at(end);
            let is_start = !before.ends_with(|c: char| is_name(c) || c == '.');
            match self.schemas.get(relation).filter(|_| is_start) {
                Some(schema) => qualified.extend([schema, ".", relation]),
                None => qualified.extend([PREFIX, relation]),
            }
            rest = behind;
        }
        qualified.push_str(rest);
        qualified
    }

    /// As [`Views::qualify`], remembered.
    pub(crate) fn query(&self, sql: &'static str) -> Arc<str> {
        if let Some(found) = self.qualified.read().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Arc::clone(found);
        }
        let qualified: Arc<str> = self.qualify(sql).into();
        let mut all = self.qualified.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(sql).or_insert(qualified))
    }

    /// Fingerprints of projections, in order; a name that is none's has the digest of nothing.
    pub(crate) fn fingerprints(&self, names: &[&str]) -> Vec<Vec<u8>> {
        let none = Digest::from_bytes([0; 32]);
        let of = |name: &&str| self.fingerprints.get(name).unwrap_or(&none).as_bytes().to_vec();
        names.iter().map(of).collect()
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").field("fingerprints", &self.fingerprints).finish_non_exhaustive()
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A digest in hexadecimal, as SQL takes it.
pub(crate) fn hex(digest: Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first digits of a fingerprint: enough to tell the releases over one database apart.
pub(crate) fn short(fingerprint: Digest) -> String {
    hex(fingerprint).chars().take(12).collect()
}

/// The schema with a projection's views.
pub(crate) fn views_schema(projection: &str, fingerprint: Digest) -> String {
    format!("read_{projection}_{}", short(fingerprint))
}

/// `sql` about the read models of this release: see [`Views::qualify`].
pub fn qualified(sql: &str) -> String {
    Views::current().qualify(sql)
}

impl Layout<'_> {
    /// The schema with its views.
    pub(crate) fn views(&self) -> String {
        views_schema(self.0.name(), self.0.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relations_of_read_models_are_replaced() {
        let views = Views::current();
        let schema = &views.schemas["messages"];
        let cases = [
            ("SELECT FROM read.messages AS m", format!("SELECT FROM {schema}.messages AS m")),
            ("read.messages", format!("{schema}.messages")),
            ("read.messages_x, read.messages;", format!("read.messages_x, {schema}.messages;")),
            (
                "already.read.messages thread.messages read.",
                "already.read.messages thread.messages read.".to_owned(),
            ),
            ("SELECT 1", "SELECT 1".to_owned()),
        ];
        for (sql, expected) in cases {
            assert_eq!(views.qualify(sql), expected);
        }
    }

    #[test]
    fn every_edition_has_schemas_of_its_own() {
        let (one, other) = (Views::of_edition(0), Views::of_edition(1));
        assert_eq!(one.schemas.len(), other.schemas.len());
        assert!(one.schemas.iter().all(|(relation, schema)| other.schemas[relation] != *schema));
        assert!(one.fingerprints.iter().all(|(name, it)| other.fingerprints[name] != *it));
    }

    #[test]
    fn every_relation_has_one_projection() {
        let all: usize = crate::registry().iter().map(|one| relations(&**one).count()).sum();
        assert_eq!(Views::current().schemas.len(), all);
    }
}
