//! A host without an index, for callers that have packs and no catalog.

use std::cmp::Ordering;

use packhouse_core::{
    AccessError, Database, Edges, EntityId, Head, Kind, PackInfo, Rival, Span, Storage,
};

use super::Host;
use crate::page;

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
    fn directory_rows(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Vec<u8>, AccessError> {
        self.storage.directory_rows(pack, first, limit)
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
    ) -> Result<Vec<Head>, AccessError> {
        self.storage.branch_heads(pack, first, limit)
    }
}

impl<S> Database for PacksOnly<S> {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError> {
        Ok(page(&self.packs, u64::from(first), limit))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError> {
        let first = after
            .map_or(0, |after| self.heads.partition_point(|head| head.branch.as_str() <= after));
        Ok(page(&self.heads, first as u64, limit))
    }

    fn history(&mut self, _: &[EntityId], _: u32) -> Result<Vec<Edges>, AccessError> {
        Ok(Vec::new())
    }

    fn known(&mut self, _: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        Ok(vec![false; ids.len()])
    }

    fn rivals(&mut self, _: u64, _: u32) -> Result<Vec<Rival>, AccessError> {
        Ok(Vec::new())
    }
}

impl<S: Storage + Send + 'static> Host for PacksOnly<S> {}
