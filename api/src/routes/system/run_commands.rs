//! `POST /v1/commands`

use crate::extract::Identity;
use crate::invoke::{Answered, Invocation, invoke};
use crate::limits::{BATCH_ANSWER_WAIT, BATCH_BODY_BYTES_MAX, BATCH_COMMANDS_MAX};

use crate::endpoint::prelude::*;

/// The commands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunCommandsBody {
    /// Each is named as its `operationId`.
    #[schemars(length(min = 1, max = BATCH_COMMANDS_MAX))]
    pub commands: Vec<Invocation>,
}

/// What became of them.
#[derive(Serialize, JsonSchema)]
pub struct RunCommandsAnswer {
    /// One for each, in order.
    pub answers: Vec<Answered>,
}

/// See [`Endpoint::ABOUT`].
pub struct RunCommands;

impl Endpoint for RunCommands {
    const ABOUT: About = About::post(
        "system.run_commands",
        "/v1/commands",
        "Executes up to 100 commands, one after another.\n\nEach stands by itself, with its own idempotency key and its own answer, whatever becomes of the others. All share one time: what was not begun when it ended is answered 503.",
    )
    .who(who::ACCOUNTS)
    .status(200)
    .body_bytes_max(BATCH_BODY_BYTES_MAX);
    type Caller = Authenticated;
    type Intent = Exchange;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RunCommandsBody;
    type Answer = RunCommandsAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<RunCommandsAnswer>, Problem> {
        let commands = input.body.commands;
        if commands.is_empty() || commands.len() > BATCH_COMMANDS_MAX {
            return Err(Problem::field("commands", format!("takes 1 to {BATCH_COMMANDS_MAX} commands")));
        }
        let identity = Identity::from(input.caller);
        let deadline = input.deadline - BATCH_ANSWER_WAIT;
        let mut answers = Vec::with_capacity(commands.len());
        for command in &commands {
            answers.push(invoke(state, identity, &input.origin, command, deadline).await);
        }
        Ok(Reply::new(RunCommandsAnswer { answers }))
    }
}
