//! Text that people typed: how it is brought to one form, and which text is refused.
//!
//! Callers normalise first ([`normalize`], [`normalize_email`]); the rules then refuse what is not in that form, so that
//! the log never holds two spellings of one thing.

mod characters;
mod email;
mod scripts;
#[cfg(test)]
mod tests;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::limits::{ADDRESS_CHARS_MAX, LOCALE_BYTES_MAX, NAME_CHARS_MAX, PHONE_CHARS_MAX};
use crate::rejection::Rejection;

pub use email::{ascii_domain, check_email, is_international, normalize_email};

/// The text in Unicode NFC without white space around it.
pub fn normalize(text: &str) -> String {
    text.nfc().collect::<String>().trim().to_owned()
}

/// A name as it is stored: [`normalize`]d, with one plain space wherever white space of whatever width or number stands.
pub fn normalize_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    // Line breaks stay, to be refused.
    let is_space = |one: char| one.is_whitespace() && !one.is_control() && !is_line_end(one);
    for one in name.nfc() {
        match (is_space(one), normal.ends_with(' ')) {
            (true, true) => {}
            (true, false) => normal.push(' '),
            (false, _) => normal.push(one),
        }
    }
    normal.trim().to_owned()
}

const fn is_line_end(one: char) -> bool {
    matches!(one, '\u{2028}' | '\u{2029}')
}

fn invalid(field: &'static str, reason: &'static str) -> Rejection {
    Rejection::InvalidField { field, reason }
}

fn is_normal(text: &str) -> bool {
    is_nfc(text) && text.trim() == text
}

/// Styled letters of mathematics, which pose as ordinary ones and are read aloud one by one.
const fn is_styled(one: char) -> bool {
    matches!(one, '\u{1d400}'..='\u{1d7ff}')
}

/// Checks a name: 1 to [`NAME_CHARS_MAX`] characters on one line, in the form of [`normalize_name`], of which one can be
/// seen and none is invisible, and no word that mixes scripts with letters that look like those of another.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Rejection> {
    let refused = |reason| Err(invalid(field, reason));
    if name.is_empty() {
        return refused("must not be empty");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return refused("must have at most 100 characters");
    }
    characters::check(name, &[]).map_err(|reason| invalid(field, reason))?;
    if normalize_name(name) != name {
        return refused("must be in Unicode NFC, with single plain spaces and none around it");
    }
    if !name.chars().any(characters::is_visible) {
        return refused("must have something to see in it");
    }
    if name.chars().any(|one| is_styled(one) || scripts::is_lookalike(one)) {
        return refused("must be written in ordinary letters");
    }
    if scripts::has_mixed_word(name) {
        return refused("must not mix scripts in one word: put a space between them");
    }
    Ok(())
}

/// Checks text of several lines: 1 to `chars_max` characters, normal form, nothing invisible, no control characters but line
/// feed and tab.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<(), Rejection> {
    if text.is_empty() {
        return Err(invalid(field, "must not be empty: leave it out instead"));
    }
    if text.chars().count() > chars_max {
        return Err(invalid(field, "is too long"));
    }
    characters::check(text, &['\n', '\t']).map_err(|reason| invalid(field, reason))?;
    if !is_normal(text) {
        return Err(invalid(field, "must be in Unicode NFC without white space around it"));
    }
    Ok(())
}

/// Checks a phone number: ITU-T E.164, a plus sign and up to 15 digits, the first of them not zero.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_phone(field: &'static str, phone: &str) -> Result<(), Rejection> {
    let wrong = || invalid(field, "must be an E.164 phone number such as +4930123456");
    let digits = phone.strip_prefix('+').ok_or_else(wrong)?;
    let numeric = digits.bytes().all(|one| one.is_ascii_digit());
    if phone.len() > PHONE_CHARS_MAX || digits.len() < 2 || !numeric || digits.starts_with('0') {
        return Err(wrong());
    }
    Ok(())
}

/// Checks a postal address.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_address(field: &'static str, address: &str) -> Result<(), Rejection> {
    check_text(field, address, ADDRESS_CHARS_MAX)
}

/// Checks the outer form of a BCP 47 language tag: subtags of 1 to 8 letters and digits, joined by hyphens.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_locale(field: &'static str, locale: &str) -> Result<(), Rejection> {
    let subtag_holds =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|one| one.is_ascii_alphanumeric());
    if locale.len() < 2 || locale.len() > LOCALE_BYTES_MAX || !locale.split('-').all(subtag_holds) {
        return Err(invalid(field, "must be a language tag such as de-CH"));
    }
    Ok(())
}
