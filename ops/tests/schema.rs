//! A database of another form than this release works with: no role starts on it, and the doctor says why.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use support::Installation;

/// What serving in each role, and the doctor, say: all of it refuses.
fn assert_refused(installation: &Installation, parts: &[&str]) {
    for roles in ["api", "projector", "reactor", "api,projector,reactor"] {
        let ran = installation.runs(&["serve", "--roles", roles]);
        assert_eq!(ran.code, 2, "{roles}: {}", ran.stderr);
        for part in parts {
            assert!(ran.stderr.contains(part), "{roles}: {part} is not in {}", ran.stderr);
        }
    }
    let ran = installation.runs(&["doctor", "--json"]);
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let bad: Vec<_> = findings.filter(|one| one["part"] == "schema" && one["state"] == "BAD").collect();
    assert_eq!((ran.code, bad.len()), (4, 1), "{report}");
    let said = format!("{} {}", bad[0]["found"].as_str().unwrap(), bad[0]["mend"].as_str().unwrap());
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_form_outside_of_the_range_is_refused_by_every_role() {
    let installation = Installation::new();
    for area in ["log", "write", "projection"] {
        let newest = format!("(SELECT max(version) FROM migrations.{area})");
        installation.sql(&format!("CREATE TABLE migrations.kept AS TABLE migrations.{area}"));
        let restore = format!(
            "TRUNCATE migrations.{area}; INSERT INTO migrations.{area} TABLE migrations.kept; DROP TABLE migrations.kept"
        );
        // Of the next series.
        installation.sql(&format!("INSERT INTO migrations.{area} SELECT 100, 'later', applied_on, '1' FROM migrations.{area} LIMIT 1"));
        assert_refused(&installation, &[area, "has the form 100", "to 99", "install the release"]);
        installation.sql(&format!("DELETE FROM migrations.{area} WHERE version = 100"));
        // Of the same release, in another form.
        installation.sql(&format!("UPDATE migrations.{area} SET checksum = '1' WHERE version = {newest}"));
        assert_refused(&installation, &[area, "made by another version", "install the release"]);
        // Older.
        installation.sql(&format!("DELETE FROM migrations.{area} WHERE version = {newest}"));
        assert_refused(&installation, &[area, "`envoi migrate`", "to 99"]);
        // Never migrated.
        installation.sql(&format!("DELETE FROM migrations.{area}"));
        assert_refused(&installation, &[area, "was never migrated", "`envoi migrate`"]);
        installation.sql(&restore);
    }
    // What a later release of the same series adds disturbs nobody.
    installation.sql(
        "INSERT INTO migrations.write SELECT 99, 'later', applied_on, '1' FROM migrations.write LIMIT 1",
    );
    let serving = installation.serve("projector");
    assert!(serving.ends_when_asked());
}
