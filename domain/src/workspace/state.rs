//! What a workspace's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::organization::OrganizationMember;
use crate::persistent::{self, OrdMap};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, OrganizationId, Timestamp, WorkspaceId};

use super::check;
use super::commands::WorkspaceCommand;
use super::{WorkspaceEvent, WorkspaceRole};

/// A member of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceMember {
    /// As what.
    pub role: WorkspaceRole,
    /// Revision of the event by which they joined: another one each time that they join.
    pub term: u64,
    /// Their term as a member of the organization: the membership ends with it.
    pub organization_term: u64,
}

/// A workspace: members with roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    workspace_id: Option<WorkspaceId>,
    organization_id: Option<OrganizationId>,
    #[serde(deserialize_with = "persistent::map")]
    members: OrdMap<AccountId, WorkspaceMember>,
    admins: usize,
    archived: bool,
    /// How many events there were: the revision of the next one.
    events: u64,
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

    /// The role of a member, whether or not they are in the organization still; `None` for everybody else.
    pub fn role(&self, account: AccountId) -> Option<WorkspaceRole> {
        self.members.get(&account).map(|member| member.role)
    }

    /// A member; `None` for everybody else, and for whoever became one in an earlier term in the organization.
    pub fn member(
        &self,
        account: AccountId,
        in_organization: Option<OrganizationMember>,
    ) -> Option<WorkspaceMember> {
        let member = self.members.get(&account).copied()?;
        in_organization.filter(|one| one.term == member.organization_term).map(|_| member)
    }

    /// The membership of an account as it is on record, whatever has become of its term in the organization.
    pub fn recorded(&self, account: AccountId) -> Option<WorkspaceMember> {
        self.members.get(&account).copied()
    }

    /// The members with their roles, ordered by id.
    pub fn members(&self) -> impl Iterator<Item = (AccountId, WorkspaceRole)> {
        self.members.iter().map(|(account, member)| (*account, member.role))
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
        in_organization: Option<OrganizationMember>,
    ) -> Result<Insider, Rejection> {
        let account_id = context.account()?;
        let workspace_id = self.workspace_id.ok_or(Rejection::WorkspaceNotFound)?;
        let role = self.member(account_id, in_organization).map(|member| member.role);
        let manages_organization = in_organization.ok_or(Rejection::WorkspaceNotFound)?.role.manages();
        if role.is_none() && !manages_organization {
            return Err(Rejection::WorkspaceNotFound);
        }
        Ok(Insider { workspace_id, account_id, role, manages_organization })
    }

    /// Who manages, in a workspace that takes changes.
    pub(super) fn manager(
        &self,
        context: &Context,
        in_organization: Option<OrganizationMember>,
    ) -> Result<Insider, Rejection> {
        let insider = self.insider(context, in_organization)?;
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

    fn set_member(&mut self, account: AccountId, member: Option<WorkspaceMember>) {
        let before = match member {
            Some(member) => self.members.insert(account, member),
            None => self.members.remove(&account),
        };
        let is_admin = |member: Option<WorkspaceMember>| {
            usize::from(member.is_some_and(|member| member.role == WorkspaceRole::Admin))
        };
        self.admins += is_admin(member);
        self.admins -= is_admin(before);
    }
}

impl Aggregate for Workspace {
    const CATEGORY: Category = Category::Workspace;
    const STATE_VERSION: u16 = 2;
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
            WorkspaceEvent::MemberJoined(event) => {
                let (role, organization_term) = (event.role, event.organization_term);
                let member = WorkspaceMember { role, term: self.events, organization_term };
                self.set_member(event.account_id, Some(member));
            }
            WorkspaceEvent::MemberRoleChanged(event) => {
                if let Some(member) = self.recorded(event.account_id) {
                    self.set_member(event.account_id, Some(WorkspaceMember { role: event.role, ..member }));
                }
            }
            WorkspaceEvent::MemberRemoved(event) => self.set_member(event.account_id, None),
            WorkspaceEvent::Archived(_) => self.archived = true,
        }
        self.events += 1;
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.organization_id
    }
}
