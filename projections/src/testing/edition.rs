//! Another release: the same projections with other fingerprints.

use std::sync::Arc;

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};
use crate::table::View;

struct InEdition {
    projector: Arc<dyn Projector>,
    edition: u32,
}

impl Projector for InEdition {
    fn name(&self) -> &'static str {
        self.projector.name()
    }

    fn version(&self) -> u32 {
        self.projector.version()
    }

    fn edition(&self) -> u32 {
        self.edition
    }

    fn tables(&self) -> &'static [TableDef] {
        self.projector.tables()
    }

    fn views(&self) -> &'static [View] {
        self.projector.views()
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        self.projector.keys(event, keys);
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        self.projector.apply(event, rows)
    }
}

/// Every projection as in an edition.
pub fn edition(edition: u32) -> Vec<Arc<dyn Projector>> {
    let within = |projector| Arc::new(InEdition { projector, edition }) as Arc<dyn Projector>;
    crate::registry().into_iter().map(within).collect()
}
