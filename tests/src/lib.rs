//! Proves. A whole server in the test's process, and people who use it.
//!
//! Each test has a [`server::TestServer`] of its own: real PostgreSQL, all projections and reactions, HTTP on a free port.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

pub mod authority;
pub mod contract;
pub mod http;
pub mod mail;
pub mod person;
pub mod server;
