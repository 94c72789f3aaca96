//! The read models are thrown away and built anew from the log: their content is the same.

use std::sync::Arc;

use domain::Digest;

use super::stage::Backstage;
use super::summary::{ProjectionAt, Summary};
use crate::cli::{CliError, Output};

/// How often it is tried while others write: digests compare only when the log has not moved between them.
const TRIES_MAX: u32 = 5;

type Digests = Vec<(&'static str, &'static str, Digest)>;

/// Compares all read models before and after being built anew.
///
/// # Errors
/// When the database cannot be reached or the rebuild fails.
pub async fn compare(backstage: &Backstage, summary: &mut Summary, output: Output) -> Result<(), CliError> {
    output.step("\nAll read models are thrown away and built anew from the log");
    for _ in 0..TRIES_MAX {
        let began = backstage.abreast().await?;
        let before = digests(backstage).await?;
        let all = projections::registry();
        let rebuilt =
            projections::rebuild(&backstage.database, Arc::clone(&backstage.log), all, &|_| ()).await;
        let rebuilt =
            rebuilt.map_err(|error| CliError::check_failed("the rebuild failed").because(&error))?;
        let ended = backstage.abreast().await?;
        let after = digests(backstage).await?;
        summary.rebuilt_events = Some(rebuilt.events);
        let different: Vec<String> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|((projection, table, _), _)| format!("{projection}.{table}"))
            .collect();
        if different.is_empty() && before.len() == after.len() {
            summary.rebuild_digests_equal = Some(true);
            break;
        }
        if began == ended {
            summary.rebuild_digests_equal = Some(false);
            summary.failures.push(format!("other content after the rebuild: {}", different.join(", ")));
            break;
        }
        output.step("  others wrote meanwhile: once more");
    }
    Ok(())
}

/// Looks at the log and how far the read models show it, and changes nothing.
///
/// # Errors
/// When the log cannot be read, or a read model does not come to its end.
pub async fn look(backstage: &Backstage, summary: &mut Summary) -> Result<(), CliError> {
    backstage.abreast().await?;
    summary.events_in_log = Some(backstage.events().await?);
    let positions = backstage.positions().into_iter();
    summary.projections =
        positions.map(|(name, at)| ProjectionAt { name, position: at.map(|at| at.get()) }).collect();
    Ok(())
}

async fn digests(backstage: &Backstage) -> Result<Digests, CliError> {
    let mut digests = Vec::new();
    for projector in projections::registry() {
        let (_, tables) = projections::digests(&backstage.database, &*projector).await.map_err(|error| {
            CliError::unavailable(format!("the read model {} cannot be read", projector.name()))
                .because(&error)
        })?;
        digests.extend(tables.into_iter().map(|table| (projector.name(), table.table, table.digest)));
    }
    Ok(digests)
}
