//! Withdraw an invitation.

use crate::InvitationId;
use crate::aggregate::{Context, Draft};
use crate::organization::{InvitationRevoked, Organization, OrganizationEvent};
use crate::rejection::Rejection;

/// Withdraws an invitation. Whoever could have made it may.
#[derive(Clone, Debug)]
pub struct RevokeInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
}

impl RevokeInvitation {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let (organization_id, _, actor_role) = state.manager(context)?;
        let invitation = state.invitation(self.invitation_id).ok_or(Rejection::InvitationInvalid)?;
        if !actor_role.grants(invitation.role) {
            return Err(Rejection::RoleInsufficient);
        }
        Ok(vec![Draft::open(InvitationRevoked { organization_id, invitation_id: self.invitation_id })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::OrganizationRole;
    use crate::organization::tests::{
        ADMIN, INVITATION, MEMBER, ORGANIZATION, OWNER, STRANGER, invite, populated,
    };
    use crate::testing::{by, happen, when};

    fn revoke() -> RevokeInvitation {
        RevokeInvitation { invitation_id: INVITATION }
    }

    #[test]
    fn it_is_withdrawn_once_by_those_who_could_have_made_it() {
        let mut state = populated();
        happen(&mut state, invite(OrganizationRole::Member), &by(OWNER)).expect("taken");
        assert_eq!(when(&state, revoke(), &by(MEMBER)), Err(Rejection::RoleInsufficient));
        assert_eq!(when(&state, revoke(), &by(STRANGER)), Err(Rejection::OrganizationNotFound));
        let revoked = InvitationRevoked { organization_id: ORGANIZATION, invitation_id: INVITATION };
        assert_eq!(happen(&mut state, revoke(), &by(ADMIN)), Ok(vec![revoked.into()]));
        assert_eq!(when(&state, revoke(), &by(ADMIN)), Err(Rejection::InvitationInvalid));
    }

    #[test]
    fn an_admin_does_not_withdraw_an_owners_invitation_of_an_owner() {
        let mut state = populated();
        happen(&mut state, invite(OrganizationRole::Owner), &by(OWNER)).expect("taken");
        assert_eq!(when(&state, revoke(), &by(ADMIN)), Err(Rejection::RoleInsufficient));
        assert!(when(&state, revoke(), &by(OWNER)).is_ok());
    }
}
