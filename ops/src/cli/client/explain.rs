//! What went wrong with the server or the keys, and what to do about it.

use envoi_client::Error;
use envoi_client::e2ee::{DirectoryError, PassphraseError};
use envoi_client::keystore::KeyStoreError;
use envoi_client::problem::{ApiError, Problem};

use crate::cli::{CliError, text};

/// Hints to the server's refusals, by code.
const HINTS: &[(&str, &str)] = &[
    ("conversation_not_found", "`envoi client conversation list ORGANIZATION` shows yours"),
    (
        "device_not_in_conversation",
        "wait a moment: a new device is brought into your conversations by the server",
    ),
    ("device_required", "`envoi client login` gives this profile a device"),
    ("device_revoked", "log in with another --profile: a revoked device does not come back"),
    ("identity_exists", "`--begin-anew` works within a day after a reset of the password by mail, once"),
    ("invitation_invalid", "ask for another invitation"),
    ("login_refused", "check address and password; a new address has to be confirmed first"),
    ("message_not_found", "`envoi client history CONVERSATION` shows the numbers"),
    ("organization_not_found", "`envoi client org list` shows yours"),
    ("unauthenticated", "`envoi client login`"),
];

/// Says what happened, why, and what to do.
pub fn explain(error: Error) -> CliError {
    match &error {
        Error::Api(api) => api_error(api),
        Error::Passphrase(PassphraseError::WrongPassphrase) => {
            CliError::usage("the passphrase does not open the keys that the server keeps for you")
                .hint("it is the passphrase of your first device; if it and all devices are lost, reset the password and use --begin-anew")
        }
        Error::Passphrase(PassphraseError::Weak)
        | Error::KeyStore(KeyStoreError::Passphrase(PassphraseError::Weak)) => weak_passphrase(),
        Error::ForeignKeyFile => CliError::usage("the profile belongs to another account or server")
            .hint("--profile for another one, --server for its server"),
        Error::NoDevice | Error::Enrolment => {
            CliError::failed("this device has no keys in force").because(&error).hint("`envoi client login`")
        }
        Error::NoKeys(_) => CliError::failed("there are no keys to encrypt for")
            .because(&error)
            .hint("the other person has to log in once"),
        Error::NotInConversation(_) => CliError::failed("this device is not in the conversation")
            .because(&error)
            .hint("`envoi client conversation list ORGANIZATION` shows yours"),
        Error::WaitingForKey { .. } => {
            CliError::unavailable("this device has not been given the conversation's key yet")
                .because(&error)
                .hint("it comes as soon as a device of another member, or another one of yours, is online")
        }
        Error::Directory(DirectoryError::IdentityChanged(account)) => {
            CliError::check_failed("somebody's identity key is another one than before").because(&error).hint(
                format!(
                    "ask them, then compare: `envoi client safety-number {account} --accept-new-identity`"
                ),
            )
        }
        Error::KeyStore(store) => key_store(store),
        Error::RolledBack { .. } | Error::StrangersKey { .. } | Error::ForeignVault | Error::Directory(_) => {
            CliError::check_failed("the server tells what cannot be believed").because(&error)
        }
        Error::Contention(_) => CliError::unavailable("it did not go through").because(&error),
        Error::Passphrase(_) | Error::Wrap(_) | Error::Seal(_) | Error::OpenWrap { .. } => {
            CliError::failed("the encryption failed").because(&error)
        }
    }
}

/// A passphrase that does not protect.
pub fn weak_passphrase() -> CliError {
    CliError::usage("the passphrase is too easy to guess: whoever gets the encrypted keys can try millions")
        .hint("four or more words that have nothing to do with you or each other, not taken from anywhere")
}

fn api_error(error: &ApiError) -> CliError {
    match error {
        ApiError::Address => CliError::usage(error.to_string()).hint("--server https://envoi.example"),
        ApiError::Unreachable(_) => CliError::unavailable("the server cannot be reached")
            .hint("is it running? `envoi dev` starts one; --server says where it is"),
        ApiError::LoggedOut => {
            CliError::usage("the session of this profile is over").hint("`envoi client login`")
        }
        ApiError::Refused(problem) => refused(problem),
        ApiError::Setup(_) | ApiError::Unreadable { .. } | ApiError::Keep(_) => {
            CliError::failed("the request failed").because(error)
        }
    }
}

fn refused(problem: &Problem) -> CliError {
    let text = text::printable(&problem.to_string());
    let error = match problem.status {
        429 | 503 => CliError::unavailable(text),
        _ => CliError::failed(text),
    };
    match HINTS.iter().find(|(code, _)| *code == problem.code) {
        Some((_, hint)) => error.hint(*hint),
        None => error,
    }
}

fn key_store(error: &KeyStoreError) -> CliError {
    match error {
        KeyStoreError::Missing(_) => CliError::usage("the profile is not logged in").because(error),
        KeyStoreError::Passphrase(PassphraseError::WrongPassphrase) => {
            CliError::usage("the passphrase does not open this profile")
                .hint("without it the profile is lost: log in with another --profile")
        }
        KeyStoreError::Exists(_)
        | KeyStoreError::File { .. }
        | KeyStoreError::Passphrase(_)
        | KeyStoreError::Version
        | KeyStoreError::PassphraseChanged => {
            CliError::failed("the profile's keys cannot be used").because(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_is_for_a_code_that_the_server_knows() {
        for (code, _) in HINTS {
            assert!(api::problem::is_known(code), "{code}");
        }
    }
}
