//! Naming a conversation.

use crate::conversation::{Conversation, ConversationKind, ConversationTitle, ConversationTitleChanged};
use crate::{Context, Draft};

use super::Decision;

/// Replaces the title.
#[derive(Clone, Debug)]
pub struct ChangeTitle {
    /// The new one.
    pub title: ConversationTitle,
}

impl ChangeTitle {
    /// Admins of a group; in a direct conversation, which has a topic only, both.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        if caller.kind == ConversationKind::Group {
            caller.require_admin()?;
        }
        self.title.check(caller.kind)?;
        let changed = ConversationTitleChanged {
            conversation_id: caller.conversation_id,
            changed_by: caller.account_id,
        };
        Ok(vec![Draft::sealed(changed, self.title.clone(), caller.account_id)])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::testing::*;
    use crate::{Rejection, limits};

    use super::*;

    fn title(title: Option<&str>, topic: Option<&str>) -> ChangeTitle {
        ChangeTitle {
            title: ConversationTitle { title: title.map(str::to_owned), topic: topic.map(str::to_owned) },
        }
    }

    #[test]
    fn an_admin_names_a_group() {
        let given = Given::group(&[ALICE, BOB]);
        let changed = ConversationTitleChanged { conversation_id: GROUP, changed_by: ALICE.account() };
        let command = title(Some("Harbour office"), Some("Berths"));
        let expected = Draft::sealed(changed, command.title.clone(), ALICE.account());
        assert_eq!(given.when(ALICE.on(0), command), Ok(vec![expected]));
    }

    #[test]
    fn members_and_strangers_do_not() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.refusal(BOB.on(0), title(None, None)), Rejection::RoleInsufficient);
        assert_eq!(given.refusal(MALLORY.on(0), title(None, None)), Rejection::ConversationNotFound);
    }

    #[test]
    fn both_members_of_a_direct_conversation_give_it_a_topic_but_no_title() {
        let given = Given::direct(ALICE, BOB);
        assert!(given.when(BOB.on(0), title(None, Some("Berths"))).is_ok());
        let refusal = given.refusal(ALICE.on(0), title(Some("Us"), None));
        assert!(matches!(refusal, Rejection::InvalidField { field: "title", .. }));
    }

    #[test]
    fn texts_are_neither_empty_nor_too_long() {
        let given = Given::group(&[ALICE, BOB]);
        let name = "ß".repeat(limits::NAME_CHARS_MAX);
        assert!(given.when(ALICE.on(0), title(Some(&name), None)).is_ok());
        for (wrong, field_expected) in [
            (title(Some(" Harbour"), None), "title"),
            (title(Some(&format!("{name}s")), None), "title"),
            (title(None, Some("")), "topic"),
            (title(None, Some(&"x".repeat(limits::DESCRIPTION_CHARS_MAX + 1))), "topic"),
        ] {
            let refusal = given.refusal(ALICE.on(0), wrong);
            assert!(matches!(refusal, Rejection::InvalidField { field, .. } if field == field_expected));
        }
    }
}
