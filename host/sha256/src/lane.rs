//! One of two messages that are hashed at once.

use crate::unit::{FIRST, ShaUnit, State, words};
use crate::{Ahead, BLOCK, Inner};

pub(crate) type Block = [u8; BLOCK];

/// The state of a message.
#[derive(Clone)]
pub(crate) struct Lane {
    unit: ShaUnit,
    state: State,
    /// The bytes after the last whole block; valid are `length % 64`.
    tail: Block,
    /// Of the whole message, in bytes.
    length: u64,
}

impl Lane {
    pub(crate) const fn new(unit: ShaUnit) -> Lane {
        Lane { unit, state: FIRST, tail: [0; BLOCK], length: 0 }
    }

    fn in_tail(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8], mut ahead: Option<&mut Ahead<'_>>) {
        let used = self.in_tail();
        self.length += bytes.len() as u64;
        if used > 0 {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - used));
            self.tail[used..used + now.len()].copy_from_slice(now);
            if used + now.len() < BLOCK {
                return;
            }
            let tail = self.tail;
            self.compress(&[tail], ahead.as_deref_mut());
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        self.compress(blocks, ahead);
        self.tail[..rest.len()].copy_from_slice(rest);
    }

    pub(crate) fn finish(mut self, ahead: Option<&mut Ahead<'_>>) -> [u8; 32] {
        let used = self.in_tail();
        let mut last = [[0; BLOCK]; 2];
        last[0][..used].copy_from_slice(&self.tail[..used]);
        last[0][used] = 0x80;
        // After the end are eight bytes for the length, in bits.
        let blocks = if used + 1 + 8 <= BLOCK { 1 } else { 2 };
        last[blocks - 1][BLOCK - 8..].copy_from_slice(&(self.length * 8).to_be_bytes());
        self.compress(&last[..blocks], ahead);
        let mut sum = [0; 32];
        for (bytes, word) in sum.chunks_exact_mut(4).zip(words(&self.state)) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        sum
    }

    fn compress(&mut self, blocks: &[Block], ahead: Option<&mut Ahead<'_>>) {
        let mut alone = blocks;
        if let Some(ahead) = ahead
            && let Inner::Lane(stream) = &mut ahead.stream.0
            && stream.in_tail() == 0
        {
            let (ready, _) = ahead.bytes.as_chunks::<BLOCK>();
            let both = ready.len().min(blocks.len());
            let (of_both, rest) = blocks.split_at(both);
            self.unit.compress([&mut self.state, &mut stream.state], [of_both, &ready[..both]]);
            stream.length += (both * BLOCK) as u64;
            ahead.bytes = &ahead.bytes[both * BLOCK..];
            alone = rest;
        }
        self.unit.compress([&mut self.state], [alone]);
    }
}
