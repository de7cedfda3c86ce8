//! Checks all repos against their policies again and again, at the cost of those that changed.
//!
//! A repo becomes due when something is published to it, when its policy changes, or when a pack of
//! it becomes too old. The first is in the catalog's changes, the last is known from its last check.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{Policy, PolicyCheck};

use super::Store;
use super::change_cursor::ChangeCursor;
use super::policy::CheckedRepo;

/// After this time all repos are checked again, whatever is known of them: a repo that was restored
/// has no new change.
const ALL_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What a series of checks remembers.
#[derive(Debug, Default)]
pub struct PolicyWatch {
    last: Option<Last>,
}

/// What is known since all repos were checked.
#[derive(Debug)]
struct Last {
    /// When that was.
    all_at: Timestamp,
    policies: Vec<(i64, Policy)>,
    changes: ChangeCursor,
    /// When repos become due if nothing is published to them.
    due_at: BTreeMap<RepoName, Timestamp>,
}

impl Store {
    /// Checks repos that may have become due since the last call with this `watch`, and queues their
    /// consolidations. The first call checks all.
    ///
    /// # Errors
    /// When the catalog can't be read. Then the next call checks all.
    pub async fn check_due(&self, watch: &mut PolicyWatch) -> Result<Vec<PolicyCheck>> {
        let last = watch.last.take();
        let now = self.time().await?;
        let policies = self.catalog.policies().await?;
        let is_current = |last: &Last| last.policies == policies && now < last.all_at + ALL_AGAIN;
        let (mut last, checked) = match last.filter(is_current) {
            Some(mut last) => {
                let checked = self.check_some(&mut last, now).await?;
                (last, checked)
            }
            None => {
                let changes = ChangeCursor::now(self.catalog.as_ref()).await?;
                let checked = self.check_repos(None, true).await?;
                (Last { all_at: now, policies, changes, due_at: BTreeMap::new() }, checked)
            }
        };
        for CheckedRepo { check, due_at } in &checked {
            match due_at {
                Some(due_at) => last.due_at.insert(check.repo.clone(), *due_at),
                None => last.due_at.remove(&check.repo),
            };
        }
        watch.last = Some(last);
        Ok(checked.into_iter().map(|checked| checked.check).collect())
    }

    /// Checks repos that changed, or that have become due.
    async fn check_some(&self, last: &mut Last, now: Timestamp) -> Result<Vec<CheckedRepo>> {
        let mut repos = last.changes.next(self.catalog.as_ref()).await?;
        repos.extend(last.due_at.extract_if(.., |_, at| *at <= now).map(|(repo, _)| repo));
        repos.sort_unstable();
        repos.dedup();
        let mut checked = Vec::new();
        for repo in repos {
            match self.check_repos(Some(&repo), true).await {
                Ok(found) => checked.extend(found),
                Err(Error::UnknownRepo(_) | Error::DeletedMeanwhile) => {
                    last.due_at.remove(&repo);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(checked)
    }
}
