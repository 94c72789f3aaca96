//! Organizations, their members and the invitations into them.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::Event;
use domain::organization::{InvitationCreated, OrganizationEvent, OrganizationMemberJoined};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `organizations`.
pub struct Organizations;

impl Projector for Organizations {
    fn name(&self) -> &'static str {
        "organizations"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[
            TableDef::of::<Organization>(),
            TableDef::of::<OrganizationMembership>(),
            TableDef::of::<OrganizationInvitation>(),
        ];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Organization(event) => organization_keys(event, keys),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Session(_)
            | Event::Workspace(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Organization(change) => apply(event, change, rows),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Session(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

fn organization_keys(event: &OrganizationEvent, keys: &mut Keys<'_>) {
    match event {
        OrganizationEvent::Created(it) => keys.fresh::<Organization>(it.organization_id),
        OrganizationEvent::ProfileChanged(it) => keys.load::<Organization>(it.organization_id),
        OrganizationEvent::MemberJoined(it) => {
            keys.load::<Organization>(it.organization_id);
            keys.load::<OrganizationMembership>((it.organization_id, it.account_id));
            if let Some(invitation_id) = it.invitation_id {
                keys.load::<OrganizationInvitation>(invitation_id);
            }
        }
        OrganizationEvent::MemberRoleChanged(it) => {
            keys.load::<OrganizationMembership>((it.organization_id, it.account_id));
        }
        OrganizationEvent::MemberRemoved(it) => {
            keys.load::<Organization>(it.organization_id);
            keys.load::<OrganizationMembership>((it.organization_id, it.account_id));
        }
        OrganizationEvent::InvitationCreated(it) => keys.fresh::<OrganizationInvitation>(it.invitation_id),
        OrganizationEvent::InvitationRevoked(it) => keys.load::<OrganizationInvitation>(it.invitation_id),
    }
}

fn apply(event: &Decoded, change: &OrganizationEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        OrganizationEvent::Created(it) => rows.insert(Organization {
            organization_id: it.organization_id,
            founder: it.founder,
            profile: event.sealed()?,
            members: 0,
            created_at: event.at(),
        }),
        OrganizationEvent::ProfileChanged(it) => {
            let profile = event.sealed()?;
            rows.update::<Organization>(&it.organization_id, |row| row.profile = profile)
        }
        OrganizationEvent::MemberJoined(it) => join(event, it, rows),
        OrganizationEvent::MemberRoleChanged(it) => {
            let key = (it.organization_id, it.account_id);
            rows.update::<OrganizationMembership>(&key, |row| row.role = it.role)
        }
        OrganizationEvent::MemberRemoved(it) => {
            let key = (it.organization_id, it.account_id);
            rows.update::<OrganizationMembership>(&key, |row| {
                row.removed_at = Some(event.at());
                row.removed_by = Some(it.removed_by);
            })?;
            rows.update::<Organization>(&it.organization_id, |row| {
                row.members = row.members.saturating_sub(1)
            })
        }
        OrganizationEvent::InvitationCreated(it) => rows.insert(invitation(event, it)),
        OrganizationEvent::InvitationRevoked(it) => {
            rows.update::<OrganizationInvitation>(&it.invitation_id, |row| row.revoked_at = Some(event.at()))
        }
    }
}

fn join(event: &Decoded, it: &OrganizationMemberJoined, rows: &mut Rows) -> Result<(), FoldError> {
    rows.put(OrganizationMembership {
        organization_id: it.organization_id,
        account_id: it.account_id,
        role: it.role,
        term: event.recorded.revision.get(),
        invitation_id: it.invitation_id,
        joined_at: event.at(),
        removed_at: None,
        removed_by: None,
    })?;
    rows.update::<Organization>(&it.organization_id, |row| row.members = row.members.saturating_add(1))?;
    match it.invitation_id {
        Some(id) => rows.update::<OrganizationInvitation>(&id, |row| row.uses = row.uses.saturating_add(1)),
        None => Ok(()),
    }
}

fn invitation(event: &Decoded, it: &InvitationCreated) -> OrganizationInvitation {
    OrganizationInvitation {
        invitation_id: it.invitation_id,
        organization_id: it.organization_id,
        role: it.role,
        token_hash: it.token_hash,
        uses_max: it.uses_max,
        uses: 0,
        expires_at: it.expires_at,
        created_by: it.created_by,
        created_at: event.at(),
        revoked_at: None,
    }
}
