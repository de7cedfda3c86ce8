//! Releases: commits that clients publish under a tag. Each retains its commit: `gc
//! --expire-unreachable` keeps what it reaches.

use packhouse_catalog::{PutRelease, ReleaseRow};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;

use super::{Store, blocking};

/// Maximum total size of the releases of a repo, in bytes: clients read at most 64 MiB of a
/// response, and they are listed in one.
pub const MAX_RELEASE_BYTES: u64 = 48 << 20;

impl Store {
    /// Publishes a release. Publishing the same release again changes nothing; a different one with
    /// its tag or its id is refused.
    pub async fn put_release(&self, repo: &RepoName, release: &ReleaseRow) -> Result<PutRelease> {
        let row = self.known_repo(repo).await?;
        let put = self.catalog.put_release(row.id, release, MAX_RELEASE_BYTES).await?;
        match put {
            PutRelease::Taken(other) => {
                let release = release.clone();
                // Parsing both takes a while.
                let (other, same) = blocking(move || {
                    let same = is_same(&other, &release);
                    Ok((other, same))
                })
                .await?;
                Ok(if same { PutRelease::Published } else { PutRelease::Taken(other) })
            }
            PutRelease::NoRepo => Err(Error::UnknownRepo(repo.clone())),
            put => Ok(put),
        }
    }

    /// The releases of a repo, newest first.
    pub async fn releases(&self, repo: &RepoName) -> Result<Vec<ReleaseRow>> {
        let row = self.known_repo(repo).await?;
        self.catalog.releases(row.id).await
    }

    /// Retracts a release. Returns whether there was one with that tag.
    pub async fn delete_release(&self, repo: &RepoName, tag: &str) -> Result<bool> {
        let row = self.known_repo(repo).await?;
        self.catalog.delete_release(row.id, tag).await
    }
}

/// Whether two releases are equal as JSON values, regardless of how the JSON is written.
fn is_same(a: &ReleaseRow, b: &ReleaseRow) -> bool {
    let value =
        |release: &ReleaseRow| serde_json::from_str::<serde_json::Value>(&release.body).ok();
    a.body == b.body || (value(a).is_some() && value(a) == value(b))
}
