//! Tokens that let people into an organization. They are derived from a secret of the keyring, so that a retried command hands
//! out the same one though the log holds only its hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Digest, InvitationId, OrganizationId};
use zeroize::Zeroizing;

/// How every invitation token starts, so that leak scanners can know one.
const PREFIX: &str = "envoi_in_";
const SECRET_BYTES: usize = 32;

/// An invitation's token in clear. Wiped on drop; `Debug` shows its invitation only.
pub struct InvitationToken {
    organization_id: OrganizationId,
    invitation_id: InvitationId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl std::fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InvitationToken({})", self.invitation_id)
    }
}

impl InvitationToken {
    /// The token of an invitation; `key` is the keyring's secret for invitations.
    pub fn derive(key: &[u8; 32], organization_id: OrganizationId, invitation_id: InvitationId) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(b"invitation");
        hasher.update(organization_id.as_bytes());
        hasher.update(invitation_id.as_bytes());
        let secret = Zeroizing::new(*hasher.finalize().as_bytes());
        Self { organization_id, invitation_id, secret }
    }

    /// Reads what somebody presents; `None` for anything that is no such token.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix(PREFIX)?;
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        let (organization_id, rest) = bytes.split_first_chunk::<16>()?;
        let (invitation_id, secret) = rest.split_first_chunk::<16>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        Some(Self {
            organization_id: OrganizationId::from_bytes(*organization_id),
            invitation_id: InvitationId::from_bytes(*invitation_id),
            secret: Zeroizing::new(secret),
        })
    }

    /// Where it leads.
    pub fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }

    /// The invitation.
    pub fn invitation_id(&self) -> InvitationId {
        self.invitation_id
    }

    /// What is recorded of it.
    pub fn hash(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 invitation token hash v1");
        hasher.update(self.organization_id.as_bytes());
        hasher.update(self.invitation_id.as_bytes());
        hasher.update(self.secret.as_slice());
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The text to hand over.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 + SECRET_BYTES));
        bytes.extend_from_slice(self.organization_id.as_bytes());
        bytes.extend_from_slice(self.invitation_id.as_bytes());
        bytes.extend_from_slice(self.secret.as_slice());
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(invitation: u8) -> InvitationToken {
        let organization_id = OrganizationId::from_bytes([1; 16]);
        InvitationToken::derive(&[7; 32], organization_id, InvitationId::from_bytes([invitation; 16]))
    }

    #[test]
    fn a_token_is_derived_again_and_reads_back() {
        let again = InvitationToken::parse(&token(2).expose()).unwrap();
        assert_eq!(again.hash(), token(2).hash());
        assert_eq!(again.invitation_id(), token(2).invitation_id());
        assert_eq!(again.organization_id(), token(2).organization_id());
    }

    #[test]
    fn another_invitation_has_another_token() {
        assert_ne!(token(2).hash(), token(3).hash());
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let text = token(2).expose();
        for text in ["", "envoi_in_", &text[1..], &text[..text.len() - 2]] {
            assert!(InvitationToken::parse(text).is_none(), "{text}");
        }
    }
}
