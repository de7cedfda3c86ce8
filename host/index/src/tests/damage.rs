//! Damaged blocks are errors that name them.

use proptest::prelude::*;

use super::memory::{Memory, many, some_rows};
use crate::{BlockId, Fault, RunId};

/// Two runs, of several nodes and of one leaf.
fn two_runs() -> Memory {
    let mut memory = Memory::default();
    memory.write(&many(0..4000));
    memory.write(&many(5000..5100));
    memory
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_flipped_bit_is_a_fault_and_never_a_row(
        rows in some_rows(1500), block in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!rows.is_empty());
        let mut memory = Memory::default();
        memory.write(&rows);
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let blocks: Vec<i64> = memory.blocks.keys().copied().collect();
        let number = block.index(blocks.len() + 1);
        let (id, bytes) = match blocks.get(number) {
            None => (BlockId::root(RunId(1)), &mut memory.roots[0].1),
            Some(id) => (BlockId::from_i64(*id), memory.blocks.get_mut(id).unwrap()),
        };
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(memory.lookup(&keys).unwrap_err(), id.fault(Fault::Checksum));
    }
}

#[test]
fn a_block_that_is_missing_moved_or_cut_off_is_named() {
    let whole = two_runs();
    let keys: Vec<_> = whole.merged(None).unwrap().iter().map(|row| row.key).collect();
    let ids: Vec<i64> = whole.blocks.keys().copied().collect();
    for (id, next) in ids.iter().zip(ids.iter().cycle().skip(1)) {
        let block = BlockId::from_i64(*id);
        let mut memory = whole.clone();
        memory.blocks.remove(id);
        assert_eq!(memory.lookup(&keys).unwrap_err(), block.fault(Fault::Missing));
        memory.blocks.insert(*id, whole.blocks[next].clone());
        assert_eq!(memory.lookup(&keys).unwrap_err(), block.fault(Fault::Misplaced));
        memory.blocks.insert(*id, whole.blocks[id][1..].to_vec());
        assert_eq!(memory.lookup(&keys).unwrap_err(), block.fault(Fault::Length));
    }
}

#[test]
fn a_root_of_another_run_is_no_root() {
    let mut memory = two_runs();
    let (first, second) = (memory.roots[0].1.clone(), memory.roots[1].1.clone());
    memory.roots[0].1 = second;
    assert_eq!(memory.runs().unwrap_err(), BlockId::root(RunId(1)).fault(Fault::Misplaced));
    memory.roots[0].1 = first[..first.len() - 8].to_vec();
    assert_eq!(memory.runs().unwrap_err().fault, Fault::Checksum);
    memory.roots[0].1 = vec![0; 7];
    let fault = memory.runs().unwrap_err();
    assert_eq!(fault.to_string(), "the root of run 1 of the index has the wrong length");
}

#[test]
fn bytes_of_any_content_are_read_or_refused() {
    use crate::block::{BlockType, seal};
    use crate::{Leaf, Node, Run};
    let (run, id) = (RunId(3), BlockId::leaf(RunId(3), 0));
    let mut seed = 1_u64;
    let mut opened = 0;
    for round in 0..20_000_u64 {
        // Sealed bytes of little content, so that some of them pass the checks.
        let mut bytes = vec![0; crate::BLOCK_BYTES];
        for byte in &mut bytes[16..40] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (seed >> 33) as u8 >> (round % 8);
        }
        let count = (seed >> 40) as u16 >> (round % 16);
        for (is, id) in [
            (BlockType::Leaf, id),
            (BlockType::Node, BlockId::node(run, 0)),
            (BlockType::Root, BlockId::root(run)),
            (BlockType::Leaf, BlockId::root(run)),
        ] {
            seal(&mut bytes, id, is, count);
            let leaf = match (is, id.is_root()) {
                (BlockType::Leaf, false) => Leaf::open(bytes.clone(), id).ok(),
                (BlockType::Node, _) => {
                    opened += Node::open(bytes.clone(), id)
                        .map_or(0, |node| 1 + usize::from(node.leaf_with(&[9; 34]).is_some()));
                    None
                }
                _ => Run::open(run, bytes.clone()).ok().and_then(|run| run.leaf().cloned()),
            };
            opened += leaf.map_or(0, |leaf| leaf.rows().count());
        }
    }
    assert!(opened > 1000, "{opened} were read");
}
