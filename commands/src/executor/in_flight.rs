//! The commands that this process is executing, so that a copy that comes in meanwhile is told so.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use domain::CommandId;

use super::{ExecuteError, locked};
use crate::request::{CommandIdentity, Content};

/// Ids of the commands being executed, with what they ask.
#[derive(Clone, Default)]
pub(super) struct InFlight {
    commands: Arc<Mutex<HashMap<CommandId, Content>>>,
}

/// Keeps a command listed until dropped.
pub(super) struct InFlightGuard {
    list: InFlight,
    id: CommandId,
}

impl InFlight {
    /// Lists a command.
    pub(super) fn enter(&self, command: CommandIdentity) -> Result<InFlightGuard, ExecuteError> {
        match locked(&self.commands).entry(command.id) {
            Entry::Vacant(entry) => {
                entry.insert(command.content);
            }
            Entry::Occupied(entry) if *entry.get() == command.content => {
                return Err(ExecuteError::InFlight { command_id: command.id });
            }
            Entry::Occupied(_) => return Err(ExecuteError::CommandReused { command_id: command.id }),
        }
        Ok(InFlightGuard { list: self.clone(), id: command.id })
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        locked(&self.list.commands).remove(&self.id);
    }
}
