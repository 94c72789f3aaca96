//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};

/// Oldest version that runs Envoi: `security_invoker` views came with it.
pub const VERSION_MIN: u32 = 15;

/// Directories whose entries hold one version each, with the way from the entry to its programs.
const INSTALLATIONS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/local/lib/postgresql", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr", "bin"),
];

/// Programs that a cluster needs.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The programs of one installed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) version: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Every usable installation, the newest first.
pub(super) fn installed() -> Vec<Binaries> {
    let mut found: Vec<_> = candidates().into_iter().filter_map(|directory| probe(&directory)).collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.version));
    found.dedup_by_key(|one| one.version);
    found
}

fn candidates() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for (parent, inner) in INSTALLATIONS {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        directories.extend(entries.map(|entry| entry.path().join(inner)));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    directories.extend(std::env::split_paths(&path));
    directories.retain(|directory| PROGRAMS.iter().all(|program| directory.join(program).is_file()));
    directories
}

fn probe(directory: &Path) -> Option<Binaries> {
    let output = std::process::Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let version = version(&String::from_utf8_lossy(&output.stdout))?;
    (version >= VERSION_MIN).then(|| Binaries { directory: directory.to_owned(), version })
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian ...)`.
fn version(text: &str) -> Option<u32> {
    let number = text.split_whitespace().nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(version("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(version("something else"), None);
    }
}
