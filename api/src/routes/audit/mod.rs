//! The audit log.

pub mod list_events;
