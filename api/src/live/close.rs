//! Why the server closes a socket, as close codes (RFC 6455, 7.4) that stay what they are.

use actix_http::ws::{CloseCode, CloseReason};

macro_rules! closes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)+) => {
        /// Why the server closes a socket.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Close { $($(#[$doc])* $variant,)+ }

        impl Close {
            /// Every cause.
            pub const ALL: &'static [Close] = &[$(Close::$variant,)+];

            /// The close code.
            pub const fn code(self) -> u16 {
                match self { $(Close::$variant => $code,)+ }
            }

            /// The reason's text, and the label in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Close::$variant => $name,)+ }
            }
        }
    };
}

closes! {
    /// The client closed, or the connection broke.
    ByClient = 1000, "by_client";
    /// The node is stopping: connect again and resume.
    GoingAway = 1001, "going_away";
    /// A frame was larger than the limit.
    FrameTooLarge = 1009, "frame_too_large";
    /// The client did not read as fast as events came: connect again and resume.
    SlowConsumer = 4000, "slow_consumer";
    /// Too many frames were none of those that are known.
    BadFrames = 4400, "bad_frames";
    /// No token, none that holds, or none in time: log in or refresh, then connect again.
    Unauthenticated = 4401, "unauthenticated";
    /// The access token expired: refresh, connect again and resume.
    TokenExpired = 4402, "token_expired";
    /// The session or its device was revoked: log in anew.
    SessionEnded = 4403, "session_ended";
    /// Nothing was heard from the client: connect again and resume.
    Silent = 4408, "silent";
    /// The account or the node has as many sockets as it may.
    TooManyConnections = 4429, "too_many_connections";
    /// The server cannot do it now: wait, connect again and resume.
    Unavailable = 4503, "unavailable";
}

impl From<Close> for CloseReason {
    fn from(close: Close) -> Self {
        CloseReason { code: CloseCode::from(close.code()), description: Some(close.name().to_owned()) }
    }
}
