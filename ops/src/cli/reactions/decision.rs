//! What an operator decides about an event that was set aside: recorded as an event, then carried out by the reaction's leader.

use std::time::Duration;

use commands::executor::ExecuteError;
use commands::reactions::{ParkedEvent, Reactions};
use commands::request::{CommandIdentity, Content, Request};
use domain::operations::commands::OperationsCommand;
use domain::operations::{Operations, OperationsId, reaction_digest};
use domain::{Actor, CommandId, CorrelationId};
use eventstore_schema::Position;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{known, list, open, unreadable};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global, Output};
use crate::runtime::Backend;

/// How often it is looked whether a decision was carried out.
const POLL: Duration = Duration::from_millis(100);

/// Arguments that name an event that was set aside.
#[derive(clap::Args)]
pub struct Place {
    /// The reaction that set it aside.
    reaction: String,
    /// The event's position, as `envoi reactions list` shows it.
    position: u64,
    /// Seconds to wait for a reactor to do what was decided; it does so later all the same.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
}

/// An installation, and the event that is to be decided about.
pub struct Site {
    backend: Backend,
    reactions: Reactions,
    name: &'static str,
    position: Position,
    wait: Duration,
    output: Output,
}

/// A decision.
pub struct Decision {
    /// What the operator asked for.
    pub verb: &'static str,
    /// The command's id.
    pub id: CommandId,
    /// The event as it was found.
    pub parked: ParkedEvent,
    /// The command that records it.
    pub command: OperationsCommand,
}

/// What came of a decision.
enum Came {
    /// The event is no longer set aside.
    Gone,
    /// It was tried again, in vain.
    Failed(ParkedEvent),
    /// Nothing yet.
    Nothing,
}

impl Site {
    /// Connects to the installation.
    ///
    /// # Errors
    /// When there is no such reaction, or something cannot be reached.
    pub async fn open(global: &Global, place: &Place) -> Result<Self, CliError> {
        let (backend, reactions) = open(global).await?;
        let name = known(&reactions, &place.reaction)?;
        let (position, wait) = (Position::new(place.position), Duration::from_secs(place.wait));
        Ok(Self { backend, reactions, name, position, wait, output: global.output })
    }

    /// The event.
    ///
    /// # Errors
    /// When the reaction has not set it aside.
    pub async fn parked(&self) -> Result<ParkedEvent, CliError> {
        let (name, position) = (self.name, self.position);
        self.find().await?.ok_or_else(|| {
            CliError::usage(format!("{name} has not set aside the event at position {position}"))
                .hint("`envoi reactions list` lists what is set aside")
        })
    }

    /// A new command's id.
    pub fn new_command_id(&self) -> CommandId {
        self.backend.parts.clock.new_id()
    }

    async fn find(&self) -> Result<Option<ParkedEvent>, CliError> {
        self.reactions.parked_at(self.name, self.position).await.map_err(|error| unreadable(&error))
    }

    /// Records a decision, waits until the reaction's leader has carried it out, and tells what came of it.
    ///
    /// # Errors
    /// When it is refused, nobody acts on it in time, or the event failed again.
    pub async fn carry_out(&self, decision: Decision) -> Result<(), CliError> {
        let at = self.record(&decision).await?;
        let bar = Bar::waiting(self.output, format!("waiting for the leader of {}", self.name));
        let came = self.wait(&decision).await;
        bar.finish();
        self.tell(&decision, at, came?)
    }

    async fn record(&self, decision: &Decision) -> Result<Position, CliError> {
        let parts = &self.backend.parts;
        let reaction = reaction_digest(self.name);
        let content: [&[u8]; 2] = [reaction.as_bytes(), decision.parked.event_id.as_bytes()];
        let command = CommandIdentity { id: decision.id, content: Content::of(decision.verb, &content) };
        let correlation: CorrelationId = parts.clock.new_id();
        let request = Request::new(parts.clock.now(), Actor::OPERATOR, command, correlation);
        let executor = &self.backend.services.executor;
        let id = OperationsId::of(&reaction);
        let executed = executor.execute::<Operations>(id, decision.command.clone(), &request).await;
        Ok(executed.map_err(|error| refused(&error))?.position)
    }

    async fn wait(&self, decision: &Decision) -> Result<Came, CliError> {
        let began = Instant::now();
        let is_retry = matches!(decision.command, OperationsCommand::RetryParkedEvent(_));
        loop {
            match self.find().await? {
                None => return Ok(Came::Gone),
                Some(now) if is_retry && now.attempts > decision.parked.attempts => {
                    return Ok(Came::Failed(now));
                }
                Some(_) if began.elapsed() >= self.wait => return Ok(Came::Nothing),
                Some(_) => sleep(POLL).await,
            }
        }
    }

    fn tell(&self, decision: &Decision, at: Position, came: Came) -> Result<(), CliError> {
        let Decision { parked, command, .. } = decision;
        let is_discarded = matches!(command, OperationsCommand::DiscardParkedEvent(_));
        let (outcome, now) = match &came {
            Came::Gone if is_discarded => ("discarded", None),
            Came::Gone => ("answered", None),
            Came::Failed(now) => ("failed_again", Some(now)),
            Came::Nothing => {
                let late = format!(
                    "it is decided and recorded at position {at}, but no reactor has done it within {} s",
                    self.wait.as_secs()
                );
                return Err(CliError::unavailable(late).hint(
                    "`envoi reactions`; it is done as soon as a server with the role `reactor` runs and can",
                ));
            }
        };
        let value = json!({
            "reaction": parked.reaction, "position": parked.position.get(), "decided_at": at.get(),
            "outcome": outcome, "parked": now.map(list::value),
        });
        let Some(now) = now else {
            self.output.result(&value, || {
                let (reaction, position) = (&parked.reaction, parked.position);
                match is_discarded {
                    true => format!("{reaction} never answers position {position}, and goes on behind it."),
                    false => format!("{reaction} has answered position {position}, and goes on behind it."),
                }
            });
            return Ok(());
        };
        if self.output.is_json() {
            self.output.result(&value, String::new);
        }
        let what =
            format!("{} could not be answered this time either, attempt {}", now.event_type, now.attempts);
        let mut failed = CliError::check_failed(what);
        failed.causes.extend(now.reason.clone());
        Err(failed.hint("ops/docs/runbooks/parked-streams.md"))
    }
}

fn refused(error: &ExecuteError) -> CliError {
    match error {
        retryable if retryable.is_retryable() => CliError::unavailable("it could not be recorded")
            .because(retryable)
            .hint("give the command again: doing it twice does no harm"),
        other => CliError::failed("it could not be recorded").because(other),
    }
}
