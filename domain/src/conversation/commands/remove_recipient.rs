//! Taking out a device or recovery key of a member.

use crate::conversation::{Conversation, RecipientRemoved};
use crate::{AccountId, AccountRecipient, Context, Draft, RecipientId};

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
        let key = AccountRecipient::new(self.account_id, self.recipient_id);
        if state.is_deleted() || state.recipient(key).is_none() {
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
    use crate::conversation::commands::{AddMember, AddRecipient};
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
        let second = BOB.device_key(1);
        let remove = RemoveRecipient { account_id: BOB.account(), recipient_id: second.recipient_id };
        let given = Given::group(&[ALICE, BOB])
            .committed(ALICE)
            .and(platform(), AddRecipient { account_id: BOB.account(), recipient: BOB.device_recipient(1) })
            .and(platform(), remove);
        assert!(!given.state.is_waiting(second));
    }

    #[test]
    fn one_accounts_device_goes_and_anothers_of_the_same_id_stays() {
        let given = Given::group(&[ALICE, BOB]).and(
            ALICE.on(0),
            AddMember { member: CAROL.with_devices_of(BOB), role: ConversationRole::Member },
        );
        let copied = RemoveRecipient { account_id: CAROL.account(), ..first_device(BOB) };
        let given = given.committed(BOB).and(platform(), copied);
        assert!(given.state.recipient(CAROL.device_key_of(BOB)).is_none());
        assert_eq!(given.state.recipient(BOB.device_key(0)), Some(&BOB.device_recipient(0)));
        assert!(given.committed(BOB).sent(BOB).state.has_message(1));
    }
}
