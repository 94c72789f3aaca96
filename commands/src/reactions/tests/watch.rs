//! Waiting for reactions.

use std::time::Duration;

use eventstore_schema::ReadFilter;

use crate::reactions::{Reactions, Running, all};
use crate::services::tests::stage::Stage;

/// Far longer than anything here takes: a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `holds` does.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// The product's reactions, running.
pub(super) fn start(stage: &Stage) -> (Reactions, Running) {
    let reactions = Reactions::new(all(&stage.services, &stage.parts), stage.parts.clone());
    let running = reactions.start();
    (reactions, running)
}

/// Waits until every reaction has answered all that happened, and all that came of it.
pub(super) async fn settled(stage: &Stage, reactions: &Reactions) {
    let filter = ReadFilter { event_types: reactions.event_types(), ..ReadFilter::default() };
    until("all reactions have caught up", async || {
        let last = stage
            .parts
            .log
            .read_all(None, usize::MAX, &filter)
            .await
            .unwrap()
            .last()
            .map(|event| event.position);
        reactions.status().await.unwrap().iter().all(|status| status.position >= last)
    })
    .await;
}
