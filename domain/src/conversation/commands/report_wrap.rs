//! Reporting a wrap that cannot be opened.

use crate::conversation::{Conversation, WrapReported};
use crate::{AccountRecipient, Context, Draft, RecipientId, Rejection};

use super::Decision;

/// Reports that a wrap for one of the account's own recipients (its device or recovery key) of the current generation cannot be opened.
#[derive(Clone, Debug)]
pub struct ReportWrap {
    /// Which generation: the current one.
    pub generation: u32,
    /// The recipient.
    pub recipient_id: RecipientId,
}

impl ReportWrap {
    /// Other accounts' recipients look unknown. A recipient that waits already has nothing to report.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let caller = state.caller(context)?;
        state.require_current(self.generation)?;
        let own = AccountRecipient::new(caller.account_id, self.recipient_id);
        if state.recipient(own).is_none() {
            return Err(Rejection::RecipientNotFound);
        }
        if state.is_waiting(own) {
            return Ok(Vec::new());
        }
        Ok(vec![Draft::open(WrapReported {
            conversation_id: caller.conversation_id,
            generation: self.generation,
            account_id: caller.account_id,
            recipient_id: self.recipient_id,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::testing::*;

    use super::*;

    fn given() -> Given {
        Given::group(&[ALICE, BOB]).committed(ALICE)
    }

    fn report(recipient_id: RecipientId) -> ReportWrap {
        ReportWrap { generation: 1, recipient_id }
    }

    #[test]
    fn who_cannot_open_a_wrap_waits_again_and_gets_another() {
        let (id, device) = (RecipientId::from(BOB.device(0)), BOB.device_key(0));
        let given = given();
        let reported = WrapReported {
            conversation_id: GROUP,
            generation: 1,
            account_id: BOB.account(),
            recipient_id: id,
        };
        assert_eq!(given.events(BOB.on(0), report(id)), Ok(vec![reported.into()]));
        let given = given.and(BOB.on(0), report(id));
        assert!(given.state.is_waiting(device));
        assert_eq!(given.events(BOB.on(0), report(id)), Ok(vec![]));
        let wrap = given.late_wrap(ALICE, device);
        assert!(!given.and(ALICE.on(0), wrap).state.is_waiting(device));
    }

    #[test]
    fn a_recovery_key_is_reported_from_any_of_the_accounts_sessions() {
        let recovery = BOB.recovery_recipient().recipient_id;
        assert_eq!(given().events(BOB.without_device(), report(recovery)).unwrap().len(), 1);
    }

    #[test]
    fn nobody_reports_for_others_or_for_another_generation() {
        let given = given();
        let bobs = RecipientId::from(BOB.device(0));
        assert_eq!(given.refusal(ALICE.on(0), report(bobs)), Rejection::RecipientNotFound);
        assert_eq!(given.refusal(MALLORY.on(0), report(bobs)), Rejection::ConversationNotFound);
        let stale = Rejection::StaleGeneration { current: 1, commit_required: false };
        assert_eq!(given.refusal(BOB.on(0), ReportWrap { generation: 2, ..report(bobs) }), stale);
    }
}
