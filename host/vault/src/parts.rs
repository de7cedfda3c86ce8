//! Parts of packs and of their directories.

use std::ops::Range;

use bytes::Bytes;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use crate::objects::ObjectName;
use crate::ranges::{FILE_GAP, cut_all, runs};
use crate::vault::{Packs, Vault};

/// Reading parts.
impl Vault {
    /// Bytes of a pack, one for each span, in the order of `spans`; `None` when the pack is not
    /// there. Nothing else of it is read, but for gaps between near spans. A copy of a remote pack
    /// will do.
    ///
    /// # Errors
    /// When it can't be read; [`packhouse_model::error::Error::Io`] with `UnexpectedEof` if it ends before a
    /// span does.
    pub async fn read_spans(
        &self,
        key: &MpackKey,
        spans: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        match &self.packs {
            Packs::Files(_) => self.read_ranges(&ObjectName::Pack(*key), spans).await,
            Packs::Cached(cached) => cached.read_spans(key, spans).await,
        }
    }

    /// Bytes of a pack's directory, unchecked, one for each range, in the order of `ranges`; `None`
    /// when there is none.
    ///
    /// # Errors
    /// As for [`Vault::read_spans`].
    pub async fn read_directory(
        &self,
        key: &MpackKey,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        self.read_ranges(&ObjectName::Directory(*key), ranges).await
    }

    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let packs = match &self.packs {
            Packs::Cached(cached) => return cached.read_ranges(name, ranges).await,
            Packs::Files(packs) => packs,
        };
        let runs = runs(ranges, FILE_GAP);
        let wanted: Vec<_> = runs.iter().map(|run| run.range.clone()).collect();
        let Some(read) = packs.read_ranges(name, &wanted).await? else { return Ok(None) };
        cut_all(ranges, &runs, &read, || packs.place_of(name)).map(Some)
    }
}
