//! Several runs: the newest row of each key, looked up and merged.

use std::collections::BTreeMap;

use packhouse_model::names::ShelfId;
use proptest::prelude::*;

use super::memory::{Memory, key};
use crate::{Change, Clash, Key, Merge, Row, Step};

/// What a push or a consolidation does to some entities: puts them on a shelf, or drops them.
type Publication = BTreeMap<Key, Option<[u8; 16]>>;

/// Where each entity is, in which encoding.
type Contents = BTreeMap<Key, (ShelfId, [u8; 16])>;

fn publications() -> impl Strategy<Value = Vec<Publication>> {
    // Few keys, so that they meet.
    let keys = prop::collection::vec(key(), 300);
    let publication = prop::collection::btree_map(0_usize..300, any::<Option<[u8; 16]>>(), 0..300);
    (keys, prop::collection::vec(publication, 0..6)).prop_map(|(keys, publications)| {
        let of = |one: BTreeMap<usize, _>| one.into_iter().map(|(at, to)| (keys[at], to)).collect();
        publications.into_iter().map(of).collect()
    })
}

/// The rows of each publication, and what there is after all of them.
fn published(publications: &[Publication]) -> (Vec<Vec<Row>>, Contents) {
    let mut there = Contents::new();
    let mut runs = Vec::new();
    for (shelf, publication) in (1..).map(ShelfId).zip(publications) {
        let mut rows = Vec::new();
        for (key, to) in publication {
            let change = match (to, there.contains_key(key)) {
                (Some(_), true) => Change::Replaces(shelf),
                (Some(_), false) => Change::New(shelf),
                (None, true) => Change::Dropped,
                (None, false) => continue,
            };
            match to {
                Some(fingerprint) => there.insert(*key, (shelf, *fingerprint)),
                None => there.remove(key),
            };
            rows.push(Row { key: *key, change, fingerprint: to.unwrap_or_default() });
        }
        runs.push(rows);
    }
    (runs, there)
}

fn is_live(row: &Row) -> Option<(Key, (ShelfId, [u8; 16]))> {
    row.change.shelf().map(|shelf| (row.key, (shelf, row.fingerprint)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn merged_runs_are_the_newest_row_of_each_key(
        publications in publications(), cut in 0_usize..6, after in key(),
    ) {
        let (runs, there) = published(&publications);
        let mut memory = Memory::default();
        runs.iter().for_each(|rows| memory.write(rows));
        let merged = memory.merged(None).unwrap();
        prop_assert!(merged.iter().filter_map(is_live).eq(there.clone()));

        let keys: Vec<Key> = merged.iter().map(|row| row.key).collect();
        let found = memory.lookup(&keys).unwrap().0;
        prop_assert!(found.iter().flatten().filter_map(is_live).eq(there.clone()));
        prop_assert!(found.iter().all(Option::is_some));

        // The newest runs merged first, and then the others with that.
        let cut = cut.min(runs.len());
        let mut newest = Memory::default();
        runs[cut..].iter().for_each(|rows| newest.write(rows));
        let mut twice = Memory::default();
        runs[..cut].iter().for_each(|rows| twice.write(rows));
        twice.write(&newest.merged(None).unwrap());
        prop_assert_eq!(&twice.merged(None).unwrap(), &merged);

        let rest = twice.merged(Some(&after)).unwrap();
        prop_assert_eq!(&rest[..], &merged[keys.partition_point(|key| *key <= after)..]);
    }
}

#[test]
fn what_is_added_twice_is_an_error() {
    let row = |change| Row { key: [1; 34], change, fingerprint: [0; 16] };
    let merged = |changes: &[Change]| {
        let mut merge = Merge::new(changes.len());
        for (source, change) in changes.iter().enumerate() {
            merge.supply(source, [row(*change)]);
        }
        let step = merge.step()?;
        (0..changes.len()).for_each(|source| merge.end(source));
        assert_eq!(merge.step(), Ok(Step::End));
        Ok(step)
    };
    let (new, replaces) = (Change::New(ShelfId(1)), Change::Replaces(ShelfId(2)));
    assert_eq!(merged(&[new, replaces]), Err(Clash([1; 34])));
    assert_eq!(merged(&[replaces, new, new]), Err(Clash([1; 34])));
    let (dropped, becomes) = (Change::Dropped, |change| Ok(Step::Row(row(change))));
    assert_eq!(merged(&[new, dropped, new]), becomes(Change::New(ShelfId(1))));
    assert_eq!(merged(&[new, dropped]), becomes(Change::Replaces(ShelfId(1))));
    assert_eq!(merged(&[replaces, new]), becomes(Change::New(ShelfId(2))));
    assert_eq!(merged(&[dropped, new]), becomes(dropped));
}
