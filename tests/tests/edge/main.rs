//! The edge: what comes in over HTTP is understood, refused or answered as it should be.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod access;
mod addresses;
mod anew;
mod authorization;
mod bad_input;
mod behind;
mod bulk;
mod copied_ids;
mod cors;
mod database_tls;
mod direct;
mod encryption;
mod enumeration;
mod etags;
mod guessing;
mod history;
mod journey;
mod live;
mod mail;
mod outage;
mod overload;
mod people;
mod postgres;
mod readiness;
mod receipts;
mod signing_keys;
mod stale;
mod surface;
mod sync;
mod time_budget;
mod tokens;
mod upgrade;
mod without_token;
mod workers;
