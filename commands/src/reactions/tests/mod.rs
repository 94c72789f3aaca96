//! Reactions over a log in memory and real tables.

mod following;
mod running;
mod watch;
