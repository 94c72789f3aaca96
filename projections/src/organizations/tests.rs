use domain::organization::{
    InvitationCreated, OrganizationCreated, OrganizationMemberJoined, OrganizationMemberRemoved,
    OrganizationRole,
};
use domain::{AccountId, Actor, Digest, InvitationId, OrganizationId, Timestamp};

use super::*;
use crate::testing::{Fold, History};

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
const FOUNDER: AccountId = AccountId::from_bytes([2; 16]);
const GUEST: AccountId = AccountId::from_bytes([3; 16]);
const INVITATION: InvitationId = InvitationId::from_bytes([4; 16]);

fn joined(account_id: AccountId, invitation_id: Option<InvitationId>) -> OrganizationMemberJoined {
    let role = if invitation_id.is_some() { OrganizationRole::Guest } else { OrganizationRole::Owner };
    OrganizationMemberJoined { organization_id: ORGANIZATION, account_id, role, invitation_id }
}

fn founded() -> (History, Fold<Organizations>) {
    let (mut history, mut fold) = (History::new(), Fold::new(Organizations));
    let mut record = |event: domain::Event| {
        fold.fold(history.record(ORGANIZATION, Some(ORGANIZATION), Actor::account(FOUNDER), event))
            .expect("a fold");
    };
    record(OrganizationCreated { organization_id: ORGANIZATION, founder: FOUNDER }.into());
    record(joined(FOUNDER, None).into());
    let invited = InvitationCreated {
        organization_id: ORGANIZATION,
        invitation_id: INVITATION,
        role: OrganizationRole::Guest,
        token_hash: Digest::from_bytes([5; 32]),
        uses_max: 2,
        expires_at: Timestamp::from_micros(9),
        created_by: FOUNDER,
    };
    record(invited.into());
    record(joined(GUEST, Some(INVITATION)).into());
    (history, fold)
}

#[test]
fn joining_counts_the_member_and_the_use_of_the_invitation() {
    let (_, fold) = founded();
    assert_eq!(fold.row::<Organization>(&ORGANIZATION).expect("a row").members, 2);
    assert_eq!(fold.row::<OrganizationInvitation>(&INVITATION).expect("a row").uses, 1);
    let member = fold.row::<OrganizationMembership>(&(ORGANIZATION, GUEST)).expect("a row");
    assert_eq!((member.role, member.removed_at), (OrganizationRole::Guest, None));
}

#[test]
fn a_member_who_left_stays_on_record_and_may_come_back() {
    let (mut history, mut fold) = founded();
    let left =
        OrganizationMemberRemoved { organization_id: ORGANIZATION, account_id: GUEST, removed_by: FOUNDER };
    fold.fold(history.record(ORGANIZATION, None, Actor::account(FOUNDER), left)).expect("a fold");
    let member = fold.row::<OrganizationMembership>(&(ORGANIZATION, GUEST)).expect("a row");
    assert_eq!((member.removed_at, member.removed_by), (Some(History::at(5)), Some(FOUNDER)));
    let back = joined(GUEST, Some(INVITATION));
    fold.fold(history.record(ORGANIZATION, None, Actor::account(GUEST), back)).expect("a fold");
    let member = fold.row::<OrganizationMembership>(&(ORGANIZATION, GUEST)).expect("a row");
    assert_eq!((member.removed_at, member.removed_by), (None, None));
    assert_eq!(fold.row::<Organization>(&ORGANIZATION).expect("a row").members, 2);
}

#[test]
fn an_event_that_contradicts_the_rows_is_refused_and_changes_nothing() {
    let mut fold = Fold::new(Organizations);
    let event = History::new().record(ORGANIZATION, Some(ORGANIZATION), Actor::SYSTEM, joined(GUEST, None));
    assert!(matches!(fold.fold(event), Err(FoldError::Missing { table: "organizations", .. })));
    assert!(fold.rows::<OrganizationMembership>().is_empty());
}
