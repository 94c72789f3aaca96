//! Snapshots of a state version read alike for ever: what each event makes of each state is compared with what it made when the
//! version came.
//!
//! `states/<category>.v<STATE_VERSION>.txt` has a line for each step of a walk over all golden samples of the category, repeated so
//! that each event meets what all others made: the event and the hash of the encoded state behind it. Whoever changes a state's
//! fields, or what events make of them, raises the version: snapshots in use hold the old.

use std::fmt::Write;
use std::path::Path;

use domain::account::Account;
use domain::conversation::Conversation;
use domain::conversation_member::ConversationMember;
use domain::device::DeviceSet;
use domain::operations::Operations;
use domain::organization::Organization;
use domain::session::Session;
use domain::workspace::Workspace;
use domain::{Aggregate, Event, EventGroup, Timestamp};

use crate::{catalogue, codec, golden};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/states");
/// Times that all samples happen: what is made by the last of them is there from the second time on.
const ROUNDS: usize = 2;

fn samples() -> Vec<Event> {
    let sample = |kind: domain::EventType| {
        let path = Path::new(golden::DIRECTORY).join(format!("{}.v{}.bin", kind.name, kind.version));
        catalogue::decode(kind.name, kind.version, &std::fs::read(path).unwrap()).unwrap()
    };
    Event::types().into_iter().map(sample).collect()
}

/// The walk of one aggregate.
fn walk<A: Aggregate>() -> String {
    let own = samples().into_iter().filter_map(|event| Some((event.name(), A::Event::try_from(event).ok()?)));
    let own: Vec<_> = own.collect();
    assert!(!own.is_empty());
    let mut state = A::default();
    let mut text = String::new();
    for round in 0..ROUNDS {
        for (name, event) in &own {
            state.evolve(event, Timestamp::from_micros(1_800_000_000_000_000 + i64::from(round as u32)));
            let hash = blake3::hash(&codec::encode(&state).unwrap());
            writeln!(text, "{name} {}", hash.to_hex()).unwrap();
        }
    }
    text
}

fn compare<A: Aggregate>() {
    let name = format!("{}.v{}.txt", A::CATEGORY, A::STATE_VERSION);
    let path = Path::new(DIRECTORY).join(&name);
    let found = walk::<A>();
    assert_eq!(found, walk::<A>(), "{name}: a state is not written alike twice");
    if !path.exists() && std::env::var_os("UPDATE_STATES").is_some() {
        std::fs::create_dir_all(DIRECTORY).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{name} is missing: UPDATE_STATES=1 writes it"));
    assert_eq!(found, expected, "{name}: raise STATE_VERSION, then UPDATE_STATES=1 writes the new file");
}

#[test]
fn a_state_version_means_one_form_of_the_state() {
    compare::<Account>();
    compare::<Conversation>();
    compare::<ConversationMember>();
    compare::<DeviceSet>();
    compare::<Operations>();
    compare::<Organization>();
    compare::<Session>();
    compare::<Workspace>();
    let files = std::fs::read_dir(DIRECTORY).unwrap().count();
    assert_eq!(files, 8, "files of versions that are no more go");
}
