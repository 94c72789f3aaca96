//! Asking before something is done that cannot be taken back.

use std::io::{BufRead, IsTerminal};

use super::CliError;

/// Asks on the terminal whether to go on. Scripts say so beforehand with `--yes`.
///
/// # Errors
/// When the answer is not yes, or nobody is there to give one.
pub fn confirm(warning: &str, question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(
            "nothing was done: this has to be confirmed, and nobody is there to ask",
        )
        .hint("`--yes` confirms it beforehand"));
    }
    let unreadable = |error: std::io::Error| CliError::usage("the answer cannot be read").because(&error);
    let terminal = console::Term::stderr();
    terminal.write_line(warning).map_err(unreadable)?;
    terminal.write_str(&format!("{question} [y/N] ")).map_err(unreadable)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(unreadable)?;
    if is_yes(&answer) { Ok(()) } else { Err(CliError::usage("nothing was done: it was not confirmed")) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" Yes \n"));
        assert!(!is_yes("\n") && !is_yes("no\n") && !is_yes("yesterday\n"));
    }
}
