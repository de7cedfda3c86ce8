//! The commit graph: what the commits of a push reach, their generations, and the tags of commits.
//!
//! All that writes generations locks the repo first.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use packhouse_catalog::generations::{CommitParents, Numbering, number};
use packhouse_catalog::{AwaitedParent, CommitGraph, PublishOutcome, Push, RepoRow, TagRow};
use packhouse_core::{Edges, EntityId};
use packhouse_model::error::Result;

use super::SqlCatalog;
use super::engine::{BATCH, Columns, Engine, Sql, SqlResult, Writing, args, numbers};

/// No parent, or no snapshot.
const NONE: [u8; EntityId::BYTES] = [0xff; EntityId::BYTES];

/// Ids as one value that statements unpack: 33 bytes each.
pub(super) fn packed(ids: impl IntoIterator<Item = EntityId>) -> Vec<u8> {
    ids.into_iter().flat_map(EntityId::to_bytes).collect()
}

/// Records what the commits of a push reach, and numbers those that the repo did not have.
pub(super) async fn put_edges<E: Engine>(tx: &mut Writing<E>, push: &Push) -> SqlResult<u64> {
    if push.edges.is_empty() {
        return Ok(0);
    }
    let repo = push.repo.id;
    let named =
        push.edges.iter().flat_map(|edges| [edges.commit].into_iter().chain(edges.parents()));
    let known = generations_of::<E>(tx, repo, named).await?;
    let new: BTreeMap<EntityId, &Edges> = push
        .edges
        .iter()
        .filter(|edges| !known.contains_key(&edges.commit))
        .map(|edges| (edges.commit, edges))
        .collect();
    let parents =
        |edges: &&Edges| CommitParents { commit: edges.commit, parents: edges.parents, least: 0 };
    let numbering =
        number(new.values().map(parents).collect(), |parent| known.get(&parent).copied());
    // Both are in the order of ids.
    let numbered: Vec<(&Edges, u64)> =
        new.into_values().zip(numbering.generations.iter().map(|one| one.1)).collect();
    let changed = put_new::<E>(tx, repo, &numbered).await?;
    let floor = [numbering.floor, late_parents::<E>(tx, repo, &numbering).await?];
    put_awaited::<E>(tx, repo, &numbering.awaited).await?;
    if let Some(floor) = floor.into_iter().flatten().min() {
        lower_floor::<E>(tx, repo, floor).await?;
    }
    Ok(changed)
}

/// The generations of those of some commits that the repo has.
async fn generations_of<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    commits: impl Iterator<Item = EntityId>,
) -> SqlResult<HashMap<EntityId, u64>> {
    let mut ids: Vec<EntityId> = commits.collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = HashMap::new();
    for chunk in ids.chunks(BATCH) {
        let asked = packed(chunk.iter().copied());
        for row in tx.all(E::GENERATIONS, args![repo, &asked, chunk.len()]).await? {
            found.insert(chunk[row.int("i") as usize], row.count("generation"));
        }
    }
    Ok(found)
}

/// Inserts commits that the repo does not have.
async fn put_new<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    new: &[(&Edges, u64)],
) -> SqlResult<u64> {
    let mut changed = 0;
    for chunk in new.chunks(BATCH / 4) {
        let mut bytes = Vec::with_capacity(chunk.len() * 4 * EntityId::BYTES);
        for (edges, _) in chunk {
            for id in [Some(edges.commit), edges.parents[0], edges.parents[1], edges.snapshot] {
                bytes.extend_from_slice(&id.map_or(NONE, EntityId::to_bytes));
            }
        }
        let generations = numbers(chunk.iter().map(|(_, generation)| *generation as i64));
        changed += tx
            .run(E::PUT_COMMITS, args![repo, &bytes, chunk.len(), &NONE[..], &generations])
            .await?;
    }
    Ok(changed)
}

/// Stops awaiting the new commits. Returns the walk floor that they need: the least generation of a
/// commit whose parent came later, with no lower generation.
async fn late_parents<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    numbering: &Numbering,
) -> SqlResult<Option<u64>> {
    let mut floor = None;
    for chunk in numbering.generations.chunks(BATCH) {
        let ids = packed(chunk.iter().map(|(commit, _)| *commit));
        for row in tx.all(E::TAKE_AWAITED, args![repo, &ids, chunk.len()]).await? {
            let of_child = row.count("generation");
            let commit = EntityId::from_bytes(row.bytes("parent"));
            let place = commit.and_then(|id| chunk.binary_search_by_key(&id, |one| one.0).ok());
            if place.is_some_and(|at| chunk[at].1 >= of_child) {
                floor = Some(floor.map_or(of_child, |floor: u64| floor.min(of_child)));
            }
        }
    }
    Ok(floor)
}

/// Awaits parents, each with the least generation of all commits that name it.
async fn put_awaited<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    awaited: &[AwaitedParent],
) -> SqlResult<()> {
    for chunk in awaited.chunks(BATCH) {
        let parents = packed(chunk.iter().map(|one| one.parent));
        let generations = numbers(chunk.iter().map(|one| one.generation as i64));
        tx.run(E::PUT_AWAITED, args![repo, &parents, chunk.len(), &generations]).await?;
    }
    Ok(())
}

async fn lower_floor<E: Engine>(tx: &mut Writing<E>, repo: i64, floor: u64) -> SqlResult<()> {
    tx.run(
        "UPDATE repos SET walk_floor = $2
         WHERE id = $1 AND (walk_floor IS NULL OR walk_floor > $2)",
        args![repo, floor],
    )
    .await
    .map(drop)
}

/// Records the tags of a pushed pack. The commit of a tag that an older packhouse stored is added.
pub(super) async fn put_tags<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    tags: &[TagRow],
) -> SqlResult<u64> {
    let mut changed = 0;
    for TagRow { entity, text, commit } in tags {
        changed += tx
            .run(
                "INSERT INTO tag_ids (repo, entity, tag_id, commit_id) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (repo, entity) DO UPDATE SET commit_id = excluded.commit_id
                   WHERE tag_ids.commit_id IS NULL",
                args![repo, &entity.to_bytes()[..], text, &commit.to_bytes()[..]],
            )
            .await?;
    }
    Ok(changed)
}

#[async_trait]
impl<E: Engine> CommitGraph for SqlCatalog<E> {
    async fn renumber(
        &self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> Result<PublishOutcome> {
        self.writing("numbering commits", &(repo, generations), |tx, params| {
            Box::pin(renumber::<E>(tx, params))
        })
        .await
    }

    async fn end_renumbering(
        &self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> Result<PublishOutcome> {
        self.writing("numbering commits", &(repo, floor, awaited), |tx, params| {
            Box::pin(end_renumbering::<E>(tx, params))
        })
        .await
    }

    async fn tell_tags(&self, repo: i64, tags: &[(EntityId, EntityId)]) -> Result<()> {
        self.writing("recording the commits of tags", &(repo, tags), |tx, params| {
            Box::pin(tell_tags::<E>(tx, params))
        })
        .await
    }
}

async fn renumber<E: Engine>(
    tx: &mut Writing<E>,
    params: &(&RepoRow, &[(EntityId, u64)]),
) -> SqlResult<PublishOutcome> {
    let (repo, generations) = params;
    tx.maybe(E::LOCK_REPO, args![repo.id]).await?;
    let current = "SELECT 1 FROM repos WHERE id = $1 AND drops = $2 AND deleted_at IS NULL";
    if tx.maybe(current, args![repo.id, repo.drops]).await?.is_none() {
        return Ok(PublishOutcome::Changed);
    }
    let mut rows = 0;
    for chunk in generations.chunks(BATCH) {
        let ids = packed(chunk.iter().map(|(commit, _)| *commit));
        let generations = numbers(chunk.iter().map(|(_, generation)| *generation as i64));
        rows += tx.run(E::PUT_GENERATIONS, args![repo.id, &ids, chunk.len(), &generations]).await?;
    }
    Ok(PublishOutcome::Done { rows })
}

async fn end_renumbering<E: Engine>(
    tx: &mut Writing<E>,
    params: &(&RepoRow, Option<u64>, &[AwaitedParent]),
) -> SqlResult<PublishOutcome> {
    let (repo, floor, awaited) = params;
    let rows = tx
        .run(
            "UPDATE repos SET walk_floor = $3
             WHERE id = $1 AND revision = $2 AND deleted_at IS NULL",
            args![repo.id, repo.revision, floor.map(|floor| floor as i64)],
        )
        .await?;
    if rows == 0 {
        return Ok(PublishOutcome::Changed);
    }
    tx.run("DELETE FROM awaited_parents WHERE repo = $1", args![repo.id]).await?;
    put_awaited::<E>(tx, repo.id, awaited).await?;
    Ok(PublishOutcome::Done { rows: rows + awaited.len() as u64 })
}

async fn tell_tags<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, &[(EntityId, EntityId)]),
) -> SqlResult<()> {
    let (repo, tags) = *params;
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    for (tag, commit) in tags {
        tx.run(
            "UPDATE tag_ids SET commit_id = $3 WHERE repo = $1 AND entity = $2 AND commit_id IS NULL",
            args![repo, &tag.to_bytes()[..], &commit.to_bytes()[..]],
        )
        .await?;
    }
    Ok(())
}
