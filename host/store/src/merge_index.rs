//! Merges the runs of indexes in the background: of repos that have changed, and of a repo that was
//! consolidated.

use packhouse_catalog::{RunsToMerge, merge_index::merge_index};
use packhouse_model::error::{Error, Result};

use super::Store;
use super::change_cursor::ChangeCursor;

/// Repos that a page of the catalog holds.
const PAGE: u32 = 1000;

/// What a series of merges remembers.
#[derive(Debug, Default)]
pub struct IndexWatch {
    changes: Option<ChangeCursor>,
}

impl Store {
    /// Merges what is due in the indexes of repos to which something was published since the last
    /// call with this `watch`. The first call looks at all. Returns how many runs were replaced.
    ///
    /// # Errors
    /// When the catalog can't be read or written. Then the next call looks at all.
    pub async fn merge_indexes(&self, watch: &mut IndexWatch) -> Result<u64> {
        let mut merged = 0;
        match watch.changes.take() {
            Some(mut changes) => {
                for repo in changes.next(self.catalog.as_ref()).await? {
                    match self.known_repo(&repo).await {
                        Ok(row) => merged += self.merge_index(row.id, RunsToMerge::Due).await?,
                        Err(Error::UnknownRepo(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                watch.changes = Some(changes);
            }
            None => {
                let changes = ChangeCursor::now(self.catalog.as_ref()).await?;
                let mut last = 0;
                loop {
                    let repos = self.catalog.indexes_to_merge(last, PAGE).await?;
                    let Some(repo) = repos.last() else { break };
                    last = *repo;
                    for repo in repos {
                        merged += self.merge_index(repo, RunsToMerge::Due).await?;
                    }
                }
                watch.changes = Some(changes);
            }
        }
        Ok(merged)
    }

    /// Merges runs of the index of one repo. Returns how many were replaced.
    pub(super) async fn merge_index(&self, repo: i64, runs: RunsToMerge) -> Result<u64> {
        merge_index(self.catalog.as_ref(), repo, runs, &|| self.now()).await
    }
}
