//! Whom an account may know: the function that row-level security asks about profiles and devices of others.
//!
//! It looks at the memberships of one release's read models, so each set of their fingerprints has a function of its own. Its
//! name is part of the policies that ask it, and thereby of the fingerprints of the projections that have such policies.

use domain::Digest;

use crate::projector::fingerprint_in;
use crate::views::{Views, short};

/// Its body, with `read.` for the views.
const BODY: &str = include_str!("acquainted.sql");
/// The projections that the body looks at. None of them has a policy that asks the function.
const PROJECTIONS: &[&str] = &["conversations", "organizations", "workspaces"];
/// What it may do: owner, rights of its owner, search path, who may call it.
pub(crate) const RIGHTS: &str =
    "envoi_projector t search_path=pg_catalog, pg_temp EXECUTE envoi_projector,EXECUTE envoi_reader";

/// Its name, with its schema.
pub(crate) fn name(edition: u32) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-30 acquainted v1");
    hasher.update(BODY.as_bytes());
    for projector in crate::registry() {
        if PROJECTIONS.contains(&projector.name()) {
            hasher.update(fingerprint_in(&*projector, edition).as_bytes());
        }
    }
    format!("projection.acquainted_{}", short(Digest::from_bytes(*hasher.finalize().as_bytes())))
}

/// Its body as PostgreSQL keeps it.
pub(crate) fn body(edition: u32) -> String {
    format!("\n{}", Views::of(PROJECTIONS, edition).qualify(BODY))
}

/// Statements that make it where it is missing, however many do so at once: policies cannot name what is not there. They are
/// parts of a transaction. One that somebody changed stays, for whoever compares it.
pub(crate) fn create(edition: u32) -> String {
    let (name, replace) = (name(edition), replace(edition));
    format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0));\n\
         DO $make$ BEGIN IF to_regprocedure('{name}(uuid)') IS NULL THEN\n{replace}END IF; END $make$;\n"
    )
}

/// Statements that make it whatever is there, however many do so at once. They are parts of a transaction.
pub(crate) fn renew(edition: u32) -> String {
    let (name, replace) = (name(edition), replace(edition));
    format!("SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0));\n{replace}")
}

/// Statements that drop one of this name, unless a policy asks it, while nobody makes one.
pub(crate) fn drop(name: &str) -> String {
    format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0)); DROP FUNCTION IF EXISTS {name}(uuid)"
    )
}

fn replace(edition: u32) -> String {
    let (name, body) = (name(edition), body(edition));
    format!(
        "CREATE OR REPLACE FUNCTION {name}(other uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER\n\
         SET search_path = pg_catalog, pg_temp AS $${body}$$;\n\
         REVOKE ALL ON FUNCTION {name} FROM PUBLIC;\n\
         GRANT EXECUTE ON FUNCTION {name} TO envoi_reader;\n"
    )
}
