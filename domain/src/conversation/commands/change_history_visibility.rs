//! Showing members what was before they joined, or hiding it.

use crate::conversation::{Conversation, HistoryVisibility, HistoryVisibilityChanged};
use crate::{Context, Draft};

use super::Decision;

/// Sets what members see of what was before they joined.
#[derive(Clone, Debug)]
pub struct ChangeHistoryVisibility {
    /// What they see.
    pub history_visibility: HistoryVisibility,
}

impl ChangeHistoryVisibility {
    /// Admins of a group. The two of a direct conversation were there from its beginning: it has nothing to show or hide.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        caller.require_group()?;
        caller.require_admin()?;
        if state.history_visibility() == self.history_visibility {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(HistoryVisibilityChanged {
            conversation_id: caller.conversation_id,
            history_visibility: self.history_visibility,
            changed_by: caller.account_id,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::Rejection;
    use crate::conversation::commands::{
        AddMember, ConversationCommand, CreateConversation, DeleteMessage, EditMessage, PinMessage,
        RemoveMember, SendMessage, UnpinMessage,
    };
    use crate::conversation::testing::*;
    use crate::conversation::{ConversationEvent, ConversationRole, Earlier};

    use super::*;

    const ALL: ChangeHistoryVisibility =
        ChangeHistoryVisibility { history_visibility: HistoryVisibility::All };
    const JOINED: ChangeHistoryVisibility =
        ChangeHistoryVisibility { history_visibility: HistoryVisibility::Joined };

    fn add(person: Person) -> AddMember {
        AddMember { member: person.candidate(), role: ConversationRole::Member }
    }

    /// Alice and Bob talk, Carol joins after three messages, one more is sent.
    fn given() -> Given {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(ALICE).sent(BOB).sent(ALICE);
        given.and(ALICE.on(0), add(CAROL)).sent(ALICE)
    }

    fn shown(given: &Given, person: Person) -> Vec<u64> {
        (0..=given.state.last_number() + 1)
            .filter(|number| given.state.shows(*number, person.account()))
            .collect()
    }

    #[test]
    fn an_admin_shows_history_and_hides_it() {
        let given = given();
        let changed = HistoryVisibilityChanged {
            conversation_id: GROUP,
            history_visibility: HistoryVisibility::All,
            changed_by: ALICE.account(),
        };
        assert_eq!(given.events(ALICE.on(0), ALL), Ok(vec![changed.into()]));
        assert_eq!(given.events(ALICE.on(0), JOINED), Ok(vec![]));
        let given = given.and(ALICE.on(0), ALL);
        assert_eq!(given.events(ALICE.on(0), ALL), Ok(vec![]));
        assert_eq!(given.and(ALICE.on(0), JOINED).state.history_visibility(), HistoryVisibility::Joined);
    }

    #[test]
    fn members_and_strangers_do_not_and_direct_conversations_have_none() {
        let given = given();
        assert_eq!(given.refusal(BOB.on(0), ALL), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), ALL), Rejection::ConversationNotFound);
        let direct = Given::direct(ALICE, BOB);
        assert_eq!(direct.refusal(ALICE.on(0), ALL), Rejection::DirectIsFixed);
        let history_visibility = HistoryVisibility::All;
        let refusal = Given::default()
            .refusal(ALICE.on(0), CreateConversation { history_visibility, ..create_direct(ALICE, BOB) });
        assert!(matches!(refusal, Rejection::InvalidField { field: "history_visibility", .. }));
    }

    #[test]
    fn who_joins_sees_what_comes_unless_history_is_for_all() {
        let given = given();
        assert_eq!((shown(&given, ALICE), shown(&given, CAROL)), (vec![1, 2, 3, 4], vec![4]));
        assert!(shown(&given, MALLORY).is_empty());
        let given = given.and(ALICE.on(0), ALL);
        assert_eq!(shown(&given, CAROL), [1, 2, 3, 4]);
        assert_eq!(shown(&given.and(ALICE.on(0), JOINED), CAROL), [4]);
        let create =
            CreateConversation { history_visibility: HistoryVisibility::All, ..create_group(ALICE, &[BOB]) };
        let given = Given::default().and(ALICE.on(0), create).committed(ALICE).sent(BOB);
        assert_eq!(shown(&given.and(ALICE.on(0), add(CAROL)), CAROL), [1]);
    }

    #[test]
    fn who_comes_back_sees_what_comes_since() {
        let given = given().and(ALICE.on(0), RemoveMember { account_id: CAROL.account() });
        assert!(shown(&given, CAROL).is_empty());
        let events = given.events(ALICE.on(0), add(CAROL)).unwrap();
        let [ConversationEvent::MemberJoined(joined)] = &events[..] else { panic!("{events:?}") };
        let visibility = HistoryVisibility::Joined;
        assert_eq!(joined.earlier, Earlier { last_number: 4, generation: 1, visibility });
        let given = given.and(ALICE.on(0), add(CAROL)).committed(ALICE).sent(ALICE);
        assert_eq!(shown(&given, CAROL), [5]);
    }

    #[test]
    fn what_is_hidden_from_a_member_is_no_message_to_them() {
        let given = given().and(ALICE.on(0), PinMessage { number: 1 });
        let commands: [ConversationCommand; 6] = [
            given.reaction(2, 0).into(),
            PinMessage { number: 2 }.into(),
            UnpinMessage { number: 1 }.into(),
            DeleteMessage { number: 2 }.into(),
            EditMessage { number: 2, ..given.edit(2) }.into(),
            SendMessage { reply_to: Some(2), ..given.message() }.into(),
        ];
        for command in commands {
            assert_eq!(given.refusal(CAROL.on(0), command), Rejection::MessageNotFound);
        }
        let given = given.and(ALICE.on(0), ALL);
        assert!(given.when(CAROL.on(0), PinMessage { number: 2 }).is_ok());
    }

    #[test]
    fn an_admin_who_came_later_moderates_what_they_see_and_everybody_takes_back_their_own() {
        let admin = AddMember { member: CAROL.candidate(), role: ConversationRole::Admin };
        let given = Given::group(&[ALICE, BOB]).committed(ALICE).sent(BOB).and(ALICE.on(0), admin);
        assert_eq!(given.refusal(CAROL.on(0), DeleteMessage { number: 1 }), Rejection::MessageNotFound);
        assert!(given.clone().and(CAROL.on(0), ALL).when(CAROL.on(0), DeleteMessage { number: 1 }).is_ok());
        let given = given.and(ALICE.on(0), RemoveMember { account_id: BOB.account() });
        let given = given.and(ALICE.on(0), add(BOB));
        assert_eq!(given.refusal(BOB.on(0), given.edit(1)), Rejection::MessageNotFound);
        assert!(given.when(BOB.on(0), DeleteMessage { number: 1 }).is_ok());
    }
}
