//! Reactions over real tables and a log in memory, or in each engine where that makes a difference.

mod adopting;
mod at_once;
mod deciding;
mod following;
pub(crate) mod leading;
mod mailing;
mod moving;
mod parking;
mod poisoned;
mod running;
mod watch;
