//! Bringing in a new device or recovery key of a member.

use crate::conversation::{Conversation, Recipient, RecipientAdded};
use crate::{AccountId, AccountRecipient, Context, Draft, Rejection, limits};

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
        let key = AccountRecipient::new(self.account_id, self.recipient.recipient_id);
        if let Some(known) = state.recipient(key) {
            return if *known == self.recipient { Ok(Vec::new()) } else { Err(Rejection::DeviceExists) };
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
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), [BOB.device_key(1)]);
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
    fn only_the_platform_does_and_never_with_other_keys() {
        let given = Given::group(&[ALICE, BOB]);
        assert_eq!(given.refusal(BOB.on(0), second_device(BOB)), Rejection::PlatformOnly);
        assert_eq!(Given::default().refusal(platform(), second_device(BOB)), Rejection::ConversationNotFound);
        let mut other = AddRecipient { account_id: BOB.account(), recipient: BOB.device_recipient(0) };
        other.recipient.hpke_key = ALICE.device_recipient(0).hpke_key;
        assert_eq!(given.refusal(platform(), other), Rejection::DeviceExists);
    }

    #[test]
    fn anothers_id_is_added_beside_theirs_and_takes_nothing_over() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let copy = Recipient { recipient_id: ALICE.device(0).into(), ..BOB.device_recipient(1) };
        let added =
            RecipientAdded { conversation_id: GROUP, account_id: BOB.account(), recipient: copy.clone() };
        let add = AddRecipient { account_id: BOB.account(), recipient: copy.clone() };
        assert_eq!(given.events(platform(), add.clone()), Ok(vec![added.into()]));
        let given = given.and(platform(), add);
        let copied = AccountRecipient::new(BOB.account(), ALICE.device(0).into());
        assert_eq!(given.state.recipient(ALICE.device_key(0)), Some(&ALICE.device_recipient(0)));
        assert_eq!(given.state.recipient(copied), Some(&copy));
        assert_eq!(given.state.waiting().collect::<Vec<_>>(), [copied]);
    }
}
