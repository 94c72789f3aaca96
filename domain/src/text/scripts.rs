//! Which scripts may meet in one word, so that a name is not written with letters that only look like its own.

use unicode_script::{Script, UnicodeScript};
use unicode_security::GeneralSecurityProfile;
use unicode_security::is_potential_mixed_script_confusable_char;
use unicode_security::mixed_script::AugmentedScriptSet;

/// Whether names are written with this letter although it is outside the general profile: ordinals, as in M.ª José, and the wide
/// letters of East Asia, which show what they are.
const fn is_usual(one: char) -> bool {
    matches!(one, '\u{aa}' | '\u{ba}' | '\u{ff21}'..='\u{ff5a}')
}

/// Whether this is a letter of Latin, Greek or Cyrillic that no living language writes names with, as phonetic signs are, and that
/// looks like another one therefore (*restricted*, UTS 39, section 3.1). Letters of rarer scripts pass: they are few people's own.
pub(super) fn is_lookalike(one: char) -> bool {
    let is_common = matches!(one.script(), Script::Latin | Script::Greek | Script::Cyrillic);
    is_common && one.is_alphabetic() && !one.identifier_allowed() && !is_usual(one)
}

/// Whether some word of the text is written in several scripts and has letters that look like those of another.
///
/// A word of one script passes, whichever (UTS 39, section 5.1), and so does Latin beside Chinese, Japanese or Korean
/// (*highly restrictive*, section 5.2). Words end where something else than letters and marks stands, so a name may go on in
/// another script behind a space or hyphen. Whole words of another script that look alike pass: nobody could write them
/// otherwise.
pub(super) fn has_mixed_word(text: &str) -> bool {
    let is_letter = |one: char| one.is_alphabetic() || unicode_normalization::char::is_combining_mark(one);
    text.split(|one: char| !is_letter(one)).any(|word| !word.is_ascii() && is_mixed(word))
}

fn is_mixed(word: &str) -> bool {
    let (mut whole, mut beside_latin) = (AugmentedScriptSet::default(), AugmentedScriptSet::default());
    for one in word.chars() {
        let scripts = AugmentedScriptSet::from(one);
        whole.intersect_with(scripts);
        if !scripts.base.contains_script(Script::Latin) {
            beside_latin.intersect_with(scripts);
        }
    }
    let is_east_asian = beside_latin.hanb || beside_latin.jpan || beside_latin.kore;
    whole.is_empty() && !is_east_asian && word.chars().any(is_potential_mixed_script_confusable_char)
}
