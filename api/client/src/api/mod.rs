//! Every route that this client uses, one function each. What goes over the wire is in [`dto`].

pub mod auth;
pub mod conversations;
pub mod devices;
pub mod dto;
pub mod messages;
pub mod organizations;
pub mod sync;
pub mod workspaces;

#[cfg(test)]
mod openapi_tests;
