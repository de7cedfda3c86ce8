//! The host, seen by the core.

use std::cell::Cell;
use std::cmp::Ordering;

use packhouse_core as core;
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, Span,
};

use crate::convert::{from_ids, id, page};
use crate::packhouse::engine::{database, storage, types};

/// The host.
pub(crate) struct Imports;

thread_local! {
    /// The host's limits, which don't change during a run.
    static LIMITS: Cell<Option<Limits>> = const { Cell::new(None) };
}

impl core::Storage for Imports {
    fn limits(&mut self) -> Limits {
        LIMITS.get().unwrap_or_else(|| {
            let limits = storage::limits().into();
            LIMITS.set(Some(limits));
            limits
        })
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let rows = storage::pack_index(pack, first, limit)?;
        Ok(Page { items: rows.items, done: rows.done })
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        let spine = storage::spine(pack, first, limit)?;
        Ok(Page { items: spine.items, done: spine.done })
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let spans: Vec<types::Span> = spans.iter().map(|s| (*s).into()).collect();
        Ok(storage::read_records(&spans)?)
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        let pairs: Vec<(types::Span, types::Span)> =
            pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        Ok(storage::compare_records(&pairs)?.into_iter().map(Into::into).collect())
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        let heads = storage::branch_heads(pack, first, limit)?;
        page(heads.items, heads.done)
    }
}

impl core::Database for Imports {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let packs = database::packs(first, limit)?;
        Ok(Page { items: packs.items, done: packs.done }.map(Into::into))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        let heads = database::heads(after, limit)?;
        page(heads.items, heads.done)
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let ancestors = database::history(&from_ids(commits), limit)?;
        page(ancestors.items, ancestors.done)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        Ok(database::walk_floor()?)
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        Ok(located(database::locate(kind.into(), &from_ids(ids))?))
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Ok(located(database::locate(types::EntityKind::Tag, &tags)?))
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        let tags = database::tags(&from_ids(commits), after, limit)?;
        page(tags.items, tags.done)
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        database::base()?.map(TryInto::try_into).transpose()
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        let heads = database::base_heads(first, limit)?;
        let ids = heads.items.iter().map(|text| id(text)).collect::<Result<_, _>>()?;
        Ok(Page { items: ids, done: heads.done })
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        Ok(database::known(kind.into(), &from_ids(ids))?)
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        let conflicts = database::conflicts(first, limit)?;
        Ok(Page { items: conflicts.items, done: conflicts.done }.map(Into::into))
    }
}

fn located(places: Vec<Option<types::Location>>) -> Vec<Option<Location>> {
    places.into_iter().map(|place| place.map(Into::into)).collect()
}
