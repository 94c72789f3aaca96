//! Text for a terminal.
//!
//! Whatever people wrote (names, titles, messages, reasons) goes to the terminal by way of [`printable`], [`name`] or
//! [`message`], so that it can give the terminal no orders and never looks like a line that the program itself wrote.

use console::measure_text_width;
use domain::Timestamp;

/// What stands before each further line of a message, and nowhere else.
const CONTINUED: &str = "      │ ";
/// Widest name, title or cell that is shown, in columns: a longer one could fill a line and go on as the next.
const NAME_COLUMNS_MAX: usize = 60;
/// Narrowest part of a line that a message is broken into, in columns.
const MESSAGE_COLUMNS_MIN: usize = 20;

/// A time as people read it, UTC.
pub fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Text of other people on one line: what would give the terminal orders, begin a line, turn the writing direction or not be
/// seen at all is shown as a sign for it.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        match c {
            '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => shown.push('␡'),
            _ if is_unseen(c, before) => shown.push_str(&named(c)),
            _ => shown.push(c),
        }
        before = Some(c);
    }
    shown
}

/// A name on one line: as [`printable`], never too wide, and without the signs that stand around names and behind them.
pub fn name(text: &str) -> String {
    let mut shown = String::new();
    let printable = printable(text);
    let mut chars = printable.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let ends_it = c == ':' && chars.peek().is_none_or(|next| next.is_whitespace());
        if ends_it || matches!(c, '‹' | '›') { shown.push_str(&named(c)) } else { shown.push(c) }
    }
    cut(&shown, NAME_COLUMNS_MAX)
}

/// A message behind `head`, which is the program's: every further line of it is marked, those too that a terminal of `width`
/// columns would make of a long one.
pub fn message(head: &str, text: &str, width: Option<usize>) -> String {
    let room = |before: &str| {
        width.map(|all| all.saturating_sub(measure_text_width(before)).max(MESSAGE_COLUMNS_MIN))
    };
    let mut whole = head.to_owned();
    let mut is_first = true;
    for line in text.replace("\r\n", "\n").split('\n') {
        let mut rest = printable(line);
        loop {
            let before = if is_first { head } else { CONTINUED };
            let next = room(before).map(|columns| split_off(&mut rest, columns)).unwrap_or_default();
            if !is_first {
                whole.push('\n');
                whole.push_str(CONTINUED);
            }
            whole.push_str(&rest);
            is_first = false;
            if next.is_empty() {
                break;
            }
            rest = next;
        }
    }
    whole
}

/// Text that this program or the server wrote, in lines, without orders to the terminal: the net below everything printed.
pub fn without_orders(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Whether a character would not be seen, or move others: Unicode's default ignorable code points and marks of direction,
/// but for joiners inside words and emoji, and for the selectors of emoji.
fn is_unseen(c: char, before: Option<char>) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => before.is_none_or(|before| before.is_ascii()),
        _ => matches!(c,
            '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'),
    }
}

fn named(c: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(c))
}

/// The text, or as much of it as fits with a sign that there is more.
fn cut(text: &str, columns: usize) -> String {
    let mut kept = text.to_owned();
    if split_off(&mut kept, columns).is_empty() {
        return kept;
    }
    split_off(&mut kept, columns.saturating_sub(1));
    kept.push('…');
    kept
}

/// Leaves in `text` what fits into so many columns, one character at least, and gives the rest.
fn split_off(text: &mut String, columns: usize) -> String {
    if measure_text_width(text) <= columns {
        return String::new();
    }
    let mut width = 0;
    let mut buffer = [0; 4];
    let fits = |c: &char| {
        width += measure_text_width(c.encode_utf8(&mut buffer));
        width <= columns
    };
    let bytes: usize = text.chars().take_while(fits).map(char::len_utf8).sum();
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.split_off(bytes.max(first))
}

/// Columns that line up, the first row being the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(measure_text_width(cell)) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_give_orders_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\td"), "a␛[2Jb␊c␉d");
        assert_eq!(printable("\u{9b}2J\u{7f}\u{0}"), "⟨U+009B⟩2J␡␀");
        assert_eq!(printable("c\u{202e}d\u{2066}e\u{200f}"), "c⟨U+202E⟩d⟨U+2066⟩e⟨U+200F⟩");
        assert_eq!(printable("a\u{2028}b\u{2029}c\u{85}d"), "a⟨U+2028⟩b⟨U+2029⟩c⟨U+0085⟩d");
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(printable("An\u{200b}n\u{ad}\u{feff}\u{e0041}"), "An⟨U+200B⟩n⟨U+00AD⟩⟨U+FEFF⟩⟨U+E0041⟩");
        assert_eq!(printable("Ann\u{200d}"), "Ann⟨U+200D⟩");
        for plain in ["Zoë 星", "👩\u{200d}💻 ❤\u{fe0f}", "نمی\u{200c}خواهم", "e\u{301}", "a  b"]
        {
            assert_eq!(printable(plain), plain);
        }
    }

    #[test]
    fn a_name_ends_where_it_ends() {
        assert_eq!(name("  Ann Archer "), "Ann Archer");
        assert_eq!(name("Bob: I agree"), "Bob⟨U+003A⟩ I agree");
        assert_eq!(name("Bob:"), "Bob⟨U+003A⟩");
        assert_eq!(name("Re:Bob ‹12345678›"), "Re:Bob ⟨U+2039⟩12345678⟨U+203A⟩");
        let long = name(&"星".repeat(500));
        assert!(measure_text_width(&long) <= NAME_COLUMNS_MAX && long.ends_with('…'), "{long}");
    }

    #[test]
    fn a_message_never_begins_a_line_of_its_own() {
        let head = "    1  Ann: ";
        let posing = "hi\n    2  Bob: yes\r\n    3  Cid: no\r    4  Dan: maybe";
        let shown = message(head, posing, None);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines.first(), Some(&"    1  Ann: hi"));
        assert!(lines.iter().skip(1).all(|line| line.starts_with(CONTINUED)), "{shown}");
        assert_eq!(message(head, "", Some(80)), head);
    }

    #[test]
    fn a_long_line_is_broken_where_the_mark_fits() {
        let head = "    1  Ann: ";
        let posing = format!("hi{}    2  Bob: 星星星星星星星星星星 yes", " ".repeat(66));
        for width in [30, 80, 81, 200] {
            let shown = message(head, &posing, Some(width));
            let lines: Vec<_> = shown.lines().collect();
            assert!(lines.iter().all(|line| measure_text_width(line) <= width.max(40)), "{width}: {shown}");
            assert!(lines.iter().skip(1).all(|line| line.starts_with(CONTINUED)), "{width}: {shown}");
            let whole: String = lines.iter().map(|line| line.trim_start_matches(CONTINUED)).collect();
            assert_eq!(whole.replace(' ', ""), format!("{head}{posing}").replace(' ', ""));
        }
    }

    #[test]
    fn columns_line_up_by_what_a_terminal_shows() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let text = table(&[row("ID", "NAME"), row("1", "Zoë"), row("10", "星")]);
        assert_eq!(text, "ID  NAME\n1   Zoë\n10  星\n");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(time(Timestamp::from_micros(1_700_000_000_000_000)), "2023-11-14 22:13:20Z");
    }
}
