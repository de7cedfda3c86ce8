//! A host in memory, for the native core: packs in a vector, directories from the model's reader.
//!
//! It keeps to the letter of `wit/storage.wit` and `wit/database.wit`: it refuses what they refuse,
//! and answers pages no longer than they allow. It counts calls, so that tests can check how a
//! planner reads.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, Edges, EncodingConflict, Entity, EntityId,
    Form, Head, Kind, Limits, Location, PackInfo, Page, Plan, ROW_BYTES, Row, Span, Step, Storage,
    ports::{MAX_IDS, MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS, page_size},
};
use packhouse_host::sandbox::Host;
use ring::digest::{SHA256, digest};

use crate::arrival::Numbered;
use crate::base::{SaidOfBase, base_of};
use crate::model;

/// One pack as the run sees it.
#[derive(Clone, Debug)]
struct Shown {
    key: String,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    heads: Vec<Head>,
    pushed: bool,
}

/// The encoding that the index has of each entity, and where it is.
type Mapped = BTreeMap<(Kind, EntityId), (Row, Location)>;

/// The host of one run.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    packs: Vec<Shown>,
    heads: Vec<Head>,
    edges: BTreeMap<EntityId, Edges>,
    /// Generations of the commits, where they differ from 0.
    pub generations: BTreeMap<EntityId, u64>,
    /// What [`Database::walk_floor`] answers.
    pub walk_floor: Option<u64>,
    tags: Vec<CommitTag>,
    known: BTreeSet<(Kind, EntityId)>,
    conflicts: Vec<EncodingConflict>,
    /// What [`Database::base`] answers, with its heads and its spine.
    base: Option<SaidOfBase>,
    /// Where the index has each entity, once something was located.
    places: Option<Arc<Mapped>>,
    /// Calls of either interface.
    pub calls: u64,
    /// Commits that [`Database::history`] has answered.
    pub walked: u64,
    /// IDs that were located.
    pub located: u64,
    /// Rows of pack-indexes that have crossed.
    pub paged: u64,
    /// Bytes of records that have crossed.
    pub crossed: u64,
}

/// The kind of the core.
pub(crate) fn kind(kind: model::Kind) -> Kind {
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

    /// The same, with the generations that commits get as they are pushed, in that order.
    pub fn arrived(pushes: &[Vec<Vec<u8>>], heads: &BTreeMap<String, String>) -> Self {
        let mut host = MemoryHost::planning(&pushes.concat(), heads);
        host.number(pushes.iter().map(|push| {
            let ids = model::union(push).into_keys();
            let commits = ids.filter(|(of, _)| *of == model::Kind::Commit);
            commits.map(|(_, id)| entity_id(Kind::Commit, &id)).collect()
        }));
        host
    }

    /// The same run, with a base: the pack with these bytes, which was written when the branches had
    /// these heads. Whether there is one: not if the repo has moved a record of it, or has by now what
    /// it was missing.
    pub fn put_base(&mut self, pack: &[u8], heads: &[String]) -> bool {
        let is_it = |shown: &Shown| shown.bytes == pack;
        let Some(number) = self.packs.iter().position(is_it) else { return false };
        self.base = base_of(number as u32, pack, heads);
        self.places = None;
        let Some((base, ..)) = &self.base else { return false };
        let has_come = |entity: &Entity| self.known.contains(&(entity.kind, entity.id));
        let mapped = self.mapped(0);
        let stays = |row: &Row| mapped[&(row.kind, row.id)].1.at.pack as usize == number;
        if base.missing.iter().any(has_come) || !self.packs[number].rows.iter().all(stays) {
            self.base = None;
        }
        self.base.is_some()
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

        let mapped = host.mapped(pushed.len());
        for (number, pack) in host.packs.iter().take(pushed.len()).enumerate() {
            for row in &pack.rows {
                if let Some((stored, place)) = mapped.get(&(row.kind, row.id))
                    && (stored.length, stored.fingerprint) != (row.length, row.fingerprint)
                {
                    host.conflicts.push(EncodingConflict {
                        kind: row.kind,
                        pushed: row.span(number as u32),
                        stored: place.at,
                    });
                }
            }
        }
        host
    }

    /// The encoding that the index has of each entity: the preferred one of the packs from number
    /// `first` on, in the first pack that has it.
    fn mapped(&self, first: usize) -> Mapped {
        let mut mapped = Mapped::new();
        let base = self.base.as_ref().map(|(base, ..)| base.pack as usize);
        let mut packs: Vec<(usize, &Shown)> = self.packs.iter().enumerate().skip(first).collect();
        // A consolidation has moved everything to the pack that it has written.
        packs.sort_by_key(|(number, _)| base != Some(*number));
        for (number, pack) in packs {
            for (row_number, row) in pack.rows.iter().enumerate() {
                let rank = |row: &Row, pack: &Shown| (row.length, bytes_of(pack, row).to_vec());
                let better = |(met, place): &(Row, Location)| {
                    rank(met, &self.packs[place.at.pack as usize]) < rank(row, pack)
                };
                if mapped.get(&(row.kind, row.id)).is_none_or(better) {
                    let at = row.span(number as u32);
                    let place = Location { at, row: row_number as u64 };
                    mapped.insert((row.kind, row.id), (*row, place));
                }
            }
        }
        mapped
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
            if let Some(commit) = record.tagged().filter(|_| record.kind == model::Kind::Tag) {
                let (tag, commit) = (record.id.clone(), entity_id(Kind::Commit, &commit));
                self.tags.push(CommitTag { tag, commit });
            }
        }
        self.tags.sort();
        // As a consolidation does: all at once.
        self.number(std::iter::once(self.edges.keys().copied().collect()));
    }

    /// Numbers the commits as they arrive.
    fn number(&mut self, arrivals: impl Iterator<Item = Vec<EntityId>>) {
        let mut numbered = Numbered::default();
        for commits in arrivals {
            let parents = |id: EntityId| Some((id, self.edges.get(&id)?.parents().collect()));
            numbered.push(commits.into_iter().filter_map(parents).collect());
        }
        self.generations = numbered.generations;
        self.walk_floor = numbered.floor;
    }

    /// The packs whose records the index has: not those that are being pushed.
    fn stored_from(&self) -> usize {
        self.packs.iter().take_while(|pack| pack.pushed).count()
    }

    fn located(
        &mut self,
        of: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let mapped =
            self.places.take().unwrap_or_else(|| Arc::new(self.mapped(self.stored_from())));
        self.places = Some(Arc::clone(&mapped));
        self.located += ids.len() as u64;
        let place = |id: &EntityId| match mapped.get(&(of, *id)) {
            Some((_, place)) => Ok(Some(*place)),
            None if self.known.contains(&(of, *id)) => Err(AccessError::Other(format!(
                "the index has {of} {id}, and no pack of the run has it"
            ))),
            None => Ok(None),
        };
        ids.iter().map(place).collect()
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
            .binary_search_by_key(&span.offset, |row| row.offset)
            .map(|at| &pack.rows[at])
            .ok()
            .filter(|row| row.length == span.length)
            .ok_or(AccessError::NotARecord(span))?;
        Ok((row, bytes_of(pack, row)))
    }
}

fn show(pack: &[u8], pushed: bool) -> Shown {
    let read = model::read(pack);
    let row = |record: &model::Record| {
        let of = kind(record.kind);
        let (offset, length) = (record.offset as u64, record.bytes.len() as u64);
        Row {
            kind: of,
            id: entity_id(of, &record.id),
            offset,
            length,
            fingerprint: fingerprint(record),
        }
    };
    let heads = if pushed { heads_of(&read.heads) } else { Vec::new() };
    Shown {
        key: model::key(pack),
        bytes: pack.to_vec(),
        rows: read.records.iter().map(row).collect(),
        heads,
        pushed,
    }
}

fn bytes_of<'p>(pack: &'p Shown, row: &Row) -> &'p [u8] {
    &pack.bytes[row.offset as usize..(row.offset + row.length) as usize]
}

fn page<T: Clone>(all: &[T], first: u64, limit: u32) -> Page<T> {
    Page::of(all, first, limit, MAX_ITEMS)
}

fn at_most(count: usize, most: u32) -> Result<(), AccessError> {
    if count > most as usize { Err(AccessError::TooMany(most)) } else { Ok(()) }
}

impl Storage for MemoryHost {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        self.calls += 1;
        let rows = Page::of(&self.shown(pack)?.rows, first, limit, MAX_ROWS);
        self.paged += rows.items.len() as u64;
        let mut bytes = Vec::with_capacity(rows.items.len() * ROW_BYTES);
        rows.items.iter().for_each(|row| bytes.extend(row.encode()));
        Ok(Page { items: bytes, done: rows.done })
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        self.calls += 1;
        match &self.base {
            Some((base, _, spine)) if base.pack == pack => {
                Ok(Page::of(spine, first, limit, MAX_ROWS))
            }
            _ => Err(AccessError::NoSuchPack(pack)),
        }
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        self.calls += 1;
        at_most(spans.len(), MAX_ITEMS)?;
        let bytes: u64 = spans.iter().map(|span| span.length).sum();
        if spans.len() > 1 && bytes > MAX_RECORD_BYTES {
            return Err(AccessError::TooLarge(MAX_RECORD_BYTES));
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
    ) -> Result<Page<Head>, AccessError> {
        self.calls += 1;
        Ok(page(&self.shown(pack)?.heads, u64::from(first), limit))
    }
}

impl Database for MemoryHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        self.calls += 1;
        let info = |pack: &Shown| PackInfo {
            key: pack.key.clone(),
            bytes: pack.bytes.len() as u64,
            rows: pack.rows.len() as u64,
        };
        let infos: Vec<PackInfo> = self.packs.iter().map(info).collect();
        Ok(page(&infos, u64::from(first), limit))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        self.calls += 1;
        let before = |head: &&Head| after.is_some_and(|after| head.branch.as_str() <= after);
        let first = self.heads.iter().filter(before).count();
        Ok(page(&self.heads, first as u64, limit))
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        self.calls += 1;
        let most = page_size(limit, MAX_ITEMS);
        at_most(commits.len(), most as u32)?;
        let mut queue: VecDeque<EntityId> = commits.iter().copied().collect();
        let mut met = BTreeSet::new();
        let mut page = Page::whole(Vec::new());
        while let Some(id) = queue.pop_front() {
            let Some(edges) = self.edges.get(&id).filter(|_| met.insert(id)) else { continue };
            if page.items.len() == most {
                page.done = false;
                break;
            }
            let generation = self.generations.get(&id).copied().unwrap_or(0);
            page.items.push(Ancestor { edges: *edges, generation });
            queue.extend(edges.parents());
        }
        self.walked += page.items.len() as u64;
        Ok(page)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        self.calls += 1;
        Ok(self.walk_floor)
    }

    fn locate(&mut self, of: Kind, ids: &[EntityId]) -> Result<Vec<Option<Location>>, AccessError> {
        self.calls += 1;
        self.located(of, ids)
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        self.calls += 1;
        let ids: Vec<EntityId> = tags.iter().map(|tag| entity_id(Kind::Tag, tag)).collect();
        self.located(Kind::Tag, &ids)
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        self.calls += 1;
        at_most(commits.len(), MAX_IDS)?;
        let follows = |tag: &&CommitTag| {
            commits.contains(&tag.commit) && after.is_none_or(|after| tag.tag.as_str() > after)
        };
        let tags: Vec<CommitTag> = self.tags.iter().filter(follows).cloned().collect();
        Ok(page(&tags, 0, limit))
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        self.calls += 1;
        Ok(self.base.as_ref().map(|(base, ..)| base.clone()))
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        self.calls += 1;
        let heads = self.base.as_ref().map_or(&[][..], |(_, heads, _)| heads);
        Ok(page(heads, first, limit))
    }

    fn known(&mut self, of: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        self.calls += 1;
        at_most(ids.len(), MAX_IDS)?;
        Ok(ids.iter().map(|id| self.known.contains(&(of, *id))).collect())
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        self.calls += 1;
        Ok(page(&self.conflicts, first, limit))
    }
}

impl Host for MemoryHost {}
