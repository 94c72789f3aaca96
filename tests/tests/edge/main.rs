//! The edge: what comes in over HTTP is understood, refused or answered as it should be.

mod authorization;
mod bad_input;
mod encryption;
mod outage;
mod surface;
mod tokens;
