//! What happened, in numbers.

use std::fmt::Write;

use serde::Serialize;

/// Where a read model is.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectionAt {
    /// Its name.
    pub name: &'static str,
    /// Position of the last event that it shows.
    pub position: Option<u64>,
}

/// Times from the call that sends a message to its arrival, decrypted, at another member, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Half took at most this long.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// What happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// People of the script, each with a client.
    pub people: usize,
    /// Organizations.
    pub organizations: usize,
    /// Lines of the script that were sent.
    pub messages_sent: u64,
    /// Of these, received live by every other member.
    pub messages_received: u64,
    /// Of these, decrypted by every other member to what the script says.
    pub messages_decrypted_equal: u64,
    /// Receptions: one for each message and other member.
    pub receptions: u64,
    /// Of these, equal to the script.
    pub receptions_equal: u64,
    /// Time from sending to reception.
    pub delivery_ms: Percentiles,
    /// Receipts recorded.
    pub receipts: u64,
    /// Deliveries, by message and device, shown as delivered once everybody had said so.
    pub deliveries_delivered: u64,
    /// Deliveries shown as read once everybody had said so.
    pub deliveries_read: u64,
    /// Messages of the past that a second device read and found equal to the script.
    pub second_device_equal: u64,
    /// Generations of the group's key.
    pub generations: u32,
    /// Messages of the group that reached the member who was removed, afterwards.
    pub removed_member_received: u64,
    /// Conversations and organizations of others that the member of the second organization saw anything of.
    pub outsider_saw: u64,
    /// Events that were recorded meanwhile.
    pub events_in_log: Option<u64>,
    /// Where the read models were at the end.
    pub projections: Vec<ProjectionAt>,
    /// Events folded to build all read models anew.
    pub rebuilt_events: Option<u64>,
    /// Whether each table of each read model had the same digest after being built anew.
    pub rebuild_digests_equal: Option<bool>,
    /// How long everything took.
    pub seconds: f64,
    /// What was not as it should be.
    pub failures: Vec<String>,
}

impl Summary {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::from("\n");
        let mut line = |name: &str, value: String| {
            let _infallible = writeln!(text, "{name:<34} {value}");
        };
        let either = |value: Option<u64>| value.map_or_else(|| "not looked at".to_owned(), |n| n.to_string());
        line("people, each a client", self.people.to_string());
        line("organizations", self.organizations.to_string());
        line("messages sent", self.messages_sent.to_string());
        line("received by all other members", self.messages_received.to_string());
        line("decrypted and equal", self.messages_decrypted_equal.to_string());
        line("receptions, equal", format!("{}, {}", self.receptions, self.receptions_equal));
        let Percentiles { p50, p95, p99 } = self.delivery_ms;
        line("delivery p50, p95, p99", format!("{p50:.1} ms, {p95:.1} ms, {p99:.1} ms"));
        line("receipts", self.receipts.to_string());
        let (delivered, read) = (self.deliveries_delivered, self.deliveries_read);
        line("deliveries shown, then read", format!("{delivered}, {read}"));
        line("read on a second device, equal", self.second_device_equal.to_string());
        line("generations of the key", self.generations.to_string());
        line("reached the removed member", self.removed_member_received.to_string());
        line("seen by the other organization", self.outsider_saw.to_string());
        line("events in the log", either(self.events_in_log));
        let positions: Vec<String> = self
            .projections
            .iter()
            .map(|at| {
                format!("{} {}", at.name, at.position.map_or_else(|| "-".to_owned(), |n| n.to_string()))
            })
            .collect();
        if !positions.is_empty() {
            line("positions of the read models", positions.join(", "));
        }
        line("events folded by the rebuild", either(self.rebuilt_events));
        let equal = match self.rebuild_digests_equal {
            Some(true) => "equal",
            Some(false) => "DIFFERENT",
            None => "not compared",
        };
        line("digests before and after", equal.to_owned());
        line("seconds", format!("{:.1}", self.seconds));
        for failure in &self.failures {
            line("FAILED", failure.clone());
        }
        text
    }
}
