//! What fetches rely on and pushes leave behind: generations of commits that came in disorder, and
//! what an older packhouse stored: the commits of tags, and the index. Done at consolidation, while
//! no client waits; the tags also before a fetch that comes first.

use std::cmp::Reverse;

use packhouse_catalog::convert_index::{convert_index, old_indexes};
use packhouse_catalog::generations::{CommitParents, number};
use packhouse_catalog::{PublishOutcome, RepoRow, RunsToMerge, Snapshot};
use packhouse_core::ports::MAX_IDS;
use packhouse_core::record::Tag;
use packhouse_core::{EntityId, Kind, Span};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_run::{LocatedRow, Locator, SpanReader};
use tokio::runtime::Handle;

use super::load::distinct_packs;
use super::{Store, TRIES, blocking};

/// Commits that a page of the catalog holds, or that one transaction numbers.
const PAGE: u32 = 8192;

impl Store {
    /// The number of repos with indexes that an older packhouse wrote. They are converted by
    /// `migrate`, and by their next consolidations.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn old_indexes(&self) -> Result<u64> {
        old_indexes(self.catalog.as_ref()).await
    }

    /// Numbers commits and reads tags again where fetches can't rely on the catalog, converts an
    /// old index, and merges `runs` of it. What fails is left to the next consolidation: until then,
    /// fetches read more.
    pub(super) async fn prepare_fetches(&self, row: &RepoRow, runs: RunsToMerge) {
        let prepared = async {
            self.renumber(row.id).await?;
            self.tell_tags(row).await?;
            convert_index(self.catalog.as_ref(), row.id).await?;
            self.merge_index(row.id, runs).await
        };
        match prepared.await {
            Ok(_) | Err(Error::DeletedMeanwhile) => {}
            Err(error) => {
                let repo = &row.name;
                tracing::warn!(
                    "fetches of {repo} read more than they need until the next gc: {error}"
                );
            }
        }
    }

    /// Numbers all commits of a repo with a walk floor, and raises the floor. Leaves it as it is if
    /// the repo keeps changing.
    async fn renumber(&self, repo: i64) -> Result<()> {
        for _ in 0..TRIES {
            if self.renumber_once(repo).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The same, once; false if the repo has changed. About 170 bytes of memory a commit.
    async fn renumber_once(&self, repo: i64) -> Result<bool> {
        let mut snapshot = self.catalog.snapshot(repo).await?;
        if snapshot.walk_floor().await?.is_none() {
            return Ok(true);
        }
        let row = snapshot.repo().clone();
        let commits = read_commits(snapshot.as_mut()).await?;
        drop(snapshot);
        let (numbering, raised) = blocking(move || {
            let before: Vec<u64> = commits.iter().map(|commit| commit.least).collect();
            let mut numbering = number(commits, |_| None);
            // Both are in the order of ids.
            let mut raised: Vec<(EntityId, u64)> = std::mem::take(&mut numbering.generations)
                .into_iter()
                .zip(before)
                .filter(|((_, generation), before)| generation > before)
                .map(|(numbered, _)| numbered)
                .collect();
            raised.sort_unstable_by_key(|(_, generation)| Reverse(*generation));
            Ok((numbering, raised))
        })
        .await?;
        for page in raised.chunks(PAGE as usize) {
            if self.catalog.renumber(&row, page).await? == PublishOutcome::Changed {
                return Ok(false);
            }
        }
        let ended = self.catalog.end_renumbering(&row, numbering.floor, &numbering.awaited).await?;
        Ok(ended != PublishOutcome::Changed)
    }

    /// Reads the records of tags whose commits the catalog does not have, and records those.
    ///
    /// # Errors
    /// Damage, where a tag of the index is in no pack.
    pub(super) async fn tell_tags(&self, row: &RepoRow) -> Result<()> {
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let tags = snapshot.tags_without_commit(u32::MAX).await?;
        if tags.is_empty() {
            return Ok(());
        }
        let packs = distinct_packs(&snapshot.shelves().await?);
        let mut locator = self.locator(&row.name, packs);
        let mut commits = Vec::with_capacity(tags.len());
        for page in tags.chunks(MAX_IDS as usize) {
            let located = locator.locate(snapshot.as_mut(), Kind::Tag, page).await?;
            let found = located.into_iter().flatten().collect();
            commits.extend(self.commits_of_tags(&row.name, &locator, found).await?);
        }
        drop(snapshot);
        self.catalog.tell_tags(row.id, &commits).await
    }

    /// The commits that tags name, read from their records.
    async fn commits_of_tags(
        &self,
        repo: &RepoName,
        locator: &Locator,
        tags: Vec<LocatedRow>,
    ) -> Result<Vec<(EntityId, EntityId)>> {
        let mut reader = SpanReader::of(locator, Handle::current());
        let spans: Vec<Span> = tags.iter().map(|tag| tag.row.span(tag.pack)).collect();
        let read = blocking(move || reader.read(&spans)).await?;
        let commit = |(tag, bytes): (&LocatedRow, _)| match Tag::parse(bytes) {
            Ok(parsed) => Ok((tag.row.id, parsed.commit)),
            Err(error) => {
                let key = locator.packs()[tag.pack as usize].key;
                Err(self.damaged(repo, &key, error.reason))
            }
        };
        tags.iter().zip(read.iter().map(AsRef::as_ref)).map(commit).collect()
    }
}

/// All commits of a repo, by id, with their numbers as the least that they may get.
async fn read_commits(snapshot: &mut dyn Snapshot) -> Result<Vec<CommitParents>> {
    let mut commits: Vec<CommitParents> = Vec::new();
    loop {
        let page = snapshot.commits(commits.last().map(|last| last.commit), PAGE).await?;
        if page.is_empty() {
            return Ok(commits);
        }
        commits.extend(page.into_iter().map(|one| CommitParents {
            commit: one.edges.commit,
            parents: one.edges.parents,
            least: one.generation,
        }));
    }
}
