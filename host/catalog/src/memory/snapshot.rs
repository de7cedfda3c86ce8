//! A copy of a repo.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, EntityId, Head};
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::Damage;

use super::state::{Repo, State};
use crate::{
    CompletePackRow, EntityKey, Freshened, IndexRow, PackChange, PackRow, RepoRow, RetiredPack,
    Shelf, Snapshot, TagRow, breadth_first,
};

struct Copy {
    row: RepoRow,
    repo: Repo,
    /// Those of its shelves, and those that it has retired.
    packs: BTreeMap<MpackKey, PackRow>,
    damage: Vec<Damage>,
}

/// A repo as it is now; none when it was deleted.
pub(super) fn of(state: &State, number: i64) -> Option<Box<dyn Snapshot>> {
    let repo = state.repos.get(&number).filter(|repo| !repo.is_deleted())?;
    let held = repo.shelves.values().map(|shelf| shelf.pack);
    let complete = repo.complete.iter().map(|(pack, _)| *pack);
    let keys = held.chain(repo.retired.keys().copied()).chain(complete);
    Some(Box::new(Copy {
        row: state.row(number),
        repo: repo.clone(),
        packs: keys.map(|key| (key, state.packs[&key].clone())).collect(),
        damage: state.damage(number),
    }))
}

#[async_trait]
impl Snapshot for Copy {
    fn repo(&self) -> &RepoRow {
        &self.row
    }

    async fn shelves(&mut self) -> Result<Vec<Shelf>> {
        Ok(self.repo.shelves(&self.packs))
    }

    async fn packs_on(&mut self, shelves: &[ShelfId]) -> Result<BTreeMap<ShelfId, PackRow>> {
        let found = shelves
            .iter()
            .filter_map(|id| Some((*id, self.packs[&self.repo.shelves.get(id)?.pack].clone())));
        Ok(found.collect())
    }

    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let whole = |key: &MpackKey| {
            self.repo.retired.contains_key(key) && !self.repo.partial.contains(key)
        };
        Ok(keys.iter().map(|key| self.repo.is_on_shelf(key) || whole(key)).collect())
    }

    async fn shelved(&mut self, keys: &[MpackKey]) -> Result<Vec<Option<PackRow>>> {
        let held = |key| self.repo.is_on_shelf(key).then(|| self.packs[key].clone());
        Ok(keys.iter().map(held).collect())
    }

    async fn damage(&mut self) -> Result<Vec<Damage>> {
        Ok(self.damage.clone())
    }

    async fn retired(&mut self) -> Result<Vec<RetiredPack>> {
        Ok(self.repo.retired(&self.packs))
    }

    async fn changes(&mut self, limit: u32) -> Result<Vec<PackChange>> {
        Ok(self.repo.changes.iter().rev().take(limit as usize).copied().collect())
    }

    async fn heads(&mut self) -> Result<Vec<Head>> {
        Ok(self.repo.heads())
    }

    async fn freshened(&mut self, since: Timestamp) -> Result<Freshened> {
        let late = self.repo.freshened.iter().filter(|(_, (at, _))| *at > since);
        let everything = self.repo.all_freshened.is_some_and(|at| at > since);
        Ok(Freshened { everything, entities: late.map(|(entity, _)| *entity).collect() })
    }

    async fn left_heads(&mut self, since: Timestamp) -> Result<Vec<EntityId>> {
        Ok(self
            .repo
            .left_heads
            .iter()
            .filter(|(_, at)| *at > since)
            .map(|(head, _)| *head)
            .collect())
    }

    async fn released(&mut self) -> Result<Vec<EntityId>> {
        Ok(self.repo.releases.iter().map(|release| release.commit).collect())
    }

    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        Ok(breadth_first(commits, limit, |id| self.repo.commits.get(id).copied()))
    }

    async fn commits(&mut self, after: Option<EntityId>, limit: u32) -> Result<Vec<Ancestor>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.repo.commits.range((from, Bound::Unbounded));
        Ok(later.map(|(_, commit)| *commit).take(limit as usize).collect())
    }

    async fn walk_floor(&mut self) -> Result<Option<u64>> {
        Ok(self.repo.walk_floor)
    }

    async fn complete_pack(&mut self) -> Result<Option<CompletePackRow>> {
        let Some((key, complete)) = self.repo.complete.clone() else { return Ok(None) };
        let of_it = |shelf: &Shelf| shelf.pack.key == key;
        let shelves = self.repo.shelves(&self.packs);
        let mapped = shelves.iter().filter(|shelf| of_it(shelf)).map(|shelf| shelf.mapped.total());
        Ok(Some(CompletePackRow { pack: self.packs[&key].clone(), mapped: mapped.sum(), complete }))
    }

    async fn lookup(
        &mut self,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<(ShelfId, Fingerprint)>>> {
        Ok(entities
            .iter()
            .map(|entity| {
                self.repo.entities.get(entity).map(|place| (place.shelf, place.fingerprint))
            })
            .collect())
    }

    async fn index_page(
        &mut self,
        after: Option<&EntityKey>,
        limit: u32,
    ) -> Result<Vec<(IndexRow, ShelfId)>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.repo.entities.range::<EntityKey, _>((from, Bound::Unbounded));
        let rows = rows.map(|(entity, place)| {
            (IndexRow { entity: *entity, fingerprint: place.fingerprint }, place.shelf)
        });
        Ok(rows.take(limit as usize).collect())
    }

    async fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<TagRow>> {
        let named = |tag: &&TagRow| commits.contains(&tag.commit);
        let mut tags: Vec<TagRow> = self.repo.tags.values().filter(named).cloned().collect();
        tags.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        Ok(tags)
    }

    async fn tags_without_commit(&mut self, _: u32) -> Result<Vec<EntityId>> {
        Ok(Vec::new())
    }

    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>> {
        Ok(self.repo.tags.get(&id).map(|tag| tag.text.clone()))
    }

    async fn edge_count(&mut self) -> Result<u64> {
        Ok(self.repo.commits.len() as u64)
    }
}
