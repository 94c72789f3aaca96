//! What a conversation's state keeps of each message.

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// A message as the rules know it: who sent it, whether it was deleted, and what tells its id from others, in twelve bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MessageEntry {
    author_and_deleted: u32,
    /// The first bytes of the id's BLAKE3 hash: half of an id, and nobody finds two of one tag.
    id_tag: [u8; 8],
}

impl MessageEntry {
    const DELETED: u32 = 1;

    pub(super) fn new(author: u32, id: MessageId) -> Self {
        Self { author_and_deleted: author << 1, id_tag: Self::tag(id) }
    }

    fn tag(id: MessageId) -> [u8; 8] {
        blake3::hash(id.as_bytes()).as_bytes().first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn is_of(self, id: MessageId) -> bool {
        self.id_tag == Self::tag(id)
    }

    pub(super) const fn author(self) -> u32 {
        self.author_and_deleted >> 1
    }

    pub(super) const fn is_deleted(self) -> bool {
        self.author_and_deleted & Self::DELETED != 0
    }

    pub(super) const fn delete(&mut self) {
        self.author_and_deleted |= Self::DELETED;
    }
}
