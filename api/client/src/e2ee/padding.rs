//! Padding: a ciphertext tells the size of its content only as one of ten buckets.
//!
//! Content is padded to `ISO/IEC 7816-4` form (the byte 0x80, then zeroes) so that the AES-SIV ciphertext, 16 bytes longer,
//! is exactly 128, 256, 512, 1,024 and so on up to 65,536 bytes long. A receiver refuses other lengths.

use super::siv::TAG_BYTES;

/// Smallest ciphertext.
pub const CIPHERTEXT_BYTES_MIN: usize = 128;
/// Largest ciphertext.
pub const CIPHERTEXT_BYTES_MAX: usize = domain::limits::MESSAGE_CIPHERTEXT_BYTES_MAX;
/// Longest content in bytes.
pub const CONTENT_BYTES_MAX: usize = CIPHERTEXT_BYTES_MAX - TAG_BYTES - 1;

const MARK: u8 = 0x80;

const _: () = assert!(CIPHERTEXT_BYTES_MAX.is_power_of_two());
const _: () = assert!(domain::limits::REACTION_CIPHERTEXT_BYTES_MAX >= CIPHERTEXT_BYTES_MIN);

/// Whether a ciphertext may be this long.
pub fn is_bucket(ciphertext_bytes: usize) -> bool {
    (CIPHERTEXT_BYTES_MIN..=CIPHERTEXT_BYTES_MAX).contains(&ciphertext_bytes)
        && ciphertext_bytes.is_power_of_two()
}

/// Pads to the smallest bucket; `None` when the content is longer than [`CONTENT_BYTES_MAX`].
pub fn pad(mut content: Vec<u8>) -> Option<Vec<u8>> {
    let bucket = (content.len() + 1 + TAG_BYTES).max(CIPHERTEXT_BYTES_MIN).next_power_of_two();
    if bucket > CIPHERTEXT_BYTES_MAX {
        return None;
    }
    content.push(MARK);
    content.resize(bucket - TAG_BYTES, 0);
    Some(content)
}

/// Takes the padding off; `None` when it is none.
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    if !is_bucket(padded.len() + TAG_BYTES) {
        return None;
    }
    let mark = padded.iter().rposition(|byte| *byte != 0)?;
    if padded.get(mark) == Some(&MARK) { padded.get(..mark) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn padding_comes_off_again(content in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let padded = pad(content.clone()).unwrap();
            prop_assert!(is_bucket(padded.len() + TAG_BYTES));
            prop_assert_eq!(unpad(&padded), Some(content.as_slice()));
        }
    }

    #[test]
    fn the_longest_content_fills_the_largest_bucket() {
        let padded = pad(vec![7; CONTENT_BYTES_MAX]).unwrap();
        assert_eq!(padded.len() + TAG_BYTES, CIPHERTEXT_BYTES_MAX);
        assert_eq!(pad(vec![7; CONTENT_BYTES_MAX + 1]), None);
    }

    #[test]
    fn wrong_lengths_and_missing_marks_are_refused() {
        assert_eq!(unpad(&[0; 112]), None);
        assert_eq!(unpad(&[1; 112]), None);
        assert_eq!(unpad(&[]), None);
        let mut odd = pad(b"hello".to_vec()).unwrap();
        odd.push(0);
        assert_eq!(unpad(&odd), None);
    }
}
