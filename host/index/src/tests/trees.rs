//! One run: what is written is read.

use packhouse_model::names::ShelfId;
use proptest::prelude::*;

use super::memory::{Memory, key, many, some_rows, spread};
use crate::leaf::MAX_ROWS;
use crate::{Change, RunBuilder, RunId, Unordered};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_written_is_read(rows in some_rows(4000), other in prop::collection::vec(key(), 50)) {
        let mut memory = Memory::default();
        memory.write(&rows);
        prop_assert_eq!(&memory.merged(None).unwrap(), &rows);
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let found = memory.lookup(&keys).unwrap().0;
        prop_assert!(found.iter().flatten().eq(&rows) && found.len() == rows.len());
        let mut unknown: Vec<_> =
            other.into_iter().filter(|key| keys.binary_search(key).is_err()).collect();
        unknown.sort_unstable();
        prop_assert!(memory.lookup(&unknown).unwrap().0.iter().all(Option::is_none));
        for after in unknown.iter().chain(keys.iter().step_by(97)) {
            let rest = memory.merged(Some(after)).unwrap();
            prop_assert_eq!(&rest[..], &rows[keys.partition_point(|key| key <= after)..]);
        }
    }
}

#[test]
fn a_run_of_several_chunks_is_read_as_it_was_written() {
    let rows = many(0..70_000);
    let mut memory = Memory::default();
    memory.write(&rows);
    assert!(memory.merged(None).unwrap() == rows);
    let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
    let found = memory.lookup(&keys).unwrap().0;
    assert!(found.iter().flatten().eq(&rows));
}

#[test]
fn a_key_that_a_run_does_not_have_costs_no_leaf() {
    let mut memory = Memory::default();
    memory.write(&many(0..50_000));
    let mut keys: Vec<_> = (100_000..110_000).map(spread).collect();
    keys.sort_unstable();
    let (found, leaves) = memory.lookup(&keys).unwrap();
    assert!(found.iter().all(Option::is_none));
    assert!(leaves < 30, "{leaves} leaves were read for 10 000 unknown keys");
}

#[test]
fn a_row_of_a_large_push_takes_33_bytes_and_2_more_in_its_node() {
    let mut memory = Memory::default();
    let mut rows = many(0..60_000);
    rows.iter_mut().for_each(|row| row.fingerprint = [0; 16]);
    memory.write(&rows);
    let blocks = memory.blocks.len();
    let leaves = 60_000_usize.div_ceil(MAX_ROWS);
    assert_eq!((MAX_ROWS, blocks), (121, leaves + leaves.div_ceil(14)));
    assert!(memory.roots[0].1.len() < 400);
}

/// Such IDs can be made up for commits and snapshots.
#[test]
fn keys_that_differ_in_their_middle_only_are_each_in_one_leaf() {
    let mut rows = many(0..30_000);
    for (number, row) in (0_u32..).zip(&mut rows) {
        row.key = [7; 34];
        row.key[20..24].copy_from_slice(&number.to_be_bytes());
    }
    let mut memory = Memory::default();
    memory.write(&rows);
    assert_eq!(memory.merged(None).unwrap(), rows);
    for number in [0, 1, 5000, 29_999] {
        let (found, leaves) = memory.lookup(&[rows[number].key]).unwrap();
        assert_eq!((found, leaves), (vec![Some(rows[number])], 1));
    }
}

#[test]
fn a_small_run_is_its_root_alone() {
    let mut memory = Memory::default();
    memory.write(&many(0..100));
    assert!(memory.blocks.is_empty() && memory.roots[0].1.len() < 100 * 40);
}

#[test]
fn rows_that_are_not_in_order_are_refused() {
    let rows = many(0..2);
    for (first, then) in [(1, 0), (0, 0)] {
        let mut builder = RunBuilder::new(RunId(1));
        assert!(builder.push(&rows[first]).unwrap().is_none());
        assert_eq!(builder.push(&rows[then]).unwrap_err(), Unordered);
    }
}

#[test]
fn shelves_far_apart_are_told_apart_in_one_leaf() {
    let mut rows = many(0..60);
    for (row, shelf) in rows.iter_mut().zip([0, i64::MAX, 1, 1 << 40].into_iter().cycle()) {
        row.change = Change::Replaces(ShelfId(shelf));
    }
    let mut memory = Memory::default();
    memory.write(&rows);
    assert_eq!(memory.merged(None).unwrap(), rows);
}
