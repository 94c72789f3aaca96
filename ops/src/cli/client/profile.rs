//! Profiles: a name for a key file.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::CliError;

/// Longest name, in bytes: with its ending it is a file name everywhere.
const NAME_BYTES_MAX: usize = 64;

/// A profile's name: a file name, and nothing that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile(String);

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if fits && name.chars().all(plain) && !name.starts_with('.') {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!("a profile is named by 1 to {NAME_BYTES_MAX} letters, digits and -_.@"))
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Profile {
    /// The key file: in `$ENVOI_HOME`, `$XDG_DATA_HOME/envoi` or `~/.local/share/envoi`.
    ///
    /// # Errors
    /// When none of these variables says where.
    pub fn key_file(&self) -> Result<PathBuf, CliError> {
        let directory = directory(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
            .ok_or_else(|| CliError::usage("there is no place for key files").hint("set ENVOI_HOME"))?;
        Ok(directory.join(format!("{}.key", self.0)))
    }

    /// The key file, in a directory that is there and that nobody else looks into.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn prepared_key_file(&self) -> Result<PathBuf, CliError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = self.key_file()?;
        if let Some(directory) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
                CliError::usage(format!("the directory {} cannot be made", directory.display()))
                    .because(&error)
            })?;
        }
        Ok(path)
    }
}

fn directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = || variable("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    variable("ENVOI_HOME").map(PathBuf::from).or_else(|| data().map(|data| data.join("envoi")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<Profile>().is_err(), "{bad}");
        }
        for good in ["default", "ann@home", "work.2"] {
            assert!(good.parse::<Profile>().is_ok(), "{good}");
        }
    }

    #[test]
    fn the_nearest_variable_says_where() {
        let all = [("ENVOI_HOME", "/a"), ("XDG_DATA_HOME", "/b"), ("HOME", "/c")];
        let among = |known: &[(&str, &str)]| {
            let known: Vec<_> = known.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
            directory(move |name| known.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(among(&all), Some("/a".into()));
        assert_eq!(among(&all[1..]), Some("/b/envoi".into()));
        assert_eq!(among(&all[2..]), Some("/c/.local/share/envoi".into()));
        assert_eq!(among(&[]), None);
    }
}
