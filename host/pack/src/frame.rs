//! What a pack has besides its records: its head, the heads of its sections, its branch heads.
//!
//! They lie before the records of a section, or after all of them. Their fingerprints are stored in
//! the directory, so that any part of a pack can be checked without reading the rest of it.

use packhouse_core::row::Fingerprint;

/// The most parts that a pack can have: one before each of its four sections of records, and one
/// after them.
pub const MAX_PARTS: usize = 5;
/// Size in bytes of a part in a directory file.
pub(crate) const PART_BYTES: usize = 32;

/// Adjacent bytes of a pack that are not of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePart {
    /// The first byte, from the pack's start.
    pub offset: u64,
    /// How many there are: one at least.
    pub length: u64,
    /// The first half of their SHA-256.
    pub fingerprint: Fingerprint,
}

/// The parts of a frame as a directory file has them: unused ones are zero.
pub(crate) fn encode(frame: &[FramePart]) -> [u8; MAX_PARTS * PART_BYTES] {
    let mut out = [0; MAX_PARTS * PART_BYTES];
    for (part, slot) in frame.iter().zip(out.chunks_exact_mut(PART_BYTES)) {
        slot[..8].copy_from_slice(&part.offset.to_le_bytes());
        slot[8..16].copy_from_slice(&part.length.to_le_bytes());
        slot[16..].copy_from_slice(&part.fingerprint);
    }
    out
}

/// The parts in the bytes of [`encode`].
pub(crate) fn decode(bytes: &[u8]) -> Vec<FramePart> {
    let (slots, _) = bytes.as_chunks::<PART_BYTES>();
    let word = |slot: &[u8; PART_BYTES], at: usize| {
        u64::from_le_bytes(std::array::from_fn(|i| slot[at + i]))
    };
    let part = |slot: &[u8; PART_BYTES]| FramePart {
        offset: word(slot, 0),
        length: word(slot, 8),
        fingerprint: std::array::from_fn(|i| slot[16 + i]),
    };
    slots.iter().map(part).take_while(|part| part.length > 0).collect()
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;
    use crate::scan::scan;
    use crate::testing::some_pack;

    #[test]
    fn frame_and_records_are_the_whole_pack() {
        let pack = some_pack(1000);
        let found = scan(pack.as_slice(), |_| Ok(())).unwrap();
        let mut pieces: Vec<_> = found.rows.iter().map(|row| (row.offset, row.length)).collect();
        pieces.extend(found.frame.iter().map(|part| (part.offset, part.length)));
        pieces.sort_unstable();
        let end = pieces.iter().fold(0, |end, (offset, length)| {
            assert_eq!(*offset, end);
            end + length
        });
        assert_eq!(end, pack.len() as u64);
        assert_eq!(found.frame.len(), 3, "before objects, commits and tags; nothing at the end");
        for part in &found.frame {
            let bytes = &pack[part.offset as usize..(part.offset + part.length) as usize];
            assert_eq!(part.fingerprint, digest(&SHA256, bytes).as_ref()[..16]);
        }
        assert_eq!(decode(&encode(&found.frame)), found.frame);
        assert_eq!(decode(&encode(&[])), []);
    }

    #[test]
    fn a_pack_without_records_is_all_frame() {
        let found = scan([0x80].as_slice(), |_| Ok(())).unwrap();
        let parts: Vec<_> = found.frame.iter().map(|part| (part.offset, part.length)).collect();
        assert_eq!(parts, [(0, 1)]);
    }
}
