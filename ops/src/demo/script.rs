//! A transcript to play: lines `NAME: text`, empty lines, and comments that begin with `#`.

use std::path::Path;

use domain::limits::NAME_CHARS_MAX;

/// Largest script that is read, in bytes: a long novel's dialogue, read into memory whole.
pub const SCRIPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most lines that are played: each is a request, and every other person receives it.
pub const LINES_MAX: usize = 5_000;
/// Most people: each is a client of its own with a socket, keys and an inbox.
pub const PEOPLE_MAX: usize = 50;
/// Longest text of a line in bytes: as JSON it grows at most sixfold, which still fits a message.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

const _: () = assert!(TEXT_BYTES_MAX * 6 < domain::limits::MESSAGE_CIPHERTEXT_BYTES_MAX);

/// Who is added to a script with one person only, so that somebody receives what is said.
const LISTENER: &str = "Listener";

/// The transcript that is played when none is named.
const DEFAULT: &str = include_str!("../../demo/default.txt");

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who says it: index into [`Script::people`].
    pub speaker: usize,
    /// What they say.
    pub text: String,
}

/// A transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The people, in the order of their first words; at least two.
    pub people: Vec<String>,
    /// What they say; at least one line.
    pub lines: Vec<Line>,
}

/// Why a script cannot be played. Lines count from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is too large.
    #[error("the script has {0} bytes; at most {SCRIPT_BYTES_MAX} are read")]
    TooLarge(usize),
    /// A line is no UTF-8.
    #[error("line {0} is not UTF-8")]
    NotUtf8(usize),
    /// A line has no `NAME:` before its text.
    #[error("line {0} is not of the form `NAME: text`")]
    NoName(usize),
    /// A name cannot be one.
    #[error("line {0}: a name has 1 to {NAME_CHARS_MAX} characters and no control characters")]
    BadName(usize),
    /// A line says nothing.
    #[error("line {0} has no text after the name")]
    NoText(usize),
    /// A text is too long.
    #[error("line {0}: the text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong(usize),
    /// One line too many.
    #[error("line {0}: at most {LINES_MAX} messages are played")]
    TooManyLines(usize),
    /// One person too many.
    #[error("line {0}: at most {PEOPLE_MAX} people take part")]
    TooManyPeople(usize),
    /// Nobody says anything.
    #[error("the script has no lines `NAME: text`")]
    Empty,
}

/// Why a script file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the script cannot be read")]
    Read(#[from] std::io::Error),
    /// It cannot be played.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

impl Script {
    /// Reads a file; the transcript that comes along when there is none.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(file: Option<&Path>) -> Result<Self, LoadError> {
        use std::io::Read;
        let Some(path) = file else { return Ok(Self::parse(DEFAULT.as_bytes())?) };
        let mut bytes = Vec::new();
        // One byte more than allowed tells a file that is too large without reading it whole.
        let most = u64::try_from(SCRIPT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes)?)
    }

    /// Reads a transcript.
    ///
    /// # Errors
    /// The first thing that is wrong; see [`ScriptError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ScriptError> {
        if bytes.len() > SCRIPT_BYTES_MAX {
            return Err(ScriptError::TooLarge(bytes.len()));
        }
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut script = Script { people: Vec::new(), lines: Vec::new() };
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let line = std::str::from_utf8(line).map_err(|_| ScriptError::NotUtf8(number))?.trim();
            if !line.is_empty() && !line.starts_with('#') {
                script.add(number, line)?;
            }
        }
        if script.lines.is_empty() {
            return Err(ScriptError::Empty);
        }
        if script.people.len() == 1 {
            script.add_listener();
        }
        Ok(script)
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), ScriptError> {
        let (name, text) = line.split_once(':').ok_or(ScriptError::NoName(number))?;
        let (name, text) = (name.trim(), text.trim());
        let named = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        if !named || name.chars().any(char::is_control) {
            return Err(ScriptError::BadName(number));
        }
        if text.is_empty() {
            return Err(ScriptError::NoText(number));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(ScriptError::TextTooLong(number));
        }
        if self.lines.len() == LINES_MAX {
            return Err(ScriptError::TooManyLines(number));
        }
        let speaker = match self.people.iter().position(|known| known == name) {
            Some(known) => known,
            None if self.people.len() == PEOPLE_MAX => return Err(ScriptError::TooManyPeople(number)),
            None => {
                self.people.push(name.to_owned());
                self.people.len() - 1
            }
        };
        self.lines.push(Line { speaker, text: text.to_owned() });
        Ok(())
    }

    fn add_listener(&mut self) {
        let mut name = LISTENER.to_owned();
        while self.people.contains(&name) {
            name.push('\'');
        }
        self.people.push(name);
    }

    /// Name of a person; empty for an index that is none.
    pub fn name(&self, person: usize) -> &str {
        self.people.get(person).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, ScriptError> {
        Script::parse(text.as_bytes())
    }

    fn line(speaker: usize, text: &str) -> Line {
        Line { speaker, text: text.to_owned() }
    }

    #[test]
    fn names_and_texts_are_read_in_order() {
        let script = parse("# a comment\n\nAnn: Hello\n  Bob :  at 10:30: tea?  \r\nAnn:yes\n").unwrap();
        assert_eq!(script.people, ["Ann", "Bob"]);
        assert_eq!(script.lines, [line(0, "Hello"), line(1, "at 10:30: tea?"), line(0, "yes")]);
    }

    #[test]
    fn a_byte_order_mark_and_a_missing_last_newline_do_no_harm() {
        let script = parse("\u{feff}Ann: a\nBob: b").unwrap();
        assert_eq!(script.people, ["Ann", "Bob"]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        assert_eq!(parse("Ann: a\n\nno colon here\n"), Err(ScriptError::NoName(3)));
        assert_eq!(parse("Ann: a\n: b\n"), Err(ScriptError::BadName(2)));
        assert_eq!(parse("# c\nA\u{7}nn: b\n"), Err(ScriptError::BadName(2)));
        assert_eq!(parse(&format!("{}: b", "n".repeat(NAME_CHARS_MAX + 1))), Err(ScriptError::BadName(1)));
        assert_eq!(parse("Ann: a\nBob:   \n"), Err(ScriptError::NoText(2)));
        assert_eq!(Script::parse(b"Ann: a\nBob: \xff\xfe\n"), Err(ScriptError::NotUtf8(2)));
        assert_eq!(parse("\n\nno colon").unwrap_err().to_string(), "line 3 is not of the form `NAME: text`");
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        assert!(parse(&format!("Ann: {longest}")).is_ok());
        assert_eq!(parse(&format!("Ann: {longest}x")), Err(ScriptError::TextTooLong(1)));
        let most = "Ann: a\n".repeat(LINES_MAX);
        assert_eq!(parse(&most).unwrap().lines.len(), LINES_MAX);
        assert_eq!(parse(&format!("{most}Ann: a\n")), Err(ScriptError::TooManyLines(LINES_MAX + 1)));
        let crowd: String = (0..=PEOPLE_MAX).map(|n| format!("P{n}: a\n")).collect();
        assert_eq!(parse(&crowd), Err(ScriptError::TooManyPeople(PEOPLE_MAX + 1)));
        assert_eq!(
            Script::parse(&vec![b'\n'; SCRIPT_BYTES_MAX + 1]),
            Err(ScriptError::TooLarge(SCRIPT_BYTES_MAX + 1))
        );
    }

    #[test]
    fn nothing_to_play_is_refused() {
        assert_eq!(parse(""), Err(ScriptError::Empty));
        assert_eq!(parse("# nothing\n\n"), Err(ScriptError::Empty));
    }

    #[test]
    fn a_monologue_gets_a_listener() {
        assert_eq!(parse("Ann: a").unwrap().people, ["Ann", "Listener"]);
        assert_eq!(parse("Listener: a").unwrap().people, ["Listener", "Listener'"]);
    }

    #[test]
    fn the_default_script_has_people_and_lines_enough() {
        let script = Script::load(None).unwrap();
        assert!(script.people.len() >= 3 && script.lines.len() >= 20);
    }

    #[test]
    fn a_file_that_is_missing_or_too_large_is_refused() {
        assert!(matches!(Script::load(Some(Path::new("/nowhere"))), Err(LoadError::Read(_))));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'#'; SCRIPT_BYTES_MAX + 10]).unwrap();
        let refused = Script::load(Some(file.path()));
        assert!(matches!(refused, Err(LoadError::Script(ScriptError::TooLarge(_)))));
    }
}
