//! Random appends against the simplest log there is: a list of lists.

use std::collections::{HashMap, HashSet};

use eventstore_schema::{AppendError, EventLog, Expected, Revision, StreamAppend, StreamId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::engine::Engine;
use crate::given;

/// One thing to do.
#[derive(Clone, Debug)]
enum Step {
    /// Append to a stream, off by so much from the truth.
    Append { stream: usize, off: i64, count: usize },
    /// Append to a stream, whatever it holds.
    AppendAny { stream: usize, count: usize },
    /// Repeat an earlier step's command.
    Repeat { earlier: usize },
}

const STREAMS: usize = 3;
const CASES: usize = 12;

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let off = prop_oneof![6 => Just(0_i64), 1 => -2..3_i64];
    let step = prop_oneof![
        6 => (0..STREAMS, off, 1..4_usize).prop_map(|(stream, off, count)| Step::Append { stream, off, count }),
        1 => (0..STREAMS, 1..4_usize).prop_map(|(stream, count)| Step::AppendAny { stream, count }),
        2 => any::<usize>().prop_map(|earlier| Step::Repeat { earlier }),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..6), 1..12)
}

/// Why the log should refuse.
#[derive(Debug)]
enum Refusal {
    /// The stream has this length.
    Conflict(u64),
    /// It builds on what did not happen.
    Unfounded,
}

#[derive(Default)]
struct Model {
    lengths: HashMap<StreamId, u64>,
    done: Vec<(StreamAppend, Option<u64>)>,
}

impl Model {
    fn append(&self, streams: &[StreamId], step: &Step, ahead: &HashMap<StreamId, u64>) -> StreamAppend {
        match step {
            Step::Append { stream, off, count } => {
                let stream = streams[*stream];
                let length = self.lengths.get(&stream).unwrap_or(&0) + ahead.get(&stream).unwrap_or(&0);
                let believed = (length.cast_signed() + off).max(0).cast_unsigned();
                let expected = Expected::after(believed.checked_sub(1).map(Revision::new));
                StreamAppend { expected, ..given::append(stream, *count) }
            }
            Step::AppendAny { stream, count } => {
                StreamAppend { expected: Expected::Any, ..given::append(streams[*stream], *count) }
            }
            Step::Repeat { earlier } if !self.done.is_empty() => {
                self.done[earlier % self.done.len()].0.clone()
            }
            Step::Repeat { .. } => given::append(streams[0], 1),
        }
    }

    /// What the log should answer: the first revision and whether it is a repetition, or why not. `broken` are the streams on
    /// which nothing more of the same call can build.
    fn expect(
        &mut self,
        append: &StreamAppend,
        broken: &mut HashSet<StreamId>,
    ) -> Result<(u64, bool), Refusal> {
        if broken.contains(&append.stream) {
            return Err(Refusal::Unfounded);
        }
        let recorded =
            self.done.iter().find(|(done, first)| done.command == append.command && first.is_some());
        if let Some((done, Some(first))) = recorded {
            let believed = match append.expected {
                Expected::Exact(revision) => revision.get() + 1,
                Expected::NoStream => 0,
                Expected::Any => *first,
            };
            if done.stream != append.stream || believed != *first {
                broken.insert(append.stream);
            }
            return Ok((*first, true));
        }
        let length = self.lengths.entry(append.stream).or_default();
        let believed = match append.expected {
            Expected::Exact(revision) => revision.get() + 1,
            Expected::NoStream => 0,
            Expected::Any => *length,
        };
        let result = if believed == *length { Ok((*length, false)) } else { Err(Refusal::Conflict(*length)) };
        if result.is_ok() {
            *length += append.events.len() as u64;
        } else {
            broken.insert(append.stream);
        }
        self.done.push((append.clone(), result.as_ref().ok().map(|(first, _)| *first)));
        result
    }
}

pub async fn g2_random_appends_do_what_the_model_does(engine: &dyn Engine) {
    let log = engine.open().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..CASES {
        let rounds = steps().new_tree(&mut runner).unwrap().current();
        play(&*log, &rounds).await;
    }
}

async fn play(log: &dyn EventLog, rounds: &[Vec<Step>]) {
    let streams: Vec<_> = (0..STREAMS).map(|_| given::stream()).collect();
    let mut model = Model::default();
    for round in rounds {
        let mut ahead = HashMap::new();
        let mut appends = Vec::new();
        for step in round {
            let append = model.append(&streams, step, &ahead);
            *ahead.entry(append.stream).or_default() += append.events.len() as u64;
            appends.push(append);
        }
        let results = log.append_in_order(appends.clone()).await;
        let mut broken = HashSet::new();
        for (append, result) in appends.iter().zip(results) {
            let expected = model.expect(append, &mut broken);
            match (&result, expected) {
                (Ok(appended), Ok((first, replayed))) => {
                    assert_eq!(
                        (appended.first_revision.get(), appended.replayed),
                        (first, replayed),
                        "{round:?}"
                    );
                }
                (Err(AppendError::Conflict { actual, .. }), Err(Refusal::Conflict(length))) => {
                    assert_eq!(actual.map_or(0, |revision| revision.get() + 1), length, "{round:?}");
                }
                (Err(AppendError::Unfounded { .. }), Err(Refusal::Unfounded)) => {}
                other => panic!("{other:?} for {append:?} in {round:?}"),
            }
        }
    }
    for stream in streams {
        let length = model.lengths.get(&stream).copied().unwrap_or(0);
        assert_eq!(given::read(log, stream).await.len() as u64, length);
    }
}
