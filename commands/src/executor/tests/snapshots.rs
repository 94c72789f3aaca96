//! Loading from a snapshot gives what replaying gives.

use domain::organization::Organization;
use domain::{Aggregate, Digest};
use eventstore_schema::{EventLog, Revision, Snapshot, StreamId, codec};

use super::world::*;
use crate::limits::SNAPSHOT_EVENTS_MIN;

fn stream() -> StreamId {
    StreamId::new(Organization::CATEGORY, ORGANIZATION)
}

async fn long_stream() -> World {
    let (world, executor) = World::founded().await;
    for number in 0..SNAPSHOT_EVENTS_MIN {
        let command = if number % 3 == 0 { invite(&world, (number % 250) as u8) } else { rename() };
        let _ = execute(&executor, command, &world.request(OWNER)).await;
    }
    while world.log.load_snapshot(stream(), Organization::STATE_VERSION).await.unwrap().is_none() {
        execute(&executor, rename(), &world.request(OWNER)).await.unwrap();
    }
    execute(&executor, invite(&world, 251), &world.request(OWNER)).await.unwrap();
    world
}

async fn replayed(world: &World) -> Organization {
    let mut state = Organization::default();
    for recorded in world.events().await {
        let event = crate::executor::cached::decode_event::<Organization>(&recorded).unwrap();
        state.evolve(&event, recorded.origin.recorded_at);
    }
    state
}

#[tokio::test]
async fn a_state_from_snapshot_and_tail_is_the_replayed_one() {
    let world = long_stream().await;
    let snapshot = world.log.load_snapshot(stream(), Organization::STATE_VERSION).await.unwrap().unwrap();
    assert!(snapshot.revision.get() + 1 >= SNAPSHOT_EVENTS_MIN);
    let loaded = world.executor().load::<Organization>(ORGANIZATION).await.unwrap();
    assert_eq!(loaded.state, replayed(&world).await);
    assert_eq!(loaded.revision.unwrap().get() as usize + 1, world.events().await.len());
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_used_is_as_good_as_none() {
    let world = long_stream().await;
    let good = world.log.load_snapshot(stream(), Organization::STATE_VERSION).await.unwrap().unwrap();
    let last = Revision::new(world.events().await.len() as u64 - 1);
    let empty = codec::encode(&Organization::default()).unwrap();
    let useless = [
        Snapshot { revision: last, state_version: u16::MAX, ..good.clone() },
        Snapshot { revision: last, state: bytes::Bytes::from_static(b"?"), ..good.clone() },
        // Of a longer log than this one.
        Snapshot { revision: last.plus(10), state: empty.clone(), ..good.clone() },
        // Of another history, as after a restore.
        Snapshot { state: empty, record_hash: Digest::from_bytes([7; 32]), ..good },
    ];
    for snapshot in useless {
        world.log.store_snapshot(snapshot).await.unwrap();
        let loaded = world.executor().load::<Organization>(ORGANIZATION).await.unwrap();
        assert_eq!(loaded.state, replayed(&world).await);
    }
}
