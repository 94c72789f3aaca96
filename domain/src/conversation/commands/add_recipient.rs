//! Bringing in a new device or recovery key of a member.

use crate::conversation::{Conversation, Recipient, RecipientAdded};
use crate::{AccountId, Context, Draft, Rejection, limits};

use super::Decision;

/// Brings in a recipient that a member's account has got since. Platform only.
#[derive(Clone, Debug)]
pub struct AddRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient: Recipient,
}

impl AddRecipient {
    /// There is nothing to do where the account is no member any more or has the recipient already.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        if state.is_deleted() || state.role(self.account_id).is_none() {
            return Ok(Vec::new());
        }
        if let Some((owner, known)) = state.recipient(self.recipient.recipient_id) {
            let same = owner == self.account_id && *known == self.recipient;
            return if same { Ok(Vec::new()) } else { Err(Rejection::DeviceExists) };
        }
        if state.recipients().len() >= limits::GENERATION_WRAPS_MAX {
            return Err(Rejection::RecipientLimit { limit: limits::GENERATION_WRAPS_MAX });
        }
        Ok(vec![Draft::open(RecipientAdded {
            conversation_id,
            account_id: self.account_id,
            recipient: self.recipient.clone(),
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::commands::DeleteConversation;
    use crate::conversation::testing::*;

    use super::*;

    fn second_device(person: Person) -> AddRecipient {
        AddRecipient { account_id: person.account(), recipient: person.device_recipient(1) }
    }

    #[test]
    fn a_new_device_waits_for_its_wrap_once() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let added = RecipientAdded {
            conversation_id: GROUP,
            account_id: BOB.account(),
            recipient: BOB.device_recipient(1),
        };
        assert_eq!(given.events(platform(), second_device(BOB)), Ok(vec![added.into()]));
        let given = given.and(platform(), second_device(BOB));
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), [BOB.device(1).into()]);
        assert!(!given.state.commit_required());
        assert_eq!(given.events(platform(), second_device(BOB)), Ok(vec![]));
    }

    #[test]
    fn nobody_waits_before_the_first_commit() {
        let given = Given::group(&[ALICE, BOB]).and(platform(), second_device(BOB));
        assert_eq!(given.state.waiting().len(), 0);
        assert_eq!(given.state.recipients_of(BOB.account()).count(), 3);
    }

    #[test]
    fn it_is_nothing_to_a_conversation_without_the_account_or_deleted() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.events(platform(), second_device(MALLORY)), Ok(vec![]));
        let given = given.and(ALICE.on(0), DeleteConversation {});
        assert_eq!(given.events(platform(), second_device(BOB)), Ok(vec![]));
    }

    #[test]
    fn only_the_platform_does_and_never_over_anothers_recipient() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.refusal(BOB.on(0), second_device(BOB)), Rejection::PlatformOnly);
        assert_eq!(Given::default().refusal(platform(), second_device(BOB)), Rejection::ConversationNotFound);
        let theft = AddRecipient { account_id: BOB.account(), recipient: ALICE.device_recipient(0) };
        assert_eq!(given.refusal(platform(), theft), Rejection::DeviceExists);
    }
}
