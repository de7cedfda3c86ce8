//! The base of a clone: the complete pack of a repo, if new records can be inserted into it.

use std::ops::Range;

use packhouse_catalog::{CompletePack, Snapshot, entity_of};
use packhouse_core::{Base, Counts, Entity, EntityId, Kind};
use packhouse_model::error::Result;
use packhouse_pack::directory::Spine;
use packhouse_pack::frame::FramePart;

use crate::locate::Locator;

/// A pack that is exactly what its heads reach, in canonical form, with a spine. The index has every
/// record of it there, and knows nothing that it was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePack {
    /// Its number in the run.
    pub pack: u32,
    /// The commits that it is what they reach, by id.
    pub heads: Vec<EntityId>,
    /// What they reach and the repo does not have, in order.
    pub missing: Vec<Entity>,
    /// Its records.
    pub records: Counts,
    /// The bytes of its records, by offset: a range for each section.
    pub sections: Vec<Range<u64>>,
}

impl BasePack {
    /// The base of the repo, if it has one, whose number is that in the packs of `locator`.
    ///
    /// # Errors
    /// When the catalog or a directory can't be read.
    pub(crate) async fn find(
        index: &mut dyn Snapshot,
        locator: &Locator,
    ) -> Result<Option<BasePack>> {
        let Some(found) = index.complete_pack().await? else { return Ok(None) };
        let CompletePack { heads, missing, counts, .. } = found.complete;
        let number = (0..).zip(locator.packs()).find(|(_, pack)| pack.id == found.pack.id);
        let (Some((pack, row)), false) = (number, heads.is_empty()) else { return Ok(None) };
        let is_unmoved = found.mapped == row.records && counts.total() == row.records;
        if !is_unmoved || index.lookup(&missing).await?.iter().any(Option::is_some) {
            return Ok(None);
        }
        let Some(head) = locator.head(pack).await? else { return Ok(None) };
        let frame = head.frame();
        if head.spine_bytes() != Spine::size(counts.commits + counts.snapshots) || frame.is_empty()
        {
            return Ok(None);
        }
        let known = missing.iter().filter_map(entity_of);
        let missing = known.map(|(kind, id)| Entity { kind, id }).collect();
        let sections = between(&frame, row.bytes);
        let mut left = counts;
        if sections.len() != Kind::ALL.into_iter().filter(|kind| *left.of(*kind) > 0).count() {
            return Ok(None);
        }
        Ok(Some(BasePack { pack, heads, missing, records: counts, sections }))
    }

    /// The kind of the records in the section that has a byte; `None` outside of all sections.
    pub fn kind_at(&self, offset: u64) -> Option<Kind> {
        let mut records = self.records;
        let kinds = Kind::ALL.into_iter().filter(|kind| *records.of(*kind) > 0);
        let mut sections = kinds.zip(&self.sections);
        sections.find(|(_, section)| section.contains(&offset)).map(|(kind, _)| kind)
    }

    /// What a component is told of it.
    pub(crate) fn info(&self) -> Base {
        Base { pack: self.pack, records: self.records, missing: self.missing.clone() }
    }

    /// How many numbers its spine has.
    pub(crate) fn spine_numbers(&self) -> u64 {
        self.records.commits + self.records.snapshots
    }
}

/// What is between the parts of a frame, in a pack of so many bytes.
fn between(frame: &[FramePart], bytes: u64) -> Vec<Range<u64>> {
    let mut sections = Vec::new();
    let mut at = 0;
    for part in frame {
        sections.push(at..part.offset);
        at = part.offset.saturating_add(part.length);
    }
    sections.push(at..bytes);
    sections.retain(|section| section.start < section.end);
    sections
}
