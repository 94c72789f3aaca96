//! What people try.

use proptest::prelude::*;

use super::model::{DEVICES, NAMES, PEOPLE};

/// What may be wrong with a commit or a wrap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flaw {
    None,
    Skips,
    Misses,
    Exceeds,
    Doubles,
    Forges,
    Misremembers,
    Readdresses,
}

/// One attempt. People and devices are numbers; `(person, device)` is who tries.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Enroll(u8, u8),
    Revoke(u8, u8),
    Add(u8, u8),
    Remove(u8, u8),
    Expel(u8),
    Appoint(u8, u8),
    Show(u8, bool),
    Commit(u8, u8, Flaw),
    Wrap(u8, u8, u8, u8, Flaw),
    Report(u8, u8, u8),
    Send { by: (u8, u8), borrowed: bool, behind: u32, clear: bool },
    Edit { by: (u8, u8), number: u64, behind: u32 },
    React { by: (u8, u8), number: u64, behind: u32 },
    Delete(u8, u64),
    Pin(u8, u64),
    Receive(u8, u8, u64, u64),
    Close(u8),
    Open(u8),
}

/// Mostly what may succeed, so that histories grow long enough for the rest to find something to break.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let person = || prop_oneof![3 => Just(0), 2 => Just(1), 2 => 2..PEOPLE];
    let device = || prop_oneof![5 => Just(0), 2 => 1..DEVICES];
    let by = move || (person(), device());
    let behind = || prop_oneof![8 => Just(0u32), 1 => Just(1), 1 => Just(u32::MAX)];
    let flaw = || {
        use Flaw::*;
        let wrong = [Skips, Misses, Exceeds, Doubles, Forges, Misremembers, Readdresses];
        let wrong = prop::sample::select(wrong.to_vec());
        prop_oneof![4 => Just(None), 1 => wrong]
    };
    let number = || 0..12u64;
    prop_oneof![
        6 => (0..PEOPLE, 0..DEVICES).prop_map(|(p, d)| Step::Enroll(p, d)),
        2 => by().prop_map(|(p, d)| Step::Revoke(p, d)),
        6 => (person(), 0..PEOPLE).prop_map(|(by, p)| Step::Add(by, p)),
        2 => (person(), person()).prop_map(|(by, p)| Step::Remove(by, p)),
        1 => (0..PEOPLE).prop_map(Step::Expel),
        2 => (person(), person()).prop_map(|(by, p)| Step::Appoint(by, p)),
        1 => (person(), prop::bool::ANY).prop_map(|(by, all)| Step::Show(by, all)),
        10 => (by(), flaw()).prop_map(|((p, d), flaw)| Step::Commit(p, d, flaw)),
        10 => (by(), by(), flaw()).prop_map(|((p, d), (q, e), flaw)| Step::Wrap(p, d, q, e, flaw)),
        4 => (person(), by()).prop_map(|(p, (q, e))| Step::Report(p, q, e)),
        40 => (by(), prop::bool::weighted(0.1), behind(), prop::bool::weighted(0.1))
            .prop_map(|(by, borrowed, behind, clear)| Step::Send { by, borrowed, behind, clear }),
        8 => (by(), number(), behind()).prop_map(|(by, number, behind)| Step::Edit { by, number, behind }),
        8 => (by(), number(), behind()).prop_map(|(by, number, behind)| Step::React { by, number, behind }),
        3 => (person(), number()).prop_map(|(p, number)| Step::Delete(p, number)),
        3 => (person(), number()).prop_map(|(p, number)| Step::Pin(p, number)),
        6 => (by(), number(), number()).prop_map(|((p, d), a, b)| Step::Receive(p, d, a, b)),
        1 => prop_oneof![9 => Just(PEOPLE), 1 => person()].prop_map(Step::Close),
    ]
}

/// What everybody calls their devices and recovery key: each person's names differ, those of two may be the same.
pub(super) fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(Just((0..NAMES).collect::<Vec<_>>()).prop_shuffle(), usize::from(PEOPLE))
}

/// Among two, who delete their conversation and open it again now and then.
pub(super) fn direct_step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => step(), 1 => (0..2u8).prop_map(Step::Close), 2 => (0..PEOPLE).prop_map(Step::Open)]
}
