//! For whom keys are wrapped, by whom, and which generation is in force.

use crate::conversation::binding::WrapBinding;
use crate::conversation::{
    Conversation, GenerationCommitted, RecipientAdded, RecipientKind, Suite, Wrap, WrapAdded, WrapReported,
};
use crate::violation::{Rule, Violation};
use crate::{
    AccountDevice, AccountId, AccountRecipient, Aggregate, DeviceId, Digest, RecipientId, VerifyKey,
};

use super::member;

pub(super) fn added(state: &Conversation, event: &RecipientAdded) -> Result<(), Violation> {
    member(state, event.account_id)?;
    let key = AccountRecipient::new(event.account_id, event.recipient.recipient_id);
    Rule::Recipient.holds(state.recipient(key).is_none(), "a recipient that the account has not", &key)
}

/// Whether the account has an active recipient of this id.
pub(super) fn is_active(
    state: &Conversation,
    account_id: AccountId,
    recipient_id: RecipientId,
) -> Result<(), Violation> {
    let key = AccountRecipient::new(account_id, recipient_id);
    Rule::Recipient.holds(state.recipient(key).is_some(), "a recipient of the account", &key)
}

/// A member's active device; gives the key that verifies what it signs.
pub(super) fn device(
    state: &Conversation,
    account_id: AccountId,
    device_id: DeviceId,
) -> Result<VerifyKey, Violation> {
    member(state, account_id)?;
    let device = AccountDevice::new(account_id, device_id);
    let recipient = state.recipient(device.into());
    let recipient = recipient.filter(|recipient| recipient.kind == RecipientKind::Device);
    let key = recipient.and_then(|recipient| recipient.verify_key);
    Rule::Recipient.some(key, "a device of the account", &device)
}

pub(super) fn committed(state: &Conversation, event: &GenerationCommitted) -> Result<(), Violation> {
    let signer = device(state, event.account_id, event.device_id)?;
    Rule::Generation.equal(state.generation().saturating_add(1), event.generation)?;
    let recipients: Vec<_> =
        state.recipients().map(|(account, one)| AccountRecipient::new(account, one.recipient_id)).collect();
    let wrapped: Vec<_> = event.wraps.iter().map(Wrap::recipient).collect();
    Rule::Recipient.equal(recipients, wrapped)?;
    Rule::Generation.equal(state.next_transcript(), Some(event.transcript))?;
    let of = Of { generation: event.generation, suite: event.suite, transcript: event.transcript };
    let device = AccountDevice::new(event.account_id, event.device_id);
    event.wraps.iter().try_for_each(|wrap| is_signed(state, wrap, (device, &signer), of))
}

pub(super) fn wrapped(state: &Conversation, event: &WrapAdded) -> Result<(), Violation> {
    let signer = device(state, event.account_id, event.device_id)?;
    is_current(state, event.generation)?;
    let to = event.wrap.recipient();
    let waits = state.recipient(to).is_some() && state.is_waiting(to);
    Rule::Recipient.holds(waits, "a recipient that waits", &to)?;
    let suite = Rule::Generation.some(state.suite(), "a generation", &event.generation)?;
    let of = Of { generation: event.generation, suite, transcript: state.transcript() };
    let device = AccountDevice::new(event.account_id, event.device_id);
    is_signed(state, &event.wrap, (device, &signer), of)
}

pub(super) fn reported(state: &Conversation, event: &WrapReported) -> Result<(), Violation> {
    member(state, event.account_id)?;
    is_current(state, event.generation)?;
    is_active(state, event.account_id, event.recipient_id)?;
    let key = AccountRecipient::new(event.account_id, event.recipient_id);
    Rule::Recipient.holds(!state.is_waiting(key), "a recipient that has its wrap", &key)
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
    (device, signer): (AccountDevice, &VerifyKey),
    of: Of,
) -> Result<(), Violation> {
    let opened = state.organization().zip(state.id());
    let (organization_id, conversation_id) =
        Rule::Begins.some(opened, "conversation.created first", &wrap.recipient())?;
    let binding = WrapBinding {
        organization_id,
        conversation_id,
        generation: of.generation,
        suite: of.suite,
        recipient: wrap.recipient(),
        device,
        transcript: of.transcript,
    };
    let verifies = binding.verifies(wrap, signer);
    Rule::Signature.holds(verifies, "a wrap signed by its device", &wrap.recipient())
}
