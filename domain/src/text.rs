//! Text that people typed: how it is brought to one form, and which text is refused.
//!
//! Callers normalise first ([`normalize`], [`normalize_email`]); the rules then refuse what is not in that form, so that
//! the log never holds two spellings of one thing.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::limits::{ADDRESS_CHARS_MAX, EMAIL_BYTES_MAX, NAME_CHARS_MAX, PHONE_CHARS_MAX};
use crate::rejection::Rejection;

/// Longest BCP 47 language tag taken, in bytes (RFC 5646 section 4.4.1).
const LOCALE_BYTES_MAX: usize = 35;

/// The text in Unicode NFC without white space around it.
pub fn normalize(text: &str) -> String {
    text.nfc().collect::<String>().trim().to_owned()
}

/// The e-mail address as it is stored and looked up: [`normalize`]d and in lower case.
///
/// Lower case for the local part, too: no provider of note tells two people apart by it.
pub fn normalize_email(email: &str) -> String {
    normalize(email).to_lowercase().nfc().collect()
}

fn invalid(field: &'static str, reason: &'static str) -> Rejection {
    Rejection::InvalidField { field, reason }
}

fn is_normal(text: &str) -> bool {
    is_nfc(text) && text.trim() == text
}

/// Invisible characters that reorder what is shown around them: they make one name look like another.
const fn is_deceptive(one: char) -> bool {
    matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Checks a name: 1 to [`NAME_CHARS_MAX`] characters on one line, normal form.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Rejection> {
    if name.is_empty() {
        return Err(invalid(field, "must not be empty"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(invalid(field, "must have at most 100 characters"));
    }
    if name.chars().any(|one| one.is_control() || is_deceptive(one)) {
        return Err(invalid(field, "must not contain control characters"));
    }
    if !is_normal(name) {
        return Err(invalid(field, "must be in Unicode NFC without white space around it"));
    }
    Ok(())
}

/// Checks text of several lines: 1 to `chars_max` characters, normal form, no control characters but line feed and tab.
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
    if text.chars().any(|one| (one.is_control() && one != '\n' && one != '\t') || is_deceptive(one)) {
        return Err(invalid(field, "must not contain control characters"));
    }
    if !is_normal(text) {
        return Err(invalid(field, "must be in Unicode NFC without white space around it"));
    }
    Ok(())
}

/// Checks an e-mail address: normal form, one `@`, a local part of at most 64 bytes, a domain of dot-separated labels.
/// Whether it exists only a mail to it can tell.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_email(field: &'static str, email: &str) -> Result<(), Rejection> {
    let wrong = || invalid(field, "must be an e-mail address such as name@example.org");
    if email.len() > EMAIL_BYTES_MAX || normalize_email(email) != email {
        return Err(wrong());
    }
    let (local, domain) = email.split_once('@').ok_or_else(wrong)?;
    let local_allows = |one: char| one.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(one);
    let dots_stand_between = |part: &str| !part.split('.').any(str::is_empty);
    if local.len() > 64 || !local.chars().all(local_allows) || !dots_stand_between(local) {
        return Err(wrong());
    }
    let label_holds = |label: &str| {
        label.len() <= 63
            && label.chars().all(|one| one.is_alphanumeric() || one == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !dots_stand_between(domain) || !domain.contains('.') || !domain.split('.').all(label_holds) {
        return Err(wrong());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_composed_and_on_one_line() {
        let decomposed = " Jose\u{301} ";
        assert!(check_name("name", decomposed).is_err());
        assert_eq!(check_name("name", &normalize(decomposed)), Ok(()));
        assert_eq!(normalize(decomposed), "Jos\u{e9}");
        for refused in ["", " ", "a\nb", "a\u{0}", "a\u{202e}b", &"x".repeat(101)] {
            assert!(check_name("name", &normalize(refused)).is_err(), "{refused:?}");
        }
        assert_eq!(check_name("name", &"\u{e9}".repeat(100)), Ok(()));
    }

    #[test]
    fn an_email_address_has_one_form() {
        assert_eq!(normalize_email(" Ann@Example.ORG "), "ann@example.org");
        for taken in ["ann@example.org", "a.b+c@sub.example.org", "j\u{f6}rg@m\u{fc}ller.example"] {
            assert_eq!(check_email("email", taken), Ok(()), "{taken}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for refused in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "ann@example",
            "a@b@example.org",
            "Ann@example.org",
            " ann@example.org",
            "a b@example.org",
            "ann@-a.org",
            "ann@a..org",
            ".ann@a.org",
            "ann@exa\nmple.org",
            "<a@b.org>",
            &long,
        ] {
            assert!(check_email("email", refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_phone_number_is_international() {
        assert_eq!(check_phone("phone", "+4930123456"), Ok(()));
        for refused in ["", "+", "+1", "030123456", "+0301234", "+49 30 1", "+1234567890123456", "+49a"] {
            assert!(check_phone("phone", refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn an_address_may_have_lines_a_locale_may_not() {
        assert_eq!(check_address("address", "1 Main St\nTown"), Ok(()));
        assert!(check_address("address", &"x".repeat(501)).is_err());
        assert_eq!(check_locale("locale", "de-CH"), Ok(()));
        for refused in ["", "d", "de_CH", "de--CH", "abcdefghi"] {
            assert!(check_locale("locale", refused).is_err(), "{refused:?}");
        }
    }
}
