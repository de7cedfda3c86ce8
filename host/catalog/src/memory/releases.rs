//! Releases.

use async_trait::async_trait;
use packhouse_core::Kind;
use packhouse_model::error::Result;

use super::MemoryCatalog;
use crate::{PutRelease, ReleaseRow, Releases, entity_key};

#[async_trait]
impl Releases for MemoryCatalog {
    async fn put_release(&self, repo: i64, release: &ReleaseRow, most: u64) -> Result<PutRelease> {
        let mut state = self.write();
        let Some(repo) = state.repos.get_mut(&repo).filter(|repo| !repo.is_deleted()) else {
            return Ok(PutRelease::NoRepo);
        };
        let of_tag = repo.releases.iter().find(|other| other.tag == release.tag);
        let taken = of_tag
            .or_else(|| repo.releases.iter().find(|other| other.release_id == release.release_id));
        if let Some(taken) = taken {
            return Ok(PutRelease::Taken(Box::new(taken.clone())));
        }
        if !repo.entities.contains_key(&entity_key(Kind::Commit, release.commit)) {
            return Ok(PutRelease::UnknownCommit);
        }
        let bytes: usize =
            repo.releases.iter().chain([release]).map(|release| release.body.len()).sum();
        if bytes as u64 > most {
            return Ok(PutRelease::TooMuch);
        }
        repo.row.revision += 1;
        repo.releases.push(release.clone());
        Ok(PutRelease::Published)
    }

    async fn releases(&self, repo: i64) -> Result<Vec<ReleaseRow>> {
        let state = self.read();
        Ok(state
            .repos
            .get(&repo)
            .into_iter()
            .flat_map(|repo| repo.releases.iter().rev())
            .cloned()
            .collect())
    }

    async fn delete_release(&self, repo: i64, tag: &str) -> Result<bool> {
        let mut state = self.write();
        let releases = &mut state.of(repo).releases;
        let before = releases.len();
        releases.retain(|release| release.tag != tag);
        Ok(releases.len() < before)
    }
}
