//! G1 and G3 where it hurts, over every engine that several processes share: many write at once, and one that writes is
//! killed.

mod helper;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::CommandId;
use eventstore_schema::{EventLog, ReadFilter, RecordedEvent};

use crate::engine::Engine;
use crate::{esdb, given, postgres};
use helper::{Helper, Said};

const SOON: Duration = Duration::from_secs(60);

/// An engine whose log other processes open, too.
pub trait Shared: Engine {
    /// What such a process has to be told; [`helper::open`] understands it.
    fn address(&self) -> String;
}

/// Runs the tests over an engine; the list of them is here only.
macro_rules! crashes {
    ($($engine:ident: $made:expr;)+) => {
        $(crashes! { @tests $engine, $made,
            g1_a_writer_that_is_killed_loses_nothing_that_it_acknowledged,
            g3_readers_see_one_order_while_several_processes_write,
        })+
    };
    (@tests $engine:ident, $made:expr, $($test:ident,)+) => {
        mod $engine {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(&$made).await;
                }
            )+
        }
    };
}

crashes! {
    over_postgres: postgres::Postgres::create().await;
    over_eventstoredb: esdb::Esdb::create().await;
}

/// Everything that is in the log, after checking that it is whole: positions ascending, revisions contiguous per stream,
/// both events of every command there and next to each other.
pub async fn whole_log(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map(|event| event.position);
        let page = log.read_all(after, 5_000, &ReadFilter::all()).await.unwrap();
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    let mut next: HashMap<_, u64> = HashMap::new();
    assert!(events.iter().map(|event| event.position).is_sorted_by(|one, next| one < next));
    for event in &events {
        let revision = next.entry(event.stream).or_default();
        assert_eq!(event.revision.get(), *revision);
        *revision += 1;
    }
    for pair in events.chunks(2) {
        assert_eq!(pair.len(), 2);
        assert_eq!(pair[0].command_id, pair[1].command_id, "a command was torn");
    }
    events
}

/// Every acknowledged command is there, its last event at the position that was told.
pub fn assert_acknowledged_is_there(events: &[RecordedEvent], acknowledged: &[(CommandId, u64)]) {
    let last: HashMap<_, _> = events.iter().map(|event| (event.command_id, event.position.get())).collect();
    for (command, position) in acknowledged {
        assert_eq!(last.get(command), Some(position), "acknowledged and not there: {command}");
    }
}

async fn g3_readers_see_one_order_while_several_processes_write(engine: &impl Shared) {
    const PROCESSES: usize = 3;
    const APPENDS: u64 = 40;
    const EVENTS: usize = PROCESSES * 8 * APPENDS as usize * 2;
    let log = engine.open().await;
    let mut followed = log.subscribe(None, ReadFilter::all()).await.unwrap();
    let helpers: Vec<_> = (0..PROCESSES).map(|_| Helper::start(&engine.address(), APPENDS)).collect();
    let listening = helpers.into_iter().map(|mut helper| {
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while let Some(said) = helper.next().await {
                if let Said::Acknowledged { command, position } = said {
                    acknowledged.push((command, position));
                }
            }
            assert!(helper.child.wait().await.unwrap().success());
            acknowledged
        })
    });
    let listening: Vec<_> = listening.collect();

    let (mut live, mut polled): (Vec<RecordedEvent>, Vec<RecordedEvent>) = (Vec::new(), Vec::new());
    while live.len() < EVENTS {
        let batch = tokio::time::timeout(SOON, followed.next(100)).await.expect("events come").unwrap();
        live.extend(batch);
        let after = polled.last().map(|event| event.position);
        polled.extend(log.read_all(after, 70, &ReadFilter::all()).await.unwrap());
    }
    let truth = whole_log(&*log).await;
    assert_eq!(truth.len(), EVENTS);
    assert_eq!(live, truth);
    assert_eq!(polled, truth[..polled.len()]);
    for acknowledged in listening {
        let acknowledged = acknowledged.await.unwrap();
        assert_eq!(acknowledged.len(), 8 * APPENDS as usize);
        assert_acknowledged_is_there(&truth, &acknowledged);
    }
}

async fn g1_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(engine: &impl Shared) {
    let log = engine.open().await;
    let (mut acknowledged, mut tried) = (Vec::new(), HashSet::new());
    for round in 1..=3 {
        let mut helper = Helper::start(&engine.address(), 1_000_000);
        let mut killed = false;
        while let Some(said) = helper.next().await {
            match said {
                Said::Trying { command } => {
                    tried.insert(command);
                }
                Said::Acknowledged { command, position } => acknowledged.push((command, position)),
            }
            if !killed && acknowledged.len() >= round * 150 {
                helper.child.start_kill().unwrap();
                killed = true;
            }
        }
        assert!(!helper.child.wait().await.unwrap().success());
    }
    // What was on its way when the writer died may still be written by the server, before what comes later.
    log.append(given::append(given::stream(), 2)).await.unwrap();
    let events = whole_log(&*log).await;
    assert_acknowledged_is_there(&events, &acknowledged);
    let there: HashSet<_> = events.iter().map(|event| event.command_id).collect();
    assert!(there.len() <= tried.len() + 1, "there is more than was ever tried");
}
