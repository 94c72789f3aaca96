//! What an organization's events add up to.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::persistent::{self, OrdMap};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, Digest, InvitationId, OrganizationId, Timestamp, limits};

use super::check;
use super::commands::OrganizationCommand;
use super::{
    InvitationCreated, OrganizationEvent, OrganizationMemberJoined, OrganizationMemberRemoved,
    OrganizationRole,
};

/// A member of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationMember {
    /// As what.
    pub role: OrganizationRole,
    /// Revision of the event by which they joined: another one each time that they join.
    pub term: u64,
}

/// An open invitation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// As what the invited join.
    pub role: OrganizationRole,
    /// BLAKE3 of the secret.
    pub token_hash: Digest,
    /// How many may still use it; never zero.
    pub uses_left: u32,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// Who made it.
    pub created_by: AccountId,
    /// Revision of the event by which it was made.
    pub revision: u64,
}

impl Invitation {
    /// Whether it is not past `now`, nor further ahead than any may be made.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.expires_at.is_ahead(limits::INVITATION_SECONDS_MAX, now)
    }
}

/// An organization: members with roles, and open invitations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    organization_id: Option<OrganizationId>,
    #[serde(deserialize_with = "persistent::map")]
    members: OrdMap<AccountId, OrganizationMember>,
    owners: usize,
    #[serde(deserialize_with = "persistent::map")]
    invitations: OrdMap<InvitationId, Invitation>,
    /// Who was removed by another, and by the event of which revision, last, as long as an invitation is open that is older. Coming
    /// back by a younger one does not make an older one good again.
    #[serde(deserialize_with = "persistent::map")]
    removed: OrdMap<AccountId, u64>,
    /// How many events there were: the revision of the next one.
    events: u64,
}

impl OrganizationRole {
    /// Whether this role manages members, invitations, settings and every workspace.
    pub const fn manages(self) -> bool {
        match self {
            Self::Owner | Self::Admin => true,
            Self::ComplianceOfficer | Self::Auditor | Self::Member | Self::Guest => false,
        }
    }

    /// Whether this role reads the audit log.
    pub const fn audits(self) -> bool {
        match self {
            Self::Owner | Self::ComplianceOfficer | Self::Auditor => true,
            Self::Admin | Self::Member | Self::Guest => false,
        }
    }

    /// Whether this role may give, take or invite with `other`: an owner all of them, an admin all but owner.
    pub const fn grants(self, other: OrganizationRole) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !matches!(other, Self::Owner),
            Self::ComplianceOfficer | Self::Auditor | Self::Member | Self::Guest => false,
        }
    }
}

impl Organization {
    /// The organization's id; `None` for a stream without events.
    pub fn id(&self) -> Option<OrganizationId> {
        self.organization_id
    }

    /// The role of a member; `None` for everybody else.
    pub fn role(&self, account: AccountId) -> Option<OrganizationRole> {
        self.members.get(&account).map(|member| member.role)
    }

    /// A member with their term; `None` for everybody else.
    pub fn member(&self, account: AccountId) -> Option<OrganizationMember> {
        self.members.get(&account).copied()
    }

    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The members with their roles, ordered by id.
    pub fn members(&self) -> impl Iterator<Item = (AccountId, OrganizationRole)> {
        self.members.iter().map(|(account, member)| (*account, member.role))
    }

    /// An invitation that was neither withdrawn nor used up; it may have expired.
    pub fn invitation(&self, invitation: InvitationId) -> Option<&Invitation> {
        self.invitations.get(&invitation)
    }

    /// Whether an invitation is worth to `account` what it says: whoever made it is a member of the same term and may still
    /// give the role, and the account was not removed since.
    pub(super) fn admits(&self, invitation: &Invitation, account: AccountId) -> bool {
        let may_give = self
            .member(invitation.created_by)
            .is_some_and(|maker| maker.term < invitation.revision && maker.role.grants(invitation.role));
        may_give && self.removed.get(&account).is_none_or(|removed| *removed < invitation.revision)
    }

    /// How many invitations are open at `now`.
    pub(super) fn invitation_count(&self, now: Timestamp) -> usize {
        self.invitations.values().filter(|invitation| invitation.is_open(now)).count()
    }

    /// Who acts and in which role. Whoever is no member learns nothing, not even that the organization exists.
    pub(super) fn actor(
        &self,
        context: &Context,
    ) -> Result<(OrganizationId, AccountId, OrganizationRole), Rejection> {
        let account = context.account()?;
        let id = self.organization_id.ok_or(Rejection::OrganizationNotFound)?;
        let role = self.role(account).ok_or(Rejection::OrganizationNotFound)?;
        Ok((id, account, role))
    }

    /// The same for those who manage.
    pub(super) fn manager(
        &self,
        context: &Context,
    ) -> Result<(OrganizationId, AccountId, OrganizationRole), Rejection> {
        let actor = self.actor(context)?;
        if actor.2.manages() { Ok(actor) } else { Err(Rejection::RoleInsufficient) }
    }

    /// Refuses to take the role of owner from the only one.
    pub(super) fn check_owner_remains(&self, losing: OrganizationRole) -> Result<(), Rejection> {
        if losing == OrganizationRole::Owner && self.owners <= 1 { Err(Rejection::LastOwner) } else { Ok(()) }
    }

    /// Drops what has expired once the map is full, so that it stays within the limit on open ones. Not before: a clock that
    /// was ahead for a moment must not take all of them away.
    fn forget_expired(&mut self, at: Timestamp) {
        if self.invitations.len() < limits::ORGANIZATION_INVITATIONS_MAX {
            return;
        }
        let expired = self.invitations.iter().filter(|(_, one)| at >= one.expires_at);
        let expired: Vec<InvitationId> = expired.map(|(id, _)| *id).collect();
        for id in expired {
            self.invitations.remove(&id);
        }
    }

    fn set_member(&mut self, account: AccountId, member: Option<OrganizationMember>) {
        let before = match member {
            Some(member) => self.members.insert(account, member),
            None => self.members.remove(&account),
        };
        let is_owner = |member: Option<OrganizationMember>| {
            usize::from(member.is_some_and(|member| member.role == OrganizationRole::Owner))
        };
        self.owners += is_owner(member);
        self.owners -= is_owner(before);
    }

    fn join(&mut self, event: &OrganizationMemberJoined) {
        self.set_member(event.account_id, Some(OrganizationMember { role: event.role, term: self.events }));
        if let Some(id) = event.invitation_id {
            self.use_invitation(id);
        }
    }

    /// Whoever leaves by themselves may come back by any invitation.
    fn remove(&mut self, event: &OrganizationMemberRemoved) {
        self.set_member(event.account_id, None);
        if event.removed_by != event.account_id && !self.invitations.is_empty() {
            self.removed.insert(event.account_id, self.events);
        }
    }

    fn invite(&mut self, event: &InvitationCreated, at: Timestamp) {
        self.forget_expired(at);
        // Removals that every invitation is younger than mean nothing any more.
        let oldest = self.invitations.values().map(|one| one.revision).min().unwrap_or(self.events);
        let past = self.removed.iter().filter(|(_, removed)| **removed < oldest);
        let past: Vec<AccountId> = past.map(|(account, _)| *account).collect();
        for account in past {
            self.removed.remove(&account);
        }
        let invitation = Invitation {
            role: event.role,
            token_hash: event.token_hash,
            uses_left: event.uses_max,
            expires_at: event.expires_at,
            created_by: event.created_by,
            revision: self.events,
        };
        self.invitations.insert(event.invitation_id, invitation);
    }

    fn use_invitation(&mut self, id: InvitationId) {
        if let Some(invitation) = self.invitations.get_mut(&id) {
            invitation.uses_left = invitation.uses_left.saturating_sub(1);
            if invitation.uses_left == 0 {
                self.invitations.remove(&id);
            }
        }
    }
}

impl Aggregate for Organization {
    const CATEGORY: Category = Category::Organization;
    const STATE_VERSION: u16 = 3;
    type Id = OrganizationId;
    type Event = OrganizationEvent;
    type Command = OrganizationCommand;

    fn decide(
        &self,
        command: &OrganizationCommand,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &OrganizationEvent, at: Timestamp) {
        match event {
            OrganizationEvent::Created(event) => self.organization_id = Some(event.organization_id),
            OrganizationEvent::ProfileChanged(_) => {}
            OrganizationEvent::MemberJoined(event) => self.join(event),
            OrganizationEvent::MemberRoleChanged(event) => {
                if let Some(member) = self.member(event.account_id) {
                    let member = OrganizationMember { role: event.role, ..member };
                    self.set_member(event.account_id, Some(member));
                }
            }
            OrganizationEvent::MemberRemoved(event) => self.remove(event),
            OrganizationEvent::InvitationCreated(event) => self.invite(event, at),
            OrganizationEvent::InvitationRevoked(event) => {
                self.invitations.remove(&event.invitation_id);
            }
        }
        self.events += 1;
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.organization_id
    }
}
