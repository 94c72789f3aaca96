//! One stream that takes no appends, in a log that does.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{Category, CommandId, Digest, RecipientId};
use eventstore_schema::{
    AppendError, Appended, EventLog, Head, Incarnation, LogError, Position, ReadFilter, RecordedEvent,
    Revision, Snapshot, StreamAppend, StreamId, Subscription,
};

use super::watch::*;
use crate::limits::REACTION_PARKED_REST_SECONDS_MIN;
use crate::reactions::{Reactions, all};
use crate::services::tests::stage::*;
use crate::{Parts, Services};

/// A log in which one stream takes nothing, and one cannot be read.
struct Poisoned {
    log: Arc<dyn EventLog>,
    stream: Mutex<Option<StreamId>>,
    unreadable: Mutex<Option<StreamId>>,
}

#[async_trait]
impl EventLog for Poisoned {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        if *self.stream.lock().unwrap() == Some(append.stream) {
            let reason = "it takes nothing".to_owned();
            return Err(AppendError::Unavailable { stream: append.stream, reason });
        }
        self.log.append(append).await
    }

    async fn find_command(
        &self,
        stream: StreamId,
        command: CommandId,
    ) -> Result<Option<(Appended, Digest)>, LogError> {
        self.log.find_command(stream, command).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        if *self.unreadable.lock().unwrap() == Some(stream) {
            return Err(LogError::Unavailable {
                attempt: "reading",
                reason: "it is out of reach".to_owned(),
            });
        }
        self.log.read_stream(stream, from, limit).await
    }

    async fn last_of_stream(&self, stream: StreamId) -> Result<Option<RecordedEvent>, LogError> {
        self.log.last_of_stream(stream).await
    }

    async fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_all(after, limit, filter).await
    }

    async fn subscribe(
        &self,
        after: Option<Position>,
        filter: ReadFilter,
    ) -> Result<Box<dyn Subscription>, LogError> {
        self.log.subscribe(after, filter).await
    }

    async fn adopt(&self, incarnation: Incarnation) -> Result<(), LogError> {
        self.log.adopt(incarnation).await
    }

    async fn head(&self) -> Result<Head, LogError> {
        self.log.head().await
    }

    async fn load_snapshot(
        &self,
        stream: StreamId,
        state_version: u16,
    ) -> Result<Option<Snapshot>, LogError> {
        self.log.load_snapshot(stream, state_version).await
    }

    async fn store_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.log.store_snapshot(snapshot).await
    }

    fn engine(&self) -> &'static str {
        self.log.engine()
    }
}

/// The stage's log as the reactions have it.
fn poisoned_reactions(stage: &Stage) -> (Arc<Poisoned>, Reactions) {
    let log = Arc::clone(&stage.parts.log);
    let log = Arc::new(Poisoned { log, stream: Mutex::default(), unreadable: Mutex::default() });
    let parts = Parts { log: Arc::clone(&log) as Arc<dyn EventLog>, ..stage.parts.clone() };
    let reactions = Reactions::new(all(&Services::new(&parts), &parts), parts);
    (log, reactions)
}

#[tokio::test]
async fn an_old_session_that_cannot_be_read_keeps_nobodys_new_one_waiting() {
    let stage = Stage::new().await;
    let (log, reactions) = poisoned_reactions(&stage);
    let running = reactions.start();
    stage.log_in(ALICE, 0, None).await;
    settled(&stage, &reactions).await;
    stage.parts.clock.advance_seconds(1_000 * 86_400);
    *log.unreadable.lock().unwrap() = Some(StreamId::new(Category::Session, ALICE.session(0)));
    stage.log_in(BOB, 0, None).await;
    settled(&stage, &reactions).await;
    let client = stage.database.client().await;
    let indexed = async |person: Person| {
        let sql = "SELECT count(*) FROM write.sessions_by_account WHERE account_id = $1";
        client.query_one(sql, &[&person.account().as_uuid()]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!((indexed(ALICE).await, indexed(BOB).await), (1, 1));
    assert!(reactions.status().await.unwrap().iter().all(|status| status.parked.events == 0));
    running.stop().await;
}

#[tokio::test]
async fn one_conversation_out_of_reach_delays_its_members_devices_and_no_others() {
    let stage = Stage::new().await;
    for person in [ALICE, BOB] {
        stage.enter(person).await;
    }
    let organization = stage.organization(&[ALICE, BOB]).await;
    let poisoned = stage.group(organization, ALICE, &[]).await;
    let sound = stage.group(organization, BOB, &[]).await;
    let (log, reactions) = poisoned_reactions(&stage);
    let running = reactions.start();
    settled(&stage, &reactions).await;

    *log.stream.lock().unwrap() = Some(StreamId::new(Category::Conversation, poisoned));
    stage.enroll(ALICE, 1).await;
    stage.enroll(BOB, 1).await;
    let has = async |id, recipient: RecipientId, person: Person| {
        stage.conversation(id).await.recipients_of(person.account()).any(|one| one.recipient_id == recipient)
    };
    until("the other's device is in", async || has(sound, BOB.device(1).into(), BOB).await).await;
    let parked = reactions.parked(&["device_fanout"], None, 10).await.unwrap();
    let [row] = parked.try_into().unwrap();
    assert_eq!(row.ordering_key, StreamId::new(Category::Account, ALICE.account()));
    assert!(row.reason.as_deref().is_some_and(|reason| reason.contains("cannot be reached")), "{row:?}");
    // What comes behind it of the same account waits: the device is revoked before it was ever brought in.
    stage.revoke(ALICE, 0).await;
    settled(&stage, &reactions).await;
    assert!(has(poisoned, ALICE.device(0).into(), ALICE).await);

    *log.stream.lock().unwrap() = None;
    until("all is done", async || {
        stage.parts.clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
        reactions.status().await.unwrap().iter().all(|status| status.parked.events == 0)
    })
    .await;
    assert!(has(poisoned, ALICE.device(1).into(), ALICE).await);
    assert!(!has(poisoned, ALICE.device(0).into(), ALICE).await);
    running.stop().await;
}
