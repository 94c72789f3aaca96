//! The demonstration: plays a transcript with one real client for each person, over HTTP and WebSocket, encrypted, and
//! checks on the way what Envoi promises.

mod acts;
mod inbox;
mod person;
mod play;
mod rebuild;
pub mod script;
pub mod stage;
mod summary;

use std::time::Instant;

use self::play::Play;
use self::script::Script;
use self::stage::Stage;
pub use self::summary::Summary;
use crate::cli::{CliError, Output};

/// Plays the script. What was not as it should be is in [`Summary::failures`].
///
/// # Errors
/// When the play cannot go on.
pub async fn play(stage: &Stage, script: &Script, output: Output) -> Result<Summary, CliError> {
    let began = Instant::now();
    let mut play = Play::begin(stage, script, output).await?;
    play.talk().await?;
    play.receipts().await?;
    play.second_device().await?;
    play.removal().await?;
    play.walls().await?;
    let mut summary = play.end().await?;
    match &stage.backstage {
        Some(backstage) => {
            match stage.rebuilds {
                true => rebuild::compare(backstage, &mut summary, output).await?,
                false => output
                    .step("\nThe read models were left as they are: --rebuild builds them anew and compares"),
            }
            rebuild::look(backstage, &mut summary).await?;
        }
        None => output.step("\nNo database is configured: the log and the read models were not looked at"),
    }
    summary.seconds = began.elapsed().as_secs_f64();
    Ok(summary)
}
