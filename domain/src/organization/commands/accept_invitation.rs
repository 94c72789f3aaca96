//! Accept an invitation.

use crate::aggregate::{Context, Draft};
use crate::limits::ORGANIZATION_MEMBERS_MAX;
use crate::organization::{Organization, OrganizationEvent, OrganizationMemberJoined};
use crate::rejection::Rejection;
use crate::{Digest, InvitationId};

/// Joins by an invitation. It is worth what whoever made it may still give, and lets nobody back who was removed since it
/// was made. To whoever is no member, an unknown organization, an unknown, withdrawn, used-up, expired or worthless
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
        if !state.admits(invitation, account_id) {
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
    use crate::organization::commands::{
        ChangeMemberRole, CreateInvitation, OrganizationCommand, RemoveMember, RevokeInvitation,
    };
    use crate::organization::tests::{
        ADMIN, INVITATION, MEMBER, ORGANIZATION, OWNER, SECRET, STRANGER, invite, joined_by_invitation,
        populated,
    };
    use crate::testing::{NOW, account, at, by, happen, when};

    #[test]
    fn an_invitation_is_worth_what_its_maker_may_still_give() {
        let mut state = populated();
        happen(&mut state, invite(OrganizationRole::Admin), &by(ADMIN)).expect("taken");
        let given = |commands: Vec<OrganizationCommand>| {
            let mut state = state.clone();
            for command in commands {
                happen(&mut state, command, &by(OWNER)).expect("taken");
            }
            when(&state, accept(SECRET), &by(STRANGER))
        };
        let role = |role| ChangeMemberRole { account_id: ADMIN, role }.into();
        let removed = || RemoveMember { account_id: ADMIN }.into();
        assert!(given(vec![]).is_ok());
        assert!(given(vec![role(OrganizationRole::Owner)]).is_ok());
        assert_eq!(given(vec![role(OrganizationRole::Member)]), Err(Rejection::InvitationInvalid));
        assert_eq!(given(vec![removed()]), Err(Rejection::InvitationInvalid));
        // Who comes back makes invitations anew.
        let mut back = state.clone();
        let again = InvitationId::from_bytes([2; 16]);
        happen(&mut back, RemoveMember { account_id: ADMIN }, &by(OWNER)).expect("taken");
        let other = CreateInvitation { invitation_id: again, ..invite(OrganizationRole::Admin) };
        happen(&mut back, other, &by(OWNER)).expect("taken");
        let accept_again = AcceptInvitation { invitation_id: again, ..accept(SECRET) };
        happen(&mut back, accept_again, &by(ADMIN)).expect("taken");
        assert_eq!(when(&back, accept(SECRET), &by(STRANGER)), Err(Rejection::InvitationInvalid));
    }

    #[test]
    fn nobody_comes_back_by_an_invitation_from_before_their_removal() {
        let mut state = invited(3);
        happen(&mut state, accept(SECRET), &by(STRANGER)).expect("taken");
        let mut left = state.clone();
        happen(&mut state, RemoveMember { account_id: STRANGER }, &by(OWNER)).expect("taken");
        assert_eq!(when(&state, accept(SECRET), &by(STRANGER)), Err(Rejection::InvitationInvalid));
        assert!(when(&state, accept(SECRET), &by(account(100))).is_ok());
        // A later one lets them in, and does not make the older one good again.
        let later = InvitationId::from_bytes([2; 16]);
        let command = CreateInvitation { invitation_id: later, ..invite(OrganizationRole::Guest) };
        happen(&mut state, command, &by(OWNER)).expect("taken");
        assert_eq!(when(&state, accept(SECRET), &by(STRANGER)), Err(Rejection::InvitationInvalid));
        let accept_later = AcceptInvitation { invitation_id: later, ..accept(SECRET) };
        happen(&mut state, accept_later, &by(STRANGER)).expect("taken");
        happen(&mut state, RemoveMember { account_id: STRANGER }, &by(STRANGER)).expect("taken");
        assert_eq!(when(&state, accept(SECRET), &by(STRANGER)), Err(Rejection::InvitationInvalid));
        // Who left by themselves may change their mind.
        happen(&mut left, RemoveMember { account_id: STRANGER }, &by(STRANGER)).expect("taken");
        assert!(when(&left, accept(SECRET), &by(STRANGER)).is_ok());
    }

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
