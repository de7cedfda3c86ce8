//! The spine of a pack in canonical form: how many records of one kind come before the turn of each
//! record of another. With it, records are inserted without reading the pack.
//!
//! It is the optional part of a directory, in blocks that can be read one by one: up to 1 023
//! numbers of 4 bytes, little-endian, then a checksum of 4 bytes.

use std::ops::Range;

use ring::digest::{Context, SHA256};

/// Numbers in a block. With its checksum a block has 4 KiB.
const BLOCK: u64 = 1023;
const NUMBER: u64 = 4;

/// A number for each commit, then for each snapshot, in the order of the rows. Of a commit: how many
/// snapshots of the pack come before its turn. Of a snapshot: how many objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spine(Vec<u32>);

impl Spine {
    /// A spine of these numbers.
    pub fn new(numbers: Vec<u32>) -> Spine {
        Spine(numbers)
    }

    /// The numbers.
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// Size in bytes of a spine with so many numbers.
    pub const fn size(numbers: u64) -> u64 {
        NUMBER * (numbers + numbers.div_ceil(BLOCK))
    }

    /// The spine as a part of a file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Spine::size(self.0.len() as u64) as usize);
        for (number, block) in (0..).zip(self.0.chunks(BLOCK as usize)) {
            let start = out.len();
            block.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            let sum = checksum(number, &out[start..]);
            out.extend_from_slice(&sum);
        }
        out
    }
}

/// Numbers `wanted` of a spine with `count` of them, as whole blocks.
pub(super) struct Blocks {
    first: u64,
    count: u64,
    wanted: Range<u64>,
}

impl Blocks {
    /// The blocks with at most `limit` numbers from `first`. `None` if there are no such numbers.
    pub(super) fn of(first: u64, limit: u64, count: u64) -> Option<Blocks> {
        let end = first.saturating_add(limit).min(count);
        (first < end).then_some(Blocks { first: first / BLOCK, count, wanted: first..end })
    }

    /// Their bytes in the spine.
    pub(super) fn bytes(&self) -> Range<u64> {
        let end = self.count.min((self.wanted.end.div_ceil(BLOCK)) * BLOCK);
        NUMBER * self.first * (BLOCK + 1)..Spine::size(end)
    }

    /// The wanted numbers in these bytes; `None` if a block is damaged.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        for (number, block) in (self.first..).zip(bytes.chunks((NUMBER * (BLOCK + 1)) as usize)) {
            let (values, sum) = block.split_at_checked(block.len().checked_sub(4)?)?;
            if checksum(number, values) != sum {
                return None;
            }
            let (values, _) = values.as_chunks::<4>();
            numbers.extend(values.iter().map(|value| u32::from_le_bytes(*value)));
        }
        let start = (self.wanted.start - self.first * BLOCK) as usize;
        let end = (self.wanted.end - self.first * BLOCK) as usize;
        numbers.get(start..end).map(<[u32]>::to_vec)
    }
}

/// A checksum of a block that is read without the rest of the file.
fn checksum(number: u64, block: &[u8]) -> [u8; 4] {
    let mut sum = Context::new(&SHA256);
    sum.update(b"spine");
    sum.update(&number.to_le_bytes());
    sum.update(block);
    let sum = sum.finish();
    std::array::from_fn(|i| sum.as_ref()[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_spine_reads_back_and_a_flipped_bit_is_noticed() {
        for count in [0u32, 1, 1022, 1023, 1024, 5000] {
            let spine = Spine::new((0..count).map(|n| n * 3).collect());
            let (file, count) = (spine.encode(), u64::from(count));
            assert_eq!(file.len() as u64, Spine::size(count));
            for (first, limit) in [(0, 1), (0, 5000), (1000, 50), (1022, 1), (1023, 2), (4999, 9)] {
                let Some(blocks) = Blocks::of(first, limit, count) else {
                    assert!(first >= count);
                    continue;
                };
                let at = blocks.bytes();
                let mut read = file[at.start as usize..at.end as usize].to_vec();
                let end = (first + limit).min(count) as usize;
                assert_eq!(blocks.read(&read).unwrap(), spine.numbers()[first as usize..end]);
                let middle = read.len() / 2;
                read[middle] ^= 4;
                assert_eq!(blocks.read(&read), None);
            }
        }
    }
}
