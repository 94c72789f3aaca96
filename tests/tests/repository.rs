//! What has to be true of the repository itself: its layout, its documents' links, the size of its files.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::path::{Path, PathBuf};

/// Longest source file in lines: what one can hold in mind.
const LINES_MAX: usize = 500;
/// What stands at the top, beside files that tools insist on.
const TOP: &[&str] = &[
    "Cargo.toml",
    "domain",
    "commands",
    "projections",
    "api",
    "eventstore-schema",
    "tests",
    "ops",
    "README.md",
    // Tools look for these here and nowhere else.
    "Cargo.lock",
    "LICENSE",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
    "target",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files with an ending, but for what is built or kept at run time.
fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let unexpected: Vec<_> = std::fs::read_dir(root())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn every_relative_link_of_every_document_leads_somewhere() {
    let mut documents = Vec::new();
    files(&root(), ".md", &mut documents);
    assert!(documents.len() > 5);
    let mut broken = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !document.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_migration_of_a_part_has_a_number_of_its_own() {
    for part in ["commands", "eventstore-schema", "projections"] {
        let mut scripts = Vec::new();
        files(&root().join(part).join("migrations"), ".sql", &mut scripts);
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut numbers: Vec<_> =
            scripts.iter().map(|path| name(path).split("__").next().unwrap().to_owned()).collect();
        numbers.sort_unstable();
        let expected: Vec<_> = (1..=numbers.len()).map(|number| format!("V{number:02}")).collect();
        assert_eq!(numbers, expected, "{part}");
    }
}

#[test]
fn no_source_file_is_longer_than_one_can_hold_in_mind() {
    let mut sources = Vec::new();
    files(&root(), ".rs", &mut sources);
    let long: Vec<_> = sources
        .into_iter()
        .map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// A plan that is made before the parameters are known turns such a condition into a filter over all rows.
#[test]
fn no_query_asks_whether_a_parameter_is_null() {
    let mut sources = Vec::new();
    for part in ["api/src", "commands/src", "eventstore-schema/src", "ops/src", "projections/src"] {
        files(&root().join(part), ".rs", &mut sources);
    }
    let asks = |text: &str| {
        text.split('$').skip(1).any(|behind| {
            let behind = behind.trim_start_matches(|next: char| next.is_ascii_digit());
            let behind = behind.strip_prefix("::").unwrap_or(behind);
            let behind = behind
                .trim_start_matches(|next: char| next.is_ascii_alphanumeric() || next == '[' || next == ']');
            behind.trim_start().to_ascii_uppercase().starts_with("IS NULL OR")
        })
    };
    assert!(asks("WHERE ($12::bigint IS NULL OR position > $2)") && !asks("WHERE x = $1 AND y IS NULL OR z"));
    let asking: Vec<_> =
        sources.into_iter().filter(|path| asks(&std::fs::read_to_string(path).unwrap())).collect();
    assert!(asking.is_empty(), "{asking:#?}");
}
