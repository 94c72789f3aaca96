//! For tests: read models in memory and histories to fold.

mod database;
mod edition;
mod fold;
mod history;
mod world;

pub use crate::migrations::fingerprint;
pub use database::database;
pub use edition::edition;
pub use fold::Fold;
pub use history::History;
pub use world::World;
