//! The host, seen by the core.

use std::cmp::Ordering;

use packhouse_core as core;
use packhouse_core::{AccessError, Edges, EntityId, Head, Kind, PackInfo, Rival, Span};

use crate::convert::{self, from_ids};
use crate::packhouse::engine::{database, storage, types};

/// The host.
pub(crate) struct Imports;

impl core::Storage for Imports {
    fn directory_rows(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Vec<u8>, AccessError> {
        Ok(storage::directory_rows(pack, first, limit)?)
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
    ) -> Result<Vec<Head>, AccessError> {
        convert::heads(storage::branch_heads(pack, first, limit)?)
    }
}

impl core::Database for Imports {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError> {
        Ok(database::packs(first, limit)?.into_iter().map(Into::into).collect())
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError> {
        convert::heads(database::heads(after, limit)?)
    }

    fn history(&mut self, from: &[EntityId], limit: u32) -> Result<Vec<Edges>, AccessError> {
        database::history(&from_ids(from), limit)?.into_iter().map(TryInto::try_into).collect()
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        Ok(database::known(kind.into(), &from_ids(ids))?)
    }

    fn rivals(&mut self, first: u64, limit: u32) -> Result<Vec<Rival>, AccessError> {
        Ok(database::rivals(first, limit)?.into_iter().map(Into::into).collect())
    }
}
