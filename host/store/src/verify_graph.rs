//! What fetches rely on in the catalog: generations of commits, and the commits of tags.

use std::collections::{BTreeSet, HashMap};

use packhouse_catalog::{IndexRow, Snapshot, entity_key};
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS};
use packhouse_core::{EntityId, Kind};
use packhouse_model::error::Result;
use packhouse_model::report::{Problem, ProblemKind};

/// Commits that a page of the catalog holds.
const PAGE: u32 = 8192;

/// What a tag of a pack names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundTag {
    /// Its row in the index, if the index has this encoding.
    pub(super) row: IndexRow,
    pub(super) tag: EntityId,
    pub(super) commit: EntityId,
}

fn problem(entity: String, detail: &str) -> Problem {
    Problem {
        kind: ProblemKind::DamagedCatalog,
        entity: Some(entity),
        pack: None,
        detail: format!("{detail}; restore the catalog from a backup"),
    }
}

/// Below the walk floor, each commit has a greater generation than its parents: a walk ends there.
/// About 60 bytes of memory a commit.
pub(super) async fn verify_generations(
    snapshot: &mut dyn Snapshot,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let floor = snapshot.walk_floor().await?;
    let (mut generations, mut last) = (HashMap::new(), None);
    loop {
        let page = snapshot.commits(last, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.edges.commit);
        generations.extend(page.iter().map(|one| (one.edges.commit, one.generation)));
    }
    let mut last = None;
    loop {
        let page = snapshot.commits(last, PAGE).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.edges.commit);
        for one in page.iter().filter(|one| floor.is_none_or(|floor| one.generation < floor)) {
            let is_above = |parent| {
                generations.get(&parent).is_none_or(|generation| *generation < one.generation)
            };
            if !one.edges.parents().all(is_above) {
                let detail = "its generation in the catalog is not above those of its parents";
                problems.push(problem(format!("commit {}", one.edges.commit), detail));
            }
        }
    }
}

/// The catalog has the commits that tags name. Those that it does not have yet are read before the
/// next fetch.
pub(super) async fn verify_tags(
    snapshot: &mut dyn Snapshot,
    tags: &[FoundTag],
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let unread: BTreeSet<EntityId> =
        snapshot.tags_without_commit(u32::MAX).await?.into_iter().collect();
    for page in tags.chunks((MAX_ITEMS.min(MAX_IDS)) as usize) {
        let keys: Vec<_> = page.iter().map(|found| entity_key(Kind::Tag, found.tag)).collect();
        let indexed = snapshot.lookup(&keys).await?;
        let mut commits: Vec<EntityId> = page.iter().map(|found| found.commit).collect();
        commits.sort_unstable();
        commits.dedup();
        let told: BTreeSet<(EntityId, EntityId)> =
            snapshot.tags_of(&commits).await?.iter().map(|row| (row.entity, row.commit)).collect();
        for (found, indexed) in page.iter().zip(indexed) {
            // A tag can be in several packs, in several encodings: the index has one.
            let is_indexed = indexed.is_some_and(|(_, print)| print == found.row.fingerprint);
            if is_indexed
                && !unread.contains(&found.tag)
                && !told.contains(&(found.tag, found.commit))
            {
                let detail =
                    format!("the catalog does not say that it names commit {}", found.commit);
                problems.push(problem(format!("tag {}", found.tag), &detail));
            }
        }
    }
    Ok(())
}
