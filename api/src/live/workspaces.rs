//! Which accounts on this node may see something of a workspace.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use domain::{AccountId, WorkspaceId};

/// Accounts by workspace. One stays until it leaves the node: whether it is in the workspace still, its memberships tell.
#[derive(Default)]
pub struct Workspaces {
    accounts: HashMap<WorkspaceId, HashSet<AccountId>>,
    of: HashMap<AccountId, HashSet<WorkspaceId>>,
}

impl Workspaces {
    /// The account becomes a member of a conversation there.
    pub fn enter(&mut self, account: AccountId, workspace: WorkspaceId) {
        self.accounts.entry(workspace).or_default().insert(account);
        self.of.entry(account).or_default().insert(workspace);
    }

    /// The account leaves the node.
    pub fn forget(&mut self, account: AccountId) {
        for workspace in self.of.remove(&account).unwrap_or_default() {
            if let Entry::Occupied(mut accounts) = self.accounts.entry(workspace) {
                accounts.get_mut().remove(&account);
                if accounts.get().is_empty() {
                    accounts.remove();
                }
            }
        }
    }

    /// Who may see something of the workspace.
    pub fn accounts(&self, workspace: WorkspaceId) -> impl Iterator<Item = AccountId> {
        self.accounts.get(&workspace).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_the_node_leaves_nothing_behind() {
        let [ann, bob] = [1, 2].map(|byte| AccountId::from_bytes([byte; 16]));
        let [here, there] = [3, 4].map(|byte| WorkspaceId::from_bytes([byte; 16]));
        let mut workspaces = Workspaces::default();
        for (account, workspace) in [(ann, here), (bob, here), (ann, there), (ann, here)] {
            workspaces.enter(account, workspace);
        }
        assert_eq!(workspaces.accounts(here).collect::<HashSet<_>>(), HashSet::from([ann, bob]));
        workspaces.forget(ann);
        assert_eq!(workspaces.accounts(here).collect::<Vec<_>>(), [bob]);
        assert_eq!(workspaces.accounts(there).count(), 0);
        workspaces.forget(bob);
        assert!(workspaces.accounts.is_empty() && workspaces.of.is_empty());
    }
}
