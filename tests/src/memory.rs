//! A host in memory, for the native core: packs in a vector, directories from the model's reader.
//!
//! It keeps to the letter of `wit/storage.wit` and `wit/database.wit`: it refuses what they refuse,
//! and answers pages no longer than they allow. It counts calls, so that tests can check how a
//! planner reads.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use packhouse_core::{
    AccessError, Database, Edges, EntityId, Form, Head, Kind, PackInfo, Plan, Rival, Row, Span,
    Step, Storage,
    ports::{MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS},
};
use ring::digest::{SHA256, digest};

use crate::model;

/// One pack as the run sees it.
#[derive(Clone, Debug)]
struct Shown {
    key: String,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    heads: Vec<Head>,
}

/// The host of one run.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    packs: Vec<Shown>,
    heads: Vec<Head>,
    edges: BTreeMap<EntityId, Edges>,
    known: BTreeSet<(Kind, EntityId)>,
    rivals: Vec<Rival>,
    /// Calls of either interface.
    pub calls: u64,
    /// Bytes of records that have crossed.
    pub crossed: u64,
}

fn kind(kind: model::Kind) -> Kind {
    match kind {
        model::Kind::Commit => Kind::Commit,
        model::Kind::Snapshot => Kind::Snapshot,
        model::Kind::Object => Kind::Object,
        model::Kind::Tag => Kind::Tag,
    }
}

/// The id of an entity in fixed width.
///
/// # Panics
/// When it is malformed.
pub fn entity_id(of: Kind, id: &str) -> EntityId {
    match of {
        Kind::Tag => EntityId::new(Form::Text, sha256(id.as_bytes())),
        _ => EntityId::parse(id.as_bytes()).expect("an id of the tests is one"),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The fingerprint of a record, as `wit/storage.wit` defines it.
fn fingerprint(record: &model::Record) -> [u8; 16] {
    let encoded = match record.content() {
        Some(content) if record.kind == model::Kind::Object => {
            if is_standard(record, content.len()) {
                return [0; 16];
            }
            let mut around = (content.start as u64).to_le_bytes().to_vec();
            around.extend((content.end as u64).to_le_bytes());
            around.extend(sha256(
                &[&record.bytes[..content.start], &record.bytes[content.end..]].concat(),
            ));
            around
        }
        _ => record.bytes.clone(),
    };
    std::array::from_fn(|i| sha256(&encoded)[i])
}

/// Whether an object is `{object_id, content}`, in that order, with the shortest headers.
fn is_standard(record: &model::Record, content: usize) -> bool {
    let mut expected = b"\x82\xa9object_id\xd9".to_vec();
    expected.push(record.id.len() as u8);
    expected.extend(record.id.as_bytes());
    expected.extend(b"\xa7content");
    match content {
        0..=0xff => expected.extend([0xc4, content as u8]),
        0x100..=0xffff => expected.extend([&[0xc5][..], &(content as u16).to_be_bytes()].concat()),
        _ => expected.extend([&[0xc6][..], &(content as u32).to_be_bytes()].concat()),
    }
    record.bytes.len() == expected.len() + content && record.bytes.starts_with(&expected)
}

fn heads_of(heads: &BTreeMap<String, String>) -> Vec<Head> {
    heads
        .iter()
        .map(|(branch, id)| Head { branch: branch.clone(), commit: entity_id(Kind::Commit, id) })
        .collect()
}

impl MemoryHost {
    /// A run that plans: over stored packs, with the repo's heads.
    pub fn planning(stored: &[impl AsRef<[u8]>], heads: &BTreeMap<String, String>) -> Self {
        let mut host = MemoryHost { heads: heads_of(heads), ..MemoryHost::default() };
        host.store(stored);
        host
    }

    /// A run that indexes: `pushed` first, then what is stored.
    pub fn indexing(
        pushed: &[impl AsRef<[u8]>],
        stored: &[impl AsRef<[u8]>],
        heads: &BTreeMap<String, String>,
    ) -> Self {
        let mut host = MemoryHost::planning(stored, heads);
        let shelves = std::mem::take(&mut host.packs);
        host.packs = pushed.iter().map(|pack| show(pack.as_ref(), true)).chain(shelves).collect();

        // The encoding of the index: the preferred one, in whichever pack.
        let mut mapped: BTreeMap<(Kind, EntityId), (Row, u32)> = BTreeMap::new();
        for (number, pack) in host.packs.iter().enumerate().skip(pushed.len()) {
            for row in &pack.rows {
                let rank = |row: &Row, pack: &Shown| (row.length, bytes_of(pack, row).to_vec());
                let better =
                    |(met, at): &(Row, u32)| rank(met, &host.packs[*at as usize]) < rank(row, pack);
                if mapped.get(&(row.kind, row.id)).is_none_or(better) {
                    mapped.insert((row.kind, row.id), (*row, number as u32));
                }
            }
        }
        for (number, pack) in host.packs.iter().take(pushed.len()).enumerate() {
            for row in &pack.rows {
                if let Some((stored, at)) = mapped.get(&(row.kind, row.id))
                    && (stored.length, stored.print) != (row.length, row.print)
                {
                    host.rivals.push(Rival {
                        kind: row.kind,
                        pushed: row.span(number as u32),
                        stored: stored.span(*at),
                    });
                }
            }
        }
        host
    }

    fn store(&mut self, stored: &[impl AsRef<[u8]>]) {
        let distinct: BTreeMap<String, &[u8]> =
            stored.iter().map(|pack| (model::key(pack.as_ref()), pack.as_ref())).collect();
        self.packs = distinct.values().map(|pack| show(pack, false)).collect();
        self.packs.sort_by(|a, b| b.rows.len().cmp(&a.rows.len()).then_with(|| a.key.cmp(&b.key)));
        for record in model::union(stored).values() {
            let id = entity_id(kind(record.kind), &record.id);
            self.known.insert((kind(record.kind), id));
            if record.kind == model::Kind::Commit {
                let parent = |field: &str| record.item.field(field).and_then(|item| item.text());
                let parents = ["parent_commit_id", "parent2_commit_id"]
                    .map(|f| parent(f).map(|id| entity_id(Kind::Commit, &id)));
                let snapshot = parent("snapshot_id").map(|id| entity_id(Kind::Snapshot, &id));
                self.edges.insert(id, Edges { commit: id, parents, snapshot });
            }
        }
    }

    /// Makes the index know an entity that no pack gives: damage.
    pub fn remember(&mut self, of: Kind, id: &str) {
        self.known.insert((of, entity_id(of, id)));
    }

    /// Executes a plan.
    ///
    /// # Panics
    /// When a span is outside of its pack, or the size is wrong.
    pub fn execute(&self, plan: &Plan) -> Vec<u8> {
        let mut out = Vec::new();
        for step in &plan.steps {
            match step {
                Step::Literal(bytes) => out.extend(bytes),
                Step::Copy(Span { pack, offset, length }) => {
                    out.extend(
                        &self.packs[*pack as usize].bytes
                            [*offset as usize..(*offset + *length) as usize],
                    );
                }
            }
        }
        assert_eq!(out.len() as u64, plan.bytes, "a plan knows its size");
        out
    }

    /// The bytes of a pack of the run.
    pub fn pack(&self, number: u32) -> &[u8] {
        &self.packs[number as usize].bytes
    }

    /// How many packs the run has.
    pub fn count(&self) -> u32 {
        self.packs.len() as u32
    }

    /// The directory of a pack of the run.
    pub fn rows(&self, number: u32) -> &[Row] {
        &self.packs[number as usize].rows
    }

    fn shown(&self, pack: u32) -> Result<&Shown, AccessError> {
        self.packs.get(pack as usize).ok_or(AccessError::NoSuchPack(pack))
    }

    fn record(&self, span: Span) -> Result<(&Row, &[u8]), AccessError> {
        let pack = self.shown(span.pack)?;
        let row = pack
            .rows
            .iter()
            .find(|row| row.span(span.pack) == span)
            .ok_or(AccessError::NotARecord(span))?;
        Ok((row, bytes_of(pack, row)))
    }
}

fn show(pack: &[u8], pushed: bool) -> Shown {
    let read = model::read(pack);
    let row = |record: &model::Record| {
        let of = kind(record.kind);
        let (offset, length) = (record.offset as u64, record.bytes.len() as u64);
        Row { kind: of, id: entity_id(of, &record.id), offset, length, print: fingerprint(record) }
    };
    let heads = if pushed { heads_of(&read.heads) } else { Vec::new() };
    Shown {
        key: model::key(pack),
        bytes: pack.to_vec(),
        rows: read.records.iter().map(row).collect(),
        heads,
    }
}

fn bytes_of<'p>(pack: &'p Shown, row: &Row) -> &'p [u8] {
    &pack.bytes[row.offset as usize..(row.offset + row.length) as usize]
}

fn page<T: Clone>(all: &[T], first: u64, limit: u32, most: u32) -> Vec<T> {
    all.iter().skip(first as usize).take(limit.min(most) as usize).cloned().collect()
}

fn at_most(count: usize, most: u32) -> Result<(), AccessError> {
    if count > most as usize { Err(AccessError::TooMuch(most)) } else { Ok(()) }
}

impl Storage for MemoryHost {
    fn directory_rows(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Vec<u8>, AccessError> {
        self.calls += 1;
        let rows = &self.shown(pack)?.rows;
        if first > rows.len() as u64 {
            return Err(AccessError::OutOfRange(Span { pack, offset: first, length: 0 }));
        }
        Ok(page(rows, first, limit, MAX_ROWS).iter().flat_map(Row::encode).collect())
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        self.calls += 1;
        at_most(spans.len(), MAX_ITEMS)?;
        let bytes: u64 = spans.iter().map(|span| span.length).sum();
        if spans.len() > 1 && bytes > MAX_RECORD_BYTES {
            return Err(AccessError::TooMuch(MAX_RECORD_BYTES as u32));
        }
        self.crossed += bytes;
        let record = |span: &Span| match self.record(*span)? {
            (row, _) if row.kind == Kind::Object => Err(AccessError::NotARecord(*span)),
            (_, bytes) => Ok(bytes.to_vec()),
        };
        spans.iter().map(record).collect()
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        self.calls += 1;
        at_most(pairs.len(), MAX_ITEMS)?;
        pairs.iter().map(|(a, b)| Ok(self.record(*a)?.1.cmp(self.record(*b)?.1))).collect()
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Vec<Head>, AccessError> {
        self.calls += 1;
        Ok(page(&self.shown(pack)?.heads, u64::from(first), limit, MAX_ITEMS))
    }
}

impl Database for MemoryHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError> {
        self.calls += 1;
        let info = |pack: &Shown| PackInfo {
            key: pack.key.clone(),
            bytes: pack.bytes.len() as u64,
            rows: pack.rows.len() as u64,
        };
        let infos: Vec<PackInfo> = self.packs.iter().map(info).collect();
        Ok(page(&infos, u64::from(first), limit, MAX_ITEMS))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError> {
        self.calls += 1;
        let first = self
            .heads
            .iter()
            .filter(|head| after.is_some_and(|after| head.branch.as_str() <= after))
            .count();
        Ok(page(&self.heads, first as u64, limit, MAX_ITEMS))
    }

    fn history(&mut self, from: &[EntityId], limit: u32) -> Result<Vec<Edges>, AccessError> {
        self.calls += 1;
        at_most(from.len(), limit.min(MAX_ITEMS))?;
        let mut queue: VecDeque<EntityId> = from.iter().copied().collect();
        let mut met = BTreeSet::new();
        let mut answer = Vec::new();
        while let Some(id) = queue.pop_front() {
            if answer.len() < limit.min(MAX_ITEMS) as usize
                && met.insert(id)
                && let Some(edges) = self.edges.get(&id)
            {
                answer.push(*edges);
                queue.extend(edges.parents());
            }
        }
        Ok(answer)
    }

    fn known(&mut self, of: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        self.calls += 1;
        at_most(ids.len(), MAX_ITEMS)?;
        Ok(ids.iter().map(|id| self.known.contains(&(of, *id))).collect())
    }

    fn rivals(&mut self, first: u64, limit: u32) -> Result<Vec<Rival>, AccessError> {
        self.calls += 1;
        Ok(page(&self.rivals, first, limit, MAX_ITEMS))
    }
}
