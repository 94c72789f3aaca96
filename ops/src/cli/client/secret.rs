//! Passwords and passphrases: from a variable, typed without echo on a terminal, or the next line of standard input.

use std::io::{BufRead, IsTerminal};

use envoi_client::e2ee::is_weak;
use zeroize::Zeroizing;

use super::explain::weak_passphrase;
use crate::cli::CliError;

/// The passphrase of the profile.
///
/// # Errors
/// When there is none.
pub fn passphrase() -> Result<Zeroizing<String>, CliError> {
    read("Passphrase of your keys", "ENVOI_PASSPHRASE")
}

/// A passphrase that is going to protect new keys: on a terminal it is typed twice. It is not `password`, which the server
/// sees.
///
/// # Errors
/// When there is none, the two differ, it is the password, or it is too easy to guess.
pub fn new_passphrase(password: &str) -> Result<Zeroizing<String>, CliError> {
    let first = passphrase()?;
    if *first == password {
        return Err(CliError::usage("the passphrase is the password of the account, which the server sees")
            .hint("take another passphrase: it protects your keys from the server, too"));
    }
    if is_weak(&first) {
        return Err(weak_passphrase());
    }
    if typed("ENVOI_PASSPHRASE") && read("The passphrase again", "ENVOI_PASSPHRASE")? != first {
        return Err(CliError::usage("the two passphrases differ"));
    }
    Ok(first)
}

/// The password of the account.
///
/// # Errors
/// When there is none.
pub fn password() -> Result<Zeroizing<String>, CliError> {
    read("Password of your account", "ENVOI_PASSWORD")
}

/// A password for a new account: on a terminal it is typed twice.
///
/// # Errors
/// When there is none, or the two differ.
pub fn new_password() -> Result<Zeroizing<String>, CliError> {
    let first = read("New password for your account", "ENVOI_PASSWORD")?;
    if typed("ENVOI_PASSWORD") && read("The password again", "ENVOI_PASSWORD")? != first {
        return Err(CliError::usage("the two passwords differ"));
    }
    Ok(first)
}

/// Whether a person types it.
fn typed(variable: &str) -> bool {
    std::env::var_os(variable).is_none() && std::io::stdin().is_terminal()
}

fn read(prompt: &str, variable: &str) -> Result<Zeroizing<String>, CliError> {
    let unreadable = |error: std::io::Error| CliError::usage("it cannot be read").because(&error);
    let secret = if let Ok(set) = std::env::var(variable) {
        Zeroizing::new(set)
    } else if typed(variable) {
        let terminal = console::Term::stderr();
        terminal.write_str(&format!("{prompt}: ")).map_err(unreadable)?;
        Zeroizing::new(terminal.read_secure_line().map_err(unreadable)?)
    } else {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        let kept = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(kept);
        line
    };
    if secret.is_empty() {
        return Err(CliError::usage(format!("{}: nothing was given", prompt.to_lowercase()))
            .hint(format!("set {variable}, or give it on standard input, one a line")));
    }
    Ok(secret)
}
