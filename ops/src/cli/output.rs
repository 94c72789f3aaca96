//! Where results go: text for people or one JSON value for machines on standard output, errors on standard error.

use std::io::Write;

use serde::Serialize;

use super::{CliError, text};

/// Prints results.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a machine reads.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// How wide the terminal is that people read at; none where it is not known.
    pub fn width(self) -> Option<usize> {
        let terminal = console::Term::stdout();
        let size = if self.json || !terminal.is_term() { None } else { terminal.size_checked() };
        size.map(|(_rows, columns)| usize::from(columns))
    }

    /// Prints a result: `value` for machines, `text` for people. A closed pipe ends the output, not the program.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let line = if self.json {
            serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        } else {
            text::without_orders(&text())
        };
        let _closed_pipe = writeln!(std::io::stdout().lock(), "{}", line.trim_end());
    }

    /// Prints one of many results as it comes: a line of JSON for machines, `text` for people.
    pub fn line(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let line = if self.json {
            serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        } else {
            text::without_orders(&text())
        };
        let mut stdout = std::io::stdout().lock();
        let _closed_pipe = writeln!(stdout, "{}", line.trim_end()).and_then(|()| stdout.flush());
    }

    /// Tells people a step on standard output; machines do not hear it.
    pub fn step(self, text: impl AsRef<str>) {
        if !self.json {
            let _closed_pipe = writeln!(std::io::stdout().lock(), "{}", text::without_orders(text.as_ref()));
        }
    }

    /// Tells people how it goes; machines do not hear it.
    pub fn note(self, text: impl AsRef<str>) {
        if !self.json {
            let _closed_pipe = writeln!(std::io::stderr().lock(), "{}", text::without_orders(text.as_ref()));
        }
    }

    /// Prints an error.
    pub fn error(self, error: &CliError) {
        let mut stderr = std::io::stderr().lock();
        let _closed_pipe = if self.json {
            let value = serde_json::json!({
                "error": error.message, "causes": error.causes, "hint": error.hint, "exit_code": error.kind as u8,
            });
            writeln!(stderr, "{value}")
        } else {
            let mut text = format!("error: {}", error.message);
            for cause in &error.causes {
                text.push_str(&format!("\n  because {cause}"));
            }
            if let Some(hint) = &error.hint {
                text.push_str(&format!("\n  try: {hint}"));
            }
            writeln!(stderr, "{}", text::without_orders(&text))
        };
    }
}
