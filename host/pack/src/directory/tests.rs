use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use packhouse_core::{EntityId, Form, Kind};
use packhouse_model::error::Result;
use proptest::collection::SizeRange;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::testing::some_pack;

const KEY: MpackKey = MpackKey::new([5; 32]);

fn row(offset: u64) -> Row {
    Row {
        kind: Kind::Tag,
        id: EntityId::new(Form::Text, [1; 32]),
        offset,
        length: 10,
        fingerprint: [2; 16],
    }
}

/// A directory of version 1.
fn version_1(key: MpackKey, pack_bytes: u64, rows: &[Row]) -> Vec<u8> {
    let mut file = MAGIC_1.to_vec();
    file.extend((rows.len() as u64).to_le_bytes());
    file.extend(pack_bytes.to_le_bytes());
    file.extend(key.digest());
    rows.iter().for_each(|row| file.extend(row.encode()));
    append_sum(&mut file);
    file
}

/// A file in memory, how many bytes of it were read, and how many ranges.
struct Counted<'a>(&'a [u8], AtomicU64, AtomicU64);

impl Counted<'_> {
    fn of(file: &[u8]) -> Counted<'_> {
        Counted(file, AtomicU64::new(0), AtomicU64::new(0))
    }

    /// Ranges and bytes since the last call.
    fn take(&self) -> (u64, u64) {
        (self.2.swap(0, Ordering::Relaxed), self.1.swap(0, Ordering::Relaxed))
    }
}

impl DirectoryRead for Counted<'_> {
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let read = |range: &Range<u64>| {
            self.1.fetch_add(range.end - range.start, Ordering::Relaxed);
            self.2.fetch_add(1, Ordering::Relaxed);
            let bytes = self.0.get(range.start as usize..range.end as usize);
            bytes.map(Bytes::copy_from_slice)
        };
        Ok(ranges.iter().map(read).collect())
    }
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn head(file: &[u8], records: u64) -> Option<DirectoryHead> {
    let range = DirectoryHead::range(records);
    let start = file.get(range.start as usize..range.end as usize)?;
    DirectoryHead::of(KEY, Bytes::copy_from_slice(start))
}

/// Finds rows by reading parts of a file; none of them if it has no valid head.
fn locate(file: &[u8], records: u64, wanted: &[WantedRow]) -> Vec<Option<(u64, Row)>> {
    let Some(head) = head(file, records) else { return vec![None; wanted.len()] };
    let reader = Counted::of(file);
    now(LookupDirectory::new(&head, &reader).locate(wanted, &mut NearRows::default())).unwrap()
}

fn wanted(row: &Row) -> WantedRow {
    WantedRow { kind: row.kind, id: row.id, fingerprint: row.fingerprint }
}

/// What a lookup should find: the first such row, or an equal one.
fn scan(rows: &[Row], wanted: &WantedRow) -> Option<(u64, Row)> {
    let is_wanted = |row: &Row| {
        (row.kind, row.id, row.fingerprint) == (wanted.kind, wanted.id, wanted.fingerprint)
    };
    rows.iter().position(is_wanted).map(|n| (n as u64, rows[n]))
}

/// Rows whose ids begin alike, come in several forms and kinds, and repeat.
fn some_rows(how_many: impl Into<SizeRange>) -> impl Strategy<Value = Vec<Row>> {
    let digest = prop_oneof![
        4 => any::<[u8; 32]>(),
        2 => any::<[u8; 2]>().prop_map(|end| {
            let mut digest = [7; 32];
            (digest[7], digest[31]) = (end[0] & 1, end[1] & 3);
            digest
        }),
        1 => Just([9; 32]),
    ];
    let one = (0..4u8, 0..3u8, digest, 0..3u8);
    prop::collection::vec(one, how_many).prop_map(|all| {
        let rows = all.into_iter().zip(0u64..).map(|((kind, form, digest, print), n)| Row {
            kind: Kind::from_byte(kind).unwrap(),
            id: EntityId::new([Form::Bare, Form::Prefixed, Form::Text][form as usize], digest),
            offset: 10 * n,
            length: 10,
            fingerprint: [print; 16],
        });
        rows.collect()
    })
}

#[test]
fn a_directory_reads_back_and_a_flipped_byte_shows() {
    let rows = [row(3), row(13), row(40)];
    let directory = Directory::new(KEY, 50, &rows);
    assert_eq!(directory.rows().collect::<Vec<_>>(), rows);
    assert_eq!((directory.at(13), directory.at(14), directory.at(40)), (Some(1), None, Some(2)));
    assert_eq!(directory.whole_rows(3, 20), Some(0..2));
    assert_eq!(directory.whole_rows(40, 10), Some(2..3));
    for (offset, length) in [(3, 0), (3, 9), (3, 21), (3, 37), (4, 9), (40, 11), (13, u64::MAX)] {
        assert_eq!(directory.whole_rows(offset, length), None, "{offset}+{length}");
    }
    for file in [directory.to_file(), version_1(KEY, 50, &rows)] {
        assert_eq!(Directory::read(KEY, file.clone()), Some(directory.clone()));
        assert_eq!(Directory::read(MpackKey::new([6; 32]), file.clone()), None);
        for at in 0..file.len() {
            let mut bytes = file.clone();
            bytes[at] ^= 1;
            assert_eq!(Directory::read(KEY, bytes), None, "flipped at {at}");
        }
    }
    for (rows, pack_bytes) in [
        (vec![row(13), row(3)], 50),
        (vec![row(3), row(12)], 50),
        (vec![row(45)], 50),
        (vec![row(u64::MAX)], 50),
    ] {
        let senseless = Directory::new(KEY, pack_bytes, &rows).to_file();
        assert_eq!(Directory::read(KEY, senseless), None, "{rows:?}");
    }
}

#[test]
fn a_directory_of_version_1_becomes_one_of_version_2() {
    let rows: Vec<Row> = (0..1000).map(|n| row(10 * n)).collect();
    let old = version_1(KEY, 10_000, &rows);
    let read = Directory::read(KEY, old.clone()).unwrap();
    let new = read.to_file();
    assert_eq!((Directory::is_current(&old), Directory::is_current(&new)), (false, true));
    assert_eq!(new, Directory::new(KEY, 10_000, &rows).to_file());
    assert_eq!(new.len() as u64, Directory::size(1000));
    assert!(head(&old, 1000).is_none(), "lookups are not made in it");
}

#[test]
fn a_directory_has_the_frame_of_its_pack() {
    let pack = some_pack(10);
    let scanned = crate::scan::scan(pack.as_slice(), |_| Ok(())).unwrap();
    let directory = Directory::of(KEY, pack.len() as u64, &scanned);
    let file = directory.to_file();
    assert_eq!(head(&file, directory.len()).unwrap().frame(), scanned.frame);
    assert_eq!(Directory::read(KEY, file).unwrap().frame(), scanned.frame);
    let without = Directory::new(KEY, pack.len() as u64, &scanned.rows);
    assert_eq!(without, directory, "the rows are compared");
    assert_eq!(head(&without.to_file(), directory.len()).unwrap().frame(), []);
    let taken = Directory::of_taken(KEY, pack.len() as u64, scanned);
    assert_eq!(taken.to_file(), directory.to_file());
}

#[test]
fn an_optional_part_is_skipped() {
    for records in [3, 5000] {
        let rows: Vec<Row> = (0..records).map(|n| row(10 * n)).collect();
        let directory = Directory::new(KEY, 10 * records, &rows);
        // As `to_file`, with a part more.
        let mut file = directory.to_file();
        let head_end = head::bytes(records) as usize;
        let mut with_part = file[..head_end - SUM].to_vec();
        with_part[56..FRAME].copy_from_slice(&4u64.to_le_bytes());
        append_sum(&mut with_part);
        file.truncate(file.len() - SUM);
        with_part.extend(&file[head_end..]);
        with_part.extend(b"part");
        append_sum(&mut with_part);
        assert_eq!(Directory::read(KEY, with_part.clone()), Some(directory));
        let sought = wanted(&rows[2]);
        assert_eq!(locate(&with_part, records, &[sought]), [scan(&rows, &sought)]);
    }
}

/// Rows of objects, 10 bytes each, whose ids are in no order.
fn scattered(count: u64) -> Vec<Row> {
    let id = |n: u64| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        EntityId::new(Form::Prefixed, digest)
    };
    (0..count).map(|n| Row { id: id(n), kind: Kind::Object, ..row(10 * n) }).collect()
}

#[test]
fn what_lies_near_each_other_is_read_together() {
    let rows = scattered(40_000);
    let file = Directory::new(KEY, 400_000, &rows).to_file();
    let head = head(&file, 40_000).unwrap();
    let reader = Counted::of(&file);
    let (directory, mut near) = (LookupDirectory::new(&head, &reader), NearRows::default());
    let mut find = |numbers: &mut dyn Iterator<Item = usize>| {
        let numbers: Vec<usize> = numbers.collect();
        let sought: Vec<WantedRow> = numbers.iter().map(|n| wanted(&rows[*n])).collect();
        let found = now(directory.locate(&sought, &mut near)).unwrap();
        let expected = numbers.iter().map(|n| Some((*n as u64, rows[*n])));
        assert!(found.into_iter().eq(expected), "{numbers:?}");
        reader.take()
    };
    assert_eq!(find(&mut (30_000..30_010)).0, 2, "a bucket, and the rows around it");
    assert_eq!(find(&mut (29_950..30_000)), (0, 0), "they were read with those");
    let (ranges, read) = find(&mut (1000..3000));
    assert!(ranges < 10 && read < 2000 * 4 * ROW_BYTES as u64, "{ranges} ranges, {read} bytes");
    // Those that lie nowhere near each other: a bucket and a row each, and one look in vain.
    let (ranges, read) = find(&mut (0..10).map(|n| 7 + 4000 * n));
    assert!(ranges <= 20 && read < 70_000, "{ranges} ranges, {read} bytes");
}

#[test]
fn a_lookup_reads_little_of_a_large_directory() {
    let rows = scattered(40_000);
    let file = Directory::new(KEY, 400_000, &rows).to_file();
    let head = head(&file, 40_000).unwrap();
    assert!(head.memory() < 4096, "{} bytes", head.memory());
    let reader = Counted::of(&file);
    let directory = LookupDirectory::new(&head, &reader);
    assert_eq!(
        now(directory.locate(&[wanted(&rows[37_777])], &mut NearRows::default())).unwrap(),
        [Some((37_777, rows[37_777]))]
    );
    let (ranges, read) = reader.take();
    assert!((ranges, read < 20_000) == (2, true), "{ranges} ranges, {read} bytes");
    let page = now(directory.page(39_999, 10)).unwrap();
    assert_eq!(page.as_deref(), Some(&rows[39_999].encode()[..]));
    assert_eq!(now(directory.page(40_000, 10)).unwrap().as_deref(), Some(&[][..]));
    assert_eq!(now(directory.page(40_001, 10)).unwrap(), None);
}

#[test]
fn many_rows_of_one_id_are_searched_and_not_read() {
    let mut rows: Vec<Row> = (0..5000).map(|n| row(10 * n)).collect();
    rows[4990].fingerprint = [3; 16];
    let file = Directory::new(KEY, 50_000, &rows).to_file();
    let head = head(&file, 5000).unwrap();
    let reader = Counted::of(&file);
    let sought = [wanted(&rows[4990]), wanted(&rows[5])];
    let directory = LookupDirectory::new(&head, &reader);
    let found = now(directory.locate(&sought, &mut NearRows::default())).unwrap();
    assert_eq!(found, [Some((4990, rows[4990])), Some((0, rows[0]))]);
    let entries = 2 * 5000 * ENTRY as u64;
    let read = reader.take().1 - entries;
    assert!(read < 500 * ROW_BYTES as u64, "{read} bytes of rows");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_lookup_finds_what_a_scan_finds(
        rows in some_rows(0..900),
        others in some_rows(0..20),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let records = rows.len() as u64;
        let file = Directory::new(KEY, 10 * records, &rows).to_file();
        let mut sought: Vec<WantedRow> = others.iter().map(wanted).collect();
        if !rows.is_empty() {
            sought.extend(picks.iter().map(|pick| wanted(pick.get(&rows))));
        }
        for (found, sought) in locate(&file, records, &sought).iter().zip(&sought) {
            prop_assert_eq!(found.is_some(), scan(&rows, sought).is_some());
            // Of rows that repeat, it may be another than the first.
            let Some((number, row)) = found else { continue };
            prop_assert_eq!((rows[*number as usize], wanted(row)), (*row, *sought));
        }
    }
}

#[test]
fn a_flipped_byte_is_noticed_or_changes_nothing() {
    let mut runner = TestRunner::deterministic();
    // One that is kept whole, and one of which parts are read.
    for (records, step) in [(12, 1), (800, 331)] {
        let rows = some_rows(records).new_tree(&mut runner).unwrap().current();
        let file = Directory::new(KEY, 10 * records as u64, &rows).to_file();
        let sought: Vec<WantedRow> = rows.iter().map(wanted).collect();
        let mut lost = 0;
        for at in (0..file.len()).step_by(step) {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            for (found, sought) in locate(&damaged, records as u64, &sought).iter().zip(&sought) {
                match found {
                    // Of rows that repeat, it may be another than the first.
                    Some((n, row)) => {
                        assert_eq!((rows[*n as usize], wanted(row)), (*row, *sought), "at {at}");
                    }
                    None => lost += 1,
                }
            }
        }
        assert!(lost > 0, "some damage was noticed");
    }
}
