//! The live socket over real sockets, a real log and real read models.

mod access;
mod audience;
mod client;
mod frames;
mod order;
mod removal;
mod resume;
mod signals;
mod site;
