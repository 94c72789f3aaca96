//! The double against the real client: one test for each thing it claims to do as EventStoreDB does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod append;
mod cluster;
mod delete;
mod faults;
mod read;
mod secured;
mod subscribe;

use std::time::Duration;

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, Client, Error, EventData, ExpectedRevision, Position, ReadAllOptions,
    ReadStreamOptions, RecordedEvent, StreamPosition, WriteResult,
};
use eventstore_double::{Double, DoubleConfig};
use uuid::Uuid;

/// Nothing takes so long but a test that fails.
const LONG: Duration = Duration::from_secs(20);

/// What a test talks to.
struct Given {
    double: Double,
    client: Client,
}

async fn given(config: DoubleConfig) -> Given {
    let double = Double::start(config).await.unwrap();
    let client = connect(&double.url());
    Given { double, client }
}

/// A double without events of its own.
async fn given_empty() -> Given {
    given(DoubleConfig { system_events: false, ..DoubleConfig::default() }).await
}

fn connect(url: &str) -> Client {
    // The client waits so long before its first connection, too.
    let url = format!("{url}&discoveryInterval=10");
    Client::new(url.parse().unwrap()).unwrap()
}

fn event(id: u128) -> EventData {
    EventData::binary("happened", Bytes::from(format!("data {id}"))).id(Uuid::from_u128(id))
}

fn events(ids: impl IntoIterator<Item = u128>) -> Vec<EventData> {
    ids.into_iter().map(event).collect()
}

impl Given {
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        ids: &[u128],
    ) -> Result<WriteResult, Error> {
        append(&self.client, stream, expected, ids).await
    }

    /// The ids in a stream, forwards.
    async fn ids(&self, stream: &str) -> Vec<u128> {
        let options = ReadStreamOptions::default().max_count(10_000);
        let read = self.read_stream(stream, &options).await.unwrap();
        read.iter().map(|event| event.id.as_u128()).collect()
    }

    async fn read_stream(
        &self,
        stream: &str,
        options: &ReadStreamOptions,
    ) -> Result<Vec<RecordedEvent>, Error> {
        let mut read = self.client.read_stream(stream, options).await?;
        let mut found = Vec::new();
        while let Some(event) = read.next().await? {
            found.push(event.event.unwrap());
        }
        Ok(found)
    }

    async fn read_all(&self, options: &ReadAllOptions) -> Vec<RecordedEvent> {
        let mut read = self.client.read_all(options).await.unwrap();
        let mut found = Vec::new();
        while let Some(event) = read.next().await.unwrap() {
            found.push(event.event.unwrap());
        }
        found
    }

    /// All of `$all`, forwards.
    async fn everything(&self) -> Vec<RecordedEvent> {
        self.read_all(&ReadAllOptions::default().position(StreamPosition::Start).max_count(1_000_000)).await
    }
}

async fn append(
    client: &Client,
    stream: &str,
    expected: ExpectedRevision,
    ids: &[u128],
) -> Result<WriteResult, Error> {
    let options = AppendToStreamOptions::default().expected_revision(expected);
    client.append_to_stream(stream, &options, events(ids.iter().copied())).await
}

fn at(position: u64) -> Position {
    Position { commit: position, prepare: position }
}
