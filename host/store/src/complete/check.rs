//! Whether a pack is complete: what its heads reach, found in one pass over its records.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::hash::BuildHasher;
use std::io::Result as IoResult;
use std::os::unix::fs::FileExt;

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use packhouse_catalog::{CompletePack, EntityKey, entity_key};
use packhouse_core::record::{Commit, Snapshot, Tag};
use packhouse_core::{Counts, EntityId, Head, Kind, Row};
use packhouse_model::digest::finish;
use packhouse_pack::ScannedPack;
use packhouse_pack::directory::Spine;
use ring::digest::{Context, SHA256};

use super::canonical::{Canonical, CommitRow};

/// Most missing entities that are recorded with a pack.
const MAX_MISSING: usize = 1000;
/// Bytes of a pack that are read at once.
const WINDOW: usize = 1 << 20;

/// SHA-256 of the names and IDs of heads, in their order.
pub(crate) fn heads_digest(heads: &[Head]) -> [u8; 32] {
    let mut sum = Context::new(&SHA256);
    for head in heads {
        sum.update(&(head.branch.len() as u64).to_le_bytes());
        sum.update(head.branch.as_bytes());
        sum.update(&head.commit.to_bytes());
    }
    finish(sum)
}

/// A complete pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckedPack {
    pub(crate) complete: CompletePack,
    /// If it is in canonical form: then it can be the base of clones.
    pub(crate) spine: Option<Spine>,
}

/// Checks whether a sound pack is exactly what its own heads reach: each entity once, nothing else,
/// and no more than a thousand IDs that it lacks. The caller knows that the repo had nothing else
/// when the pack was written.
///
/// # Errors
/// When it can't be read.
pub(crate) fn complete_pack(scanned: &ScannedPack, file: &File) -> IoResult<Option<CheckedPack>> {
    if scanned.bad_branch.is_some() || scanned.heads.is_empty() {
        return Ok(None);
    }
    let mut counts = Counts::default();
    scanned.rows.iter().for_each(|row| *counts.of(row.kind) += 1);
    let Some(mut reach) = Reach::of(&scanned.rows, counts) else { return Ok(None) };
    let mut records = Records { file, window: Vec::new(), start: 0 };
    let is_complete = reach.read_commits(&scanned.heads, &mut records)?
        && reach.read_snapshots(&mut records)?
        && reach.read_tags(&mut records)?
        && reach.missing.len() <= MAX_MISSING
        && reach.reached.iter().all(|reached| *reached);
    if !is_complete {
        return Ok(None);
    }
    let heads: BTreeSet<EntityId> = scanned.heads.iter().map(|head| head.commit).collect();
    let complete = CompletePack {
        heads_digest: heads_digest(&scanned.heads),
        heads: heads.into_iter().collect(),
        missing: reach.missing.into_iter().collect(),
        counts,
    };
    Ok(Some(CheckedPack { complete, spine: reach.order.finish() }))
}

/// Records of a pack, read in the order of their places.
struct Records<'a> {
    file: &'a File,
    window: Vec<u8>,
    /// Where the window starts in the pack.
    start: u64,
}

impl Records<'_> {
    fn read(&mut self, row: &Row) -> IoResult<&[u8]> {
        let held = self.start..self.start + self.window.len() as u64;
        if row.offset < held.start || row.offset + row.length > held.end {
            self.window.resize(WINDOW.max(row.length as usize), 0);
            let mut filled = 0;
            while filled < row.length as usize {
                match self.file.read_at(&mut self.window[filled..], row.offset + filled as u64)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    n => filled += n,
                }
            }
            self.window.truncate(filled);
            self.start = row.offset;
        }
        let at = (row.offset - self.start) as usize;
        Ok(&self.window[at..at + row.length as usize])
    }
}

/// Numbers of rows, by kind and ID: a search reads one or two places, where a binary search would
/// read as many as the number of rows has bits.
struct RowNumbers {
    table: HashTable<u32>,
    /// Seeded at random: nobody can choose IDs that collide.
    hasher: DefaultHashBuilder,
}

impl RowNumbers {
    /// None for rows that have an entity twice, or too many rows.
    fn of(rows: &[Row]) -> Option<RowNumbers> {
        let count = u32::try_from(rows.len()).ok()?;
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(rows.len());
        let key = |number: u32| (rows[number as usize].kind, rows[number as usize].id);
        for number in 0..count {
            let entry = table.entry(
                hasher.hash_one(key(number)),
                |other| key(*other) == key(number),
                |other| hasher.hash_one(key(*other)),
            );
            match entry {
                Entry::Occupied(_) => return None,
                Entry::Vacant(vacant) => vacant.insert(number),
            };
        }
        Some(RowNumbers { table, hasher })
    }

    fn find(&self, rows: &[Row], kind: Kind, id: EntityId) -> Option<u32> {
        let is_it = |number: &u32| {
            let row = &rows[*number as usize];
            row.id == id && row.kind == kind
        };
        self.table.find(self.hasher.hash_one((kind, id)), is_it).copied()
    }
}

/// What the heads of a pack reach.
struct Reach<'a> {
    rows: &'a [Row],
    by_id: RowNumbers,
    /// Whether each row is reached.
    reached: Vec<bool>,
    missing: BTreeSet<EntityKey>,
    order: Canonical,
}

impl<'a> Reach<'a> {
    /// Nothing yet. None for a pack that has an entity twice.
    fn of(rows: &'a [Row], counts: Counts) -> Option<Reach<'a>> {
        let by_id = RowNumbers::of(rows)?;
        let reached = vec![false; rows.len()];
        Some(Reach {
            rows,
            by_id,
            reached,
            missing: BTreeSet::new(),
            order: Canonical::new(counts),
        })
    }

    /// The number of an entity that is referred to; none, and noted, if it is missing.
    fn refer(&mut self, kind: Kind, id: EntityId) -> Option<u32> {
        let found = self.by_id.find(self.rows, kind, id);
        if found.is_none() && self.missing.len() <= MAX_MISSING {
            self.missing.insert(entity_key(kind, id));
        }
        found
    }

    /// Marks a row; whether it was not marked yet.
    fn mark(&mut self, number: u32) -> bool {
        !std::mem::replace(&mut self.reached[number as usize], true)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (u32, &'a Row)> + use<'a> {
        (0..).zip(self.rows).filter(move |(_, row)| row.kind == kind)
    }

    /// Marks the commits that heads reach, and their snapshots. False if one can't be parsed.
    fn read_commits(&mut self, heads: &[Head], records: &mut Records<'_>) -> IoResult<bool> {
        let mut parents: HashMap<u32, [Option<u32>; 2]> = HashMap::new();
        for (number, row) in self.of_kind(Kind::Commit) {
            let Ok(commit) = Commit::parse(records.read(row)?) else { return Ok(false) };
            let found = commit.parents.map(|id| self.refer(Kind::Commit, id?));
            parents.insert(number, found);
            let snapshot = commit.snapshot.and_then(|id| self.refer(Kind::Snapshot, id));
            if let Some(snapshot) = snapshot {
                self.mark(snapshot);
            }
            self.order.commit(number, CommitRow { id: commit.id, parents: found, snapshot });
        }
        let mut walk: Vec<u32> =
            heads.iter().filter_map(|head| self.refer(Kind::Commit, head.commit)).collect();
        while let Some(number) = walk.pop() {
            if self.mark(number) {
                walk.extend(parents.get(&number).into_iter().flatten().flatten());
            }
        }
        Ok(true)
    }

    /// Marks the parents of marked snapshots, and all objects that snapshots list. False if one
    /// can't be parsed.
    fn read_snapshots(&mut self, records: &mut Records<'_>) -> IoResult<bool> {
        let mut parents: HashMap<u32, u32> = HashMap::new();
        for (number, row) in self.of_kind(Kind::Snapshot) {
            let Ok(snapshot) = Snapshot::parse(records.read(row)?) else {
                return Ok(false);
            };
            let parent = snapshot.parent.and_then(|id| self.refer(Kind::Snapshot, id));
            if let Some(parent) = parent {
                parents.insert(number, parent);
            }
            self.order.snapshot(number, parent);
            for (_, object) in &snapshot.entries {
                if let Some(object) = self.refer(Kind::Object, *object)
                    && self.mark(object)
                {
                    self.order.object(object);
                }
            }
        }
        let marked: Vec<u32> = self
            .of_kind(Kind::Snapshot)
            .map(|(number, _)| number)
            .filter(|number| self.reached[*number as usize])
            .collect();
        for mut number in marked {
            while let Some(parent) = parents.get(&number).filter(|parent| self.mark(**parent)) {
                number = *parent;
            }
        }
        Ok(true)
    }

    /// Marks the tags of commits of the pack. False if one can't be parsed.
    fn read_tags(&mut self, records: &mut Records<'_>) -> IoResult<bool> {
        for (number, row) in self.of_kind(Kind::Tag) {
            let Ok(tag) = Tag::parse(records.read(row)?) else { return Ok(false) };
            if self.by_id.find(self.rows, Kind::Commit, tag.commit).is_some() {
                self.mark(number);
            }
            self.order.tag(number, tag.text);
        }
        Ok(true)
    }
}
