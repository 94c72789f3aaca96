//! Whether the database has a form that this release works with: a server on another one would fail where it is used, or
//! misread what is there.

use eventstore_schema::database::{self, Role};
use eventstore_schema::migrations::Form;

use crate::cli::CliError;

/// The forms of all parts of a database.
///
/// # Errors
/// When the database does not answer, or the login may not look.
pub async fn forms(database: &database::Config) -> Result<[Form; 3], tokio_postgres::Error> {
    let client = database::connect(&database::in_role(database, Role::App)).await?;
    Ok([
        eventstore_schema::migrations::form(&client).await?,
        commands::migrations::form(&client).await?,
        projections::migrations::form(&client).await?,
    ])
}

/// Refuses a database of a form that this release does not work with.
///
/// # Errors
/// Names what it has, what is wanted, and what to do.
pub async fn check(database: &database::Config) -> Result<(), CliError> {
    let forms = forms(database).await.map_err(|error| {
        CliError::unavailable("which form the database has cannot be looked up")
            .because(&error)
            .hint("`envoi migrate` makes its tables and gives the right to look")
    })?;
    match forms.iter().find_map(Form::problem) {
        Some((problem, mend)) => Err(CliError::usage(problem).hint(mend)),
        None => Ok(()),
    }
}
