//! The id of an account in a conversation: one for ever, whether it is a member or not.

use crate::{AccountId, ConversationId, ConversationMemberId};

/// Separates this use of BLAKE3 from every other.
const CONTEXT: &str = "envoi 2026-11-30 conversation member id v1";

/// The id of an account in a conversation.
///
/// The first 16 bytes of BLAKE3 `derive_key` under `envoi 2026-11-30 conversation member id v1` over 32 bytes: conversation,
/// account; formed as a UUIDv8 (RFC 9562 section 5.8).
pub fn conversation_member_id(
    conversation_id: ConversationId,
    account_id: AccountId,
) -> ConversationMemberId {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(conversation_id.as_bytes());
    hasher.update(account_id.as_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_same_for_ever_and_of_nobody_and_nowhere_else() {
        let id_of = |conversation, account| {
            let conversation = ConversationId::from_bytes([conversation; 16]);
            conversation_member_id(conversation, AccountId::from_bytes([account; 16]))
        };
        let id = id_of(1, 2);
        assert_eq!(id.as_uuid().get_version_num(), 8);
        assert_eq!(id.to_string(), "6a909124-124a-83ac-8295-cfa6be0632cd");
        assert_ne!(id, id_of(2, 1));
        assert_ne!(id, id_of(1, 3));
        assert_ne!(id, id_of(3, 2));
    }
}
