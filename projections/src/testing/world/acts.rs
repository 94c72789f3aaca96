//! What people do.

use domain::account::commands::*;
use domain::account::{AccountContact, AccountMetadata, AccountPassword, AccountProfile, PasswordCause};
use domain::device::certificate::{device_certificate, recovery_certificate};
use domain::device::commands::*;
use domain::device::{DeviceLabel, DeviceRevocationCause, IdentityVault};
use domain::organization::commands::{
    AcceptInvitation, ChangeMemberRole, ChangeOrganizationProfile, CreateInvitation, CreateOrganization,
    RevokeInvitation,
};
use domain::organization::{OrganizationProfile, OrganizationRole};
use domain::session::commands::*;
use domain::session::{SessionOrigin, SessionRevocationCause};
use domain::workspace::commands::{
    AddWorkspaceMember, ArchiveWorkspace, ChangeWorkspaceMemberRole, ChangeWorkspaceProfile, CreateWorkspace,
    RemoveWorkspaceMember,
};
use domain::workspace::{WorkspaceProfile, WorkspaceRole};
use domain::{
    AccountId, Blob, CommandId, Context, DeviceId, Digest, HpkeKey, InvitationId, OrganizationId,
    RecipientId, SessionId, Signature, VerifyKey, WorkspaceId,
};
use ed25519_dalek::Signer;

use super::{Kept, Person, World, signing_key};

/// Few enough that people meet again and again.
const PEOPLE_MAX: usize = 8;
const ORGANIZATIONS_MAX: usize = 3;
const WORKSPACES_MAX: usize = 4;
const SESSIONS_MAX: usize = 12;

impl World {
    /// One thing that somebody tries; whether it happened.
    pub(super) async fn act(&mut self) -> bool {
        match self.random.below(100) {
            0..6 => self.register().await,
            6..12 => self.change_account().await,
            12..20 => self.change_devices().await,
            20..27 => self.change_sessions().await,
            27..36 => self.change_organizations().await,
            36..43 => self.change_workspaces().await,
            43..48 => self.open_conversation().await,
            48..58 => self.change_members().await,
            58..66 => self.change_keys().await,
            _ => self.talk().await,
        }
    }

    fn digest(&mut self) -> Digest {
        Digest::from_bytes(self.random.bytes())
    }

    pub(super) fn person(&mut self) -> Option<usize> {
        if self.people.is_empty() { None } else { Some(self.random.below(self.people.len())) }
    }

    async fn register(&mut self) -> bool {
        if self.people.len() >= PEOPLE_MAX {
            return false;
        }
        let id = AccountId::from_bytes(self.recorder.id());
        let mut person = Person { id, account: Kept::new(id), devices: Kept::new(id) };
        let profile = AccountProfile { display_name: "Somebody".to_owned(), locale: None };
        let register = Register {
            account_id: id,
            contact: AccountContact { email: format!("p{}@example.org", self.people.len()) },
            password: AccountPassword { phc: "$argon2id$".to_owned() },
            profile,
            confirmation_token_hash: self.digest(),
            confirmation_command_id: CommandId::from_bytes(self.recorder.id()),
        };
        let context = Context { actor: domain::Actor::ANONYMOUS, ..self.recorder.by(id, None) };
        let done = self.recorder.give(&mut person.account, register, context).await;
        self.people.push(person);
        done
    }

    async fn change_account(&mut self) -> bool {
        let Some(who) = self.person() else { return false };
        let (choice, hash) = (self.random.below(6), self.digest());
        let token_command_id = CommandId::from_bytes(self.recorder.id());
        let person = &mut self.people[who];
        let own = self.recorder.by(person.id, None);
        let confirmation = person.account.state.email_confirmation().map(|token| token.hash);
        let reset = person.account.state.password_reset().map(|token| token.hash);
        let anonymous = Context { actor: domain::Actor::ANONYMOUS, ..own };
        let password = AccountPassword { phc: "$argon2id$2".to_owned() };
        let kept = &mut person.account;
        match choice {
            0 => {
                self.recorder
                    .give(kept, ConfirmEmail { token_hash: confirmation.unwrap_or(hash) }, anonymous)
                    .await
            }
            1 => {
                let command = SetPassword {
                    password,
                    cause: PasswordCause::Reset,
                    reset_token_hash: reset,
                    session_id: None,
                    verified: None,
                };
                self.recorder.give(kept, command, anonymous).await
            }
            2 => {
                let request = RequestPasswordReset { token_hash: hash, token_command_id };
                self.recorder.give(kept, request, anonymous).await
            }
            3 => {
                let profile =
                    AccountProfile { display_name: "Another".to_owned(), locale: Some("de".to_owned()) };
                self.recorder.give(kept, ChangeProfile { profile }, own).await
            }
            4 => {
                let metadata = AccountMetadata { phone: Some("+4930123456".to_owned()), address: None };
                self.recorder.give(kept, ChangeMetadata { metadata }, own).await
            }
            _ => {
                let until = own.now.plus_seconds(60);
                self.recorder.give(kept, LockLogin { failures: 5, until }, anonymous).await
            }
        }
    }

    async fn change_devices(&mut self) -> bool {
        let Some(who) = self.person() else { return false };
        let choice = self.random.below(8);
        // So few that different people's devices and recovery keys have the same ones.
        let device_id = DeviceId::from_bytes([u8::try_from(self.random.below(24)).expect("a byte"); 16]);
        let person = &mut self.people[who];
        let own = self.recorder.by(person.id, None);
        let device =
            self.random.of(&person.devices.state.active_devices().map(|(id, _)| id).collect::<Vec<_>>());
        let identity = signing_key(person.id.as_bytes());
        let kept = &mut person.devices;
        if kept.state.identity_key().is_none() {
            let recovery_id = RecipientId::from_bytes(*device_id.as_bytes());
            let recovery_key = HpkeKey::from_bytes(self.random.bytes());
            let signature = identity.sign(&recovery_certificate(person.id, recovery_id, &recovery_key));
            let publish = PublishIdentity {
                account_id: person.id,
                identity_key: VerifyKey::from_bytes(identity.verifying_key().to_bytes()),
                recovery_id,
                recovery_key,
                recovery_certificate: Signature::from_bytes(signature.to_bytes()),
                vault: IdentityVault { encrypted_private_key: Blob::new(vec![7; 64]) },
                reset: None,
            };
            return self.recorder.give(kept, publish, own).await;
        }
        match (choice, device) {
            (0, Some(device_id)) => {
                let label = DeviceLabel { name: "Other".to_owned() };
                self.recorder.give(kept, RenameDevice { device_id, label }, own).await
            }
            (1, Some(device_id)) => {
                let cause = DeviceRevocationCause::Lost;
                self.recorder.give(kept, RevokeDevice { device_id, cause }, own).await
            }
            _ => {
                let hpke_key = HpkeKey::from_bytes(self.random.bytes());
                let verify_key = signing_key(device_id.as_bytes()).verifying_key().to_bytes();
                let verify_key = VerifyKey::from_bytes(verify_key);
                let signed = identity.sign(&device_certificate(person.id, device_id, &hpke_key, &verify_key));
                let certificate = Signature::from_bytes(signed.to_bytes());
                let label = DeviceLabel { name: "Phone".to_owned() };
                let enroll = EnrollDevice { device_id, hpke_key, verify_key, certificate, label };
                self.recorder.give(kept, enroll, own).await
            }
        }
    }

    async fn change_sessions(&mut self) -> bool {
        let Some(who) = self.person() else { return false };
        let account_id = self.people[who].id;
        let hash = self.digest();
        if self.sessions.len() < SESSIONS_MAX && self.random.below(3) == 0 {
            let session_id = SessionId::from_bytes(self.recorder.id());
            let origin = SessionOrigin { ip: Some("192.0.2.1".to_owned()), user_agent: None };
            let start = StartSession {
                session_id,
                account_id,
                device_id: None,
                refresh_hash: hash,
                password_revision: 1,
                origin,
            };
            let mut kept = Kept::new(session_id);
            let context = self.recorder.by(account_id, None);
            let done = self.recorder.give(&mut kept, start, context).await;
            self.sessions.push((kept, hash));
            return done;
        }
        if self.sessions.is_empty() {
            return false;
        }
        let place = self.random.below(self.sessions.len());
        let (kept, current) = &mut self.sessions[place];
        let Some(owner) = kept.state.account_id() else { return false };
        let context = self.recorder.by(owner, None);
        match self.random.below(10) {
            0 => {
                let cause = SessionRevocationCause::Logout;
                self.recorder.give(kept, RevokeSession { cause }, context).await
            }
            1 | 2 => {
                let person = self.people.iter().find(|person| person.id == owner).expect("a person");
                let devices: Vec<_> = person.devices.state.active_devices().map(|(id, _)| id).collect();
                match self.random.of(&devices) {
                    Some(device_id) => self.recorder.give(kept, BindDevice { device_id }, context).await,
                    None => false,
                }
            }
            // A stranger's token ends the session by an event of its own.
            3 => {
                let refresh = RefreshSession { presented_hash: hash, successor_hash: hash, signed_by: None };
                self.recorder.give(kept, refresh, context).await
            }
            _ => {
                let refresh =
                    RefreshSession { presented_hash: *current, successor_hash: hash, signed_by: None };
                *current = hash;
                self.recorder.give(kept, refresh, context).await
            }
        }
    }

    async fn change_organizations(&mut self) -> bool {
        let Some(who) = self.person() else { return false };
        let (id, hash) = (self.recorder.id(), self.digest());
        let context = self.recorder.by(self.people[who].id, None);
        if self.organizations.len() < ORGANIZATIONS_MAX && self.random.below(3) == 0 {
            let organization_id = OrganizationId::from_bytes(id);
            let mut kept = Kept::new(organization_id);
            let profile = OrganizationProfile { name: "Harbour".to_owned() };
            let done =
                self.recorder.give(&mut kept, CreateOrganization { organization_id, profile }, context).await;
            self.organizations.push(kept);
            return done;
        }
        if self.organizations.is_empty() {
            return false;
        }
        let place = self.random.below(self.organizations.len());
        let other = self.person().map_or(self.people[who].id, |other| self.people[other].id);
        let invitation_id = InvitationId::from_bytes(id);
        let kept = &mut self.organizations[place];
        let role =
            self.random.of(&[OrganizationRole::Member, OrganizationRole::Guest, OrganizationRole::Admin]);
        let role = role.expect("a role");
        match self.random.below(8) {
            0 => {
                let profile = OrganizationProfile { name: "Quay".to_owned() };
                self.recorder.give(kept, ChangeOrganizationProfile { profile }, context).await
            }
            1 => self.recorder.give(kept, ChangeMemberRole { account_id: other, role }, context).await,
            2 => {
                let command = domain::organization::commands::RemoveMember { account_id: other };
                self.recorder.give(kept, command, context).await
            }
            3 => {
                let expires_at = context.now.plus_seconds(86_400);
                let invite =
                    CreateInvitation { invitation_id, role, token_hash: hash, uses_max: 1, expires_at };
                self.recorder.give(kept, invite, context).await
                    && self.recorder.give(kept, RevokeInvitation { invitation_id }, context).await
            }
            // Somebody in charge invites, and the person takes it.
            _ => {
                let expires_at = context.now.plus_seconds(86_400);
                let inviter = self.random.of(&self.people.iter().map(|person| person.id).collect::<Vec<_>>());
                let inviter = self.recorder.by(inviter.expect("a person"), None);
                let invite =
                    CreateInvitation { invitation_id, role, token_hash: hash, uses_max: 1, expires_at };
                let accept = AcceptInvitation { invitation_id, token_hash: hash };
                self.recorder.give(kept, invite, inviter).await
                    && self.recorder.give(kept, accept, context).await
            }
        }
    }

    async fn change_workspaces(&mut self) -> bool {
        let (Some(who), Some(other)) = (self.person(), self.person()) else { return false };
        if self.organizations.is_empty() {
            return false;
        }
        let (id, other) = (self.recorder.id(), self.people[other].id);
        let context = self.recorder.by(self.people[who].id, None);
        let organization = self.random.below(self.organizations.len());
        let organization = &self.organizations[organization];
        let actor_in_organization = organization.state.member(self.people[who].id);
        let member_in_organization = organization.state.member(other);
        let profile = WorkspaceProfile { name: "Crane".to_owned(), description: None };
        if self.workspaces.len() < WORKSPACES_MAX && self.random.below(3) == 0 {
            let workspace_id = WorkspaceId::from_bytes(id);
            let organization_id = OrganizationId::from(organization.id);
            let create = CreateWorkspace { workspace_id, organization_id, profile, actor_in_organization };
            let mut kept = Kept::new(workspace_id);
            let done = self.recorder.give(&mut kept, create, context).await;
            if done {
                self.workspaces.push(kept);
            }
            return done;
        }
        let organization_id = OrganizationId::from(organization.id);
        let here = self
            .workspaces
            .iter_mut()
            .filter(|kept| domain::Aggregate::organization(&kept.state) == Some(organization_id));
        let mut here: Vec<_> = here.collect();
        if here.is_empty() {
            return false;
        }
        let place = self.random.below(here.len());
        let kept = &mut *here[place];
        let account_id = other;
        match self.random.below(12) {
            0 => self.recorder.give(kept, ArchiveWorkspace { actor_in_organization }, context).await,
            1 => {
                let command = ChangeWorkspaceProfile { profile, actor_in_organization };
                self.recorder.give(kept, command, context).await
            }
            2 | 3 => {
                let command = RemoveWorkspaceMember { account_id, actor_in_organization };
                self.recorder.give(kept, command, context).await
            }
            4 => {
                let role = WorkspaceRole::Admin;
                let command = ChangeWorkspaceMemberRole { account_id, role, actor_in_organization };
                self.recorder.give(kept, command, context).await
            }
            _ => {
                let role = WorkspaceRole::Member;
                let command =
                    AddWorkspaceMember { account_id, role, member_in_organization, actor_in_organization };
                self.recorder.give(kept, command, context).await
            }
        }
    }
}
