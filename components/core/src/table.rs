//! The union of the directories of a run: every entity once, in its preferred encoding.
//!
//! One vector of packed rows, allocated once and sorted in place, with an index over the leading bits
//! of the digests. There is no hashing, so no input can make it slow, and walking it goes by id, which
//! is what canonical order asks for. 66 bytes a row, also while it is being built (law 9).

use std::cmp::Ordering;

use crate::id::{EntityId, Form, Kind};
use crate::packed::{self, PackedRow, PackedSpan};
use crate::plan::Counts;
use crate::ports::{AccessError, Database, PackInfo, Span, Storage, all_packs};
use crate::row::{ROW_BYTES, Row};

/// Number of an entity in a [`Table`]. Numbers order by kind, then by id.
pub type Number = u32;

/// Forms in which the ids of a kind may be.
const FORMS: usize = Form::ALL.len();

/// Entities of an average bucket, at least: an index of buckets takes at most half a byte an entity.
const PER_BUCKET: u32 = 8;

/// With so many rows, duplicates are dropped early: then again when the rest has doubled, or grown to
/// eight times where duplicates are few. They take room that is allocated anyway; to sort takes time.
const MANY: usize = 65_536;

/// Every entity of the packs of a run.
#[derive(Debug)]
pub struct Table {
    /// The packs it was read from.
    pub packs: Vec<PackInfo>,
    /// Rows in all those packs.
    pub rows: u64,
    entities: Vec<PackedRow>,
    /// By kind, then by form of the id.
    buckets: [Buckets; Kind::ALL.len() * FORMS],
}

/// Where the entities of a kind and a form stand, by the leading bits of their digests.
#[derive(Debug, Default)]
struct Buckets {
    start: Number,
    end: Number,
    bits: u32,
    /// First entity of each bucket, and the end.
    first: Vec<Number>,
}

/// Where the entities of a table are, and nothing else.
pub(crate) struct Spans(Vec<PackedSpan>);

impl Spans {
    /// Where an entity is.
    pub(crate) fn of(&self, number: Number) -> Span {
        self.0[number as usize].span()
    }
}

impl Table {
    /// Reads the directories of all the packs of the run.
    ///
    /// # Errors
    /// [`AccessError`] when the host does not answer as promised: also when a directory
    /// holds bytes that are no row, or fewer rows than it claims.
    pub fn read<H: Storage + Database + ?Sized>(host: &mut H) -> Result<Table, AccessError> {
        let packs = all_packs(host)?;
        Table::of(host, packs)
    }

    /// Reads the directories of the first packs of the run.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn of<H: Storage + ?Sized>(
        host: &mut H,
        packs: Vec<PackInfo>,
    ) -> Result<Table, AccessError> {
        let mut entities = allocate(&packs)?;
        let mut rows = 0u64;
        let mut many = MANY;
        for (pack, info) in packs.iter().enumerate() {
            let pack = pack as u32;
            let mut first = 0;
            while first < info.rows {
                let page = host.pack_index(pack, first, 0)?.items;
                let unreadable = || {
                    let length = page.len() as u64;
                    AccessError::OutOfRange(Span { pack, offset: first, length })
                };
                if page.is_empty() || page.len() % ROW_BYTES != 0 {
                    return Err(unreadable());
                }
                for bytes in page.chunks_exact(ROW_BYTES) {
                    let row = Row::decode(bytes).and_then(|row| PackedRow::new(&row, pack));
                    entities.push(row.ok_or_else(unreadable)?);
                }
                first += (page.len() / ROW_BYTES) as u64;
            }
            rows += first;
            if entities.len() > many {
                let before = entities.len();
                merge(host, &mut entities)?;
                let grows = if entities.len() > before / 4 * 3 { 8 } else { 2 };
                many = grows * entities.len() + MANY;
            }
        }
        merge(host, &mut entities)?;
        entities.shrink_to_fit();
        let buckets = std::array::from_fn(|n| {
            Buckets::over(&entities, Kind::ALL[n / FORMS], Form::ALL[n % FORMS])
        });
        Ok(Table { packs, rows, entities, buckets })
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// The row of the preferred encoding of an entity.
    pub fn row(&self, number: Number) -> Row {
        self.entities[number as usize].row()
    }

    /// The id of an entity.
    pub fn id(&self, number: Number) -> EntityId {
        self.entities[number as usize].id()
    }

    /// Where the preferred encoding of an entity is.
    pub fn span(&self, number: Number) -> Span {
        self.entities[number as usize].span()
    }

    /// Forgets all but where entities are. The allocation shrinks in place: a plan then needs no
    /// memory that the table did not have.
    pub(crate) fn into_spans(self) -> Spans {
        let mut spans: Vec<PackedSpan> =
            self.entities.into_iter().map(|row| row.packed_span()).collect();
        spans.shrink_to_fit();
        Spans(spans)
    }

    /// The numbers of a kind, by id.
    pub fn of_kind(&self, kind: Kind) -> std::ops::Range<Number> {
        let first = kind as usize * FORMS;
        self.buckets[first].start..self.buckets[first + FORMS - 1].end
    }

    /// How many entities of each kind there are.
    pub fn counts(&self) -> Counts {
        let count = |kind| self.of_kind(kind).len() as u64;
        Counts {
            commits: count(Kind::Commit),
            snapshots: count(Kind::Snapshot),
            objects: count(Kind::Object),
            tags: count(Kind::Tag),
        }
    }

    /// The number of an entity, if some pack gives it.
    pub fn find(&self, kind: Kind, id: EntityId) -> Option<Number> {
        let range = self.buckets[kind as usize * FORMS + id.form() as usize].range(&id);
        let found = self.entities[range.start as usize..range.end as usize]
            .binary_search_by(|entity| entity.digest().cmp(id.digest()))
            .ok()?;
        Some(range.start + found as Number)
    }
}

impl Buckets {
    fn over(entities: &[PackedRow], kind: Kind, form: Form) -> Buckets {
        let group = packed::group(kind, form);
        let start = entities.partition_point(|entity| entity.group() < group) as Number;
        let end = entities.partition_point(|entity| entity.group() <= group) as Number;
        let bits = ((end - start) / PER_BUCKET).max(1).ilog2();
        let mut first = Vec::with_capacity((1 << bits) + 1);
        for (number, entity) in (start..end).zip(&entities[start as usize..]) {
            let bucket = leading(entity.digest(), bits);
            first.resize(first.len().max(bucket + 1), number);
        }
        first.resize((1 << bits) + 1, end);
        Buckets { start, end, bits, first }
    }

    fn range(&self, id: &EntityId) -> std::ops::Range<Number> {
        let bucket = leading(id.digest(), self.bits);
        self.first[bucket]..self.first[bucket + 1]
    }
}

/// The first bits of a digest, at most 32.
fn leading(digest: &[u8; 32], bits: u32) -> usize {
    let lead = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (u64::from(lead) >> (32 - bits)) as usize
}

/// Memory for the rows of all packs, once: a vector that grows would be there twice while it is moved.
fn allocate(packs: &[PackInfo]) -> Result<Vec<PackedRow>, AccessError> {
    let rows = packs.iter().fold(0u64, |rows, pack| rows.saturating_add(pack.rows));
    let mut entities = Vec::new();
    let allocated = u32::try_from(rows).ok().map(|rows| entities.try_reserve_exact(rows as usize));
    match allocated {
        Some(Ok(())) => Ok(entities),
        _ => Err(AccessError::Other(format!("a plan can't hold {rows} records in memory"))),
    }
}

/// Sorts by kind and id, and keeps the preferred encoding of each entity, in place.
fn merge<H: Storage + ?Sized>(host: &mut H, rows: &mut Vec<PackedRow>) -> Result<(), AccessError> {
    packed::sort(rows);
    // Rows up to `kept` are those of different entities.
    let mut kept = 0usize;
    // Encodings as long as the preferred one so far, and different: their bytes decide.
    let mut others: Vec<(usize, PackedRow)> = Vec::new();
    for at in 0..rows.len() {
        let next = rows[at];
        let number = kept.wrapping_sub(1);
        match rows[..kept].last_mut() {
            Some(best) if best.entity() == next.entity() => {
                match next.length().cmp(&best.length()) {
                    Ordering::Greater => {
                        *best = next;
                        while others.pop_if(|(of, _)| *of == number).is_some() {}
                    }
                    // Between equal encodings the earlier pack is kept.
                    Ordering::Equal if next.fingerprint() != best.fingerprint() => {
                        let met = others
                            .iter()
                            .rev()
                            .take_while(|(of, _)| *of == number)
                            .any(|(_, other)| other.fingerprint() == next.fingerprint());
                        if !met {
                            others.push((number, next));
                        }
                    }
                    _ => {}
                }
            }
            _ => {
                rows[kept] = next;
                kept += 1;
            }
        }
    }
    rows.truncate(kept);
    settle(host, rows, others)
}

/// Law 7: of two encodings that are equally long, the greater by bytes. The host compares, many
/// pairs a call; an entity with more than two takes several rounds.
fn settle<H: Storage + ?Sized>(
    host: &mut H,
    merged: &mut [PackedRow],
    mut others: Vec<(usize, PackedRow)>,
) -> Result<(), AccessError> {
    let at_once = host.limits().items.max(1) as usize;
    while !others.is_empty() {
        let mut round: Vec<(usize, PackedRow)> = Vec::new();
        let mut later = Vec::new();
        for other in others {
            let taken = round.last().is_some_and(|(of, _)| *of == other.0);
            if taken { later.push(other) } else { round.push(other) }
        }
        for batch in round.chunks(at_once) {
            let pairs: Vec<(Span, Span)> =
                batch.iter().map(|(of, other)| (other.span(), merged[*of].span())).collect();
            for ((of, other), order) in batch.iter().zip(host.compare_records(&pairs)?) {
                if order == Ordering::Greater {
                    merged[*of] = *other;
                }
            }
        }
        others = later;
    }
    Ok(())
}

/// Law 7: of two encodings of one record the longer one, then the greater by bytes. A host's answer
/// is needed for equal lengths only, whose fingerprints differ; that is rare, so each pair is a
/// call.
pub(crate) fn longer_then_greater<H: Storage + ?Sized>(
    host: &mut H,
    a: Span,
    b: Span,
) -> Result<bool, AccessError> {
    match a.length.cmp(&b.length) {
        Ordering::Equal => {
            let compared = host.compare_records(&[(a, b)])?;
            Ok(compared.first() == Some(&Ordering::Greater))
        }
        by_length => Ok(by_length == Ordering::Greater),
    }
}
