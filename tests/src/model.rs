//! The model: what `mpack-format.md` says, written down as plainly as it goes.
//!
//! Nothing is shared with `packhouse_core`, nothing is fast, everything is held in memory. Where
//! the product and the model differ, one of them misreads the page.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{SHA256, digest};

use crate::value::{self, Item, Value};

mod fetch;
mod heads;
pub use fetch::{Answer, check_answer, may_repeat, reach, reached_by};
pub use heads::{heads, heads_of};

/// What a record is; ordered as a pack lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A snapshot.
    Snapshot,
    /// An object.
    Object,
    /// A tag.
    Tag,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Commit, Kind::Snapshot, Kind::Object, Kind::Tag];

    /// Section of a pack, and field that names a record.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Commit => ("commits", "commit_id"),
            Kind::Snapshot => ("snapshots", "snapshot_id"),
            Kind::Object => ("objects", "object_id"),
            Kind::Tag => ("tags", "tag_id"),
        }
    }
}

/// A kind and an id, as it was written.
pub type Entity = (Kind, String);

/// A record of a pack.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub id: String,
    /// First byte in its pack.
    pub offset: usize,
    /// Its bytes, verbatim.
    pub bytes: Vec<u8>,
    /// Its fields; spans count from its own start.
    pub item: Item,
}

impl Record {
    /// Reads a record.
    ///
    /// # Panics
    /// When it has no id.
    pub fn read(kind: Kind, bytes: &[u8], offset: usize) -> Record {
        let item = value::read(bytes);
        let id = item.field(kind.words().1).and_then(Item::text).expect("a record has an id");
        Record { kind, id, offset, bytes: bytes.to_vec(), item }
    }

    fn text(&self, field: &str) -> Option<String> {
        self.item.field(field).and_then(Item::text)
    }

    /// Parents of a commit.
    pub fn parents(&self) -> Vec<String> {
        [self.text("parent_commit_id"), self.text("parent2_commit_id")]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Paths and object ids of a snapshot, by path.
    pub fn entries(&self) -> Vec<(String, String)> {
        let whole = self.item.field("manifest").is_some();
        self.item.texts(if whole { "manifest" } else { "delta_upsert" })
    }

    /// Paths that a delta snapshot removes.
    pub fn removed(&self) -> Vec<String> {
        match self.item.field("manifest") {
            Some(_) => Vec::new(),
            None => self.item.field("delta_remove").map_or_else(Vec::new, |removed| {
                removed.items().iter().filter_map(Item::text).collect()
            }),
        }
    }

    /// The parent of a delta snapshot.
    pub fn delta_parent(&self) -> Option<String> {
        if self.item.field("manifest").is_some() { None } else { self.text("parent_snapshot_id") }
    }

    /// The commit of a tag.
    pub fn tagged(&self) -> Option<String> {
        self.text("commit_id")
    }

    /// Content of an object: its range in `bytes`.
    pub fn content(&self) -> Option<std::ops::Range<usize>> {
        match &self.item.field("content")?.value {
            Value::Bytes(range) => Some(range.clone()),
            _ => None,
        }
    }

    /// What the record reaches in one step.
    pub fn reaches(&self) -> Vec<Entity> {
        match self.kind {
            Kind::Commit => {
                let snapshot = self.text("snapshot_id").map(|id| (Kind::Snapshot, id));
                self.parents().into_iter().map(|id| (Kind::Commit, id)).chain(snapshot).collect()
            }
            Kind::Snapshot => {
                let parent = self.delta_parent().map(|id| (Kind::Snapshot, id));
                self.entries().into_iter().map(|(_, id)| (Kind::Object, id)).chain(parent).collect()
            }
            Kind::Object | Kind::Tag => Vec::new(),
        }
    }
}

/// A pack, read.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its records, in their order.
    pub records: Vec<Record>,
    /// `branch_heads`.
    pub heads: BTreeMap<String, String>,
}

/// The key of a pack.
pub fn key(pack: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, pack)))
}

/// Reads a pack.
///
/// # Panics
/// When it is malformed.
pub fn read(pack: &[u8]) -> Pack {
    let item = value::read(pack);
    let mut records = Vec::new();
    for kind in Kind::ALL {
        for record in item.field(kind.words().0).map(Item::items).unwrap_or_default() {
            records.push(Record::read(kind, &pack[record.span.clone()], record.span.start));
        }
    }
    records.sort_by_key(|record| record.offset);
    Pack { records, heads: item.texts("branch_heads").into_iter().collect() }
}

/// Every entity of some packs, in its preferred encoding: the longer, then the greater by bytes.
pub fn union(packs: &[impl AsRef<[u8]>]) -> BTreeMap<Entity, Record> {
    let mut all: BTreeMap<Entity, Record> = BTreeMap::new();
    for record in packs.iter().flat_map(|pack| read(pack.as_ref()).records) {
        let rank = |r: &Record| (r.bytes.len(), r.bytes.clone());
        let entity = (record.kind, record.id.clone());
        if all.get(&entity).is_none_or(|met| rank(met) < rank(&record)) {
            all.insert(entity, record);
        }
    }
    all
}

/// How many records of each kind: commits, snapshots, objects, tags.
pub fn counts<'a>(entities: impl IntoIterator<Item = &'a Entity>) -> [u64; 4] {
    let mut counts = [0; 4];
    for (kind, _) in entities {
        counts[*kind as usize] += 1;
    }
    counts
}

/// The consolidated pack of some packs.
pub fn consolidate(packs: &[impl AsRef<[u8]>], heads: &BTreeMap<String, String>) -> Vec<u8> {
    canonical(&union(packs), heads)
}

/// The canonical form of some records.
pub fn canonical(records: &BTreeMap<Entity, Record>, heads: &BTreeMap<String, String>) -> Vec<u8> {
    let commits = commit_order(records);
    let mut snapshots = Vec::new();
    let needed =
        commits.iter().filter_map(|id| records[&(Kind::Commit, id.clone())].text("snapshot_id"));
    for id in needed.chain(of_kind(records, Kind::Snapshot)) {
        place_snapshot(records, id, &mut snapshots);
    }
    let mut objects: Vec<String> = Vec::new();
    let mut placed = BTreeSet::new();
    let listed = snapshots.iter().flat_map(|id| records[&(Kind::Snapshot, id.clone())].entries());
    for id in listed.map(|(_, id)| id).chain(of_kind(records, Kind::Object)) {
        if records.contains_key(&(Kind::Object, id.clone())) && placed.insert(id.clone()) {
            objects.push(id);
        }
    }
    let tags: Vec<String> = of_kind(records, Kind::Tag).collect();

    let mut out = Vec::new();
    header(&mut out, if tags.is_empty() { 4 } else { 5 }, 0x80, 16, [0xde, 0xdf]);
    for (kind, ids) in [
        (Kind::Commit, commits),
        (Kind::Snapshot, snapshots),
        (Kind::Object, objects),
        (Kind::Tag, tags),
    ] {
        if kind == Kind::Tag && ids.is_empty() {
            continue;
        }
        text(&mut out, kind.words().0);
        header(&mut out, ids.len(), 0x90, 16, [0xdc, 0xdd]);
        for id in ids {
            out.extend(&records[&(kind, id)].bytes);
        }
    }
    text(&mut out, "branch_heads");
    header(&mut out, heads.len(), 0x80, 16, [0xde, 0xdf]);
    for (branch, commit) in heads {
        text(&mut out, branch);
        text(&mut out, commit);
    }
    out
}

fn of_kind(records: &BTreeMap<Entity, Record>, kind: Kind) -> impl Iterator<Item = String> {
    records.keys().filter(move |(k, _)| *k == kind).map(|(_, id)| id.clone())
}

/// Repeatedly the smallest id among those whose parents here have all been placed; what is in a
/// cycle, by id.
fn commit_order(records: &BTreeMap<Entity, Record>) -> Vec<String> {
    let mut left: Vec<String> = of_kind(records, Kind::Commit).collect();
    let mut waits: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
    for id in &left {
        let parents = records[&(Kind::Commit, id.clone())].parents();
        waits.insert(
            id,
            parents
                .into_iter()
                .filter(|p| records.contains_key(&(Kind::Commit, p.clone())))
                .collect(),
        );
    }
    let waits: BTreeMap<String, BTreeSet<String>> =
        waits.into_iter().map(|(id, p)| (id.clone(), p)).collect();
    let mut placed = BTreeSet::new();
    let mut order = Vec::new();
    while let Some(at) = left.iter().position(|id| waits[id].is_subset(&placed)) {
        let id = left.remove(at);
        placed.insert(id.clone());
        order.push(id);
    }
    order.extend(left);
    order
}

/// Places a snapshot that is here, the parents of a delta before it, each once.
fn place_snapshot(records: &BTreeMap<Entity, Record>, id: String, order: &mut Vec<String>) {
    let mut chain = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next {
        let Some(record) = records.get(&(Kind::Snapshot, id.clone())) else { break };
        if order.contains(&id) || chain.contains(&id) {
            break;
        }
        next = record.delta_parent();
        chain.push(id);
    }
    order.extend(chain.into_iter().rev());
}

fn header(out: &mut Vec<u8>, len: usize, fix: u8, fix_end: usize, wide: [u8; 2]) {
    if len < fix_end {
        out.push(fix | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(wide[0]);
        out.extend(len.to_be_bytes());
    } else {
        out.push(wide[1]);
        out.extend(
            u32::try_from(len).expect("a section has fewer than 2^32 records").to_be_bytes(),
        );
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(len) if len < 32 => out.push(0xa0 | len),
        Ok(len) => out.extend([0xd9, len]),
        Err(_) => header(out, text.len(), 0, 0, [0xda, 0xdb]),
    }
    out.extend(text.as_bytes());
}
