//! What a recorded event contradicts: the answer of `check` to a history that no command made.

use std::fmt;

/// Longest text of what is expected or found, in characters: a commit may have thousands of wraps.
const TOLD_CHARS_MAX: usize = 300;

/// Which rule an event breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A stream begins with its founding event, and has it once.
    Begins,
    /// Events name the aggregate, and the account, whose stream they stand in.
    Identity,
    /// What has ended, or was not there yet, takes no such event.
    State,
    /// Who joins was none, who acts or is changed is one.
    Membership,
    /// Who acts may; a role that changes is another than before.
    Role,
    /// Somebody leads as long as others do not.
    LastLeader,
    /// Numbers are contiguous; what stands behind a number is there.
    Number,
    /// Content comes under the generation in force; generations follow one another.
    Generation,
    /// Keys are wrapped for exactly those who are to have them.
    Recipient,
    /// An invitation admits as often, and as what, as it says.
    Invitation,
    /// A mailed token belongs to one command, and is used once.
    Token,
    /// Signatures are of the keys that the stream itself names.
    Signature,
}

impl Rule {
    /// The word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Identity => "identity",
            Self::State => "state",
            Self::Membership => "membership",
            Self::Role => "role",
            Self::LastLeader => "last_leader",
            Self::Number => "number",
            Self::Generation => "generation",
            Self::Recipient => "recipient",
            Self::Invitation => "invitation",
            Self::Token => "token",
            Self::Signature => "signature",
        }
    }

    /// That what was found is what the rule asks for.
    pub(crate) fn equal<T: PartialEq + fmt::Debug>(self, expected: T, found: T) -> Result<(), Violation> {
        if expected == found {
            return Ok(());
        }
        Err(Violation { rule: self, expected: told(&expected), found: told(&found) })
    }

    /// That the rule holds for `found`.
    pub(crate) fn holds(
        self,
        holds: bool,
        expected: &'static str,
        found: &dyn fmt::Debug,
    ) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.broken(expected, found)) }
    }

    /// That there is something; gives it.
    pub(crate) fn some<T>(
        self,
        value: Option<T>,
        expected: &'static str,
        found: &dyn fmt::Debug,
    ) -> Result<T, Violation> {
        value.ok_or_else(|| self.broken(expected, found))
    }

    fn broken(self, expected: &'static str, found: &dyn fmt::Debug) -> Violation {
        Violation { rule: self, expected: expected.to_owned(), found: told(found) }
    }
}

fn told(value: &dyn fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(TOLD_CHARS_MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A recorded event that no command can have led to. Holds ids, numbers and codes only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: expected {expected}, found {found}")]
pub struct Violation {
    /// Which rule it breaks.
    pub rule: Rule,
    /// What the events before ask for.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_tells_what_was_expected_and_never_at_length() {
        let broken = Rule::Number.equal(2, 3).unwrap_err();
        assert_eq!(broken.to_string(), "number: expected 2, found 3");
        let broken = Rule::Recipient.equal(vec!["\u{e9}"; 5_000], Vec::new()).unwrap_err();
        assert!(broken.expected.ends_with("..."), "{broken}");
        assert_eq!((broken.expected.chars().count(), broken.found.as_str()), (TOLD_CHARS_MAX + 3, "[]"));
        assert!(Rule::State.holds(true, "", &()).is_ok());
    }
}
