//! Which scripts may meet in one word, so that a name is not written with letters that only look like its own.

use unicode_script::Script;
use unicode_security::is_potential_mixed_script_confusable_char;
use unicode_security::mixed_script::AugmentedScriptSet;

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
