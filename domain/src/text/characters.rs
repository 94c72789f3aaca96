//! Which characters text may have, so that what people see is what is stored: nothing invisible, nothing that reorders what
//! stands around it, nothing without a meaning.
//!
//! Refused are control and format characters, line and paragraph separators, what is unassigned or private, and everything
//! that Unicode calls ignorable by default or deprecated. A few of these belong to the writing of some scripts and of emoji;
//! they are taken exactly where they change what is shown:
//!
//! - zero-width joiners and non-joiners beside a virama (RFC 5892, appendix A.2, and UAX 31 for those before it), and
//!   non-joiners between letters of the Arabic script that would join (appendix A.1);
//! - the zero-width joiner and the variation selectors 15 and 16 in emoji (UTS 51), not after what is an emoji by itself;
//! - tag characters in the three flags that are made of them;
//! - free variation selectors after Mongolian letters.
//!
//! Ideographic variation sequences are not taken: where a font lacks them, two names would look the same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{
    EmojiStatus, GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory,
};
use unicode_script::{Script, UnicodeScript};
use unicode_security::GeneralSecurityProfile;
use unicode_security::general_security_profile::IdentifierType;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const TEXT_PRESENTATION: char = '\u{fe0e}';
const EMOJI_PRESENTATION: char = '\u{fe0f}';
const ENCLOSING_KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';
/// Canonical combining class of viramas.
const VIRAMA: u8 = 9;
/// A blank that is no space.
const BRAILLE_BLANK: char = '\u{2800}';
/// The subdivisions that have a flag (UTS 51, section C.1, as recommended for general interchange).
const FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
/// Most marks upon one letter (UTS 39, section 5.4).
const MARKS_MAX: usize = 4;

/// What is wrong with a text, for the person who wrote it.
pub(super) type Reason = &'static str;

const CONTROL: Reason = "must not contain control characters";
const INVISIBLE: Reason = "must not contain invisible characters";
const UNASSIGNED: Reason = "must not contain characters without a meaning of their own";
const MARKS: Reason = "must not have marks without a letter, the same twice, or more than four upon one";

/// Checks the characters of `text`; those in `also` are taken beside.
pub(super) fn check(text: &str, also: &[char]) -> Result<(), Reason> {
    let all: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(&one) = all.get(at) {
        let (before, after) = (all.get(..at).unwrap_or_default(), all.get(at + 1..).unwrap_or_default());
        let flag = if one == BLACK_FLAG { flag_tags(after) } else { 0 };
        if !also.contains(&one) && !is_joiner_in_place(before, one, after) {
            check_one(one)?;
        }
        at += 1 + flag;
    }
    check_marks(text)
}

/// Whether there is something to see: a letter, digit, punctuation mark or symbol.
pub(super) fn is_visible(one: char) -> bool {
    use GeneralCategoryGroup as Group;
    let group = one.general_category_group();
    let shown = matches!(group, Group::Letter | Group::Number | Group::Punctuation | Group::Symbol);
    shown && check_one(one).is_ok()
}

fn check_one(one: char) -> Result<(), Reason> {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    let ignorable =
        matches!(one.identifier_type(), Some(IdentifierType::Default_Ignorable | IdentifierType::Deprecated));
    // A character may be of more than one type; the skeleton leaves out what is ignorable, whichever is named.
    let ignorable = ignorable || !one.is_ascii() && is_skeleton_empty(one);
    match one.general_category() {
        Control | LineSeparator | ParagraphSeparator => Err(CONTROL),
        Unassigned | PrivateUse | Surrogate => Err(UNASSIGNED),
        Format => Err(INVISIBLE),
        _ if ignorable || one == BRAILLE_BLANK => Err(INVISIBLE),
        _ => Ok(()),
    }
}

fn is_skeleton_empty(one: char) -> bool {
    unicode_security::skeleton(one.encode_utf8(&mut [0; 4])).next().is_none()
}

/// Whether an otherwise invisible character changes what is shown where it stands.
fn is_joiner_in_place(before: &[char], one: char, after: &[char]) -> bool {
    let Some(&last) = before.last() else { return false };
    match one {
        ZERO_WIDTH_JOINER => joins_emoji(last, after) || is_by_virama(last, after),
        ZERO_WIDTH_NON_JOINER => is_by_virama(last, after) || is_between_joining(before, after),
        EMOJI_PRESENTATION => {
            is_text_by_default(last)
                || last.is_ascii() && last.is_emoji_char() && after.first() == Some(&ENCLOSING_KEYCAP)
        }
        TEXT_PRESENTATION => is_emoji_by_default(last),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => last.script() == Script::Mongolian && last.is_alphabetic(),
        _ => false,
    }
}

/// Number of tag characters that make a flag of the black flag before them; 0 when they do not.
fn flag_tags(after: &[char]) -> usize {
    let is_flag = |name: &&str| {
        let tags = name.chars().filter_map(|letter| char::from_u32(0xe0000 + u32::from(letter)));
        let whole = tags.chain(std::iter::once(CANCEL_TAG));
        after.iter().copied().take(name.len() + 1).eq(whole)
    };
    FLAGS.iter().find(|name| is_flag(name)).map_or(0, |name| name.len() + 1)
}

fn joins_emoji(last: char, after: &[char]) -> bool {
    let ends_emoji = last == EMOJI_PRESENTATION || !last.is_ascii() && last.is_emoji_char();
    ends_emoji && after.first().is_some_and(|next| !next.is_ascii() && next.is_emoji_char())
}

fn is_by_virama(last: char, after: &[char]) -> bool {
    let is_virama = |one: char| canonical_combining_class(one) == VIRAMA;
    is_virama(last) || last.is_alphabetic() && after.first().is_some_and(|next| is_virama(*next))
}

/// Whether the letters on both sides would join. Marks in between do not matter.
fn is_between_joining(before: &[char], after: &[char]) -> bool {
    let letter = |one: &&char| !is_combining_mark(**one);
    let (last, next) = (before.iter().rev().find(letter), after.iter().find(letter));
    matches!((last, next), (Some(last), Some(next)) if joins_to_next(*last) && joins_to_previous(*next))
}

fn is_arabic_letter(one: char) -> bool {
    one.script() == Script::Arabic && one.is_alphabetic()
}

/// Of the Arabic script, what joins on both sides (Unicode's ArabicShaping.txt, type D).
fn joins_to_next(one: char) -> bool {
    let right_only = matches!(
        one,
        '\u{622}'..='\u{625}' | '\u{627}' | '\u{629}' | '\u{62f}'..='\u{632}' | '\u{648}'
        | '\u{671}'..='\u{673}' | '\u{675}'..='\u{677}' | '\u{688}'..='\u{699}' | '\u{6c0}'
        | '\u{6c3}'..='\u{6cb}' | '\u{6cd}' | '\u{6cf}' | '\u{6d2}' | '\u{6d3}' | '\u{6d5}'
        | '\u{6ee}' | '\u{6ef}' | '\u{759}'..='\u{75b}' | '\u{76b}' | '\u{76c}' | '\u{771}'
        | '\u{773}' | '\u{774}' | '\u{778}' | '\u{779}'
    );
    joins_to_previous(one) && !right_only
}

fn joins_to_previous(one: char) -> bool {
    is_arabic_letter(one) && !matches!(one, '\u{621}' | '\u{674}')
}

/// An emoji that is shown as text unless it is said otherwise.
fn is_text_by_default(one: char) -> bool {
    let status = one.emoji_status();
    !one.is_ascii() && matches!(status, EmojiStatus::EmojiOther | EmojiStatus::EmojiModifierBase)
}

fn is_emoji_by_default(one: char) -> bool {
    matches!(
        one.emoji_status(),
        EmojiStatus::EmojiPresentation | EmojiStatus::EmojiPresentationAndModifierBase
    )
}

/// Marks stand upon something, a few at most: piled up they cover the lines around, and the same mark twice looks like one.
fn check_marks(text: &str) -> Result<(), Reason> {
    let is_mark = |one: char| {
        let category = one.general_category();
        matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
            && !matches!(one, EMOJI_PRESENTATION | TEXT_PRESENTATION)
    };
    let (mut count, mut last) = (0, ' ');
    // Decomposed, so that letters that have a mark already count it.
    for one in text.nfd() {
        if is_mark(one) {
            count += 1;
            if count > MARKS_MAX || one == last || (count == 1 && last.is_whitespace()) {
                return Err(MARKS);
            }
        } else {
            count = 0;
        }
        last = one;
    }
    Ok(())
}
