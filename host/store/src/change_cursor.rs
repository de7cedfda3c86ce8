//! Where a reader of the catalog's changes is: so that it looks only at repos that changed.

use packhouse_catalog::Catalog;
use packhouse_model::error::Result;
use packhouse_model::names::RepoName;

/// Of two transactions, the one with the smaller number may become visible later. So many changes
/// are looked at once more.
const OVERLAP: i64 = 64;

/// A position in the changes of a catalog.
#[derive(Debug)]
pub(crate) struct ChangeCursor {
    /// Number of the last change that was seen.
    last: i64,
}

impl ChangeCursor {
    /// After all changes that there are.
    pub(crate) async fn now(catalog: &dyn Catalog) -> Result<ChangeCursor> {
        Ok(ChangeCursor { last: catalog.changed_repos(i64::MAX).await?.last })
    }

    /// The repos that changed since, and some that changed before, by name. Deleted ones are left
    /// out.
    pub(crate) async fn next(&mut self, catalog: &dyn Catalog) -> Result<Vec<RepoName>> {
        let changed = catalog.changed_repos(self.last - OVERLAP).await?;
        self.last = changed.last;
        Ok(changed.repos)
    }
}
