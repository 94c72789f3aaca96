//! Reactions over real tables and a log in memory, or in each engine where that makes a difference.

mod following;
pub(crate) mod leading;
mod moving;
mod running;
mod watch;
