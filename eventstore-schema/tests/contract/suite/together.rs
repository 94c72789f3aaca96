//! Reading streams together: what a reader of everything picks, for the price of those that have news.

use bytes::Bytes;
use domain::Category;
use eventstore_schema::{
    EventLog, Expected, NewEvent, PageLimits, Position, RecordedEvent, Revision, StreamAppend, StreamId,
    StreamsPage,
};
use uuid::Uuid;

use crate::engine::Engine;
use crate::given;

const PLENTY: PageLimits = PageLimits { events: 10_000, bytes: 100_000_000 };

/// Numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Streams with some events each, recorded in turns, sealed parts among them; what stands behind the head of before.
async fn lived(log: &dyn EventLog, chance: &mut Chance) -> (Vec<StreamId>, Vec<RecordedEvent>) {
    let start = given::head(log).await;
    let categories = [Category::Conversation, Category::Account, Category::Session];
    let streams: Vec<_> = (0..9).map(|n| StreamId::new(categories[n % 3], Uuid::new_v4())).collect();
    for _ in 0..60 {
        let stream = streams[chance.below(9) as usize];
        let mut append = given::append(stream, 1 + chance.below(4) as usize);
        for event in &mut append.events {
            event.payload = Bytes::from(vec![b'x'; chance.below(40) as usize]);
        }
        log.append(StreamAppend { expected: Expected::Any, ..append }).await.unwrap();
    }
    (streams, given::read_all_after(log, start).await)
}

/// As many of the events as there is room for.
fn cut(events: &[RecordedEvent], limits: PageLimits) -> &[RecordedEvent] {
    let mut bytes = 0;
    let fits = |(n, event): (usize, &RecordedEvent)| {
        bytes += event.bytes();
        n == 0 || (n < limits.events && bytes <= limits.bytes)
    };
    let room = events.iter().enumerate().map(fits).take_while(|fits| *fits).count();
    &events[..room]
}

pub async fn streams_read_together_are_what_a_reader_of_everything_picks(engine: &dyn Engine) {
    let log = engine.open().await;
    let mut chance = Chance(7);
    let (streams, all) = lived(&*log, &mut chance).await;
    let end = all.last().unwrap().position;
    for round in 0..40 {
        let asked: Vec<_> = streams.iter().copied().filter(|_| chance.below(3) > 0).collect();
        let after = all[chance.below(all.len() as u64) as usize].position;
        let until = if round % 2 == 0 { end } else { all[chance.below(all.len() as u64) as usize].position };
        let limits = PageLimits { events: 1 + chance.below(30) as usize, bytes: chance.below(400) as usize };
        let wanted: Vec<_> = all
            .iter()
            .filter(|event| {
                asked.contains(&event.stream) && event.position > after && event.position <= until
            })
            .cloned()
            .collect();
        let page = log.read_streams(&asked, Some(after), until, limits).await.unwrap();
        let expected = cut(&wanted, limits);
        assert_eq!(page.events, expected, "round {round}");
        let is_cut = expected.len() < wanted.len();
        let reached = expected.last().filter(|_| is_cut).map_or(until, |last| last.position);
        assert_eq!(page.reached, reached, "round {round}");
        let left: Vec<_> = wanted[expected.len()..].iter().map(|event| event.stream).collect();
        assert!(left.iter().all(|stream| page.rest.contains(stream)), "round {round}");
        assert!(page.rest.iter().all(|stream| asked.contains(stream)), "round {round}");
        assert_eq!(page.rest.is_empty(), !is_cut, "round {round}");
        // Page by page, each of what the one before left.
        assert_eq!(pages(&*log, &asked, Some(after), until, limits).await, wanted, "round {round}");
    }
}

/// Everything, page by page.
async fn pages(
    log: &dyn EventLog,
    streams: &[StreamId],
    mut after: Option<Position>,
    until: Position,
    limits: PageLimits,
) -> Vec<RecordedEvent> {
    let (mut seen, mut streams) = (Vec::new(), streams.to_vec());
    loop {
        let StreamsPage { events, reached, rest } =
            log.read_streams(&streams, after, until, limits).await.unwrap();
        assert!(Some(reached) > after || reached == until, "a page that leads nowhere");
        seen.extend(events);
        if rest.is_empty() {
            assert_eq!(reached, until);
            return seen;
        }
        (after, streams) = (Some(reached), rest);
    }
}

pub async fn streams_that_nobody_wrote_to_have_no_part_in_a_page(engine: &dyn Engine) {
    let log = engine.open().await;
    let stream = given::stream();
    log.append(given::append(stream, 3)).await.unwrap();
    let end = given::head(&*log).await.unwrap();
    let own = given::read(&*log, stream).await;
    let asked = [given::stream(), stream, given::stream(), stream];
    let page = log.read_streams(&asked, None, end, PLENTY).await.unwrap();
    assert_eq!((page.events, page.reached, page.rest), (own.clone(), end, vec![]));
    let none = [&asked[..1], &[]];
    for streams in none {
        let page = log.read_streams(streams, None, end, PLENTY).await.unwrap();
        assert_eq!((page.events, page.reached, page.rest), (vec![], end, vec![]));
    }
    // Behind the end of its last event a stream has no news, and of the same id in another category nothing is told.
    let other = StreamId::new(Category::Account, stream.id);
    for (streams, after) in [([stream], own.last().map(|last| last.position)), ([other], None)] {
        let page = log.read_streams(&streams, after, end, PLENTY).await.unwrap();
        assert_eq!((page.events, page.reached), (vec![], end));
    }
}

/// Where a long stream goes on behind a position is found without reading it, from anywhere in it.
pub async fn a_long_stream_is_read_on_from_anywhere(engine: &dyn Engine) {
    let log = engine.open().await;
    let (long, short) = (given::stream(), given::stream());
    for n in 0..8_u64 {
        let expected = |count: u64| Expected::after((n * count).checked_sub(1).map(Revision::new));
        log.append(StreamAppend { expected: expected(100), ..given::append(long, 100) }).await.unwrap();
        log.append(StreamAppend { expected: expected(1), ..given::append(short, 1) }).await.unwrap();
    }
    let end = given::head(&*log).await.unwrap();
    let mut own = [given::read(&*log, long).await, given::read(&*log, short).await].concat();
    own.sort_by_key(|event| event.position);
    for behind in [0, 1, 63, 64, 65, 99, 100, 101, 399, 500, 640, 777, 806] {
        let after = own[behind].position;
        let page = log.read_streams(&[short, long], Some(after), end, PLENTY).await.unwrap();
        assert_eq!(page.events, own[behind + 1..], "behind {behind}");
        let limits = PageLimits { events: 5, ..PLENTY };
        let page = log.read_streams(&[short, long], Some(after), end, limits).await.unwrap();
        assert_eq!(page.events, own[behind + 1..].iter().take(5).cloned().collect::<Vec<_>>());
    }
}

/// An event that is larger than a page has one to itself.
pub async fn a_page_of_streams_is_bounded_in_bytes(engine: &dyn Engine) {
    let log = engine.open().await;
    let streams = [given::stream(), given::stream()];
    for (n, size) in [10, 5_000, 20, 30, 900].into_iter().enumerate() {
        let events = vec![NewEvent { ..given::event(vec![b'x'; size]) }];
        let append = given::append(streams[n % 2], 1);
        log.append(StreamAppend { events, expected: Expected::Any, ..append }).await.unwrap();
    }
    let end = given::head(&*log).await.unwrap();
    let limits = PageLimits { events: 100, bytes: 1_000 };
    let (mut after, mut sizes) = (None, Vec::new());
    while after < Some(end) {
        let page = log.read_streams(&streams, after, end, limits).await.unwrap();
        sizes.push(page.events.iter().map(RecordedEvent::bytes).collect::<Vec<_>>());
        after = Some(page.reached);
    }
    assert_eq!(sizes, [vec![10], vec![5_000], vec![20, 30, 900]]);
}
