//! Relations that somebody has changed by hand, and streams that are parked, are no equal read model.

use super::*;
use crate::{Difference, SHARED, Verified, rebuild, verify};

/// What a superuser does, and where it shows: the object and the aspect.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "CREATE OR REPLACE VIEW read.user_accounts WITH (security_invoker = true) AS \
         SELECT * FROM rm_accounts_1.user_accounts WHERE false",
        "read.user_accounts",
        "query",
    ),
    ("ALTER VIEW read.user_profiles SET (security_invoker = false)", "read.user_profiles", "kind"),
    (
        "ALTER TABLE rm_accounts_1.user_accounts DISABLE ROW LEVEL SECURITY",
        "user_accounts",
        "row-level security",
    ),
    ("DROP POLICY viewer ON rm_accounts_1.user_profiles", "user_profiles", "policy viewer"),
    ("ALTER POLICY viewer ON rm_accounts_1.user_metadata USING (true)", "user_metadata", "policy viewer"),
    (
        "CREATE POLICY everybody ON rm_accounts_1.user_accounts FOR SELECT TO envoi_reader USING (true)",
        "user_accounts",
        "policy everybody",
    ),
    ("GRANT SELECT ON read.user_metadata TO PUBLIC", "read.user_metadata", "grant of SELECT to public"),
    (
        "GRANT UPDATE (position) ON rm_accounts_1.user_accounts TO envoi_reader",
        "user_accounts",
        "grant of UPDATE (position) to envoi_reader",
    ),
    (
        "REVOKE SELECT ON read.user_accounts FROM envoi_reader",
        "read.user_accounts",
        "grant of SELECT to envoi_reader",
    ),
    ("GRANT CREATE ON SCHEMA rm_accounts_1 TO envoi_reader", "schema", "grant of CREATE to envoi_reader"),
    (
        "CREATE TRIGGER copies AFTER UPDATE ON rm_accounts_1.user_accounts FOR EACH ROW \
         EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "user_accounts",
        "trigger copies",
    ),
    (
        "CREATE RULE copies AS ON INSERT TO rm_accounts_1.user_accounts DO ALSO NOTHING",
        "user_accounts",
        "rule copies",
    ),
    (
        "ALTER TABLE rm_accounts_1.user_accounts ALTER position DROP NOT NULL",
        "user_accounts",
        "column position",
    ),
    ("CREATE INDEX ON rm_accounts_1.user_accounts (position)", "user_accounts", "index "),
    ("CREATE TABLE rm_accounts_1.copies (id int)", "copies", "kind"),
    ("DROP VIEW read.user_security_states", "read.user_security_states", "kind"),
    ("CREATE VIEW {read}.everything AS SELECT 1 AS one", "read.everything", "kind"),
    ("GRANT CREATE ON SCHEMA {read} TO envoi_reader", "read", "grant of CREATE to envoi_reader"),
];

/// A statement or a name with those of this release.
fn of_release(text: &str) -> String {
    let accounts = registry().into_iter().find(|one| one.name() == "accounts").expect("accounts");
    let acquainted = crate::acquainted::name(0);
    crate::qualified(text)
        .replace("{acquainted}", &acquainted)
        .replace("{read}", &crate::checkpoint::Layout(&*accounts).views())
}

/// The same about what all projections share.
const SHARED_CHANGES: &[(&str, &str, &str)] = &[
    (
        "CREATE OR REPLACE FUNCTION {acquainted}(other uuid) RETURNS boolean LANGUAGE plpgsql STABLE \
         SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$",
        "{acquainted}",
        "body",
    ),
    ("GRANT EXECUTE ON FUNCTION {acquainted} TO PUBLIC", "{acquainted}", "rights"),
];

async fn verified(bench: &Bench) -> Vec<Verified> {
    let accounts = registry().into_iter().filter(|one| one.name() == "accounts").collect();
    verify(&bench.config(), bench.log(), accounts, &|_| {}).await.expect("verified")
}

fn of<'a>(verified: &'a [Verified], name: &str) -> &'a Verified {
    verified.iter().find(|one| one.projection == name).expect("an answer")
}

fn assert_shows(differences: &[Difference], (sql, object, aspect): &(&str, &str, &str)) {
    let object = object.replace("{acquainted}", &crate::acquainted::name(0));
    let shows = |one: &Difference| one.object == object && one.aspect.starts_with(aspect);
    assert!(differences.iter().any(shows), "{sql}: {object} {aspect} is not in {differences:#?}");
}

#[tokio::test]
async fn every_relation_that_is_not_as_it_is_defined_is_found() {
    let mut bench = Bench::new(41).await;
    bench.world.live(60).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    for one in verify(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("verified") {
        assert!(one.is_equal(), "{one:#?}");
    }

    let admin = bench.database.client().await;
    for (sql, ..) in CHANGES.iter().chain(SHARED_CHANGES) {
        let done = admin.batch_execute(&of_release(sql)).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let found = verified(&bench).await;
    let accounts = of(&found, "accounts");
    assert!(!accounts.is_equal());
    assert!(accounts.tables.iter().all(|table| table.live == table.rebuilt), "rows are as they were");
    CHANGES.iter().for_each(|change| assert_shows(&accounts.differences, change));
    assert_eq!(accounts.differences.len(), CHANGES.len(), "{:#?}", accounts.differences);
    let shared = of(&found, SHARED);
    SHARED_CHANGES.iter().for_each(|change| assert_shows(&shared.differences, change));
    assert_eq!(shared.differences.len(), SHARED_CHANGES.len(), "{:#?}", shared.differences);

    // A rebuild makes all anew, with the function that the projection's policies ask.
    let accounts = registry().into_iter().filter(|one| one.name() == "accounts").collect();
    rebuild(&bench.config(), bench.log(), accounts, &|_| {}).await.expect("rebuilt");
    let found = verified(&bench).await;
    assert!(of(&found, "accounts").is_equal(), "{found:#?}");
    assert!(of(&found, SHARED).is_equal(), "{found:#?}");
}
