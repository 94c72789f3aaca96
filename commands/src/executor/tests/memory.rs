//! What the streams that are held in memory take there.

use domain::organization::Organization;
use domain::{Aggregate, CommandId, EventId, OrganizationId};
use eventstore_schema::{CommandRef, EventLog, Expected, NewEvent, StreamAppend, StreamId};

use super::world::*;
use crate::limits::{CELLS_BYTES_MAX, CELLS_MAX};

/// Streams that are looked at.
const STREAMS: u128 = 20_000;

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// The first event of an organization, in as many streams.
async fn fill(world: &World) {
    let recorded = world.events().await.remove(0);
    for n in 1..=STREAMS {
        let event = NewEvent {
            event_id: EventId::from_bytes(n.to_be_bytes()),
            event_type: "organization.created",
            version: recorded.version,
            payload: recorded.payload.clone(),
            key_ref: recorded.key_ref,
            sealed: recorded.sealed.clone(),
        };
        let append = StreamAppend {
            stream: StreamId::new(Organization::CATEGORY, OrganizationId::from_bytes(n.to_be_bytes())),
            expected: Expected::NoStream,
            command: CommandRef {
                id: CommandId::from_bytes(n.to_be_bytes()),
                fingerprint: domain::Digest::from_bytes([0; 32]),
            },
            origin: recorded.origin,
            events: vec![event],
            conditions: Vec::new(),
        };
        world.log.append(append).await.unwrap();
    }
}

/// As many as there may be take no more than what is reckoned for the largest together.
#[tokio::test]
async fn small_states_take_what_they_are_reckoned_at() {
    let (world, _executor) = World::founded().await;
    fill(&world).await;
    let executor = world.executor();
    let before = resident();
    for n in 1..=STREAMS {
        let id = OrganizationId::from_bytes(n.to_be_bytes());
        executor.view::<Organization, _>(id, |_, revision| assert!(revision.is_some())).await.unwrap();
    }
    assert_eq!(executor.cells() as u128, STREAMS);
    let each = resident().saturating_sub(before) / STREAMS as usize;
    println!("{each} bytes each");
    assert!(each * CELLS_MAX <= CELLS_BYTES_MAX, "{each} bytes each");
}
