//! The client, replaced when it is of no use any more: it ends for good when it cannot find a server, and stays with a node
//! that has gone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventstore::{Client, ClientSettings};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::log::LogError;
use crate::metrics::LogMetrics;

/// Shortest time between two clients.
const CLIENT_PAUSE: Duration = Duration::from_millis(200);
/// How long the first client of the process may take to set up TLS.
const TLS_SETUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between looks whether it has.
const TLS_SETUP_POLL: Duration = Duration::from_millis(1);
/// Pause before an operation is tried again, first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// Status codes of gRPC.
const CANCELLED: i32 = 1;
const RESOURCE_EXHAUSTED: i32 = 8;
const ABORTED: i32 = 10;

/// What an operation came to, other than success.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stream is elsewhere than expected.
    Conflict,
    /// The stream has no events.
    NotFound,
    /// The stream was deleted for good, which nothing of ours does.
    Deleted,
    /// The server takes no more at the moment.
    Overloaded,
    /// More bytes at once than the server takes.
    TooLarge,
    /// Trying again changes nothing until somebody mends it.
    Refused(String),
    /// The way to the server, or the node, was lost: trying again may help. Whether it was done is unknown.
    Lost(String),
}

impl Failure {
    /// What to tell people.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Conflict => "the stream has moved".to_owned(),
            Self::NotFound => "the stream is not there".to_owned(),
            Self::Deleted => "the stream was deleted on the server, which Envoi never does".to_owned(),
            Self::Overloaded => "the server is too busy".to_owned(),
            Self::TooLarge => "it is larger than the server's MaxAppendSize".to_owned(),
            Self::Refused(reason) | Self::Lost(reason) => reason,
        }
    }
}

impl From<eventstore::Error> for Failure {
    fn from(error: eventstore::Error) -> Self {
        use eventstore::Error;
        match error {
            Error::WrongExpectedVersion { .. } => Self::Conflict,
            Error::ResourceNotFound => Self::NotFound,
            Error::ResourceDeleted => Self::Deleted,
            Error::AccessDenied => {
                Self::Refused("the server refuses the credentials, or they lack the right".to_owned())
            }
            Error::UnsupportedFeature => Self::Refused(
                "the server does not know the operation: is it an EventStoreDB with gRPC?".to_owned(),
            ),
            Error::Grpc { message, .. } if message.starts_with("Maximum Append Size") => Self::TooLarge,
            Error::ServerError(text) if text.contains("Server Is Too Busy") => Self::Overloaded,
            Error::Grpc { code, message } => match i32::from(code) {
                // A timeout inside the server: the write may yet happen.
                ABORTED | CANCELLED => Self::Lost(message),
                RESOURCE_EXHAUSTED => Self::Overloaded,
                _ => Self::Refused(format!("{code:?}: {message}")),
            },
            Error::NotLeaderException(_) => Self::Lost("the node is not the leader".to_owned()),
            Error::ConnectionClosed => Self::Lost(
                "the client has ended: no server was found, or this machine has no CA certificates"
                    .to_owned(),
            ),
            Error::DeadlineExceeded => Self::Lost("no answer in time".to_owned()),
            other => Self::Lost(other.to_string()),
        }
    }
}

/// The way to the server, shared by everything of one log. Every client is worked by the runtime that the first was made on,
/// whoever needs it.
pub(super) struct Connection {
    runtime: Handle,
    settings: ClientSettings,
    slot: Mutex<Slot>,
    metrics: LogMetrics,
}

struct Slot {
    client: Option<Client>,
    generation: u64,
    made_at: Instant,
}

impl Connection {
    /// Makes the first client. Nothing is connected yet.
    pub(super) async fn open(settings: ClientSettings, metrics: LogMetrics) -> Result<Self, LogError> {
        set_up_tls(&settings).await?;
        let client = Some(make(&settings)?);
        let slot = Mutex::new(Slot { client, generation: 0, made_at: Instant::now() });
        Ok(Self { runtime: Handle::current(), settings, slot, metrics })
    }

    /// The current client with its generation; a new one when the last was given up, not too soon after it.
    async fn client(&self) -> Result<(Client, u64), LogError> {
        loop {
            let wait = {
                let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(client) = &slot.client {
                    return Ok((client.clone(), slot.generation));
                }
                let wait = CLIENT_PAUSE.saturating_sub(slot.made_at.elapsed());
                if wait.is_zero() {
                    let _on_ours = self.runtime.enter();
                    slot.client = Some(make(&self.settings)?);
                    slot.generation += 1;
                    slot.made_at = Instant::now();
                    self.metrics.reconnected();
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Gives up a client that failed, unless that was done already.
    fn retire(&self, generation: u64) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.generation == generation {
            slot.client = None;
        }
    }

    /// Runs an operation once, at most for `limit`.
    pub(super) async fn once<T, F>(
        &self,
        limit: Duration,
        operation: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = eventstore::Result<T>>,
    {
        let (client, generation) =
            self.client().await.map_err(|error| Failure::Refused(error.to_string()))?;
        let done = tokio::time::timeout(limit, operation(client)).await;
        let error = match done.unwrap_or(Err(eventstore::Error::DeadlineExceeded)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // The client follows a leader by itself; everything else that is lost takes a new look at the cluster.
        let follows = matches!(error, eventstore::Error::NotLeaderException(_));
        let failure = Failure::from(error);
        if matches!(failure, Failure::Lost(_)) && !follows {
            self.retire(generation);
        }
        Err(failure)
    }

    /// Runs an operation that may be repeated, again and again for as long as `patience` lasts.
    pub(super) async fn patiently<T, F>(
        &self,
        limit: Duration,
        patience: Duration,
        mut operation: impl FnMut(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = eventstore::Result<T>>,
    {
        let mut backoff = Backoff::new(patience);
        loop {
            match self.once(limit, &mut operation).await {
                Err(Failure::Lost(reason)) => {
                    if !backoff.wait().await {
                        return Err(Failure::Lost(reason));
                    }
                }
                result => return result,
            }
        }
    }
}

/// Pauses that grow, for as long as patience lasts.
pub(super) struct Backoff {
    until: Instant,
    pause: Duration,
}

impl Backoff {
    pub(super) fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, pause: RETRY_FIRST }
    }

    /// Waits before the next attempt; `false`, at once, when there is to be none.
    pub(super) async fn wait(&mut self) -> bool {
        if Instant::now() + self.pause > self.until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(RETRY_MAX);
        true
    }
}

fn unavailable(reason: String) -> LogError {
    LogError::Unavailable { attempt: "setting up the client", reason }
}

fn make(settings: &ClientSettings) -> Result<Client, LogError> {
    Client::new(settings.clone()).map_err(|error| unavailable(error.to_string()))
}

/// Lets the first client of the process install its TLS provider before anything else does: it ends if one is there.
async fn set_up_tls(settings: &ClientSettings) -> Result<(), LogError> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    let set_up = || async {
        if rustls::crypto::CryptoProvider::get_default().is_some() {
            let reason =
                "something else of this process has set up TLS before; the log has to be opened first";
            return Err(unavailable(reason.to_owned()));
        }
        let _client = make(settings)?;
        let installed = async {
            while rustls::crypto::CryptoProvider::get_default().is_none() {
                tokio::time::sleep(TLS_SETUP_POLL).await;
            }
        };
        tokio::time::timeout(TLS_SETUP_TIMEOUT, installed)
            .await
            .map_err(|_| unavailable("TLS was not set up in time".to_owned()))
    };
    DONE.get_or_try_init(set_up).await.map(|&()| ())
}
