//! The server's own events: what a new server writes, and its statistics.

use bytes::Bytes;
use uuid::Uuid;

use super::{Log, Proposed, State};
use crate::event;

/// The high half of the ids of events the server itself writes.
const OWN_IDS: u64 = 0x6573_6462_0000_4000;

const STATS_STREAM: &str = "$stats-127.0.0.1:2113";

impl Log {
    /// Writes what a new server finds in its log before any client came.
    pub(crate) fn write_first_events(&self) {
        for (stream, event_type, data) in [
            (
                "$$$stats-127.0.0.1:2113",
                "$metadata",
                r#"{"$maxAge":86400,"$acl":{"$r":"$ops","$mr":"$ops"}}"#,
            ),
            ("$epoch-information", "$epoch-information", r#"{"epochNumber":0,"epochPosition":0}"#),
            ("$user-admin", "$UserCreated", r#"{"loginName":"admin","groups":["$admins"]}"#),
            ("$users", "$User", "admin"),
            ("$user-ops", "$UserCreated", r#"{"loginName":"ops","groups":["$ops"]}"#),
            ("$users", "$User", "ops"),
            ("$$$users", "$metadata", r#"{"$acl":{"$r":"$admins"}}"#),
            ("$settings", "$settings", r#"{"$userStreamAcl":{"$r":"$all"}}"#),
        ] {
            self.write_own(stream, event_type, data.to_owned());
        }
    }

    /// Writes one event of statistics.
    pub(crate) fn write_stats(&self) {
        self.write_own(STATS_STREAM, "$statsCollected", stats_body());
    }

    /// Writes statistics after every so many events of clients.
    pub(crate) fn write_stats_every(&self, events: Option<u64>) {
        self.lock().stats.every = events;
    }

    /// Writes an event under an id of the server's own; data that begins as an object is JSON.
    pub(crate) fn write_own(&self, stream: &str, event_type: &str, data: String) -> u64 {
        let mut state = self.lock();
        let event = own_event(state.own_id(), stream, event_type, data);
        let position = state.push(stream, event);
        let length = state.records.len();
        drop(state);
        self.announce(length);
        position
    }
}

impl State {
    /// An id no client makes: there is one record for each.
    pub(super) fn own_id(&self) -> Uuid {
        Uuid::from_u64_pair(OWN_IDS, 0x8000_0000_0000_0000 | self.records.len() as u64)
    }

    pub(super) fn write_due_stats(&mut self) {
        if self.stats.every.is_some_and(|every| self.stats.since >= every) {
            self.stats.since = 0;
            let event = own_event(self.own_id(), STATS_STREAM, "$statsCollected", stats_body());
            self.push(STATS_STREAM, event);
        }
    }
}

fn stats_body() -> String {
    r#"{"proc-cpu":0.1,"sys-freeMem":1073741824}"#.to_owned()
}

/// The stream that holds another's metadata.
pub(super) fn metadata_stream(stream: &str) -> String {
    format!("$${stream}")
}

/// An event of the server's own.
pub(super) fn own_event(id: Uuid, stream: &str, event_type: &str, data: String) -> Proposed {
    let is_json = data.starts_with('{');
    event::proposed(id, stream, event_type.to_owned(), is_json, Bytes::new(), Bytes::from(data))
}
