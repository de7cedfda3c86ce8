//! Complete packs: a pack that is exactly what its branch heads reach is the answer to a clone.
//!
//! That is checked when a pack is written or read whole anyway, and recorded with its heads. Then a
//! clone is one look into the catalog, and nothing of the pack is read, as long as the index maps
//! everything to this pack, and the heads are the same.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Result as IoResult;
use std::os::unix::fs::FileExt;

use packhouse_catalog::{
    CompletePack, CompletePackRow, EntityKey, PackRow, RepoRow, Snapshot, entity_key,
};
use packhouse_core::record::{Commit, Snapshot as SnapshotRecord, Tag};
use packhouse_core::{Counts, EntityId, Head, Kind, Request, Row};
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_pack::ScannedPack;
use ring::digest::{Context, SHA256};

use super::Store;

/// Most missing entities that are recorded with a pack.
const MAX_MISSING: usize = 1000;
/// Bytes of a pack that are read at once.
const WINDOW: usize = 1 << 20;

/// SHA-256 of the names and IDs of heads, in their order.
pub(super) fn heads_digest(heads: &[Head]) -> [u8; 32] {
    let mut sum = Context::new(&SHA256);
    for head in heads {
        sum.update(&(head.branch.len() as u64).to_le_bytes());
        sum.update(head.branch.as_bytes());
        sum.update(&head.commit.to_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(sum.finish().as_ref());
    digest
}

/// What is recorded of a pack that is not complete, so that it is not checked again: no heads have
/// this digest, and no request wants nothing.
fn incomplete() -> CompletePack {
    CompletePack {
        heads_digest: [0; 32],
        heads: Vec::new(),
        missing: Vec::new(),
        counts: Counts::default(),
    }
}

/// Checks whether a sound pack is exactly what its own heads reach: each entity once, nothing else,
/// and no more than a thousand IDs that it lacks. The caller knows that the repo had nothing else
/// when the pack was written.
///
/// # Errors
/// When it can't be read.
pub(super) fn complete_pack(scanned: &ScannedPack, file: &File) -> IoResult<Option<CompletePack>> {
    if scanned.bad_branch.is_some() || scanned.heads.is_empty() {
        return Ok(None);
    }
    let Some(mut reach) = Reach::of(&scanned.rows) else { return Ok(None) };
    let mut records = Records { file, window: Vec::new(), start: 0 };
    let is_complete = reach.read_commits(&scanned.heads, &mut records)?
        && reach.read_snapshots(&mut records)?
        && reach.read_tags(&mut records)?
        && reach.missing.len() <= MAX_MISSING
        && reach.reached.iter().all(|reached| *reached);
    if !is_complete {
        return Ok(None);
    }
    let mut counts = Counts::default();
    scanned.rows.iter().for_each(|row| *counts.of(row.kind) += 1);
    let heads: BTreeSet<EntityId> = scanned.heads.iter().map(|head| head.commit).collect();
    Ok(Some(CompletePack {
        heads_digest: heads_digest(&scanned.heads),
        heads: heads.into_iter().collect(),
        missing: reach.missing.into_iter().collect(),
        counts,
    }))
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

/// What the heads of a pack reach.
struct Reach<'a> {
    rows: &'a [Row],
    /// Numbers of rows, by kind and ID.
    by_id: Vec<u32>,
    /// Whether each row is reached.
    reached: Vec<bool>,
    missing: BTreeSet<EntityKey>,
}

impl<'a> Reach<'a> {
    /// Nothing yet. None for a pack that has an entity twice.
    fn of(rows: &'a [Row]) -> Option<Reach<'a>> {
        let key = |n: &u32| (rows[*n as usize].kind, rows[*n as usize].id);
        let mut by_id: Vec<u32> = (0..u32::try_from(rows.len()).ok()?).collect();
        by_id.sort_unstable_by_key(key);
        let repeats = by_id.windows(2).any(|pair| key(&pair[0]) == key(&pair[1]));
        let reached = vec![false; rows.len()];
        (!repeats).then_some(Reach { rows, by_id, reached, missing: BTreeSet::new() })
    }

    fn find(&self, kind: Kind, id: EntityId) -> Option<u32> {
        let key = |n: &u32| (self.rows[*n as usize].kind, self.rows[*n as usize].id);
        self.by_id.binary_search_by_key(&(kind, id), key).ok().map(|at| self.by_id[at])
    }

    /// The number of an entity that is referred to; none, and noted, if it is missing.
    fn refer(&mut self, kind: Kind, id: EntityId) -> Option<u32> {
        let found = self.find(kind, id);
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
            if let Some(snapshot) = commit.snapshot.and_then(|id| self.refer(Kind::Snapshot, id)) {
                self.mark(snapshot);
            }
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
            let Ok(snapshot) = SnapshotRecord::parse(records.read(row)?) else {
                return Ok(false);
            };
            for (_, object) in &snapshot.entries {
                if let Some(object) = self.refer(Kind::Object, *object) {
                    self.mark(object);
                }
            }
            if let Some(parent) = snapshot.parent.and_then(|id| self.refer(Kind::Snapshot, id)) {
                parents.insert(number, parent);
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
            if self.find(Kind::Commit, tag.commit).is_some() {
                self.mark(number);
            }
        }
        Ok(true)
    }
}

impl Store {
    /// The complete pack of a repo, if it is the answer to a request: nothing of it is read.
    /// `heads` are those that clients get.
    ///
    /// # Errors
    /// When the pack is missing, has another size, or is known to be damaged.
    pub(super) async fn complete_answer(
        &self,
        snapshot: &mut dyn Snapshot,
        ask: &Request,
        heads: &[Head],
    ) -> Result<Option<CompletePackRow>> {
        if !ask.have.is_empty() {
            return Ok(None);
        }
        let Some(found) = snapshot.complete_pack().await? else { return Ok(None) };
        let complete = &found.complete;
        let is_current = snapshot.repo().sums.packs == 1 && found.mapped == found.pack.records;
        let wanted: BTreeSet<EntityId> =
            ask.want.iter().chain(&ask.want_if_known).copied().collect();
        let is_wanted = !wanted.is_empty() && wanted.iter().eq(&complete.heads);
        // A clone takes the branches from the pack; another client knows them.
        let is_clone = ask.want.is_empty();
        let has_branches = !is_clone || heads_digest(heads) == complete.heads_digest;
        if !(is_current && is_wanted && has_branches) {
            return Ok(None);
        }
        let repo = snapshot.repo().name.clone();
        self.must_be_there(&repo, &found.pack, &snapshot.damage().await?).await?;
        Ok(Some(found))
    }

    /// Whether it is recorded of a pack if it is complete.
    pub(super) async fn is_checked(
        &self,
        snapshot: &mut dyn Snapshot,
        pack: &PackRow,
    ) -> Result<bool> {
        Ok(snapshot.complete_pack().await?.is_some_and(|found| found.pack.key == pack.key))
    }

    /// Records whether the only pack of a repo was found to be complete, if the catalog can be
    /// written: nothing depends on it.
    pub(super) async fn note_complete(
        &self,
        row: &RepoRow,
        pack: &MpackKey,
        complete: Option<CompletePack>,
    ) {
        let found = complete.unwrap_or_else(incomplete);
        if let Err(error) = self.catalog.note_complete_pack(row, pack, &found).await {
            tracing::warn!("it could not be recorded whether pack {pack} is complete: {error}");
        }
    }
}
