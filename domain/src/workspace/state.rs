//! What a workspace's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::organization::OrganizationRole;
use crate::persistent::{self, OrdMap};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, OrganizationId, Timestamp, WorkspaceId};

use super::check;
use super::commands::WorkspaceCommand;
use super::{WorkspaceEvent, WorkspaceRole};

/// A workspace: members with roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    workspace_id: Option<WorkspaceId>,
    organization_id: Option<OrganizationId>,
    #[serde(deserialize_with = "persistent::map")]
    members: OrdMap<AccountId, WorkspaceRole>,
    admins: usize,
    archived: bool,
}

/// Somebody who may know of the workspace: one of its members, or an owner or admin of its organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insider {
    pub(super) workspace_id: WorkspaceId,
    pub(super) account_id: AccountId,
    role: Option<WorkspaceRole>,
    /// Whether the role in the organization alone lets them manage; the rule of the last admin does not bind them.
    pub(super) manages_organization: bool,
}

impl Insider {
    /// Refuses whoever manages neither the workspace nor the organization.
    pub(super) fn check_manages(&self) -> Result<(), Rejection> {
        if self.manages_organization || self.role == Some(WorkspaceRole::Admin) {
            Ok(())
        } else {
            Err(Rejection::RoleInsufficient)
        }
    }
}

impl Workspace {
    /// The workspace's id; `None` for a stream without events.
    pub fn id(&self) -> Option<WorkspaceId> {
        self.workspace_id
    }

    /// The organization that it is part of.
    pub fn organization_id(&self) -> Option<OrganizationId> {
        self.organization_id
    }

    /// The role of a member; `None` for everybody else.
    pub fn role(&self, account: AccountId) -> Option<WorkspaceRole> {
        self.members.get(&account).copied()
    }

    /// The members with their roles, ordered by id.
    pub fn members(&self) -> impl Iterator<Item = (AccountId, WorkspaceRole)> {
        self.members.iter().map(|(account, role)| (*account, *role))
    }

    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether it takes no changes any more.
    pub fn is_archived(&self) -> bool {
        self.archived
    }

    /// Who acts. For everybody but insiders the workspace is unknown; so it is for members who left the organization.
    pub(super) fn insider(
        &self,
        context: &Context,
        organization_role: Option<OrganizationRole>,
    ) -> Result<Insider, Rejection> {
        let account_id = context.account()?;
        let workspace_id = self.workspace_id.ok_or(Rejection::WorkspaceNotFound)?;
        let organization_role = organization_role.ok_or(Rejection::WorkspaceNotFound)?;
        let role = self.role(account_id);
        let manages_organization = organization_role.manages();
        if role.is_none() && !manages_organization {
            return Err(Rejection::WorkspaceNotFound);
        }
        Ok(Insider { workspace_id, account_id, role, manages_organization })
    }

    /// Who manages, in a workspace that takes changes.
    pub(super) fn manager(
        &self,
        context: &Context,
        organization_role: Option<OrganizationRole>,
    ) -> Result<Insider, Rejection> {
        let insider = self.insider(context, organization_role)?;
        insider.check_manages()?;
        self.check_open()?;
        Ok(insider)
    }

    /// Refuses changes to an archived workspace.
    pub(super) fn check_open(&self) -> Result<(), Rejection> {
        if self.archived { Err(Rejection::WorkspaceArchived) } else { Ok(()) }
    }

    /// Refuses to take the role of admin from the only one, unless the organization's managers do.
    pub(super) fn check_admin_remains(
        &self,
        actor: &Insider,
        losing: WorkspaceRole,
    ) -> Result<(), Rejection> {
        let is_last = losing == WorkspaceRole::Admin && self.admins <= 1;
        if is_last && !actor.manages_organization { Err(Rejection::LastAdmin) } else { Ok(()) }
    }

    fn set_role(&mut self, account: AccountId, role: Option<WorkspaceRole>) {
        let before = match role {
            Some(role) => self.members.insert(account, role),
            None => self.members.remove(&account),
        };
        self.admins += usize::from(role == Some(WorkspaceRole::Admin));
        self.admins -= usize::from(before == Some(WorkspaceRole::Admin));
    }
}

impl Aggregate for Workspace {
    const CATEGORY: Category = Category::Workspace;
    const STATE_VERSION: u16 = 1;
    type Id = WorkspaceId;
    type Event = WorkspaceEvent;
    type Command = WorkspaceCommand;

    fn decide(
        &self,
        command: &WorkspaceCommand,
        context: &Context,
    ) -> Result<Vec<Draft<WorkspaceEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &WorkspaceEvent, _at: Timestamp) {
        match event {
            WorkspaceEvent::Created(event) => {
                self.workspace_id = Some(event.workspace_id);
                self.organization_id = Some(event.organization_id);
            }
            WorkspaceEvent::ProfileChanged(_) => {}
            WorkspaceEvent::MemberJoined(event) => self.set_role(event.account_id, Some(event.role)),
            WorkspaceEvent::MemberRoleChanged(event) => self.set_role(event.account_id, Some(event.role)),
            WorkspaceEvent::MemberRemoved(event) => self.set_role(event.account_id, None),
            WorkspaceEvent::Archived(_) => self.archived = true,
        }
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.organization_id
    }
}
