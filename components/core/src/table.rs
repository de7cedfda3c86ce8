//! The union of the directories of a run: every entity once, in its preferred encoding.
//!
//! A sorted vector with a bucket index over the leading bits of the digests. There is no hashing,
//! so no input can make it slow, and walking it goes by id, which is what canonical order asks for.
//! About 80 bytes an entity, and never more than twice that while it is being built (law 9).

use std::cmp::Ordering;

use crate::id::{EntityId, Kind};
use crate::plan::Counts;
use crate::ports::{AccessError, Database, PackInfo, Span, Storage, all_packs};
use crate::row::{ROW_BYTES, Row};

/// Number of an entity in a [`Table`]. Numbers order by kind, then by id.
pub type Number = u32;

/// An entity and where its preferred encoding stands.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The directory row.
    pub row: Row,
    /// Number of the pack it stands in.
    pub pack: u32,
}

impl Entry {
    /// Where the record stands.
    pub const fn span(&self) -> Span {
        self.row.span(self.pack)
    }

    fn key(&self) -> (Kind, EntityId) {
        (self.row.kind, self.row.id)
    }
}

/// Every entity of the packs of a run.
#[derive(Debug)]
pub struct Table {
    /// The packs it was read from.
    pub packs: Vec<PackInfo>,
    /// Rows in all those packs.
    pub rows: u64,
    entries: Vec<Entry>,
    kinds: [Buckets; 4],
}

/// Where the entities of a kind stand, by the leading bits of their digests.
#[derive(Debug, Default)]
struct Buckets {
    start: Number,
    end: Number,
    bits: u32,
    /// First entity of each bucket, and the end; one run for each form of id.
    first: Vec<Number>,
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
        let mut entries: Vec<Entry> = Vec::new();
        let mut rows = 0u64;
        // Entities known after the last merge: duplicates are dropped whenever they could be half
        // of all.
        let mut merged = 0;
        for (pack, info) in packs.iter().enumerate() {
            let pack = pack as u32;
            let mut first = 0;
            entries.reserve_exact(usize::try_from(info.rows).unwrap_or(0).min(1 << 20));
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
                    let row = Row::decode(bytes).ok_or_else(unreadable)?;
                    entries.push(Entry { row, pack });
                }
                first += (page.len() / ROW_BYTES) as u64;
            }
            rows += first;
            if entries.len() > 2 * merged + 65_536 {
                merge(host, &mut entries)?;
                merged = entries.len();
            }
        }
        merge(host, &mut entries)?;
        let kinds = std::array::from_fn(|kind| Buckets::over(&entries, Kind::ALL[kind]));
        Ok(Table { packs, rows, entries, kinds })
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entity of a number.
    pub fn entry(&self, number: Number) -> &Entry {
        &self.entries[number as usize]
    }

    /// The numbers of a kind, by id.
    pub fn of_kind(&self, kind: Kind) -> std::ops::Range<Number> {
        let buckets = &self.kinds[kind as usize];
        buckets.start..buckets.end
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
        let range = self.kinds[kind as usize].range(&id);
        let found = self.entries[range.start as usize..range.end as usize]
            .binary_search_by(|e| e.row.id.cmp(&id))
            .ok()?;
        Some(range.start + found as Number)
    }
}

impl Buckets {
    fn over(entries: &[Entry], kind: Kind) -> Buckets {
        let start = entries.partition_point(|e| e.row.kind < kind) as Number;
        let end = entries.partition_point(|e| e.row.kind <= kind) as Number;
        let bits = (end - start).max(1).ilog2();
        let mut buckets = Buckets { start, end, bits, first: vec![end; (3 << bits) + 1] };
        let mut next = 0;
        for number in start..end {
            let bucket = buckets.bucket(&entries[number as usize].row.id);
            while next <= bucket {
                buckets.first[next] = number;
                next += 1;
            }
        }
        buckets
    }

    fn bucket(&self, id: &EntityId) -> usize {
        let d = id.digest();
        let lead = u32::from_be_bytes([d[0], d[1], d[2], d[3]]);
        let high = if self.bits == 0 { 0 } else { lead >> (32 - self.bits) };
        ((id.form() as usize) << self.bits) + high as usize
    }

    fn range(&self, id: &EntityId) -> std::ops::Range<Number> {
        let bucket = self.bucket(id);
        self.first[bucket]..self.first[bucket + 1]
    }
}

/// Sorts by kind and id, and keeps the preferred encoding of each entity.
///
/// What is sorted is not the entries but their leading bits with their place: a sixth of the bytes
/// to move.
fn merge<H: Storage + ?Sized>(host: &mut H, entries: &mut Vec<Entry>) -> Result<(), AccessError> {
    let mut order: Vec<(u64, u32)> =
        entries.iter().enumerate().map(|(at, e)| (leading_bits(e), at as u32)).collect();
    order.sort_unstable();
    let entry = |(_, at): (u64, u32)| entries[at as usize];
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    // Encodings as long as the preferred one so far, and different: their bytes decide.
    let mut others: Vec<(usize, Entry)> = Vec::new();
    let mut start = 0;
    while start < order.len() {
        let bits = order[start].0;
        let end = start + order[start..].iter().take_while(|(b, _)| *b == bits).count();
        // Encodings of one entity; and, if somebody went to the trouble, ids that begin alike.
        let run = &mut order[start..end];
        run.sort_unstable_by(|a, b| entry(*a).key().cmp(&entry(*b).key()).then(a.1.cmp(&b.1)));
        for place in run {
            let next = entry(*place);
            let number = merged.len().wrapping_sub(1);
            match merged.last_mut() {
                Some(best) if best.key() == next.key() => {
                    match next.row.length.cmp(&best.row.length) {
                        Ordering::Greater => {
                            *best = next;
                            while others.pop_if(|(of, _)| *of == number).is_some() {}
                        }
                        // Between equal encodings the earlier pack is kept.
                        Ordering::Equal if next.row.fingerprint != best.row.fingerprint => {
                            let met = others
                                .iter()
                                .rev()
                                .take_while(|(of, _)| *of == number)
                                .any(|(_, r)| r.row.fingerprint == next.row.fingerprint);
                            if !met {
                                others.push((number, next));
                            }
                        }
                        _ => {}
                    }
                }
                _ => merged.push(next),
            }
        }
        start = end;
    }
    settle(host, &mut merged, others)?;
    *entries = merged;
    Ok(())
}

/// Law 7: of two encodings that are equally long, the greater by bytes. The host compares, many
/// pairs a call; an entity with more than two takes several rounds.
fn settle<H: Storage + ?Sized>(
    host: &mut H,
    merged: &mut [Entry],
    mut others: Vec<(usize, Entry)>,
) -> Result<(), AccessError> {
    let at_once = host.limits().items.max(1) as usize;
    while !others.is_empty() {
        let mut round: Vec<(usize, Entry)> = Vec::new();
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

/// Kind, form and as much of the digest as fits: orders as the whole does.
fn leading_bits(entry: &Entry) -> u64 {
    let d = entry.row.id.digest();
    let digest = u64::from_be_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]);
    ((entry.row.kind as u64) << 62) | ((entry.row.id.form() as u64) << 60) | (digest >> 4)
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
