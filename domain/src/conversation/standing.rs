//! What a membership in a conversation rests on: membership of its organization, and of its workspace if it lies in one.
//!
//! Each membership is of a *term*: the revision of the event by which somebody joined. A member of a conversation is recorded
//! with the terms of that moment, and is one as long as both go on. So whoever was removed from organization or workspace is
//! out at once, before anything was taken down here, and stays out when they come back: that is another term.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WorkspaceId;

/// A term in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceTerm {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Revision of the event by which the member joined it.
    pub term: u64,
}

/// The terms that a membership in a conversation rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// In the organization.
    pub organization: u64,
    /// In the workspace, for a conversation that lies in one.
    pub workspace: Option<WorkspaceTerm>,
}

/// What the workspace of a conversation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkspaceStanding {
    /// The term of a member; none for everybody else.
    pub term: Option<WorkspaceTerm>,
    /// Whether its conversations are read-only but for leaving and receipts.
    pub is_archived: bool,
}

/// What organization and workspace say of whoever gives a command, by their streams as the command is decided or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The term of a member of the organization; none for everybody else.
    pub organization: Option<u64>,
    /// What the workspace says, for a conversation that lies in one.
    pub workspace: Option<WorkspaceStanding>,
}

impl Standing {
    /// Of somebody of whom nothing is known: no member of anything.
    pub const NONE: Standing = Standing { organization: None, workspace: None };

    /// Whether the terms go on. Of a workspace that nobody has asked it is not known, so they do not.
    pub fn upholds(&self, terms: &Terms) -> bool {
        let of_workspace = self.workspace.and_then(|workspace| workspace.term);
        self.organization == Some(terms.organization)
            && terms.workspace.is_none_or(|term| of_workspace == Some(term))
    }

    /// Whether the conversation is read-only but for leaving and receipts.
    pub fn is_archived(&self) -> bool {
        self.workspace.is_some_and(|workspace| workspace.is_archived)
    }
}

/// Which terms have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedTerms {
    /// Those in the organization that began before this revision.
    Organization {
        /// Of the organization.
        before: u64,
    },
    /// Those in a workspace that began before this revision.
    Workspace {
        /// Which workspace.
        workspace_id: WorkspaceId,
        /// Of the workspace.
        before: u64,
    },
}

impl EndedTerms {
    /// Whether a membership that rests on `terms` ends with them.
    pub fn end(&self, terms: &Terms) -> bool {
        match self {
            Self::Organization { before } => terms.organization < *before,
            Self::Workspace { workspace_id, before } => {
                terms.workspace.is_some_and(|term| term.workspace_id == *workspace_id && term.term < *before)
            }
        }
    }
}
