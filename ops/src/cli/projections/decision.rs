//! What an operator decides about a parked stream: recorded as an event, then carried out by the projection's leader.

use std::sync::Arc;
use std::time::Duration;

use commands::executor::ExecuteError;
use commands::request::{CommandIdentity, Content, Request};
use domain::operations::commands::OperationsCommand;
use domain::operations::{Operations, OperationsId};
use domain::{Actor, CommandId, CorrelationId};
use eventstore_schema::{Position, Revision, StreamId};
use projections::{Feed, Metrics, ParkedStream, Projections, Projector};
use serde_json::json;

use super::{one, parked, unreadable};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global, Output};
use crate::runtime::Backend;

/// Arguments that name a parked stream.
#[derive(clap::Args)]
pub struct Place {
    /// The projection that parked it.
    projection: String,
    /// The stream's name, as `envoi projections parked` shows it.
    stream: StreamId,
    /// Seconds to wait for a projector to do what was decided; it does so later all the same.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
}

/// An installation, and the parked stream that is to be decided about.
pub struct Site {
    backend: Backend,
    projector: Arc<dyn Projector>,
    stream: StreamId,
    wait: Duration,
    output: Output,
}

/// A decision.
pub struct Decision {
    /// What the operator asked for.
    pub verb: &'static str,
    /// The stream as it was found.
    pub parked: ParkedStream,
    /// The command that records it.
    pub command: OperationsCommand,
}

impl Site {
    /// Connects to the installation.
    ///
    /// # Errors
    /// When there is no such projection, or something cannot be reached.
    pub async fn open(global: &Global, place: &Place) -> Result<Self, CliError> {
        let projector = one(&place.projection)?;
        let backend = Backend::connect(&global.configuration()?).await?;
        let wait = Duration::from_secs(place.wait);
        Ok(Self { backend, projector, stream: place.stream, wait, output: global.output })
    }

    /// The parked stream.
    ///
    /// # Errors
    /// When the projection has not parked it.
    pub async fn parked(&self) -> Result<ParkedStream, CliError> {
        if let Some(parked) = self.find().await? {
            return Ok(parked);
        }
        let (name, stream) = (self.projector.name(), self.stream);
        let unread = |error| CliError::unavailable("the log cannot be read").because(&error);
        let events = self.backend.log.read_stream(stream, Revision::new(0), 1).await.map_err(unread)?;
        let error = if events.is_empty() {
            CliError::usage(format!("the log has no stream {stream}"))
        } else {
            CliError::usage(format!("{name} has not parked {stream}: it follows it"))
        };
        Err(error.hint("`envoi projections parked` lists what is parked"))
    }

    async fn find(&self) -> Result<Option<ParkedStream>, CliError> {
        let (name, stream) = (self.projector.name(), self.stream.to_string());
        let all = projections::parked(&self.backend.database).await.map_err(|error| unreadable(&error))?;
        Ok(all.into_iter().find(|one| one.projection == name && one.stream == stream))
    }

    /// Records a decision, waits until the projection's leader has met it, and tells what came of it.
    ///
    /// # Errors
    /// When it is refused, nobody acts on it in time, or the stream is still parked after it.
    pub async fn carry_out(&self, decision: Decision) -> Result<(), CliError> {
        let position = self.record(&decision).await?;
        self.wait(position).await?;
        let now = self.find().await?;
        self.tell(&decision, position, now.as_ref())
    }

    async fn record(&self, decision: &Decision) -> Result<Position, CliError> {
        let parts = &self.backend.parts;
        let named = decision.parked.command();
        let content: [&[u8]; 3] =
            [named.projection.as_bytes(), named.stream.as_bytes(), &named.position.to_be_bytes()];
        let id: CommandId = parts.clock.new_id();
        let command = CommandIdentity { id, content: Content::of(decision.verb, &content) };
        let correlation: CorrelationId = parts.clock.new_id();
        let request = Request::new(parts.clock.now(), Actor::OPERATOR, command, correlation);
        let operations = OperationsId::of(&named.projection);
        let executor = &self.backend.services.executor;
        let executed = executor.execute::<Operations>(operations, decision.command.clone(), &request).await;
        Ok(executed.map_err(|error| refused(&error))?.position)
    }

    async fn wait(&self, position: Position) -> Result<(), CliError> {
        let name = self.projector.name();
        let lost = |error| CliError::unavailable("the log cannot be followed").because(&error);
        let feed = Arc::new(Feed::start(Arc::clone(&self.backend.log)).await.map_err(lost)?);
        let metrics = Metrics::register(&self.backend.registry)
            .map_err(|error| CliError::failed("metrics").because(&error))?;
        let projectors = vec![Arc::clone(&self.projector)];
        let watching = Projections::start(&self.backend.database, &feed, projectors, &metrics, None);
        let bar = Bar::waiting(self.output, format!("waiting for the projector of {name}"));
        let reached = watching.wait_for(name, position, self.wait).await;
        bar.finish();
        let Err(error) = reached else { return Ok(()) };
        let status = projections::status(&self.backend.database, &*self.backend.log).await;
        let own = status.unwrap_or_default().into_iter().find(|row| row.projection == name);
        let mut late = CliError::unavailable(format!(
            "it is decided and recorded at position {position}, but {name} has not come to it within {} s",
            self.wait.as_secs()
        ));
        late.causes.push(own.and_then(|row| row.error).unwrap_or_else(|| error.to_string()));
        Err(late.hint(
            "`envoi projections status`; it is done as soon as a server with the role `projector` runs",
        ))
    }

    fn tell(&self, decision: &Decision, at: Position, now: Option<&ParkedStream>) -> Result<(), CliError> {
        let before = &decision.parked;
        let is_left_out = matches!(decision.command, OperationsCommand::DiscardParkedStream(_));
        let done = if is_left_out { "left_out" } else { "folded" };
        let is_same = now.is_some_and(|now| now.position == before.position);
        let value = json!({
            "projection": before.projection, "stream": before.stream, "position": before.position.get(),
            "decided_at": at.get(), "outcome": if is_same { "failed_again" } else { done },
            "parked": now.map(parked::value),
        });
        let Some(now) = now else {
            self.output.result(&value, || {
                let ParkedStream { projection, stream, position, events, .. } = before;
                let behind = events.saturating_sub(1);
                let folded = match is_left_out {
                    true => format!("left position {position} out"),
                    false => format!("folded position {position}"),
                };
                format!("{projection} {folded}, then what waited behind it ({behind}), and follows {stream} again.")
            });
            return Ok(());
        };
        if self.output.is_json() {
            self.output.result(&value, String::new);
        }
        let what = if is_same {
            format!("{} cannot be folded this time either, attempt {}", now.event_type, now.attempts)
        } else {
            format!(
                "it is done, but the stream is parked again, by {} at position {}",
                now.event_type, now.position
            )
        };
        let mut failed = CliError::check_failed(what);
        failed.causes.push(now.reason.clone());
        Err(failed.hint("ops/docs/runbooks/parked-streams.md"))
    }
}

fn refused(error: &ExecuteError) -> CliError {
    match error {
        ExecuteError::Rejected(rejection) => CliError::usage("it is refused")
            .because(rejection)
            .hint("`envoi projections parked` lists what is parked"),
        retryable if retryable.is_retryable() => CliError::unavailable("it could not be recorded")
            .because(retryable)
            .hint("give the command again: doing it twice does no harm"),
        other => CliError::failed("it could not be recorded").because(other),
    }
}
