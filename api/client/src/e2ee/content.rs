//! What people write: the content of messages and reactions, before it is padded and encrypted.
//!
//! Content is JSON (RFC 8259, UTF-8), an object whose member `kind` names what it is. Members that a reader does not know
//! are ignored and a kind that it does not know is [`Content::Unsupported`], so that older clients live with newer ones.
//! What a message answers and what a reaction is about is no content: it is bound as associated data.

use serde::{Deserialize, Serialize};

/// Content of a message, an edit or a reaction.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Something written.
    Text {
        /// The text, plain.
        text: String,
    },
    /// A reaction.
    Reaction {
        /// One emoji, or a short word.
        emoji: String,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Unsupported,
}

impl Content {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Content::Text { text: text.into() }
    }

    /// A reaction.
    pub fn reaction(emoji: impl Into<String>) -> Self {
        Content::Reaction { emoji: emoji.into() }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Content::Text { text } => Some(text),
            Content::Reaction { .. } | Content::Unsupported => None,
        }
    }

    /// Its stored form; `None` for [`Content::Unsupported`], which nobody sends.
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Content::Unsupported => None,
            Content::Text { .. } | Content::Reaction { .. } => serde_json::to_vec(self).ok(),
        }
    }

    /// Reads the stored form; `None` when it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Content::Text { .. } => "Text(..)",
            Content::Reaction { .. } => "Reaction(..)",
            Content::Unsupported => "Unsupported",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_reads_back_and_is_the_documented_json() {
        let text = Content::text("hello");
        let bytes = text.encode().unwrap();
        assert_eq!(bytes, br#"{"kind":"text","text":"hello"}"#);
        assert_eq!(Content::decode(&bytes), Some(text));
    }

    #[test]
    fn newer_members_are_ignored_and_newer_kinds_are_unsupported() {
        let newer = br#"{"kind":"text","text":"hello","colour":"red"}"#;
        assert_eq!(Content::decode(newer), Some(Content::text("hello")));
        assert_eq!(Content::decode(br#"{"kind":"poll","options":[1,2]}"#), Some(Content::Unsupported));
        assert_eq!(Content::Unsupported.encode(), None);
    }

    #[test]
    fn malformed_content_is_refused() {
        for bytes in [&b"hello"[..], b"{}", b"\xff\xfe", br#"{"kind":"text"}"#] {
            assert_eq!(Content::decode(bytes), None);
        }
    }

    #[test]
    fn content_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", Content::text("secret")), "Text(..)");
    }
}
