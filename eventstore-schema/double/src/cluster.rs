//! Who the nodes are and what they say of each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::wire_id;
use crate::proto::gossip::member_info::VNodeState;
use crate::proto::gossip::{ClusterInfo, EndPoint, MemberInfo};
use uuid::Uuid;

/// The high half of the nodes' ids.
const NODE_IDS: u64 = 0x6573_6462_0001_4000;

/// What a node says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Takes every call.
    Leader,
    /// Sends those away that ask for the leader; passes writes of others on to it.
    Follower,
    /// Serves reads that do not ask for the leader.
    ReadOnlyReplica,
    /// Serves nothing yet.
    CatchingUp,
    /// Has lost its leader and serves nothing.
    Unknown,
}

/// The nodes that share a log.
pub(crate) struct Cluster {
    members: Mutex<Vec<Member>>,
}

/// One node, as the others see it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) state: MemberState,
    pub(crate) is_alive: bool,
}

impl Cluster {
    /// Nodes at these ends; the first leads.
    pub(crate) fn new(ends: Vec<(String, u16)>) -> Self {
        let members = ends.into_iter().enumerate().map(|(index, (host, port))| Member {
            host,
            port,
            state: if index == 0 { MemberState::Leader } else { MemberState::Follower },
            is_alive: true,
        });
        Self { members: Mutex::new(members.collect()) }
    }

    pub(crate) fn state(&self, index: usize) -> MemberState {
        self.lock().get(index).map_or(MemberState::Unknown, |member| member.state)
    }

    pub(crate) fn leader(&self) -> Option<Member> {
        self.lock().iter().find(|member| member.is_alive && member.state == MemberState::Leader).cloned()
    }

    pub(crate) fn set_state(&self, index: usize, state: MemberState) {
        let mut members = self.lock();
        for (place, member) in members.iter_mut().enumerate() {
            if place == index {
                member.state = state;
            } else if state == MemberState::Leader && member.state == MemberState::Leader {
                member.state = MemberState::Follower;
            }
        }
    }

    pub(crate) fn set_alive(&self, index: usize, is_alive: bool) {
        if let Some(member) = self.lock().get_mut(index) {
            member.is_alive = is_alive;
        }
    }

    /// What any node answers when it is asked who there is.
    pub(crate) fn gossip(&self) -> ClusterInfo {
        let members = self.lock();
        let told = members.iter().zip(0..).map(|(member, number)| MemberInfo {
            instance_id: Some(wire_id(Uuid::from_u64_pair(NODE_IDS, 0x8000_0000_0000_0000 | number), false)),
            time_stamp: 0,
            state: VNodeState::from(member.state).into(),
            is_alive: member.is_alive,
            http_end_point: Some(EndPoint { address: member.host.clone(), port: u32::from(member.port) }),
        });
        ClusterInfo { members: told.collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<MemberState> for VNodeState {
    fn from(state: MemberState) -> Self {
        match state {
            MemberState::Leader => Self::Leader,
            MemberState::Follower => Self::Follower,
            MemberState::ReadOnlyReplica => Self::ReadOnlyReplica,
            MemberState::CatchingUp => Self::CatchingUp,
            MemberState::Unknown => Self::Unknown,
        }
    }
}
