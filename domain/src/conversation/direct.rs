//! The id of a direct conversation: one for ever for two accounts of an organization.

use crate::{AccountId, ConversationId, OrganizationId};

/// Separates this use of BLAKE3 from every other.
const CONTEXT: &str = "envoi 2026-11-21 direct conversation id v1";

/// The id of the direct conversation of two accounts, whichever of them comes first.
///
/// The first 16 bytes of BLAKE3 `derive_key` under `envoi 2026-11-21 direct conversation id v1` over 48 bytes:
/// organization, the lesser account id, the greater; formed as a UUIDv8 (RFC 9562 section 5.8).
pub fn direct_conversation_id(organization_id: OrganizationId, a: AccountId, b: AccountId) -> ConversationId {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(organization_id.as_bytes());
    hasher.update(a.min(b).as_bytes());
    hasher.update(a.max(b).as_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
    const ALICE: AccountId = AccountId::from_bytes([2; 16]);
    const BOB: AccountId = AccountId::from_bytes([3; 16]);

    #[test]
    fn the_id_is_the_same_from_both_sides_and_for_ever() {
        let id = direct_conversation_id(ORGANIZATION, ALICE, BOB);
        assert_eq!(id, direct_conversation_id(ORGANIZATION, BOB, ALICE));
        assert_eq!(id.as_uuid().get_version_num(), 8);
        assert_eq!(id.to_string(), "5e240517-43f8-8843-b268-741cddaa6ca8");
    }

    #[test]
    fn other_people_and_other_organizations_have_another() {
        let id = direct_conversation_id(ORGANIZATION, ALICE, BOB);
        assert_ne!(id, direct_conversation_id(ORGANIZATION, ALICE, AccountId::from_bytes([4; 16])));
        assert_ne!(id, direct_conversation_id(OrganizationId::from_bytes([9; 16]), ALICE, BOB));
    }
}
