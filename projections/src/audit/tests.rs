use domain::organization::{OrganizationCreated, OrganizationProfileChanged};
use domain::{AccountId, Actor, OrganizationId};

use super::*;
use crate::testing::{Fold, History};

#[test]
fn every_event_leaves_one_row_with_its_header() {
    let organization_id = OrganizationId::from_bytes([1; 16]);
    let founder = AccountId::from_bytes([2; 16]);
    let (mut history, mut fold) = (History::new(), Fold::new(Audit));
    let created = OrganizationCreated { organization_id, founder };
    let first = history.record(organization_id, Some(organization_id), Actor::account(founder), created);
    fold.fold(first.clone()).expect("a fold");
    let changed = OrganizationProfileChanged { organization_id };
    fold.fold(history.record(organization_id, None, Actor::SYSTEM, changed)).expect("a fold");

    let rows = fold.rows::<AuditLog>();
    assert_eq!(rows.len(), 2);
    let row = fold.row::<AuditLog>(&first.event_id).expect("a row");
    assert_eq!(row.organization_id, Some(organization_id));
    assert_eq!(row.actor_id, Some(founder.as_uuid()));
    assert_eq!(row.event_type, "organization.created");
    assert_eq!(row.hash, first.hash);
}
