//! Errors for people: what happened, why, what to do; the exit code tells scripts the kind.

use std::process::ExitCode;

/// Kinds of failure, as exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// Something failed that should not have: 1.
    Failed = 1,
    /// The command line or the configuration is wrong: 2.
    Usage = 2,
    /// Something that is needed cannot be reached; trying again may help: 3.
    Unavailable = 3,
    /// A check was made, and what it checked is not as it should be: 4.
    CheckFailed = 4,
}

/// Why a verb failed.
#[derive(Debug)]
pub struct CliError {
    /// Kind, for the exit code.
    pub kind: ExitKind,
    /// What happened.
    pub message: String,
    /// Why, from the outermost cause inwards.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl CliError {
    fn new(kind: ExitKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// The command line or configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitKind::Usage, message)
    }

    /// Something that is needed cannot be reached.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ExitKind::Unavailable, message)
    }

    /// What was checked is not as it should be.
    pub fn check_failed(message: impl Into<String>) -> Self {
        Self::new(ExitKind::CheckFailed, message)
    }

    /// Something failed that should not have.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ExitKind::Failed, message)
    }

    /// Adds the causes of `error`, itself first.
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}
