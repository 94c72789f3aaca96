//! Shows. The read side: read models folded from the log, and the queries over them.
//!
//! # What this crate guarantees
//!
//! - A projection is a pure fold over keyed rows; live and rebuild run the same one.
//! - Rows and checkpoint are committed together: each event takes effect exactly once.
//! - No event is left out silently: what cannot be folded parks its stream and shows in the status.
//! - A log that is another than the one followed so far is detected, never followed.
//! - Personal data stays sealed: projections hold no keys.
//! - Each release reads tables of its own wherever it makes others of the same events; another release's are followed by its own
//!   processes and dropped when none is left.
//! - Rows of another tenant are refused by PostgreSQL itself, also to a query that forgets to ask.
//!
//! # What it deliberately knows nothing of
//!
//! Commands, rules, keys, HTTP.
//!
//! # Recipe: a read model
//!
//! 1. Its tables: `<name>/tables.rs`, one [`table!`] each; who may see the rows is part of the definition.
//! 2. Its fold: a [`Projector`] in `<name>/mod.rs`; `keys` names the rows that an event touches, `apply` changes them.
//! 3. Its queries: `<name>/queries.rs`, a [`result!`] and a function each, over the views, which it names `read.<relation>`.
//! 4. A line in [`registry`].

pub mod accounts;
mod acquainted;
mod addressed;
pub mod audit;
mod batch;
pub mod cell;
mod checkpoint;
pub mod conversations;
pub mod devices;
mod distance;
pub mod feed;
mod leader;
pub mod messages;
mod metrics;
pub mod migrations;
pub mod organizations;
mod parked;
mod progress;
#[allow(clippy::module_inception)]
mod projections;
mod projector;
pub mod reader;
mod rebuild;
mod retirement;
mod rows;
mod runner;
pub mod sessions;
mod store;
mod structure;
pub mod sync;
pub mod table;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
pub mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod views;
pub mod workspaces;

pub use addressed::{ADDRESSING, addressed};
pub use cell::{Cell, CellError, Sql};
pub use feed::{Feed, FeedSubscription};
pub use metrics::Metrics;
pub use migrations::migrate;
pub use parked::{ParkedStream, parked};
pub use progress::{Progress, State, WaitError};
pub use projections::{
    LAG_EVENTS_MAX, LEADERLESS, Projections, Status, StatusError, Witness, differences, status, witness,
};
pub use projector::{Decoded, Item, Projector, Undecodable};
pub use reader::{
    Ask, PAGE_ROWS_MAX, Page, PageKey, QueryError, ReadModels, Reader, Shape, Snapshot, Viewer,
};
pub use rebuild::{RebuildError, RebuildProgress, Rebuilt, rebuild};
pub use rows::{FoldError, Keys, Rows, TableDef};
pub use store::StoreError;
pub use structure::Difference;
pub use table::{Column, Row, Set, Table, View, Visible};
pub use verify::{SHARED, TableDigest, Verified, VerifiedTable, VerifyError, digests, verify};
pub use views::{Views, qualified};

use std::sync::Arc;

/// Every projection, one line each.
pub fn registry() -> Vec<Arc<dyn Projector>> {
    vec![
        Arc::new(accounts::Accounts),
        Arc::new(audit::Audit),
        Arc::new(conversations::Conversations),
        Arc::new(devices::Devices),
        Arc::new(messages::Messages),
        Arc::new(organizations::Organizations),
        Arc::new(sessions::Sessions),
        Arc::new(workspaces::Workspaces),
    ]
}
