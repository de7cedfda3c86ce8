use packhouse_core::ROW_BYTES;
use packhouse_vault::objects::ObjectName;

use super::*;
use crate::testing::{Packs, pack_of};

async fn open(packs: &Packs, row: &PackRow) -> RowCursor {
    RowCursor::open(packs.directories(), Arc::default(), row.clone()).await.unwrap()
}

async fn rest(cursor: &mut RowCursor) -> Vec<(u64, Row)> {
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().await.unwrap() {
        rows.push(row);
    }
    rows
}

fn numbered(directory: &Directory) -> Vec<(u64, Row)> {
    (0..).zip(directory.rows()).collect()
}

#[tokio::test]
async fn rows_are_read_in_order_from_any_byte_on() {
    for objects in [4, 3000] {
        let packs = Packs::local();
        let bytes = pack_of(objects, 1..60);
        let (row, directory) = packs.add(&bytes);
        let all = numbered(&directory);
        assert!(all.len() > objects);
        let mut cursor = open(&packs, &row).await;
        assert_eq!(rest(&mut cursor).await, all);
        assert!(!cursor.is_checked());
        for at in (0..=row.bytes).step_by(1 + objects * 7) {
            let first = all.partition_point(|(_, row)| row.offset + row.length <= at);
            // From wherever it is, and from a new one.
            for cursor in [&mut cursor, &mut open(&packs, &row).await] {
                cursor.seek(at).await.unwrap();
                assert_eq!(cursor.peek().await.unwrap(), all.get(first).copied(), "at {at}");
                assert_eq!(cursor.next().await.unwrap(), all.get(first).copied());
                assert_eq!(cursor.next().await.unwrap(), all.get(first + 1).copied());
            }
        }
    }
}

#[tokio::test]
async fn little_of_a_large_directory_is_read() {
    let packs = Packs::remote();
    let (row, directory) = packs.add(&pack_of(40_000, 1..20));
    let before = packs.vault.traffic();
    let mut cursor = open(&packs, &row).await;
    let target = directory.row(30_000).unwrap();
    cursor.seek(target.offset + 1).await.unwrap();
    assert_eq!(cursor.next().await.unwrap(), Some((30_000, target)));
    let read = packs.vault.traffic().bytes_down - before.bytes_down;
    let all = directory.to_file().len() as u64;
    assert!(read < all / 10, "{read} bytes of {all}");
}

#[tokio::test]
async fn a_damaged_directory_is_rebuilt() {
    let packs = Packs::local();
    let (row, directory) = packs.add(&pack_of(1500, 1..20));
    let name = ObjectName::Directory(row.key);
    let file = packs.memory.bytes(&name).unwrap();
    let all = numbered(&directory);
    let (rows, offset) = (file.len() - all.len() * (ROW_BYTES + 16) - 32, 8);
    for number in [0, 1, 700, 1023, 1024, all.len() - 1] {
        let target = all[number].1;
        for seek in [0, target.offset, all[1200].1.offset] {
            packs.memory.put_bytes(&name, &file);
            // Its offset, then its length.
            for field in [offset, offset + 8] {
                packs.flip(&name, rows + number * ROW_BYTES + field);
            }
            let mut cursor = open(&packs, &row).await;
            cursor.seek(seek).await.unwrap();
            let from = all.partition_point(|(_, row)| row.offset + row.length <= seek);
            assert_eq!(rest(&mut cursor).await, all[from..], "row {number}, from {seek}");
        }
    }
    packs.memory.put_bytes(&name, b"PACKDIR2 and nonsense");
    let mut cursor = open(&packs, &row).await;
    assert_eq!(rest(&mut cursor).await, all);
    assert_eq!(packs.memory.bytes(&name).unwrap(), file, "it is written again");
}

#[tokio::test]
async fn rows_that_are_doubted_are_checked() {
    let packs = Packs::local();
    let (row, directory) = packs.add(&pack_of(1500, 1..20));
    let name = ObjectName::Directory(row.key);
    let file = packs.memory.bytes(&name).unwrap();
    // A byte of an ID, which no neighbour shows.
    packs.flip(&name, file.len() - 32 - directory.len() as usize * (ROW_BYTES + 16) + 30);
    let mut cursor = open(&packs, &row).await;
    let read = cursor.next().await.unwrap().unwrap().1;
    assert_ne!(read, directory.row(0).unwrap());
    cursor.check().await.unwrap();
    assert!(cursor.is_checked());
    assert_eq!(rest(&mut cursor).await, numbered(&directory));
    assert_eq!(packs.memory.bytes(&name).unwrap(), file, "it is written again");
}

#[tokio::test]
async fn a_frame_that_is_not_known_is_read_from_the_pack() {
    let packs = Packs::local();
    let (row, directory) = packs.add(&pack_of(20, 1..20));
    let without: Vec<Row> = directory.rows().collect();
    let without = Directory::new(row.key, row.bytes, &without).to_file();
    packs.memory.put_bytes(&ObjectName::Directory(row.key), &without);
    let mut cursor = open(&packs, &row).await;
    assert_eq!(rest(&mut cursor).await, numbered(&directory));
    assert_eq!(cursor.frame(), []);
    cursor.need_frame().await.unwrap();
    assert_eq!(cursor.frame(), directory.frame());
    assert_eq!(rest(&mut cursor).await, numbered(&directory));
    assert_eq!(open(&packs, &row).await.frame(), directory.frame(), "it is written");
}
