//! For whom keys are wrapped, by whom, and which generation is in force.

use crate::conversation::binding::WrapBinding;
use crate::conversation::{
    Conversation, GenerationCommitted, RecipientAdded, RecipientKind, Suite, Wrap, WrapAdded, WrapReported,
};
use crate::violation::{Rule, Violation};
use crate::{AccountId, Aggregate, DeviceId, Digest, RecipientId, VerifyKey};

use super::member;

pub(super) fn added(state: &Conversation, event: &RecipientAdded) -> Result<(), Violation> {
    member(state, event.account_id)?;
    let id = event.recipient.recipient_id;
    Rule::Recipient.holds(state.recipient(id).is_none(), "a recipient that nobody here has", &id)
}

/// Whether an active recipient is the account's.
pub(super) fn is_of(
    state: &Conversation,
    account_id: AccountId,
    recipient_id: RecipientId,
) -> Result<(), Violation> {
    let owner = state.recipient(recipient_id).map(|(owner, _)| owner);
    Rule::Recipient.equal(Some(account_id), owner)
}

/// A member's active device; gives the key that verifies what it signs.
pub(super) fn device(
    state: &Conversation,
    account_id: AccountId,
    device_id: DeviceId,
) -> Result<VerifyKey, Violation> {
    member(state, account_id)?;
    is_of(state, account_id, device_id.into())?;
    let recipient = state.recipient(device_id.into()).map(|(_, recipient)| recipient);
    let recipient = recipient.filter(|recipient| recipient.kind == RecipientKind::Device);
    let key = recipient.and_then(|recipient| recipient.verify_key);
    Rule::Recipient.some(key, "a device", &device_id)
}

pub(super) fn committed(state: &Conversation, event: &GenerationCommitted) -> Result<(), Violation> {
    let signer = device(state, event.account_id, event.device_id)?;
    Rule::Generation.equal(state.generation().saturating_add(1), event.generation)?;
    let recipients: Vec<_> = state.recipients().map(|(_, recipient)| recipient.recipient_id).collect();
    let wrapped: Vec<_> = event.wraps.iter().map(|wrap| wrap.recipient_id).collect();
    Rule::Recipient.equal(recipients, wrapped)?;
    Rule::Generation.equal(state.next_transcript(), Some(event.transcript))?;
    let of = Of { generation: event.generation, suite: event.suite, transcript: event.transcript };
    event.wraps.iter().try_for_each(|wrap| is_signed(state, wrap, (event.device_id, &signer), of))
}

pub(super) fn wrapped(state: &Conversation, event: &WrapAdded) -> Result<(), Violation> {
    let signer = device(state, event.account_id, event.device_id)?;
    is_current(state, event.generation)?;
    let to = event.wrap.recipient_id;
    let waits = state.recipient(to).is_some() && state.is_waiting(to);
    Rule::Recipient.holds(waits, "a recipient that waits", &to)?;
    let suite = Rule::Generation.some(state.suite(), "a generation", &event.generation)?;
    let of = Of { generation: event.generation, suite, transcript: state.transcript() };
    is_signed(state, &event.wrap, (event.device_id, &signer), of)
}

pub(super) fn reported(state: &Conversation, event: &WrapReported) -> Result<(), Violation> {
    member(state, event.account_id)?;
    is_current(state, event.generation)?;
    is_of(state, event.account_id, event.recipient_id)?;
    let waits = state.is_waiting(event.recipient_id);
    Rule::Recipient.holds(!waits, "a recipient that has its wrap", &event.recipient_id)
}

fn is_current(state: &Conversation, generation: u32) -> Result<(), Violation> {
    Rule::Generation.holds(generation > 0, "a generation", &generation)?;
    Rule::Generation.equal(state.generation(), generation)
}

/// Which generation a wrap is of.
#[derive(Clone, Copy)]
struct Of {
    generation: u32,
    suite: Suite,
    transcript: Digest,
}

fn is_signed(
    state: &Conversation,
    wrap: &Wrap,
    (device_id, signer): (DeviceId, &VerifyKey),
    of: Of,
) -> Result<(), Violation> {
    let opened = state.organization().zip(state.id());
    let (organization_id, conversation_id) =
        Rule::Begins.some(opened, "conversation.created first", &wrap.recipient_id)?;
    let binding = WrapBinding {
        organization_id,
        conversation_id,
        generation: of.generation,
        suite: of.suite,
        recipient_id: wrap.recipient_id,
        device_id,
        transcript: of.transcript,
    };
    let verifies = binding.verifies(wrap, signer);
    Rule::Signature.holds(verifies, "a wrap signed by its device", &wrap.recipient_id)
}
