//! Given, when, then: how rules are tested.

use crate::aggregate::{Actor, Aggregate, Context};
use crate::ids::{AccountId, DeviceId};
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::violation::Rule;

/// The moment at which tests give their commands, unless they say otherwise.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// The account whose id is this byte sixteen times.
pub(crate) const fn account(byte: u8) -> AccountId {
    AccountId::from_bytes([byte; 16])
}

/// That account at [`NOW`], from no device.
pub(crate) const fn by(account: AccountId) -> Context {
    Context::new(NOW, Actor::account(account))
}

/// That account at [`NOW`], from one of its devices.
#[allow(dead_code)]
pub(crate) const fn by_device(account: AccountId, device: DeviceId) -> Context {
    Context { device: Some(device), ..Context::new(NOW, Actor::account(account)) }
}

/// Another actor at [`NOW`].
pub(crate) const fn as_actor(actor: Actor) -> Context {
    Context::new(NOW, actor)
}

/// The same context at another time.
pub(crate) const fn at(context: Context, now: Timestamp) -> Context {
    Context { now, ..context }
}

/// The state that these events, all recorded at [`NOW`], make.
pub(crate) fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> A {
    let mut state = A::default();
    for event in events {
        state.evolve(&event, NOW);
    }
    state
}

/// What the command would record.
pub(crate) fn when<A: Aggregate>(
    state: &A,
    command: impl Into<A::Command>,
    context: &Context,
) -> Result<Vec<A::Event>, Rejection> {
    let drafts = state.decide(&command.into(), context)?;
    Ok(drafts.into_iter().map(|draft| draft.event).collect())
}

/// Lets the command happen: its events change the state at the context's time.
pub(crate) fn happen<A: Aggregate>(
    state: &mut A,
    command: impl Into<A::Command>,
    context: &Context,
) -> Result<Vec<A::Event>, Rejection> {
    let events = when(state, command, context)?;
    for event in &events {
        assert_eq!(state.check(event), Ok(()), "what is decided keeps the rules");
        state.evolve(event, context.now);
    }
    Ok(events)
}

/// The first event of a history, all recorded at [`NOW`], that breaks a rule, and which.
pub(crate) fn broken<A: Aggregate>(events: &[A::Event]) -> Option<(usize, Rule)> {
    let mut state = A::default();
    events.iter().enumerate().find_map(|(at, event)| {
        let violation = state.check(event).err();
        state.evolve(event, NOW);
        violation.map(|violation| (at, violation.rule))
    })
}

/// The history with the event at `at` twice.
pub(crate) fn doubled<E: Clone>(events: &[E], at: usize) -> Vec<E> {
    let mut events = events.to_vec();
    events.insert(at, events[at].clone());
    events
}

/// The history without the event at `at`.
pub(crate) fn dropped<E: Clone>(events: &[E], at: usize) -> Vec<E> {
    let mut events = events.to_vec();
    events.remove(at);
    events
}

/// The history with the events at `at` and behind it in the other order.
pub(crate) fn swapped<E: Clone>(events: &[E], at: usize) -> Vec<E> {
    let mut events = events.to_vec();
    events.swap(at, at + 1);
    events
}
