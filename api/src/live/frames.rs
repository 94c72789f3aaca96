//! What goes up and down the live socket: JSON objects with one member, whose name says what it is.

use std::sync::Arc;

use bytes::Bytes;
use domain::{AccountId, ConversationId, DeviceId, Timestamp};
use eventstore_schema::Position;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::Entry;
use crate::invoke::{Answered, Invocation};

/// From a client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Up {
    /// Begins: once, and first.
    Hello(Hello),
    /// Proves anew who it is, before the access token expires.
    Authenticate(Authenticate),
    /// A command; answered under its id, in the order of completion.
    Command(CommandFrame),
    /// Somebody types, or stopped.
    Typing(TypingUp),
    /// How the device's owner is to be shown.
    Presence(PresenceUp),
    /// Whose presence is wanted, instead of what was wanted before.
    Watch(Watch),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    /// The access token, unless the handshake carried it.
    #[serde(default)]
    pub token: Option<String>,
    /// Cursor of the last event that arrived.
    #[serde(default)]
    pub resume_after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authenticate {
    pub token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandFrame {
    /// The client's name for the command.
    pub id: String,
    pub invocation: Invocation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypingUp {
    pub conversation_id: ConversationId,
    pub active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceUp {
    pub status: Status,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watch {
    pub account_ids: Vec<AccountId>,
}

/// How somebody is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// There.
    Online,
    /// Connected, but not there.
    Away,
    /// Not connected. Clients never say it: they close.
    #[serde(skip_deserializing)]
    Offline,
}

/// Why events were missed and cannot be had any more: read anew what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResetReason {
    /// The cursor is of another log.
    OtherLog,
    /// Too much happened since.
    TooOld,
    /// The cursor is not one that this account was given.
    Unreadable,
}

/// To a client, except events.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Down<'a> {
    Answer {
        id: &'a str,
        answer: &'a Answered,
    },
    Authenticated {
        expires_at: Timestamp,
    },
    Cursor {
        cursor: &'a str,
    },
    Presence {
        account_id: AccountId,
        status: Status,
    },
    Problem(&'a Value),
    Reset {
        reason: ResetReason,
    },
    Typing {
        conversation_id: ConversationId,
        account_id: AccountId,
        device_id: Option<DeviceId>,
        active: bool,
    },
    Welcome {
        cursor: Option<&'a str>,
        heartbeat_seconds: u64,
    },
}

impl Down<'_> {
    /// The frame's text.
    pub(super) fn text(&self) -> Arc<str> {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// What waits in a connection's queue.
pub(super) enum Outgoing {
    /// An event, serialised once for all.
    Event(Arc<Entry>),
    /// The socket follows from behind this place.
    Welcome(Option<Position>),
    /// Everything up to this place was handed on.
    Cursor(Position),
    /// A frame.
    Text(Arc<str>),
    /// Whether the client is still there.
    Ping,
    /// That the server is still there.
    Pong(Bytes),
}

/// Why the server closes a socket. Codes from 4000 on are ours (RFC 6455 section 7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// The client does not read as fast as events come: reconnect and resume.
    Slow,
    /// No access token that holds, or it expired.
    Unauthenticated,
    /// The session ended, or its device was revoked.
    Revoked,
    /// The client does not keep to the protocol.
    Protocol,
    /// The account has too many sockets.
    TooMany,
    /// The server stops or cannot go on: reconnect and resume.
    GoingAway,
    /// Nothing was heard of the client for too long.
    Silent,
}

impl Closing {
    /// The close code.
    pub(super) const fn code(self) -> u16 {
        match self {
            Closing::GoingAway => 1001,
            Closing::Slow => 4000,
            Closing::Unauthenticated => 4001,
            Closing::Revoked => 4002,
            Closing::Protocol => 4003,
            Closing::TooMany => 4004,
            Closing::Silent => 4005,
        }
    }

    /// What to do, for people and logs.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Closing::GoingAway => "going away: reconnect and resume",
            Closing::Slow => "too slow: reconnect and resume",
            Closing::Unauthenticated => "unauthenticated: get a new access token",
            Closing::Revoked => "session ended: log in again",
            Closing::Protocol => "not understood",
            Closing::TooMany => "too many sockets of this account",
            Closing::Silent => "nothing heard: reconnect and resume",
        }
    }

    /// As a label of metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Closing::GoingAway => "going_away",
            Closing::Slow => "slow",
            Closing::Unauthenticated => "unauthenticated",
            Closing::Revoked => "revoked",
            Closing::Protocol => "protocol",
            Closing::TooMany => "too_many",
            Closing::Silent => "silent",
        }
    }
}
