//! Invite into an organization.

use crate::aggregate::{Context, Draft};
use crate::limits::{INVITATION_SECONDS_MAX, INVITATION_USES_MAX, ORGANIZATION_INVITATIONS_MAX};
use crate::organization::{InvitationCreated, Organization, OrganizationEvent, OrganizationRole};
use crate::rejection::Rejection;
use crate::{Digest, InvitationId, Timestamp};

/// Makes an invitation. Owners may for every role, admins for every role but owner.
#[derive(Clone, Debug)]
pub struct CreateInvitation {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// As what the invited join.
    pub role: OrganizationRole,
    /// BLAKE3 of the secret.
    pub token_hash: Digest,
    /// How many may use it.
    pub uses_max: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl CreateInvitation {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let (organization_id, created_by, actor_role) = state.manager(context)?;
        if !actor_role.grants(self.role) {
            return Err(Rejection::RoleInsufficient);
        }
        self.check_fields(context.now)?;
        if state.invitation(self.invitation_id).is_some() {
            return Err(Rejection::InvalidField { field: "invitation_id", reason: "is in use" });
        }
        if state.invitation_count(context.now) >= ORGANIZATION_INVITATIONS_MAX {
            return Err(Rejection::InvitationLimit { limit: ORGANIZATION_INVITATIONS_MAX });
        }
        Ok(vec![Draft::open(InvitationCreated {
            organization_id,
            invitation_id: self.invitation_id,
            role: self.role,
            token_hash: self.token_hash,
            uses_max: self.uses_max,
            expires_at: self.expires_at,
            created_by,
        })])
    }

    fn check_fields(&self, now: Timestamp) -> Result<(), Rejection> {
        if self.uses_max == 0 || self.uses_max > INVITATION_USES_MAX {
            return Err(Rejection::InvalidField { field: "uses_max", reason: "must be 1 to 10000" });
        }
        if self.expires_at <= now || self.expires_at > now.plus_seconds(INVITATION_SECONDS_MAX) {
            let reason = "must lie in the future, at most 90 days ahead";
            return Err(Rejection::InvalidField { field: "expires_at", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Aggregate;
    use crate::organization::tests::{
        ADMIN, AUDITOR, GUEST, INVITATION, MEMBER, OFFICER, OWNER, STRANGER, invitation_created, invite,
        populated,
    };
    use crate::testing::{NOW, at, by, happen, when};

    #[test]
    fn owners_invite_as_anything_admins_not_as_owner_others_not_at_all() {
        let state = populated();
        let member = || invite(OrganizationRole::Member);
        assert_eq!(when(&state, member(), &by(OWNER)), Ok(vec![invitation_created(OWNER)]));
        assert_eq!(when(&state, member(), &by(ADMIN)), Ok(vec![invitation_created(ADMIN)]));
        let owner = || invite(OrganizationRole::Owner);
        assert!(when(&state, owner(), &by(OWNER)).is_ok());
        assert_eq!(when(&state, owner(), &by(ADMIN)), Err(Rejection::RoleInsufficient));
        for actor in [OFFICER, AUDITOR, MEMBER, GUEST] {
            assert_eq!(when(&state, member(), &by(actor)), Err(Rejection::RoleInsufficient));
        }
        assert_eq!(when(&state, member(), &by(STRANGER)), Err(Rejection::OrganizationNotFound));
    }

    #[test]
    fn uses_and_life_are_bounded() {
        let state = populated();
        for uses_max in [0, INVITATION_USES_MAX + 1] {
            let command = CreateInvitation { uses_max, ..invite(OrganizationRole::Member) };
            let answer = when(&state, command, &by(OWNER));
            assert!(matches!(answer, Err(Rejection::InvalidField { field: "uses_max", .. })));
        }
        for seconds in [0, INVITATION_SECONDS_MAX + 1] {
            let expires_at = NOW.plus_seconds(seconds);
            let command = CreateInvitation { expires_at, ..invite(OrganizationRole::Member) };
            let answer = when(&state, command, &by(OWNER));
            assert!(matches!(answer, Err(Rejection::InvalidField { field: "expires_at", .. })));
        }
    }

    #[test]
    fn there_is_a_limit_on_open_ones_and_expired_ones_are_forgotten() {
        let mut state = populated();
        for number in 0..ORGANIZATION_INVITATIONS_MAX {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let invitation_id = InvitationId::from_bytes(id);
            let command = CreateInvitation { invitation_id, ..invite(OrganizationRole::Member) };
            happen(&mut state, command, &by(OWNER)).expect("taken");
        }
        let one_more = || invite(OrganizationRole::Member);
        let limit = ORGANIZATION_INVITATIONS_MAX;
        assert_eq!(when(&state, one_more(), &by(OWNER)), Err(Rejection::InvitationLimit { limit }));
        let expiry = one_more().expires_at;
        let later = CreateInvitation { expires_at: expiry.plus_seconds(60), ..one_more() };
        happen(&mut state, later, &at(by(OWNER), expiry)).expect("taken");
        assert_eq!(state.invitation_count(expiry), 1);
        assert!(state.invitation(InvitationId::from_bytes([0; 16])).is_none());
    }

    #[test]
    fn a_clock_that_was_years_ahead_takes_no_open_one_away() {
        let mut state = populated();
        state.evolve(&invitation_created(OWNER), NOW);
        let ahead = at(by(OWNER), NOW.plus_seconds(34 * 365 * 86_400));
        let (invitation_id, expires_at) = (InvitationId::from_bytes([9; 16]), ahead.now.plus_seconds(60));
        let another = CreateInvitation { invitation_id, expires_at, ..invite(OrganizationRole::Member) };
        happen(&mut state, another, &ahead).expect("taken");
        // The first is as good as before; the one that was made then is none that anybody may make.
        assert!(state.invitation(INVITATION).is_some_and(|one| one.is_open(NOW)));
        assert!(state.invitation(invitation_id).is_some_and(|one| !one.is_open(NOW)));
        assert_eq!(state.invitation_count(NOW), 1);
    }

    #[test]
    fn an_open_id_is_not_used_twice() {
        let mut state = populated();
        state.evolve(&invitation_created(OWNER), NOW);
        assert!(state.invitation(INVITATION).is_some());
        let answer = when(&state, invite(OrganizationRole::Member), &by(OWNER));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "invitation_id", .. })));
    }
}
