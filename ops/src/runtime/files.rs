//! How many files a process may have open. Each connection is one, so this bounds the live sockets that a server can have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::server::Role;
use crate::cli::CliError;
use crate::config::Config;

/// Files beside connections of clients and to PostgreSQL: listeners, event queues of threads, logs, connections to mail and
/// other servers.
const OTHER_FILES: u64 = 128;
/// Of the connections of clients one in so many is left to requests.
const REQUESTS_SHARE: u64 = 50;
/// Fewer connections of clients are no server.
const CONNECTIONS_MIN: u64 = 64;

/// Raises the soft limit of this process to the hard one and tells it; `u64::MAX` for none.
///
/// # Errors
/// When the system refuses it.
pub fn raise() -> Result<u64, CliError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
            .map_err(|error| CliError::failed("the limit of open files cannot be raised").because(&error))?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Connections that a server takes from clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// All.
    pub connections: usize,
    /// Live sockets among them.
    pub sockets: usize,
}

impl Room {
    /// What a server of this configuration has room for when so many files may be open.
    ///
    /// # Errors
    /// When that is no server.
    pub fn within(files: u64, config: &Config, roles: &[Role]) -> Result<Self, CliError> {
        let own = own_files(config);
        if !roles.contains(&Role::Api) {
            return if files < own {
                Err(too_few(files, own))
            } else {
                Ok(Self { connections: 0, sockets: 0 })
            };
        }
        let connections = files.saturating_sub(own).min(connections_max());
        if connections < CONNECTIONS_MIN {
            return Err(too_few(files, own + CONNECTIONS_MIN));
        }
        let sockets = connections - connections / REQUESTS_SHARE - 1;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self { connections: count(connections), sockets: count(sockets).min(api::Live::SOCKETS_MAX) })
    }

    /// Whether all sockets fit that a server takes.
    pub fn is_full(&self) -> bool {
        self.sockets >= api::Live::SOCKETS_MAX
    }

    /// What to tell operators of one that is not.
    pub fn shortage(&self, files: u64, config: &Config) -> String {
        format!(
            "{files} open files are allowed: there is room for {} live sockets, not for {}, which takes {} files",
            self.sockets,
            api::Live::SOCKETS_MAX,
            own_files(config) + connections_max()
        )
    }
}

/// How operators allow more.
pub const MEND: &str = "raise the hard limit: `LimitNOFILE=` of a systemd unit, else `ulimit -Hn`";

/// Connections at which all live sockets fit.
fn connections_max() -> u64 {
    let sockets = api::Live::SOCKETS_MAX as u64;
    sockets + sockets / (REQUESTS_SHARE - 1) + 2
}

/// Files of a server without clients.
fn own_files(config: &Config) -> u64 {
    let database = &config.database;
    let pools = database.write_connections + database.read_connections + database.projector_connections;
    OTHER_FILES + pools as u64
}

fn too_few(files: u64, needed: u64) -> CliError {
    CliError::usage(format!("{files} open files are allowed, {needed} are needed at least")).hint(MEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(files: u64) -> Result<Room, CliError> {
        Room::within(files, &Config::default(), Role::ALL)
    }

    #[test]
    fn sockets_are_as_many_as_files_let_be() {
        let full = room(u64::MAX).unwrap();
        assert!(full.is_full() && full.connections > full.sockets);
        let needed = own_files(&Config::default()) + connections_max();
        assert_eq!(room(needed).unwrap(), full);
        let less = room(20_000).unwrap();
        assert!(!less.is_full() && (19_000..20_000).contains(&less.sockets));
        assert!(less.connections as u64 + own_files(&Config::default()) <= 20_000);
        assert!(less.shortage(20_000, &Config::default()).contains(&format!("room for {}", less.sockets)));
    }

    #[test]
    fn what_has_no_room_for_clients_is_no_server_of_theirs() {
        let own = own_files(&Config::default());
        assert!(room(own + CONNECTIONS_MIN - 1).is_err());
        assert!(room(own + CONNECTIONS_MIN).unwrap().sockets > 0);
        let others = [Role::Projector, Role::Reactor];
        assert!(Room::within(own, &Config::default(), &others).is_ok());
        assert!(Room::within(own - 1, &Config::default(), &others).is_err());
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_afterwards() {
        let files = raise().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.current.unwrap_or(u64::MAX)), (limit.maximum, files));
    }
}
