//! Progress of long work: a bar on a terminal, silence elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Output;

/// Time between two steps of a sign of life.
const TICK: Duration = Duration::from_millis(100);

/// A progress bar, or nothing when nobody looks.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar when people read and standard error is a terminal.
    pub fn new(output: Output) -> Self {
        if output.is_json() || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} ({per_sec}, {eta} left)") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// A sign of life, with what is waited for, when people read and standard error is a terminal.
    pub fn waiting(output: Output, text: impl Into<String>) -> Self {
        if output.is_json() || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner().with_message(text.into());
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Shows how far it is.
    pub fn at(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
