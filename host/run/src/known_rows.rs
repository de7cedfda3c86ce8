//! The rows of packs that a run has located or paged.

use std::collections::{BTreeMap, HashMap};

use packhouse_catalog::PackRow;
use packhouse_core::{Kind, Row, Span};
use packhouse_pack::Directory;

use crate::locate::LocatedRow;
use crate::reader::RunPack;

/// What a run knows of the records of its packs. A component may read and copy these and no others.
#[derive(Debug, Default)]
pub(crate) struct KnownRows {
    /// Packs whose directories were paged.
    whole: BTreeMap<u32, Directory>,
    /// Rows that were located, by pack and offset.
    located: BTreeMap<u32, Vec<Row>>,
    /// Those of them whose bytes a component may read.
    readable: HashMap<Span, Kind>,
    /// Whether the located rows of all packs are in order.
    is_sorted: bool,
}

impl KnownRows {
    pub(crate) fn whole(&self, pack: u32) -> Option<&Directory> {
        self.whole.get(&pack)
    }

    pub(crate) fn add_whole(&mut self, pack: u32, directory: Directory) {
        self.located.remove(&pack);
        self.whole.insert(pack, directory);
    }

    pub(crate) fn add(&mut self, located: impl IntoIterator<Item = LocatedRow>) {
        for found in located {
            if !self.whole.contains_key(&found.pack) {
                if found.row.kind != Kind::Object {
                    self.readable.insert(found.row.span(found.pack), found.row.kind);
                }
                self.located.entry(found.pack).or_default().push(found.row);
                self.is_sorted = false;
            }
        }
    }

    fn sort(&mut self) {
        if !std::mem::replace(&mut self.is_sorted, true) {
            for rows in self.located.values_mut() {
                rows.sort_unstable_by_key(|row| row.offset);
                rows.dedup_by_key(|row| row.offset);
            }
        }
    }

    /// The kind of the record that a span is; `None` if it is not exactly one that is known.
    pub(crate) fn kind_of(&mut self, span: Span) -> Option<Kind> {
        if let Some(kind) = self.readable.get(&span) {
            return Some(*kind);
        }
        let row = match self.whole.get(&span.pack) {
            Some(directory) => directory.row(directory.at(span.offset)?)?,
            None => {
                self.sort();
                let rows = self.located.get(&span.pack)?;
                rows[rows.binary_search_by_key(&span.offset, |row| row.offset).ok()?]
            }
        };
        (row.length == span.length).then_some(row.kind)
    }

    /// The packs of the run with the rows that are known: those of whole directories, and the
    /// located ones of others.
    pub(crate) fn into_packs(mut self, packs: &[PackRow]) -> Vec<RunPack> {
        self.sort();
        let pack_of = |(row, number): (&PackRow, u32)| {
            if let Some(directory) = self.whole.remove(&number) {
                return RunPack::stored(directory);
            }
            let rows = self.located.remove(&number).unwrap_or_default();
            RunPack::in_part(Directory::new(row.key, row.bytes, &rows))
        };
        packs.iter().zip(0..).map(pack_of).collect()
    }
}
