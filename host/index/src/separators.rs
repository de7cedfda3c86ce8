//! Which of some neighbouring blocks has a key, by the beginnings of their first keys: as many bytes
//! of them as tell them from the keys before.
//!
//! ```text
//! width 1 · separators × width
//! ```
//!
//! Digests differ in a few bytes. Made-up IDs that don't only make the blocks of their own repo
//! larger: a key is in one block at most, whatever the IDs are.

use crate::row::{KEY_BYTES, Key};

/// Separators that are written.
#[derive(Debug, Default)]
pub(crate) struct SeparatorsBuilder {
    firsts: Vec<Key>,
    width: usize,
}

impl SeparatorsBuilder {
    /// Adds a block: its first key, and the key before it, which is less.
    pub(crate) fn push(&mut self, first: Key, before: Option<&Key>) {
        let same = |before: &Key| first.iter().zip(before).take_while(|(a, b)| a == b).count();
        // Before the first block there is nothing to differ from.
        let before = before.filter(|_| !self.firsts.is_empty());
        self.width = self.width.max(1 + before.map_or(0, same)).min(KEY_BYTES);
        self.firsts.push(first);
    }

    /// How many blocks.
    pub(crate) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The first key of all; none if there is no block.
    pub(crate) fn first(&self) -> Option<&Key> {
        self.firsts.first()
    }

    /// Appends them to some bytes, and begins others.
    pub(crate) fn finish(&mut self, to: &mut Vec<u8>) {
        to.push(self.width as u8);
        self.firsts.iter().for_each(|first| to.extend_from_slice(&first[..self.width]));
        self.firsts.clear();
        self.width = 0;
    }
}

/// Separators, at the beginning of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Separators<'a> {
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Separators<'a> {
    /// Those of so many blocks, and what follows them; none if they are not there.
    pub(crate) fn read(bytes: &'a [u8], blocks: usize) -> Option<(Separators<'a>, &'a [u8])> {
        let (width, bytes) = bytes.split_first()?;
        let width = usize::from(*width);
        let (bytes, rest) = bytes.split_at_checked(blocks.checked_mul(width)?)?;
        (1..=KEY_BYTES).contains(&width).then_some((Separators { width, bytes }, rest))
    }

    /// The block that a key is in, if any has it: none for a key before all of them.
    pub(crate) fn find(self, key: &Key) -> Option<usize> {
        let (mut from, mut to) = (0, self.bytes.len() / self.width);
        while from < to {
            let middle = from.midpoint(to);
            match self.bytes[middle * self.width..][..self.width] <= key[..self.width] {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        from.checked_sub(1)
    }
}
