//! Filters over `$all`: by stream name or event type, a list of prefixes or a regular expression.

use regex::Regex;

use crate::proto::streams::read_req::options::FilterOptions;
use crate::proto::streams::read_req::options::filter_options::{Expression, Filter as WireFilter, Window};

/// The window of a filter that names none: the real server's page.
const DEFAULT_WINDOW: u32 = 32;

/// A filter and what it has said so far: each name is looked at once.
pub(crate) struct Filter {
    subject: Subject,
    pattern: Pattern,
    verdicts: Vec<Option<bool>>,
    /// A checkpoint is due after so many events were looked at.
    pub(crate) checkpoint_interval: u64,
}

/// What of an event a filter looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Stream,
    EventType,
}

enum Pattern {
    Prefixes(Vec<String>),
    Regex(Regex),
}

impl Filter {
    /// The filter a request asks for, or why it cannot be.
    pub(crate) fn from_wire(wire: FilterOptions) -> Result<Self, String> {
        let (subject, expression) = match wire.filter {
            Some(WireFilter::StreamIdentifier(expression)) => (Subject::Stream, expression),
            Some(WireFilter::EventType(expression)) => (Subject::EventType, expression),
            None => return Err("a filter names neither streams nor event types".to_owned()),
        };
        let window = match wire.window {
            Some(Window::Max(max)) if max > 0 => max,
            Some(Window::Max(_)) => return Err("the window of a filter is at least 1".to_owned()),
            Some(Window::Count(_)) => DEFAULT_WINDOW,
            None => return Err("a filter has no window".to_owned()),
        };
        if wire.checkpoint_interval_multiplier == 0 {
            return Err("the checkpoint interval multiplier is at least 1".to_owned());
        }
        Ok(Self {
            subject,
            pattern: Pattern::from_wire(expression)?,
            verdicts: Vec::new(),
            checkpoint_interval: u64::from(wire.checkpoint_interval_multiplier) * u64::from(window),
        })
    }

    pub(crate) fn subject(&self) -> Subject {
        self.subject
    }

    /// Whether the name with this number in the log passes.
    pub(crate) fn passes(&mut self, number: u32, name: &str) -> bool {
        let index = number as usize;
        if let Some(Some(verdict)) = self.verdicts.get(index) {
            return *verdict;
        }
        let verdict = self.pattern.matches(name);
        if self.verdicts.len() <= index {
            self.verdicts.resize(index + 1, None);
        }
        if let Some(place) = self.verdicts.get_mut(index) {
            *place = Some(verdict);
        }
        verdict
    }
}

impl Pattern {
    /// A regular expression counts before prefixes, as with the real server.
    fn from_wire(expression: Expression) -> Result<Self, String> {
        if !expression.regex.is_empty() {
            return Regex::new(&expression.regex).map(Self::Regex).map_err(|error| error.to_string());
        }
        if expression.prefix.is_empty() {
            return Err("a filter has neither a regular expression nor a prefix".to_owned());
        }
        Ok(Self::Prefixes(expression.prefix))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}
