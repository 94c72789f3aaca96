//! The operating system's account that the server runs as: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Accounts that a process of root hands the server to, the better one first.
const SERVER_ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// An account by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The account that the server has to run as; `None` to run it as the process itself does.
pub(super) fn server_account() -> std::io::Result<Option<Account>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    Ok(SERVER_ACCOUNTS.iter().find_map(|name| find(&accounts, name)))
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next()? == name;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_it.then(|| Account { name: name.to_owned(), uid, gid })
    })
}

/// A command that runs as `account`, in a directory that exists for everybody, with plain messages.
pub(super) fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C").stdin(std::process::Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Gives a path to the account that the server runs as.
pub(super) fn hand_over(path: &Path, account: Option<&Account>) -> std::io::Result<()> {
    match account {
        Some(account) => std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    }
}

/// The first directory above `directory` that another account than root's cannot pass through.
pub(super) fn barrier(directory: &Path) -> Option<PathBuf> {
    const OTHERS_MAY_PASS: u32 = 0o001;
    let mut above: Vec<_> = directory.ancestors().skip(1).collect();
    above.reverse();
    above
        .into_iter()
        .find(|path| fs::metadata(path).is_ok_and(|found| found.mode() & OTHERS_MAY_PASS == 0))
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let file = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(find(file, "postgres"), Some(Account { name: "postgres".to_owned(), uid: 101, gid: 104 }));
        assert_eq!(find(file, "nobody"), None);
    }
}
