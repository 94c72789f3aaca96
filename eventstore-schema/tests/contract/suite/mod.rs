//! The suite.

pub mod appending;
mod model;
pub mod reading;
pub mod together;
