//! Opening a conversation.

use crate::conversation::{
    Conversation, ConversationCreated, ConversationKind, ConversationReopened, ConversationRole,
    ConversationTitle, Earlier, HistoryVisibility, direct_conversation_id,
};
use crate::organization::OrganizationRole;
use crate::{Context, ConversationId, Draft, OrganizationId, Rejection, WorkspaceId};

use super::{Admission, Candidate, Decision};

/// Opens a conversation. Its creator becomes an admin, the others members. For a direct conversation the id must be
/// `direct_conversation_id` of creator and the one other member.
#[derive(Clone, Debug)]
pub struct CreateConversation {
    /// The new conversation.
    pub conversation_id: ConversationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its workspace, if any; it is one of the organization and not archived, as the caller has verified.
    pub workspace_id: Option<WorkspaceId>,
    /// Which kind.
    pub kind: ConversationKind,
    /// Its title.
    pub title: ConversationTitle,
    /// Whether messages in clear are taken.
    pub allows_plaintext: bool,
    /// What members see of what was before they joined; of a direct conversation nothing.
    pub history_visibility: HistoryVisibility,
    /// The creator (whoever gives the command).
    pub creator: Candidate,
    /// The other first members.
    pub members: Vec<Candidate>,
}

impl CreateConversation {
    /// A direct conversation that is there already is opened again for those of its two members who had left the
    /// organization and are back; when both are there, it exists. One that was deleted begins anew for both: it can exist
    /// once only, so deleting it must not be for ever.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let creator = context.account()?;
        if self.creator.account_id != creator {
            return Err(Rejection::InvalidField {
                field: "creator",
                reason: "is whoever opens the conversation",
            });
        }
        let role = self.creator.in_organization.ok_or(Rejection::OrganizationNotFound)?.role;
        match self.kind {
            ConversationKind::Group if role == OrganizationRole::Guest => {
                return Err(Rejection::RoleInsufficient);
            }
            ConversationKind::Group => {}
            ConversationKind::Direct => self.require_direct()?,
        }
        if self.workspace_id.is_some() && self.creator.in_workspace.is_none() {
            return Err(Rejection::WorkspaceNotFound);
        }
        if state.id().is_some() {
            return self.reopen(state);
        }
        self.title.check(self.kind)?;
        let earlier = Earlier { visibility: self.history_visibility, ..Earlier::NOTHING };
        let joins =
            self.admission(earlier).admit(state, self.candidates().map(|one| (one, self.role_of(one))))?;
        let created = ConversationCreated {
            conversation_id: self.conversation_id,
            organization_id: self.organization_id,
            workspace_id: self.workspace_id,
            kind: self.kind,
            creator,
            allows_plaintext: self.allows_plaintext,
            history_visibility: self.history_visibility,
        };
        let created = Draft::sealed(created, self.title.clone(), creator);
        Ok(std::iter::once(created).chain(joins).collect())
    }

    fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(&self.creator).chain(&self.members)
    }

    /// The creator of a group is its admin; the members of a direct conversation are equals.
    fn role_of(&self, candidate: &Candidate) -> ConversationRole {
        let founds = self.kind == ConversationKind::Group && candidate.account_id == self.creator.account_id;
        if founds { ConversationRole::Admin } else { ConversationRole::Member }
    }

    fn admission(&self, earlier: Earlier) -> Admission {
        Admission {
            conversation_id: self.conversation_id,
            workspace_id: self.workspace_id,
            added_by: self.creator.account_id,
            earlier,
        }
    }

    fn require_direct(&self) -> Result<(), Rejection> {
        let creator = self.creator.account_id;
        let other = match self.members.as_slice() {
            [other] if other.account_id != creator => other.account_id,
            _ => {
                let reason = "of a direct conversation are one other account";
                return Err(Rejection::InvalidField { field: "members", reason });
            }
        };
        if self.workspace_id.is_some() {
            let reason = "is for groups: two people have one direct conversation in the whole organization";
            return Err(Rejection::InvalidField { field: "workspace_id", reason });
        }
        if self.history_visibility == HistoryVisibility::All {
            let reason = "is for groups: the two of a direct conversation are there from its beginning";
            return Err(Rejection::InvalidField { field: "history_visibility", reason });
        }
        if self.conversation_id != direct_conversation_id(self.organization_id, creator, other) {
            return Err(Rejection::DirectIdMismatch);
        }
        Ok(())
    }

    fn reopen(&self, state: &Conversation) -> Decision {
        let absent = || self.candidates().filter(|candidate| !candidate.is_member(state, None));
        if self.kind == ConversationKind::Group {
            return Err(Rejection::ConversationExists { conversation_id: self.conversation_id });
        }
        if state.is_deleted() {
            return self.begin_anew(state);
        }
        if absent().next().is_none() {
            return Err(Rejection::ConversationExists { conversation_id: self.conversation_id });
        }
        self.admission(state.earlier()).admit(state, absent().map(|one| (one, self.role_of(one))))
    }

    /// Who was a member and with which recipients is no matter: both join with what they have now.
    fn begin_anew(&self, state: &Conversation) -> Decision {
        let all = self.candidates().map(|one| (one, self.role_of(one)));
        let joins = self.admission(state.earlier()).admit(&Conversation::default(), all)?;
        let reopened = ConversationReopened {
            conversation_id: self.conversation_id,
            reopened_by: self.creator.account_id,
            deleted_up_to: state.last_number(),
        };
        Ok(std::iter::once(Draft::open(reopened)).chain(joins).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::{DeleteConversation, DeleteMessage, PinMessage};
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, ConversationMemberJoined};
    use crate::organization::OrganizationMember;

    use super::*;

    #[test]
    fn everybody_in_a_conversation_of_a_workspace_is_a_member_of_the_workspace() {
        let workspace_id = Some(WORKSPACE);
        let outsider = CreateConversation { workspace_id, ..create_group(ALICE, &[]) };
        assert_eq!(Given::default().refusal(ALICE.on(0), outsider), Rejection::WorkspaceNotFound);
        let creator = of_workspace(ALICE.candidate());
        let other = CreateConversation { workspace_id, creator, ..create_group(ALICE, &[BOB]) };
        let expected = Rejection::NotWorkspaceMember { account_id: BOB.account() };
        assert_eq!(Given::default().refusal(ALICE.on(0), other.clone()), expected);
        let members = vec![of_workspace(BOB.candidate())];
        let both = CreateConversation { members, ..other };
        let events = Given::default().events(ALICE.on(0), both).unwrap();
        let terms: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                ConversationEvent::MemberJoined(joined) => Some((joined.organization_term, joined.workspace)),
                _ => None,
            })
            .collect();
        assert_eq!(terms, [(TERM, Some(WORKSPACE_TERM)); 2]);
    }

    #[test]
    fn who_came_back_to_the_organization_opens_a_direct_conversation_anew() {
        let given = Given::direct(ALICE, BOB);
        let create = CreateConversation { creator: back_again(BOB.candidate()), ..create_direct(BOB, ALICE) };
        let events = given.events(BOB.on(0), create).unwrap();
        let [ConversationEvent::MemberLeft(left), ConversationEvent::MemberJoined(joined)] = &events[..]
        else {
            panic!("Bob leaves and joins: {events:?}");
        };
        assert_eq!((left.account_id, joined.account_id), (BOB.account(), BOB.account()));
    }

    #[test]
    fn a_group_opens_with_its_creator_as_admin() {
        let drafts = Given::default().when(ALICE.on(0), create_group(ALICE, &[BOB])).unwrap();
        let created = ConversationCreated {
            conversation_id: GROUP,
            organization_id: ORGANIZATION,
            workspace_id: None,
            kind: ConversationKind::Group,
            creator: ALICE.account(),
            allows_plaintext: false,
            history_visibility: HistoryVisibility::Joined,
        };
        let title = create_group(ALICE, &[]).title;
        let expected = vec![
            Draft::sealed(created, title, ALICE.account()),
            Draft::open(joined(&ALICE.candidate(), GROUP, ConversationRole::Admin, ALICE)),
            Draft::open(joined(&BOB.candidate(), GROUP, ConversationRole::Member, ALICE)),
        ];
        assert_eq!(drafts, expected);
    }

    #[test]
    fn the_members_of_a_direct_conversation_are_equals() {
        let given = Given::direct(ALICE, BOB);
        let roles: Vec<_> = given.state.members().collect();
        assert_eq!(
            roles,
            [(ALICE.account(), ConversationRole::Member), (BOB.account(), ConversationRole::Member)]
        );
    }

    #[test]
    fn guests_open_no_groups_but_write_to_people() {
        let role = Some(OrganizationMember { role: OrganizationRole::Guest, term: TERM });
        let guest = Candidate { in_organization: role, ..ALICE.candidate() };
        let group = CreateConversation { creator: guest.clone(), ..create_group(ALICE, &[BOB]) };
        assert_eq!(Given::default().refusal(ALICE.on(0), group), Rejection::RoleInsufficient);
        let direct = CreateConversation { creator: guest, ..create_direct(ALICE, BOB) };
        assert!(Given::default().when(ALICE.on(0), direct).is_ok());
    }

    #[test]
    fn everybody_is_a_member_of_the_organization() {
        let outsider = |person: Person| Candidate { in_organization: None, ..person.candidate() };
        let creator = CreateConversation { creator: outsider(ALICE), ..create_group(ALICE, &[BOB]) };
        assert_eq!(Given::default().refusal(ALICE.on(0), creator), Rejection::OrganizationNotFound);
        let member = CreateConversation { members: vec![outsider(BOB)], ..create_group(ALICE, &[]) };
        let expected = Rejection::NotOrganizationMember { account_id: BOB.account() };
        assert_eq!(Given::default().refusal(ALICE.on(0), member), expected);
    }

    #[test]
    fn nobody_opens_in_anothers_name_or_twice() {
        let refusal = Given::default().refusal(BOB.on(0), create_group(ALICE, &[BOB]));
        assert!(matches!(refusal, Rejection::InvalidField { field: "creator", .. }));
        assert_eq!(
            Given::default().refusal(ALICE.on(0), create_group(ALICE, &[ALICE])),
            Rejection::MemberExists
        );
        let given = Given::group(&[ALICE, BOB]);
        let exists = Rejection::ConversationExists { conversation_id: GROUP };
        assert_eq!(given.refusal(ALICE.on(0), create_group(ALICE, &[BOB])), exists);
        assert_eq!(
            Given::default().refusal(platform(), create_group(ALICE, &[])),
            Rejection::AccountRequired
        );
    }

    #[test]
    fn a_direct_conversation_is_of_two_under_their_id_without_title_or_workspace() {
        let refused = |command| Given::default().refusal(ALICE.on(0), command);
        let direct = || create_direct(ALICE, BOB);
        let members = |people: &[Person]| people.iter().map(|one| one.candidate()).collect();
        for wrong in [members(&[]), members(&[ALICE]), members(&[BOB, CAROL])] {
            let refusal = refused(CreateConversation { members: wrong, ..direct() });
            assert!(matches!(refusal, Rejection::InvalidField { field: "members", .. }));
        }
        let other = CreateConversation { members: members(&[CAROL]), ..direct() };
        assert_eq!(refused(other), Rejection::DirectIdMismatch);
        let titled = CreateConversation { title: create_group(ALICE, &[]).title, ..direct() };
        assert!(matches!(refused(titled), Rejection::InvalidField { field: "title", .. }));
        let workspace_id = Some(WorkspaceId::from_bytes([1; 16]));
        let placed = CreateConversation { workspace_id, ..direct() };
        assert!(matches!(refused(placed), Rejection::InvalidField { field: "workspace_id", .. }));
    }

    #[test]
    fn a_direct_conversation_is_there_once_and_opens_again_for_who_comes_back() {
        let given = Given::direct(ALICE, BOB);
        let conversation_id = given.state.id().unwrap();
        assert_eq!(
            given.refusal(BOB.on(0), create_direct(BOB, ALICE)),
            Rejection::ConversationExists { conversation_id }
        );
        let given = given.committed(ALICE).and(platform(), ended(BOB));
        let joins = joined(&BOB.candidate(), conversation_id, ConversationRole::Member, BOB);
        let joins = ConversationMemberJoined { earlier: given.state.earlier(), ..joins };
        assert_eq!(given.when(BOB.on(0), create_direct(BOB, ALICE)), Ok(vec![Draft::open(joins)]));
        let given = given.and(ALICE.on(0), create_direct(ALICE, BOB));
        assert_eq!(given.state.members().len(), 2);
        assert!(given.state.commit_required());
    }

    fn deleted() -> Given {
        let talked = Given::direct(ALICE, BOB).committed(ALICE).sent(ALICE).sent(BOB);
        let pinned = talked.and(ALICE.on(0), PinMessage { number: 2 });
        pinned.and(BOB.on(0), DeleteConversation {})
    }

    #[test]
    fn a_deleted_direct_conversation_begins_anew_with_what_its_two_have_now() {
        let given = deleted();
        let conversation_id = given.state.id().unwrap();
        let mut create = create_direct(ALICE, BOB);
        create.members[0].recipients = vec![BOB.device_recipient(1)];
        let reopened =
            ConversationReopened { conversation_id, reopened_by: ALICE.account(), deleted_up_to: 2 };
        let earlier = given.state.earlier();
        assert_eq!((earlier.last_number, earlier.generation), (2, 1));
        let joins = |one: &Candidate| {
            let joined = joined(one, conversation_id, ConversationRole::Member, ALICE);
            Draft::open(ConversationMemberJoined { earlier, ..joined })
        };
        let expected = vec![Draft::open(reopened), joins(&create.creator), joins(&create.members[0])];
        assert_eq!(given.when(ALICE.on(0), create.clone()), Ok(expected));
        let given = given.and(ALICE.on(0), create);
        assert!(!given.state.is_deleted() && given.state.commit_required());
        assert_eq!((given.state.members().len(), given.state.pins().len()), (2, 0));
        assert!(given.state.recipient(BOB.device_key(0)).is_none());
        let exists = Rejection::ConversationExists { conversation_id };
        assert_eq!(given.refusal(BOB.on(1), create_direct(BOB, ALICE)), exists);
    }

    #[test]
    fn what_was_said_before_a_deletion_stays_deleted() {
        let given = deleted().and(BOB.on(0), create_direct(BOB, ALICE));
        let send = given.message();
        let stale = Rejection::StaleGeneration { current: 1, commit_required: true };
        assert_eq!(given.refusal(ALICE.on(0), send), stale);
        let given = given.committed(BOB).sent(ALICE);
        assert_eq!((given.state.generation(), given.state.last_number()), (2, 3));
        for number in [1, 2] {
            assert_eq!(given.refusal(ALICE.on(0), PinMessage { number }), Rejection::MessageNotFound);
            assert_eq!(given.refusal(ALICE.on(0), DeleteMessage { number }), Rejection::MessageNotFound);
        }
        assert!(given.when(BOB.on(0), PinMessage { number: 3 }).is_ok());
    }

    #[test]
    fn only_its_two_open_it_again_and_only_while_both_are_in_the_organization() {
        let given = deleted();
        assert_eq!(
            given.refusal(
                CAROL.on(0),
                CreateConversation { creator: CAROL.candidate(), ..create_direct(ALICE, BOB) }
            ),
            Rejection::DirectIdMismatch
        );
        let mut create = create_direct(ALICE, BOB);
        create.members[0].in_organization = None;
        let gone = Rejection::NotOrganizationMember { account_id: BOB.account() };
        assert_eq!(given.refusal(ALICE.on(0), create), gone);
    }

    #[test]
    fn a_deleted_group_stays_deleted() {
        let given = Given::group(&[ALICE, BOB]).and(ALICE.on(0), DeleteConversation {});
        let exists = Rejection::ConversationExists { conversation_id: GROUP };
        assert_eq!(given.refusal(ALICE.on(0), create_group(ALICE, &[BOB])), exists);
    }
}
