//! The edge: what comes in over HTTP is understood, refused or answered as it should be.

mod bad_input;
