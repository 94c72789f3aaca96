//! What the server tells of itself.

pub mod get_keys;
pub mod get_live_events;
pub mod get_openapi;
pub mod run_commands;
