//! Committing a generation of the conversation key.

use std::collections::BTreeSet;

use crate::conversation::rules::CallerDevice;
use crate::conversation::{Conversation, GenerationCommitted, Suite, Wrap};
use crate::{Context, Digest, Draft, RecipientId, Rejection};

use super::Decision;

/// Commits a new generation; the first commit of a number wins.
#[derive(Clone, Debug)]
pub struct CommitGeneration {
    /// Its number: the current one plus one.
    pub generation: u32,
    /// How it encrypts.
    pub suite: Suite,
    /// Hash of the membership that the client made it for; must be the server's.
    pub transcript: Digest,
    /// One wrap for exactly each active recipient.
    pub wraps: Vec<Wrap>,
}

impl CommitGeneration {
    /// Any member's device may, also when none is due.
    pub(super) fn decide(&self, state: &Conversation, context: &Context) -> Decision {
        let by = state.caller_device(context)?;
        let current = state.generation();
        if current.checked_add(1) != Some(self.generation) {
            return Err(Rejection::GenerationConflict { current });
        }
        self.require_exact_recipients(state)?;
        if state.next_transcript() != Some(self.transcript) {
            return Err(Rejection::TranscriptMismatch);
        }
        self.require_valid_wraps(state, &by)?;
        let mut wraps = self.wraps.clone();
        wraps.sort_by_key(|wrap| wrap.recipient_id);
        Ok(vec![Draft::open(GenerationCommitted {
            conversation_id: by.caller.conversation_id,
            generation: self.generation,
            suite: self.suite,
            account_id: by.caller.account_id,
            device_id: by.device_id,
            transcript: self.transcript,
            wraps,
        })])
    }

    fn require_exact_recipients(&self, state: &Conversation) -> Result<(), Rejection> {
        let mut missing: BTreeSet<RecipientId> =
            state.recipients().map(|(_, recipient)| recipient.recipient_id).collect();
        // What is no longer missing when its wrap is met is a stranger's or a second one.
        let extra: BTreeSet<RecipientId> =
            self.wraps.iter().map(|wrap| wrap.recipient_id).filter(|id| !missing.remove(id)).collect();
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        Err(Rejection::WrapsMismatch {
            missing_recipients: missing.into_iter().collect(),
            extra_recipients: extra.into_iter().collect(),
        })
    }

    fn require_valid_wraps(&self, state: &Conversation, by: &CallerDevice) -> Result<(), Rejection> {
        for wrap in &self.wraps {
            state.require_valid_wrap(wrap, by, (self.generation, self.suite, self.transcript))?;
        }
        Ok(())
    }
}
