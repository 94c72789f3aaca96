//! For tests: read models in memory and histories to fold.

mod fold;
mod history;

pub use fold::Fold;
pub use history::History;
