//! Accept an invitation.

use crate::aggregate::{Context, Draft};
use crate::limits::ORGANIZATION_MEMBERS_MAX;
use crate::organization::{Organization, OrganizationEvent, OrganizationMemberJoined};
use crate::rejection::Rejection;
use crate::{Digest, InvitationId};

/// Joins by an invitation. To whoever is no member, an unknown organization, an unknown, withdrawn, used-up or expired
/// invitation and a wrong secret are the same.
#[derive(Clone, Debug)]
pub struct AcceptInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// BLAKE3 of the secret presented.
    pub token_hash: Digest,
}

impl AcceptInvitation {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let account_id = context.account()?;
        let organization_id = state.id().ok_or(Rejection::InvitationInvalid)?;
        if state.role(account_id).is_some() {
            return Err(Rejection::MemberExists);
        }
        let invitation = state.invitation(self.invitation_id).ok_or(Rejection::InvitationInvalid)?;
        if !invitation.is_open(context.now) || !invitation.token_hash.matches(&self.token_hash) {
            return Err(Rejection::InvitationInvalid);
        }
        if state.member_count() >= ORGANIZATION_MEMBERS_MAX {
            return Err(Rejection::MemberLimit { limit: ORGANIZATION_MEMBERS_MAX });
        }
        Ok(vec![Draft::open(OrganizationMemberJoined {
            organization_id,
            account_id,
            role: invitation.role,
            invitation_id: Some(self.invitation_id),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::OrganizationRole;
    use crate::organization::commands::{CreateInvitation, RevokeInvitation};
    use crate::organization::tests::{
        INVITATION, MEMBER, ORGANIZATION, OWNER, SECRET, STRANGER, invite, joined_by_invitation, populated,
    };
    use crate::testing::{NOW, account, at, by, happen, when};

    fn accept(token_hash: Digest) -> AcceptInvitation {
        AcceptInvitation { invitation_id: INVITATION, token_hash }
    }

    fn invited(uses_max: u32) -> Organization {
        let mut state = populated();
        let command = CreateInvitation { uses_max, ..invite(OrganizationRole::Guest) };
        happen(&mut state, command, &by(OWNER)).expect("taken");
        state
    }

    #[test]
    fn whoever_has_the_secret_joins_in_the_role_invited_to() {
        let mut state = invited(2);
        let events = happen(&mut state, accept(SECRET), &by(STRANGER));
        assert_eq!(events, Ok(vec![joined_by_invitation(STRANGER, OrganizationRole::Guest)]));
        assert_eq!(state.role(STRANGER), Some(OrganizationRole::Guest));
        assert_eq!(state.id(), Some(ORGANIZATION));
        assert_eq!(when(&state, accept(SECRET), &by(STRANGER)), Err(Rejection::MemberExists));
        assert_eq!(when(&state, accept(SECRET), &by(MEMBER)), Err(Rejection::MemberExists));
    }

    #[test]
    fn uses_run_out() {
        let mut state = invited(2);
        for number in [100, 101] {
            happen(&mut state, accept(SECRET), &by(account(number))).expect("taken");
        }
        assert_eq!(when(&state, accept(SECRET), &by(account(102))), Err(Rejection::InvitationInvalid));
    }

    #[test]
    fn unknown_wrong_withdrawn_and_expired_look_alike() {
        let state = invited(1);
        let wrong = accept(Digest::from_bytes([9; 32]));
        let unknown =
            AcceptInvitation { invitation_id: InvitationId::from_bytes([9; 16]), token_hash: SECRET };
        let expired = at(by(STRANGER), invite(OrganizationRole::Guest).expires_at);
        let mut withdrawn = state.clone();
        let revoke = RevokeInvitation { invitation_id: INVITATION };
        happen(&mut withdrawn, revoke, &by(OWNER)).expect("taken");
        for (state, command, context) in [
            (&state, wrong, by(STRANGER)),
            (&state, unknown, by(STRANGER)),
            (&state, accept(SECRET), expired),
            (&withdrawn, accept(SECRET), by(STRANGER)),
            (&Organization::default(), accept(SECRET), by(STRANGER)),
        ] {
            assert_eq!(when(state, command, &context), Err(Rejection::InvitationInvalid));
        }
        assert!(when(&state, accept(SECRET), &at(by(STRANGER), NOW.plus_seconds(1))).is_ok());
    }
}
