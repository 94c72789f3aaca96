//! The live socket over real sockets, a real log and real read models.

mod access;
mod audience;
mod catch_up;
mod client;
mod frames;
mod missed;
mod order;
mod receipts;
mod removal;
mod resume;
mod signals;
mod site;
mod workspaces;
