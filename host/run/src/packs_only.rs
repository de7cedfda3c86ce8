//! A host without an index, for callers that have packs and no catalog.

use std::cmp::Ordering;

use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};

use super::Host;
use super::calls::heads_page;

/// Packs as one push to an empty repo, without known entities and without history.
///
/// First call [`super::Planner::index`] for the heads, with the packs in any order; then, with the
/// heads, [`super::Planner::consolidate`]. For a consolidation the packs are in the order of
/// `wit/database.wit`: more rows first, equal ones by key.
#[derive(Clone, Debug)]
pub struct PacksOnly<S> {
    /// The bytes of the packs.
    pub storage: S,
    /// The packs, by number.
    pub packs: Vec<PackInfo>,
    /// The repo's heads, by branch name.
    pub heads: Vec<Head>,
}

impl<S: Storage> Storage for PacksOnly<S> {
    fn limits(&mut self) -> Limits {
        self.storage.limits()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        self.storage.pack_index(pack, first, limit)
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        self.storage.spine(pack, first, limit)
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        self.storage.read_records(spans)
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        self.storage.compare_records(pairs)
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        self.storage.branch_heads(pack, first, limit)
    }
}

impl<S> Database for PacksOnly<S> {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        Ok(Page::of(&self.packs, u64::from(first), limit, MAX_ITEMS))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        Ok(heads_page(&self.heads, after, limit))
    }

    fn history(&mut self, _: &[EntityId], _: u32) -> Result<Page<Ancestor>, AccessError> {
        Ok(Page::whole(Vec::new()))
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        Ok(None)
    }

    fn locate(&mut self, _: Kind, ids: &[EntityId]) -> Result<Vec<Option<Location>>, AccessError> {
        Ok(vec![None; ids.len()])
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        Ok(vec![None; tags.len()])
    }

    fn tags(
        &mut self,
        _: &[EntityId],
        _: Option<&str>,
        _: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        Ok(Page::whole(Vec::new()))
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        Ok(None)
    }

    fn base_heads(&mut self, _: u64, _: u32) -> Result<Page<EntityId>, AccessError> {
        Ok(Page::whole(Vec::new()))
    }

    fn known(&mut self, _: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        Ok(vec![false; ids.len()])
    }

    fn conflicts(&mut self, _: u64, _: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page::whole(Vec::new()))
    }
}

impl<S: Storage + Send + 'static> Host for PacksOnly<S> {}
