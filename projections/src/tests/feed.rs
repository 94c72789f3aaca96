//! The feed, over every engine: everybody gets everything, once, in order.

use eventstore_schema::over_engines;

use super::*;
use crate::FeedSubscription;

async fn collect(mut events: FeedSubscription, until: Position, pause: Duration) -> Vec<Position> {
    let mut seen = Vec::new();
    while seen.last() != Some(&until) {
        seen.extend(events.next().await.expect("events").iter().map(crate::Item::position));
        tokio::time::sleep(pause).await;
    }
    seen
}

over_engines! {
    subscribers_from_anywhere_and_of_any_speed_miss_nothing_and_see_nothing_twice,
}

async fn subscribers_from_anywhere_and_of_any_speed_miss_nothing_and_see_nothing_twice(engine: Engine) {
    let Bench { log, mut world, database: _database, _engine, .. } = Bench::over(engine, 11).await;
    world.live(200).await;
    let middle = world.position();
    let feed = Feed::start(Arc::clone(&log)).await.expect("a feed");
    let fast = feed.subscribe(None);
    let late = feed.subscribe(middle);
    let slow = feed.subscribe(None);
    for _ in 0..300 {
        world.live(1).await;
        tokio::task::yield_now().await;
    }
    let head = world.position().expect("events");
    let collected = async {
        tokio::join!(
            collect(fast, head, Duration::ZERO),
            collect(late, head, Duration::ZERO),
            collect(slow, head, Duration::from_millis(2)),
        )
    };
    let (fast, late, slow) = tokio::time::timeout(PATIENCE, collected).await.expect("all arrive");
    let all = log.read_all(None, usize::MAX, &Default::default()).await.expect("the log");
    let all: Vec<_> = all.iter().map(|event| event.position).collect();
    assert_eq!(fast, all);
    assert_eq!(slow, all);
    let behind: Vec<_> = all.into_iter().filter(|position| Some(*position) > middle).collect();
    assert_eq!(late, behind);
}
