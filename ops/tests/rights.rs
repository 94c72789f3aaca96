//! The logins of ops/deploy/roles.sql: what the server's may do is enough for a server, and it may do no more.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use eventstore_schema::database::{self, Config, Role};
use serde_json::Value;
use support::{Installation, LOGIN, OWNER, Ran, envoi};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// What nobody may who logs in for a server, in whatever role.
const REFUSED: &[&str] = &[
    "UPDATE log.events SET version = 2",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "DELETE FROM log.events_from_0",
    "TRUNCATE log.events_from_0",
    "INSERT INTO log.events SELECT * FROM log.events",
    "INSERT INTO log.events_from_0 SELECT * FROM log.events_from_0",
    "UPDATE log.commands SET count = 2",
    "DELETE FROM log.commands",
    "UPDATE log.streams SET revision = 0",
    "DELETE FROM log.streams",
    "UPDATE log.identity SET incarnation = gen_random_uuid()",
    "ALTER TABLE log.events DISABLE TRIGGER ALL",
    "ALTER TABLE log.events_from_0 DISABLE TRIGGER refuse_change",
    "ALTER TABLE log.events DETACH PARTITION log.events_from_0",
    "DROP TABLE log.events_from_0",
    "DROP TABLE log.events",
    "DROP FUNCTION log.refuse_change CASCADE",
    "DROP SCHEMA log CASCADE",
    "CREATE TABLE log.mine (n int)",
    "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SET session_replication_role = replica",
    "DELETE FROM keyring.keys",
    "TRUNCATE keyring.keys",
    "DROP TABLE keyring.keys",
    "ALTER TABLE keyring.roots ADD COLUMN mine int",
    "TRUNCATE write.reservations",
    "DROP TABLE write.reservations",
    "UPDATE lease.leases SET epoch = 1",
    "UPDATE migrations.log SET version = 1",
    "DROP SCHEMA migrations CASCADE",
    "DROP OWNED BY envoi_owner",
    "REASSIGN OWNED BY envoi_owner TO envoi_projector",
    "SET ROLE envoi_owner",
    "SET ROLE envoi",
    "SET SESSION AUTHORIZATION envoi_owner",
    "GRANT envoi_owner TO envoi_server",
    "CREATE ROLE mine SUPERUSER",
    "ALTER ROLE envoi_server SUPERUSER",
    "ALTER ROLE envoi_reader BYPASSRLS",
    "CREATE DATABASE mine",
    "DROP DATABASE other",
    "ALTER SYSTEM SET fsync = off",
    "CREATE TABLE public.mine (n int)",
    "CREATE TEMPORARY TABLE mine (n int)",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/envoi-test-refused'",
    "SELECT pg_read_file('PG_VERSION')",
];

/// What no role of the read side may beyond that.
const REFUSED_TO_THE_READ_SIDE: &[&str] = &[
    "SELECT FROM log.events",
    "SELECT log.make_room(1)",
    "SELECT log.lock_appends()",
    "SELECT FROM keyring.keys",
    "UPDATE keyring.keys SET wrapped = NULL",
    "SELECT FROM write.reservations",
    "DELETE FROM write.reservations",
];

fn found<'a>(report: &'a Value, part: &str) -> Vec<&'a Value> {
    report["findings"].as_array().unwrap().iter().filter(|one| one["part"] == part).collect()
}

async fn connected(installation: &Installation, role: Option<Role>) -> Client {
    let config = Config::parse(&installation.url_of(LOGIN, "envoi"), None).unwrap();
    let config = role.map_or(config.clone(), |role| database::in_role(&config, role));
    database::connect(&config).await.unwrap()
}

/// What the owner calls while it migrates is PostgreSQL's own, whatever a server's login put in the way.
#[test]
fn nothing_that_a_server_s_login_makes_runs_as_the_owner() {
    let installation = Installation::new();
    let planted = format!(
        "CREATE SCHEMA {OWNER}; GRANT USAGE ON SCHEMA {OWNER} TO PUBLIC; \
         CREATE FUNCTION {OWNER}.pg_has_role(name, text, text) RETURNS boolean LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'it runs as %', current_user; END$$; \
         CREATE FUNCTION {OWNER}.has_database_privilege(text, name, text) RETURNS boolean LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'it runs as %', current_user; END$$"
    );
    installation.block_on(async {
        connected(&installation, Some(Role::Projector)).await.batch_execute(&planted).await.unwrap();
    });
    installation.migrates().succeeded();
}

/// Everything that a server and its operators do, by a login that owns nothing: people talk, read models are built anew and
/// compared, the log is verified, keys are rotated.
#[test]
fn a_login_that_owns_nothing_is_enough() {
    let installation = Installation::new();
    let server = installation.node();
    let mail = installation.mail();
    let play =
        ["demo", "--json", "--server", server.url(), "--mail-dir", mail.to_str().unwrap(), "--rebuild"];
    let played = installation.runs(&play).succeeded().json();
    assert_eq!(
        (played["rebuild_digests_equal"].as_bool(), &played["failures"]),
        (Some(true), &Value::Array(vec![]))
    );

    for verb in [
        &["projections", "verify"][..],
        &["projections", "status"],
        &["projections", "parked"],
        &["projections", "rebuild"],
        &["reactions", "status"],
        &["reactions", "list"],
        &["keys", "rotate-signing"],
        &["log", "verify", "--rules"],
    ] {
        installation.runs(verb).succeeded();
    }
    let report = installation.runs(&["doctor", "--json"]).json();
    let rights = found(&report, "rights");
    assert_eq!(rights.len(), 1, "{report}");
    assert_eq!(rights[0]["state"], "good", "{report}");
    // What it was set up with can be repeated beside it.
    installation.migrates().succeeded();
}

#[test]
fn a_server_s_login_can_do_no_more_than_a_server() {
    let installation = Installation::new();
    installation.make_roles("other_server", "other_owner", "other");
    let mut world = projections::testing::World::new(std::sync::Arc::clone(&installation.log), 3);
    installation.block_on(world.live(20));
    let before = installation.block_on(installation.log.head()).unwrap();
    installation.block_on(async {
        let roles = [None, Some(Role::App), Some(Role::Projector), Some(Role::Reader)];
        for role in roles {
            let client = connected(&installation, role).await;
            // Who has a right without the option to give it is only warned; nothing comes of it.
            let _ = client.batch_execute("GRANT UPDATE, DELETE, TRUNCATE ON log.events TO envoi_app").await;
            let read_side = if role == Some(Role::App) { &[] } else { REFUSED_TO_THE_READ_SIDE };
            for sql in REFUSED.iter().chain(read_side) {
                let error = client.batch_execute(sql).await.expect_err(&format!("{role:?}: {sql}"));
                assert_eq!(
                    error.code(),
                    Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                    "{role:?}: {sql}: {error:?}"
                );
            }
        }
        let elsewhere = Config::parse(&installation.url_of(LOGIN, "other"), None).unwrap();
        let error = database::connect(&elsewhere).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{error:?}");
    });
    let after = installation.block_on(installation.log.head()).unwrap();
    assert_eq!((before.incarnation, before.position), (after.incarnation, after.position));
    installation.runs(&["log", "verify", "--rules"]).succeeded();
}

#[test]
fn a_right_that_is_missing_is_named_with_what_gives_it() {
    let installation = Installation::new();
    let refused = |what: &str, given_by: &str| {
        let ran = installation.runs(&["serve", "--roles", "projector"]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(what) && ran.stderr.contains(given_by), "{}", ran.stderr);
        let report = installation.runs(&["doctor", "--json"]).json();
        assert_eq!(found(&report, "rights")[0]["state"], "BAD", "{report}");
    };
    installation.sql("REVOKE envoi_reader FROM envoi_server");
    refused("the login envoi_server cannot assume envoi_reader", "GRANT envoi_reader TO \"envoi_server\"");
    installation.sql("GRANT envoi_reader TO \"envoi_server\"");

    // As a copy of a database is.
    installation.sql("REVOKE CREATE ON DATABASE envoi FROM envoi_projector");
    refused("CREATE on database envoi of envoi_projector", "`envoi migrate`");
    installation.migrates().succeeded();
    installation.sql("REVOKE USAGE ON SCHEMA log FROM envoi_app");
    refused("USAGE on schema log of envoi_app", "with their owners and rights");
    installation.sql("GRANT USAGE ON SCHEMA log TO envoi_app");
    drop(installation.serve("projector"));
}

#[test]
fn who_may_not_migrate_is_told_what_is_missing() {
    let installation = Installation::new();
    let refused = |ran: Ran, expected: &[&str]| {
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(expected.iter().all(|one| ran.stderr.contains(one)), "{}", ran.stderr);
    };
    // The server's own login, which is what `envoi migrate` has without a URL of its own.
    installation.sql("REVOKE CREATE ON DATABASE envoi FROM envoi_projector");
    let not_owner = ["is not the owner of the database envoi", "ALTER DATABASE envoi OWNER TO envoi_server"];
    refused(installation.runs(&["migrate"]), &["envoi_server has not the rights of envoi_projector"]);
    installation.sql("ALTER ROLE envoi_server INHERIT");
    refused(installation.runs(&["migrate"]), &not_owner);
    installation.sql(&format!("REVOKE envoi_projector FROM {OWNER}; ALTER ROLE envoi_server NOINHERIT"));
    refused(
        installation.migrates(),
        &["envoi_owner has not the rights of envoi_projector", "GRANT envoi_projector TO"],
    );
    installation.sql(&format!("GRANT envoi_projector TO {OWNER}"));
    installation.migrates().succeeded();

    // A cluster where nobody has made the roles.
    installation.sql("CREATE ROLE bare LOGIN");
    installation.sql("CREATE DATABASE bare OWNER bare");
    let mut migrate = envoi(&["migrate"]);
    migrate.env("ENVOI_DATABASE_URL", installation.url_of("bare", "bare"));
    refused(Ran::of(migrate), &["bare has not the rights of envoi_projector"]);
}

/// Connections of one login are ended by a function of another's: a server that hangs in a transaction is relieved at once.
#[test]
fn a_holder_that_hangs_is_ended_by_who_takes_over() {
    let installation = Installation::new();
    installation.block_on(async {
        let take = "SELECT o_epoch FROM lease.take('thing', $1)";
        let holder = connected(&installation, Some(Role::App)).await;
        let epoch: Option<i64> = holder.query_one(take, &[&"one"]).await.unwrap().get(0);
        assert_eq!(epoch, Some(1));
        let admin = database::connect(&installation.database).await.unwrap();
        admin.batch_execute("UPDATE lease.leases SET renewed_at = now() - interval '1 h'").await.unwrap();
        let other = connected(&installation, Some(Role::App)).await;
        let epoch: Option<i64> = other.query_one(take, &[&"other"]).await.unwrap().get(0);
        assert_eq!(epoch, Some(2));
        let ended = holder.batch_execute("SELECT 1").await.unwrap_err();
        assert!(ended.is_closed() || ended.code() == Some(&SqlState::ADMIN_SHUTDOWN), "{ended:?}");
    });
}
