//! One node: its log, its place in the cluster, whom it lets in.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::cluster::{Cluster, MemberState};
use crate::faults::Switches;
use crate::log::Log;
use crate::status;

/// What every call of a node is answered from.
pub(crate) struct Node {
    pub(crate) log: Arc<Log>,
    pub(crate) cluster: Arc<Cluster>,
    /// Its place among the cluster's members.
    pub(crate) index: usize,
    pub(crate) switches: Switches,
    pub(crate) max_append_bytes: u64,
    pub(crate) checkpoint_when_caught_up: bool,
    /// The `authorization` header that is let in, when not everybody is.
    pub(crate) authorization: Option<String>,
}

/// The header that a client with these credentials sends (RFC 7617).
pub(crate) fn basic_authorization(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

impl Node {
    /// Lets a call about streams in, or says why not: credentials first, then whether this node is the one to ask.
    pub(crate) async fn admit(&self, metadata: &MetadataMap, is_write: bool) -> Result<(), Status> {
        if let Some(delay) = self.switches.delay() {
            tokio::time::sleep(delay).await;
        }
        self.authenticate(metadata)?;
        let requires_leader = metadata
            .get("requires-leader")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        match self.cluster.state(self.index) {
            MemberState::Leader => Ok(()),
            MemberState::Follower if !requires_leader => Ok(()),
            MemberState::ReadOnlyReplica if !requires_leader && !is_write => Ok(()),
            MemberState::Follower | MemberState::ReadOnlyReplica => Err(match self.cluster.leader() {
                Some(leader) => status::not_leader(&leader.host, leader.port),
                None => status::no_leader_info(),
            }),
            MemberState::CatchingUp | MemberState::Unknown => Err(status::not_ready()),
        }
    }

    fn authenticate(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let Some(expected) = &self.authorization else { return Ok(()) };
        match metadata.get("authorization") {
            Some(given) if given.as_bytes() == expected.as_bytes() => Ok(()),
            Some(_) => Err(status::unauthenticated()),
            None => Err(status::access_denied()),
        }
    }
}
