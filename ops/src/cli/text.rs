//! Text for a terminal.

use console::measure_text_width;
use domain::Timestamp;

/// A time as people read it, UTC.
pub fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Text of other people without what a terminal would take for orders.
pub fn harmless(text: &str) -> String {
    let harmless = |c: char| {
        let dangerous = c.is_control() && !matches!(c, '\n' | '\t');
        // Marks that turn the writing direction could make a text look like another one's.
        let turning = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if dangerous || turning { char::REPLACEMENT_CHARACTER } else { c }
    };
    text.chars().map(harmless).collect()
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
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
        assert_eq!(harmless("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\nc\u{fffd}d");
        assert_eq!(one_line("a\nb\tc"), "a b c");
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
