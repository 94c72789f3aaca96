//! Names as people search for them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Most words of a name, or of what is searched for: names have a handful.
pub const WORDS_MAX: usize = 16;

/// The words of a text without regard to case, width, form, and marks on letters, [`WORDS_MAX`] at most.
pub fn words(text: &str) -> Vec<Box<str>> {
    // Through upper case: letters that differ in lower case only, as ß and ss or the two sigmas, are one there.
    let folded = text.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let folded: String = folded.nfkd().filter(|letter| !is_combining_mark(*letter)).collect();
    let words = folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(Box::from).collect()
}

/// Whether each of the words begins one of the name's.
pub fn begin(query: &[Box<str>], name: &[Box<str>]) -> bool {
    query.iter().all(|wanted| name.iter().any(|word| word.starts_with(&**wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for (name, expected) in [
            ("Ann Archer", &["ann", "archer"][..]),
            ("Jean-Luc  O'Neill", &["jean", "luc", "o", "neill"]),
            ("Zoë Ångström", &["zoe", "angstrom"]),
            ("Straße", &["strasse"]),
            ("ΟΔΥΣΣΕΥΣ", &["οδυσσευσ"]),
            ("Οδυσσεύς", &["οδυσσευσ"]),
            ("İpek", &["ipek"]),
            ("Ａｎｎ", &["ann"]),
            ("山田 太郎", &["山田", "太郎"]),
            (" ·· ", &[]),
        ] {
            assert_eq!(words(name).iter().map(|word| &**word).collect::<Vec<_>>(), expected, "{name}");
        }
        assert_eq!(words(&"a ".repeat(100)).len(), WORDS_MAX);
    }

    #[test]
    fn words_begin_a_name_in_any_order() {
        let name = words("Ann Mary Archer");
        for (query, is_found) in
            [("ann", true), ("arch an", true), ("MAR", true), ("rcher", false), ("ann bob", false)]
        {
            assert_eq!(begin(&words(query), &name), is_found, "{query}");
        }
    }
}
