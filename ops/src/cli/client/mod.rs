//! `envoi client`: a person's or bot's client on the command line. One file a verb; keys and session lie in a profile.

mod confirm;
mod conversation;
mod delete;
mod devices;
mod edit;
mod explain;
mod history;
mod listen;
mod listing;
mod login;
mod logout;
mod names;
mod org;
mod profile;
mod react;
mod register;
mod safety_number;
mod secret;
mod send;
mod sessions;
mod sync;
mod whoami;
mod workspace;

use clap::Subcommand;
use envoi_client::{Client, Error, Server};
use zeroize::Zeroizing;

use self::explain::explain;
use self::profile::Profile;
use super::{CliError, Global, Output};

/// Where a server is when none is named: `envoi dev` listens there.
const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";

/// Arguments of `envoi client`.
#[derive(clap::Args)]
pub struct Args {
    /// Address of the server; without it the one that the profile was made for, or http://127.0.0.1:8080.
    #[arg(long, global = true, env = "ENVOI_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Whose keys and session: one profile for each account and device.
    #[arg(long, global = true, env = "ENVOI_PROFILE", default_value = "default", value_name = "NAME")]
    profile: Profile,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Confirm your e-mail address by the token that was sent to it.
    Confirm(confirm::Args),
    /// Open conversations; list them and their members; add and remove members.
    Conversation(conversation::Args),
    /// Delete a message for everyone.
    Delete(delete::Args),
    /// List and revoke your devices.
    Devices(devices::Args),
    /// Replace the text of a message that you sent.
    Edit(edit::Args),
    /// Show messages of a conversation, decrypted.
    History(history::Args),
    /// Show what happens, as it happens, decrypted.
    Listen(listen::Args),
    /// Log in; the first time also makes this device's keys.
    Login(login::Args),
    /// Log out; the device and its keys stay.
    Logout(logout::Args),
    /// Found and join organizations; list them and their members; invite people.
    Org(org::Args),
    /// React to a message, or take a reaction back.
    React(react::Args),
    /// Register an account.
    Register(register::Args),
    /// Show the number that you and somebody else compare.
    SafetyNumber(safety_number::Args),
    /// Send a message, encrypted.
    Send(send::Args),
    /// List and end your login sessions.
    Sessions(sessions::Args),
    /// Show what changed in your conversations since this device looked last.
    Sync(sync::Args),
    /// Show who is logged in, on which device.
    Whoami(whoami::Args),
    /// Create and list workspaces.
    Workspace(workspace::Args),
}

/// What every verb works with.
struct Place {
    output: Output,
    server: Option<String>,
    profile: Profile,
}

/// A profile that was opened.
struct Opened {
    client: Client,
    /// Of the profile's key file, and of the vault that the server keeps.
    passphrase: Zeroizing<String>,
}

impl Place {
    /// The server, for what needs nobody logged in.
    fn server(&self) -> Result<Server, CliError> {
        Server::new(self.server.as_deref().unwrap_or(SERVER_DEFAULT)).map_err(explain)
    }

    /// Opens the profile's key file and goes on with its session.
    fn open(&self) -> Result<Opened, CliError> {
        let path = self.profile.key_file()?;
        if !path.exists() {
            return Err(CliError::usage(format!("the profile `{}` is not logged in", self.profile))
                .hint("`envoi client login`, or --profile for another one"));
        }
        let passphrase = secret::passphrase()?;
        let client = match &self.server {
            Some(_) => self.server()?.resume(&path, &passphrase),
            None => Client::resume(&path, &passphrase),
        };
        Ok(Opened { client: client.map_err(explain)?, passphrase })
    }

    /// The client of the profile.
    fn client(&self) -> Result<Client, CliError> {
        self.open().map(|opened| opened.client)
    }
}

impl Opened {
    /// Does what needs a conversation's key. While this device waits for its own wrap, the account's vault opens it.
    async fn with_keys<T>(&self, act: impl AsyncFn() -> Result<T, Error>) -> Result<T, CliError> {
        match act().await {
            Err(Error::WaitingForKey { .. }) => {
                self.client.unlock_history(&self.passphrase).await.map_err(explain)?;
                act().await.map_err(explain)
            }
            other => other.map_err(explain),
        }
    }
}

/// Runs `envoi client`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let place = Place { output: global.output, server: args.server, profile: args.profile };
    match args.verb {
        Verb::Confirm(args) => confirm::run(&place, args).await,
        Verb::Conversation(args) => conversation::run(&place, args).await,
        Verb::Delete(args) => delete::run(&place, args).await,
        Verb::Devices(args) => devices::run(&place, args).await,
        Verb::Edit(args) => edit::run(&place, args).await,
        Verb::History(args) => history::run(&place, args).await,
        Verb::Listen(args) => listen::run(&place, args).await,
        Verb::Login(args) => login::run(&place, args).await,
        Verb::Logout(args) => logout::run(&place, args).await,
        Verb::Org(args) => org::run(&place, args).await,
        Verb::React(args) => react::run(&place, args).await,
        Verb::Register(args) => register::run(&place, args).await,
        Verb::SafetyNumber(args) => safety_number::run(&place, args).await,
        Verb::Send(args) => send::run(&place, args).await,
        Verb::Sessions(args) => sessions::run(&place, args).await,
        Verb::Sync(args) => sync::run(&place, args).await,
        Verb::Whoami(args) => whoami::run(&place, args).await,
        Verb::Workspace(args) => workspace::run(&place, args).await,
    }
}
