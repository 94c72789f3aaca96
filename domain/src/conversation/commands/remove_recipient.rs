//! Taking out a device or recovery key of a member.

use crate::conversation::{Conversation, RecipientRemoved};
use crate::{AccountId, Context, Draft, RecipientId};

use super::Decision;

/// Takes out a recipient that a member's account has no more. Platform only.
#[derive(Clone, Debug)]
pub struct RemoveRecipient {
    /// The member.
    pub account_id: AccountId,
    /// The recipient.
    pub recipient_id: RecipientId,
}

impl RemoveRecipient {
    /// There is nothing to do where the recipient is not active in the first place.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let conversation_id = state.platform(context)?;
        let owner = state.recipient(self.recipient_id).map(|(owner, _)| owner);
        if state.is_deleted() || owner != Some(self.account_id) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(RecipientRemoved {
            conversation_id,
            account_id: self.account_id,
            recipient_id: self.recipient_id,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::Rejection;
    use crate::conversation::ConversationRole;
    use crate::conversation::commands::AddRecipient;
    use crate::conversation::testing::*;

    use super::*;

    fn first_device(person: Person) -> RemoveRecipient {
        RemoveRecipient { account_id: person.account(), recipient_id: person.device(0).into() }
    }

    #[test]
    fn a_revoked_device_goes_once_and_a_commit_is_due() {
        let given = Given::group(&[ALICE, BOB]).committed(ALICE);
        let removed = RecipientRemoved {
            conversation_id: GROUP,
            account_id: BOB.account(),
            recipient_id: BOB.device(0).into(),
        };
        assert_eq!(given.events(platform(), first_device(BOB)), Ok(vec![removed.into()]));
        let given = given.and(platform(), first_device(BOB));
        assert!(given.state.commit_required());
        assert_eq!(given.state.role(BOB.account()), Some(ConversationRole::Member));
        assert_eq!(given.events(platform(), first_device(BOB)), Ok(vec![]));
    }

    #[test]
    fn a_device_is_taken_out_for_its_own_account_and_by_the_platform_only() {
        let given = Given::group(&[ALICE, BOB]);
        let anothers = RemoveRecipient { account_id: ALICE.account(), ..first_device(BOB) };
        assert_eq!(given.events(platform(), anothers), Ok(vec![]));
        assert_eq!(given.refusal(BOB.on(0), first_device(BOB)), Rejection::PlatformOnly);
    }

    #[test]
    fn who_waited_and_goes_waits_no_more() {
        let second = BOB.device(1).into();
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(platform(), AddRecipient { account_id: BOB.account(), recipient: BOB.device_recipient(1) })
            .and(platform(), RemoveRecipient { account_id: BOB.account(), recipient_id: second });
        assert!(!given.state.is_waiting(second));
    }
}
