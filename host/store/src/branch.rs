//! `branch list`, `branch delete`.

use packhouse_catalog::{BranchDeletion, PublishOutcome};
use packhouse_core::Head;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{RepoName, unusable};
use packhouse_model::report::{BranchDeleteReport, BranchReport};
use packhouse_model::text::escaped;

use super::{Store, TRIES};

impl Store {
    /// A repo's branches, by name, including those that are hidden from clients.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let heads = snapshot.heads().await?;
        let default = snapshot.repo().default_branch.clone();
        let mut faults =
            unusable(heads.iter().map(|head| head.branch.as_str()), default.as_deref());
        let report = |head: &Head| BranchReport {
            repo: row.name.clone(),
            name: head.branch.clone(),
            head: head.commit.to_string(),
            default: Some(&head.branch) == default.as_ref(),
            problem: faults.remove(head.branch.as_str()),
        };
        Ok(heads.iter().map(report).collect())
    }

    /// Deletes a branch, by its name or by its escaped name. Commits that only it reached are kept
    /// until `gc` drops what has been unreachable for an age, which begins now. If it was the
    /// default branch, `main` becomes the default, otherwise the first one by name that clients can
    /// store.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`], [`Error::UnknownBranch`]; [`Error::Busy`] when others kept pushing
    /// to the repo.
    pub async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        for _ in 0..TRIES {
            let row = self.known_repo(repo).await?;
            let mut snapshot = self.catalog.snapshot(row.id).await?;
            let (row, heads) = (snapshot.repo().clone(), snapshot.heads().await?);
            drop(snapshot);
            let gone = named(&heads, branch)
                .ok_or_else(|| Error::UnknownBranch {
                    repo: repo.clone(),
                    branch: branch.to_owned(),
                })?
                .clone();
            let default = match row.default_branch.clone() {
                Some(default) if default == gone.branch => next_default(&heads, &gone.branch),
                default => default,
            };
            let deletion = BranchDeletion {
                repo: row.clone(),
                branch: gone.branch.clone(),
                default_branch: default.clone(),
                now: self.time().await?,
            };
            match self.catalog.delete_branch(&deletion).await? {
                PublishOutcome::Done { .. } => {
                    return Ok(BranchDeleteReport {
                        repo: row.name,
                        name: gone.branch,
                        head: gone.commit.to_string(),
                        deleted: true,
                        default_branch: default.unwrap_or_else(|| "main".into()),
                    });
                }
                // The repo was pushed to, or deleted: try again.
                PublishOutcome::Changed | PublishOutcome::LeaseLost => {}
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "a branch was deleted" })
    }
}

/// The branch with this name, otherwise the one with this escaped name.
pub(super) fn named<'a>(heads: &'a [Head], name: &str) -> Option<&'a Head> {
    let mut shown = heads.iter().filter(|head| escaped(&head.branch) == name);
    let exact = heads.iter().find(|head| head.branch == name);
    // If two branches have the same escaped name, it is ambiguous.
    exact.or_else(|| shown.next().filter(|_| shown.next().is_none()))
}

/// The default branch after the old one was deleted.
fn next_default(heads: &[Head], gone: &str) -> Option<String> {
    let left = || heads.iter().map(|head| head.branch.as_str()).filter(|name| *name != gone);
    let unusable = unusable(left(), None);
    let main = left().find(|name| *name == "main");
    main.or_else(|| left().find(|name| !unusable.contains_key(name))).map(str::to_owned)
}
