//! What the tests of organization rules share, and what holds for any history.

use proptest::prelude::*;

use crate::rejection::Rejection;
use crate::testing::{NOW, account, at, by, given, happen};
use crate::{AccountId, Digest, InvitationId, OrganizationId};

use super::commands::{
    AcceptInvitation, ChangeMemberRole, CreateInvitation, CreateOrganization, OrganizationCommand,
    RemoveMember, RevokeInvitation,
};
use super::*;

pub(super) const OWNER: AccountId = account(1);
pub(super) const ADMIN: AccountId = account(2);
pub(super) const OFFICER: AccountId = account(3);
pub(super) const AUDITOR: AccountId = account(4);
pub(super) const MEMBER: AccountId = account(5);
pub(super) const GUEST: AccountId = account(6);
pub(super) const STRANGER: AccountId = account(7);
pub(super) const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([40; 16]);
pub(super) const INVITATION: InvitationId = InvitationId::from_bytes([41; 16]);
pub(super) const SECRET: Digest = Digest::from_bytes([42; 32]);

pub(super) fn create() -> CreateOrganization {
    CreateOrganization { organization_id: ORGANIZATION, profile: OrganizationProfile { name: "Acme".into() } }
}

pub(super) fn invite(role: OrganizationRole) -> CreateInvitation {
    let expires_at = NOW.plus_seconds(3_600);
    CreateInvitation { invitation_id: INVITATION, role, token_hash: SECRET, uses_max: 3, expires_at }
}

/// The event of [`invite`] as member.
pub(super) fn invitation_created(created_by: AccountId) -> OrganizationEvent {
    let command = invite(OrganizationRole::Member);
    InvitationCreated {
        organization_id: ORGANIZATION,
        invitation_id: INVITATION,
        role: command.role,
        token_hash: SECRET,
        uses_max: command.uses_max,
        expires_at: command.expires_at,
        created_by,
    }
    .into()
}

fn joined(account_id: AccountId, role: OrganizationRole, by: Option<InvitationId>) -> OrganizationEvent {
    OrganizationMemberJoined { organization_id: ORGANIZATION, account_id, role, invitation_id: by }.into()
}

pub(super) fn joined_by_invitation(account_id: AccountId, role: OrganizationRole) -> OrganizationEvent {
    joined(account_id, role, Some(INVITATION))
}

pub(super) fn founded() -> Vec<OrganizationEvent> {
    let created = OrganizationCreated { organization_id: ORGANIZATION, founder: OWNER };
    vec![created.into(), joined(OWNER, OrganizationRole::Owner, None)]
}

fn populating() -> Vec<OrganizationEvent> {
    let others = [
        joined(ADMIN, OrganizationRole::Admin, None),
        joined(OFFICER, OrganizationRole::ComplianceOfficer, None),
        joined(AUDITOR, OrganizationRole::Auditor, None),
        joined(MEMBER, OrganizationRole::Member, None),
        joined(GUEST, OrganizationRole::Guest, None),
    ];
    founded().into_iter().chain(others).collect()
}

/// An organization with one member of each role.
pub(super) fn populated() -> Organization {
    given(populating())
}

fn any_role() -> impl Strategy<Value = OrganizationRole> {
    prop::sample::select(OrganizationRole::ALL)
}

fn any_account() -> impl Strategy<Value = AccountId> {
    (1u8..10).prop_map(account)
}

fn any_invitation() -> impl Strategy<Value = InvitationId> {
    (0u8..3).prop_map(|byte| InvitationId::from_bytes([byte; 16]))
}

fn any_command() -> impl Strategy<Value = OrganizationCommand> {
    prop_oneof![
        1 => Just(create().into()),
        4 => (any_account(), any_role()).prop_map(|(account_id, role)| ChangeMemberRole { account_id, role }.into()),
        4 => any_account().prop_map(|account_id| RemoveMember { account_id }.into()),
        3 => (any_invitation(), any_role(), 1u32..3).prop_map(|(invitation_id, role, uses_max)| {
            CreateInvitation { invitation_id, uses_max, ..invite(role) }.into()
        }),
        1 => any_invitation().prop_map(|invitation_id| RevokeInvitation { invitation_id }.into()),
        4 => any_invitation()
            .prop_map(|invitation_id| AcceptInvitation { invitation_id, token_hash: SECRET }.into()),
    ]
}

proptest! {
    /// Whatever is asked by whomever: there is always an owner, nobody's change exceeds their role, strangers change
    /// nothing but by an invitation, and replaying what happened gives the same state.
    #[test]
    fn an_organization_always_has_an_owner(
        steps in prop::collection::vec((any_account(), any_command(), 0i64..120), 1..60),
    ) {
        let mut state = populated();
        let mut history: Vec<_> = populating().into_iter().map(|event| (event, NOW)).collect();
        for (actor, command, minutes) in steps {
            let context = at(by(actor), NOW.plus_seconds(minutes * 60));
            let role = state.role(actor);
            let joins = matches!(command, OrganizationCommand::AcceptInvitation(_));
            let answer = happen(&mut state, command, &context);
            if role.is_none() && !joins {
                let unknown = [Err(Rejection::OrganizationNotFound), Err(Rejection::OrganizationExists)];
                prop_assert!(unknown.contains(&answer));
            }
            for event in answer.unwrap_or_default() {
                if role != Some(OrganizationRole::Owner) {
                    let appoints_owner = matches!(&event, OrganizationEvent::MemberRoleChanged(changed)
                        if changed.role == OrganizationRole::Owner);
                    prop_assert!(!appoints_owner);
                }
                history.push((event, context.now));
            }
            let owners = state.members().filter(|(_, role)| *role == OrganizationRole::Owner).count();
            prop_assert!(owners >= 1);
        }
        let mut replayed = Organization::default();
        for (event, at) in &history {
            crate::Aggregate::evolve(&mut replayed, event, *at);
        }
        prop_assert_eq!(replayed, state);
    }
}
