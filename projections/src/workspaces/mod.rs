//! Workspaces and their members.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::Event;
use domain::workspace::{WorkspaceCreated, WorkspaceEvent, WorkspaceMemberJoined, WorkspaceMemberRemoved};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `workspaces`.
pub struct Workspaces;

impl Projector for Workspaces {
    fn name(&self) -> &'static str {
        "workspaces"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[TableDef::of::<Workspace>(), TableDef::of::<WorkspaceMembership>()];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Workspace(change) => workspace_keys(change, keys),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Workspace(change) => apply(event, change, rows),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_) => Ok(()),
        }
    }
}

fn workspace_keys(change: &WorkspaceEvent, keys: &mut Keys<'_>) {
    match change {
        WorkspaceEvent::Created(it) => keys.fresh::<Workspace>(it.workspace_id),
        WorkspaceEvent::ProfileChanged(it) => keys.load::<Workspace>(it.workspace_id),
        WorkspaceEvent::MemberJoined(it) => {
            keys.load::<Workspace>(it.workspace_id);
            keys.load::<WorkspaceMembership>((it.workspace_id, it.account_id));
        }
        WorkspaceEvent::MemberRoleChanged(it) => {
            keys.load::<WorkspaceMembership>((it.workspace_id, it.account_id));
        }
        WorkspaceEvent::MemberRemoved(it) => {
            keys.load::<Workspace>(it.workspace_id);
            keys.load::<WorkspaceMembership>((it.workspace_id, it.account_id));
        }
        WorkspaceEvent::Archived(it) => keys.load::<Workspace>(it.workspace_id),
    }
}

fn apply(event: &Decoded, change: &WorkspaceEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        WorkspaceEvent::Created(it) => create(event, it, rows),
        WorkspaceEvent::ProfileChanged(it) => {
            let profile = event.sealed()?;
            rows.update::<Workspace>(&it.workspace_id, |row| row.profile = profile)
        }
        WorkspaceEvent::MemberJoined(it) => join(event, it, rows),
        WorkspaceEvent::MemberRoleChanged(it) => {
            rows.update::<WorkspaceMembership>(&(it.workspace_id, it.account_id), |row| row.role = it.role)
        }
        WorkspaceEvent::MemberRemoved(it) => remove(event, it, rows),
        WorkspaceEvent::Archived(it) => {
            rows.update::<Workspace>(&it.workspace_id, |row| row.archived_at = Some(event.at()))
        }
    }
}

fn create(event: &Decoded, it: &WorkspaceCreated, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(Workspace {
        workspace_id: it.workspace_id,
        organization_id: it.organization_id,
        creator: it.creator,
        profile: event.sealed()?,
        members: 0,
        created_at: event.at(),
        archived_at: None,
    })
}

fn join(event: &Decoded, it: &WorkspaceMemberJoined, rows: &mut Rows) -> Result<(), FoldError> {
    rows.put(WorkspaceMembership {
        workspace_id: it.workspace_id,
        account_id: it.account_id,
        organization_id: event.organization()?,
        role: it.role,
        term: event.recorded.revision.get(),
        organization_term: it.organization_term,
        joined_at: event.at(),
        removed_at: None,
        removed_by: None,
    })?;
    rows.update::<Workspace>(&it.workspace_id, |row| row.members = row.members.saturating_add(1))
}

fn remove(event: &Decoded, it: &WorkspaceMemberRemoved, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<WorkspaceMembership>(&(it.workspace_id, it.account_id), |row| {
        row.removed_at = Some(event.at());
        row.removed_by = it.removed_by;
    })?;
    rows.update::<Workspace>(&it.workspace_id, |row| row.members = row.members.saturating_sub(1))
}
