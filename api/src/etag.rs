//! Entity tags (RFC 9110, section 8.8.3): what a change is based on, and whether what was read before is still so.
//!
//! `"REVISION-CONTENT"`: the revision of what is shown, where it has one, and a hash of the answer; after a change the revision alone.
//! `If-Match` looks at the revision only, `If-None-Match` at the whole.

use eventstore_schema::Revision;

/// Digits of the hash: that two answers to one question differ and share it is a matter of 2^64 changes.
const HASH_DIGITS: usize = 16;
/// What an entity tag in `If-Match` looks like, for the document.
pub const PATTERN: &str = "^\"[0-9]{1,20}(-[0-9a-f]{16})?\"$";

/// Of what somebody changed.
pub fn of_change(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// Of what somebody reads.
pub fn of_read(revision: Option<Revision>, body: &[u8]) -> String {
    let revision = revision.map(|revision| revision.to_string()).unwrap_or_default();
    let hash = blake3::hash(body).to_hex();
    format!("\"{revision}-{}\"", hash.get(..HASH_DIGITS).unwrap_or_default())
}

/// The revision in an entity tag of ours.
pub fn revision(text: &str) -> Option<Revision> {
    let tag = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let (digits, hash) = tag.split_once('-').map_or((tag, None), |(digits, hash)| (digits, Some(hash)));
    let is_hash = |hash: &str| {
        hash.len() == HASH_DIGITS && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_ours = digits.bytes().all(|byte| byte.is_ascii_digit()) && hash.is_none_or(is_hash);
    digits.parse().ok().filter(|_| is_ours).map(Revision::new)
}

/// Whether a tag is among those of an `If-None-Match`, which compares weakly.
pub fn is_among(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_as_its_revision() {
        let read = of_read(Some(Revision::new(17)), b"{}");
        for tag in [of_change(Revision::new(17)), read.clone()] {
            assert_eq!(revision(&tag), Some(Revision::new(17)), "{tag}");
        }
        assert_ne!(read, of_read(Some(Revision::new(17)), b"[]"));
        assert_eq!(revision(&of_read(None, b"{}")), None);
        for text in [
            "17",
            "W/\"17\"",
            "*",
            "\"\"",
            "\"-1\"",
            "\"99999999999999999999\"",
            "\"1\", \"2\"",
            "\"1-\"",
            "\"1-x\"",
            "\"+1\"",
            "\"1-0123456789ABCDEF\"",
        ] {
            assert!(revision(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_known_is_found_in_a_list() {
        let tag = of_read(None, b"{}");
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            assert!(is_among(&known, &tag), "{known}");
        }
        assert!(!is_among("\"x\"", &tag) && !is_among("", &tag));
    }
}
