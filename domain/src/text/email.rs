//! E-mail addresses: one form for each, in which they are compared, stored and written to.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use unicode_security::GeneralSecurityProfile;

use super::{invalid, normalize};
use crate::limits::EMAIL_BYTES_MAX;
use crate::rejection::Rejection;

/// Longest local part in bytes (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// The e-mail address as it is stored and looked up: [`normalize`]d, in lower case, its domain in the ASCII form that DNS and
/// every mail server know (Punycode, UTS 46).
///
/// Lower case for the local part, too: no provider of note tells two people apart by it. A domain that is none stays as it
/// is, for [`check_email`] to refuse.
pub fn normalize_email(email: &str) -> String {
    let email: String = normalize(email).to_lowercase().nfc().collect();
    let Some((local, domain)) = email.rsplit_once('@') else { return email };
    match ascii_domain(domain) {
        Some(ascii) => format!("{local}@{ascii}"),
        None => email,
    }
}

/// A domain in the ASCII form that DNS and every mail server know (Punycode, UTS 46), in lower case; none for what cannot be one.
pub fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    let dns = Uts46::new();
    dns.to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify).ok()
}

/// Whether only mail servers that take SMTPUTF8 (RFC 6531) can be given a mail to the address: its local part is not ASCII,
/// and no other way to write that exists.
pub fn is_international(email: &str) -> bool {
    !email.rsplit_once('@').map_or(email, |(local, _)| local).is_ascii()
}

/// Checks an e-mail address: the form of [`normalize_email`], one `@`, a local part of at most 64 bytes, a domain of
/// dot-separated labels that DNS could hold. Whether it exists only a mail to it can tell.
///
/// # Errors
/// [`Rejection::InvalidField`] with the rule.
pub fn check_email(field: &'static str, email: &str) -> Result<(), Rejection> {
    let wrong = || invalid(field, "must be an e-mail address such as name@example.org");
    if email.len() > EMAIL_BYTES_MAX || normalize_email(email) != email {
        return Err(wrong());
    }
    let (local, domain) = email.split_once('@').ok_or_else(wrong)?;
    let local_allows = |one: char| {
        one.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~.".contains(one)
            || !one.is_ascii() && one.identifier_allowed()
    };
    let dots_stand_between = |part: &str| !part.split('.').any(str::is_empty);
    if local.len() > LOCAL_BYTES_MAX || !local.chars().all(local_allows) || !dots_stand_between(local) {
        return Err(wrong());
    }
    let is_dns = ascii_domain(domain).is_some_and(|ascii| ascii == domain);
    if !is_dns || !dots_stand_between(domain) || !domain.contains('.') {
        return Err(wrong());
    }
    Ok(())
}
