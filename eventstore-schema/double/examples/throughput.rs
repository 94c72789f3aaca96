//! Measures a double with the real client, both in this process or the double behind a connection string:
//! one-event appends of many callers at once, then a subscription over what they wrote.
//!
//! `cargo run --release -p eventstore-double --example throughput -- [APPENDS] [CALLERS] [URL]`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, Client, EventData, ExpectedRevision, StreamPosition, SubscribeToAllOptions,
    SubscriptionEvent, SubscriptionFilter,
};
use eventstore_double::{Double, DoubleConfig};
use uuid::Uuid;

/// About what an envelope and a payload take.
const METADATA_BYTES: usize = 400;
const DATA_BYTES: usize = 300;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let appends: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let callers: u64 = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let double = Double::start(DoubleConfig::default()).await?;
    let url = arguments.next().unwrap_or_else(|| double.url());
    let client = Client::new(url.parse()?)?;
    client.server_info().await?;

    let begun = Instant::now();
    append_all(&client, appends, callers).await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{appends} appends by {callers} callers: {:.0}/s", appends as f64 / seconds);

    for (name, filter) in [
        ("unfiltered", None),
        ("filtered", Some(SubscriptionFilter::on_stream_name().exclude_system_events().max(1_000))),
    ] {
        let begun = Instant::now();
        let events = subscribe(&client, filter).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{events} events, {name}: {:.0}/s", events as f64 / seconds);
    }
    Ok(())
}

async fn append_all(client: &Client, appends: u64, callers: u64) -> Result<(), Box<dyn Error>> {
    let next = Arc::new(AtomicU64::new(0));
    let tasks = (0..callers).map(|caller| {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            let stream = format!("conversation-{caller}");
            let mut expected = ExpectedRevision::NoStream;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= appends {
                    return Ok::<_, eventstore::Error>(());
                }
                let event = EventData::binary("message.sent", Bytes::from(vec![7; DATA_BYTES]))
                    .id(Uuid::from_u64_pair(caller, number))
                    .metadata(Bytes::from(vec![b'x'; METADATA_BYTES]));
                let options = AppendToStreamOptions::default().expected_revision(expected);
                let written = client.append_to_stream(stream.as_str(), &options, event).await?;
                expected = ExpectedRevision::Exact(written.next_expected_version);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(())
}

async fn subscribe(client: &Client, filter: Option<SubscriptionFilter>) -> Result<u64, Box<dyn Error>> {
    let mut options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    if let Some(filter) = filter {
        options = options.filter(filter);
    }
    let mut subscription = client.subscribe_to_all(&options).await;
    let mut events = 0;
    loop {
        match subscription.next_subscription_event().await? {
            SubscriptionEvent::EventAppeared(_) => events += 1,
            SubscriptionEvent::CaughtUp => return Ok(events),
            _ => {}
        }
    }
}
