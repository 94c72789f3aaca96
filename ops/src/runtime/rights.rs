//! What the login of a server may do in the database: as much as it needs, and no more.

use eventstore_schema::database::{self, Role};
use tokio_postgres::{Client, Error};

use crate::cli::CliError;

const RIGHTS: &str = include_str!("rights.sql");

/// What was found about the login of a session.
#[derive(Debug)]
pub struct Rights {
    /// Its name.
    pub login: String,
    /// Roles that it cannot assume, or that are not there.
    pub unassumable: Vec<String>,
    /// What the roles cannot do without, and have not.
    pub lacking: Vec<String>,
    /// What a server does without, as `owns the database`.
    pub beyond: Vec<String>,
    /// Whether connections of a server that hangs can be ended by the one that takes over what it led.
    pub can_be_ended: bool,
}

impl Rights {
    /// Looks them up. Whatever is not there yet because nothing was migrated lacks nothing.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn of(client: &Client) -> Result<Self, Error> {
        let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        let row = client.query_one(RIGHTS, &[&roles]).await?;
        Ok(Self {
            login: row.try_get(0)?,
            unassumable: row.try_get(1)?,
            lacking: row.try_get(2)?,
            beyond: row.try_get(3)?,
            can_be_ended: row.try_get(4)?,
        })
    }

    /// What keeps a server from working, with what to do.
    pub fn missing(&self) -> Option<(String, String)> {
        if !self.unassumable.is_empty() {
            let roles = self.unassumable.join(", ");
            let found = format!("the login {} cannot assume {roles}", self.login);
            let grant = format!(
                "`envoi migrate` makes them; a superuser lets it: GRANT {roles} TO \"{}\"",
                self.login
            );
            return Some((found, grant));
        }
        if !self.lacking.is_empty() {
            let found = format!("rights are missing: {}", self.lacking.join(", "));
            return Some((found, GIVEN_BY_MIGRATIONS.to_owned()));
        }
        None
    }
}

/// A copy of a database lacks what was granted on the database itself, and one without owners and rights lacks the others.
const GIVEN_BY_MIGRATIONS: &str = "`envoi migrate` gives the right on the database; the others come with the tables: restore them with \
     their owners and rights (ops/docs/runbooks/backup-restore.md)";

/// Looks whether the configured login can do what a server does. A database that does not answer is left to be found by
/// whoever needs it.
///
/// # Errors
/// Names what the login cannot do, and what to do.
pub async fn check(database: &database::Config) -> Result<(), CliError> {
    let Ok(client) = database::connect(database).await else { return Ok(()) };
    let rights = Rights::of(&client).await;
    let rights = rights.map_err(|error| {
        CliError::unavailable("the rights of the login cannot be looked up").because(&error)
    })?;
    match rights.missing() {
        Some((found, mend)) => Err(CliError::usage(found).hint(mend)),
        None => Ok(()),
    }
}
