//! The folder that e-mails are written to: finds the token that was sent to an address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::CliError;

/// Longest wait for an e-mail: the reaction that writes it follows the log closely.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often the folder is looked into: it tells nobody of new files.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Largest file that is read.
const MAIL_BYTES_MAX: u64 = 64 * 1024;

/// A folder with one `.eml` file an e-mail.
#[derive(Clone, Debug)]
pub struct Mailbox(PathBuf);

impl Mailbox {
    /// The folder, which may not be there yet.
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Waits for the e-mail to `address` and reads the token in it.
    ///
    /// # Errors
    /// When the folder cannot be read or no such e-mail comes.
    pub async fn token_for(&self, address: &str) -> Result<String, CliError> {
        let look = async {
            loop {
                if let Some(token) = self.look(address)? {
                    return Ok(token);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, look).await.unwrap_or_else(|_| {
            Err(CliError::check_failed(format!("no e-mail to {address} came into {}", self.0.display()))
                .hint("does the server write e-mails into this folder (`mail.transport = \"file:...\"`)?"))
        })
    }

    fn look(&self, address: &str) -> Result<Option<String>, CliError> {
        let unreadable = |error: std::io::Error| {
            CliError::usage(format!("the folder {} cannot be read", self.0.display())).because(&error)
        };
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unreadable)?,
        };
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let is_mail = path.extension().is_some_and(|extension| extension == "eml");
            let fits = path.metadata().is_ok_and(|file| file.len() <= MAIL_BYTES_MAX);
            if !is_mail || !fits {
                continue;
            }
            // A file that is being written has no token yet; it is looked at again.
            let text = String::from_utf8_lossy(&std::fs::read(&path).map_err(unreadable)?).into_owned();
            if let Some(token) = token_in(&text, address) {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }
}

/// The token in an e-mail (RFC 5322) to `address`, complete with its line's end.
fn token_in(mail: &str, address: &str) -> Option<String> {
    let mail = mail.replace("\r\n", "\n");
    let (head, body) = mail.split_once("\n\n")?;
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.split_once(": ").filter(|(known, _)| *known == name));
        found.map(|(_, value)| value.trim())
    };
    if header("To")?.trim_matches(['<', '>']) != address {
        return None;
    }
    let body = match header("Content-Transfer-Encoding") {
        Some("quoted-printable") => unquoted(body),
        Some(_) | None => body.to_owned(),
    };
    let mut lines = body.split_inclusive('\n');
    let token = lines.find_map(|line| line.trim_start().strip_prefix("token: ")?.strip_suffix('\n'))?;
    Some(token.trim().to_owned())
}

/// Takes quoted-printable (RFC 2045, section 6.7) off ASCII text.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut parts = joined.split('=');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                plain.push('=');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: x\r\nTo: ann@example.org\r\nSubject: Confirm\r\n\
        Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n\r\n    token: abc-DEF_1\r\n\r\nBye\r\n";

    #[test]
    fn the_token_to_an_address_is_found() {
        assert_eq!(token_in(MAIL, "ann@example.org").as_deref(), Some("abc-DEF_1"));
        assert_eq!(token_in(MAIL, "bob@example.org"), None);
    }

    #[test]
    fn half_a_file_has_no_token() {
        let half = MAIL.split("DEF").next().unwrap();
        assert_eq!(token_in(half, "ann@example.org"), None);
        assert_eq!(token_in("To: ann@example.org\r\n", "ann@example.org"), None);
    }

    #[test]
    fn quoted_printable_is_read() {
        let mail = "To: a@b\nContent-Transfer-Encoding: quoted-printable\n\n    token: ab=\ncd=3D=\nef\n\n";
        assert_eq!(token_in(mail, "a@b").as_deref(), Some("abcd=ef"));
    }

    #[tokio::test]
    async fn a_mail_that_comes_later_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::new(directory.path().join("mail"));
        let write = async {
            std::fs::create_dir(mailbox.directory()).unwrap();
            std::fs::write(mailbox.directory().join("note.txt"), MAIL.replace("abc", "other")).unwrap();
            std::fs::write(mailbox.directory().join("1.eml"), MAIL).unwrap();
        };
        let (token, ()) = tokio::join!(mailbox.token_for("ann@example.org"), write);
        assert_eq!(token.unwrap(), "abc-DEF_1");
    }
}
