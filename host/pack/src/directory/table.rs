//! The table of a directory: its rows by digest, in buckets.

use packhouse_core::ROW_BYTES;

/// Bytes of an entry of the table.
pub(super) const ENTRY: usize = 16;
/// Rows of an average bucket: 4 KiB of the table, which one read gets as fast as 16 bytes.
const BUCKET: u64 = 256;
/// More buckets would take longer to read than a longer bucket.
const MAX_BUCKETS: u64 = 1 << 14;

/// The number of buckets of a table with this many rows: a power of two.
pub(super) const fn buckets(rows: u64) -> u64 {
    let wanted = rows / BUCKET;
    if wanted >= MAX_BUCKETS { MAX_BUCKETS } else { wanted.next_power_of_two() }
}

/// The bucket of a digest, by its first bits.
pub(super) fn bucket(digest: &[u8], buckets: u64) -> usize {
    ((prefix(digest) >> 48) as usize * buckets as usize) >> 16
}

/// The first 8 bytes of a digest; orders as they do.
pub(super) fn prefix(digest: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// A checksum of a row. Parts of a directory are read without its SHA-256.
fn checksum(row: &[u8]) -> u32 {
    let mut sum = 0u64;
    for word in row.chunks_exact(8) {
        sum ^= u64::from_le_bytes(std::array::from_fn(|i| word[i]));
        sum = sum.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^= sum >> 32;
    }
    sum as u32
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    prefix: u64,
    number: u32,
    checksum: u32,
}

impl Entry {
    fn encode(self) -> [u8; ENTRY] {
        let mut out = [0; ENTRY];
        out[..8].copy_from_slice(&self.prefix.to_be_bytes());
        out[8..12].copy_from_slice(&self.number.to_le_bytes());
        out[12..].copy_from_slice(&self.checksum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Entry {
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        Entry { prefix: prefix(bytes), number: half(8), checksum: half(12) }
    }

    /// The number of its row.
    pub(super) fn number(self) -> u64 {
        self.number.into()
    }

    /// Whether bytes are the row that it was made of.
    pub(super) fn is_of(self, row: &[u8]) -> bool {
        checksum(row) == self.checksum
    }
}

/// The entries of a bucket whose digests begin as one does, in order.
pub(super) fn entries_of(digest: &[u8], bucket: &[u8]) -> Vec<Entry> {
    let sought = prefix(digest);
    let (entries, _) = bucket.as_chunks::<ENTRY>();
    let first = entries.partition_point(|entry| prefix(entry) < sought);
    let equal = entries[first..].iter().map(|entry| Entry::decode(entry));
    equal.take_while(|entry| entry.prefix == sought).collect()
}

/// What rows are ordered by in the table: digest, kind, form of the id, fingerprint.
pub(super) fn order(row: &[u8]) -> (&[u8], u8, u8, &[u8]) {
    (&row[24..56], row[0], row[1], &row[56..ROW_BYTES])
}

/// A table in memory.
pub(super) struct Table(Vec<Entry>);

impl Table {
    /// The table of some rows.
    pub(super) fn of(rows: &[u8]) -> Table {
        let (rows, _) = rows.as_chunks::<ROW_BYTES>();
        // A pack of four billion records would have a directory of 300 GB: none is planned.
        let numbered = rows.iter().zip(0u32..);
        let mut entries: Vec<Entry> = numbered
            .map(|(row, number)| Entry {
                prefix: prefix(&row[24..56]),
                number,
                checksum: checksum(row),
            })
            .collect();
        let key = |entry: &Entry| (order(&rows[entry.number as usize]), entry.number);
        entries.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(&key(b))));
        Table(entries)
    }

    /// Appends, for each bucket, how many entries there are up to its end.
    pub(super) fn write_fan_out(&self, file: &mut Vec<u8>) {
        let buckets = buckets(self.0.len() as u64);
        let mut end = 0;
        for number in 0..buckets as usize {
            let is_in = |entry: &&Entry| bucket(&entry.prefix.to_be_bytes(), buckets) == number;
            end += self.0[end..].iter().take_while(is_in).count();
            file.extend_from_slice(&(end as u32).to_le_bytes());
        }
    }

    /// Appends the entries.
    pub(super) fn write_entries(&self, file: &mut Vec<u8>) {
        self.0.iter().for_each(|entry| file.extend_from_slice(&entry.encode()));
    }
}
