//! What tests of every crate stand on: a fresh, migrated database each, on a server that all of them share,
//! and a log in any engine.
//!
//! Failing to set a test up fails the test, so this module panics where the product would answer with an error.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a set-up that fails is a test that fails"
)]

mod database;
mod engine;
mod process;
mod server;

pub use database::TestDatabase;
pub use engine::{Engine, LogOptions, TestLog};
pub use server::{TestServer, stop};
