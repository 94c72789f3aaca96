//! Reactions over a log in memory and real tables.

mod following;
mod moving;
mod running;
mod watch;
