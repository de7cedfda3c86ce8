use std::ops::Range;

use futures::StreamExt;
use packhouse_core::{ROW_BYTES, Row};
use packhouse_model::error::DamageError;
use packhouse_pack::Directory;
use packhouse_vault::objects::ObjectName;

use super::*;
use crate::testing::{Packs, pack_of};

/// An answer in memory, its bytes, and where its pieces are in them: each is a record, or bytes
/// that are not of one. With the pack of each, and its offset there.
struct Case {
    packs: Packs,
    source: Arc<AnswerSource>,
    right: Vec<u8>,
    pieces: Vec<(Range<u64>, u32, u64)>,
}

impl Case {
    fn of_pack(packs: Packs, bytes: Vec<u8>) -> Case {
        let (row, directory) = packs.add(&bytes);
        let mut pieces: Vec<_> =
            directory.frame().iter().map(|part| (part.offset, part.length)).collect();
        pieces.extend(directory.rows().map(|row| (row.offset, row.length)));
        pieces.sort_unstable();
        let pieces = pieces.into_iter().map(|(at, length)| (at..at + length, 0, at)).collect();
        let source = AnswerSource::of_pack(packs.directories(), Arc::default(), row);
        Case { packs, source: Arc::new(source), right: bytes, pieces }
    }

    /// Most records of several packs, by turns, with literals between them. `known`: whether their
    /// rows are in memory.
    fn of_plan(packs: Packs, sources: &[Vec<u8>], known: bool) -> Case {
        let (mut rows, mut run, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        let (mut right, mut steps, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (bytes, number) in sources.iter().zip(0..) {
            let (row, directory) = packs.add(bytes);
            let chosen: Vec<Row> = directory.rows().filter(|row| row.offset % 5 != 0).collect();
            all.extend((0u64..).zip(&chosen).map(|(n, row)| (n % 7, number, *row)));
            let rows_known = if known { chosen } else { Vec::new() };
            run.push(RunPack::stored(Directory::new(row.key, row.bytes, &rows_known)));
            rows.push(row);
        }
        all.sort_by_key(|(turn, number, _)| (*turn, *number));
        for (turn, number, row) in all {
            if turn != steps.len() as u64 % 7 {
                let literal = b"literal".repeat(turn as usize + 1);
                right.extend(&literal);
                steps.push(Step::Literal(literal));
            }
            let at = right.len() as u64;
            pieces.push((at..at + row.length, number, row.offset));
            let (from, to) = (row.offset as usize, (row.offset + row.length) as usize);
            right.extend(&sources[number as usize][from..to]);
            match steps.last_mut() {
                Some(Step::Copy(last))
                    if last.pack == number && last.offset + last.length == row.offset =>
                {
                    last.length += row.length;
                }
                _ => steps.push(Step::Copy(row.span(number))),
            }
        }
        let plan = Arc::new(Plan { bytes: right.len() as u64, steps, ..Plan::default() });
        let heads = Arc::default();
        let source = AnswerSource::of_plan(packs.directories(), heads, plan, rows, Arc::new(run));
        Case { packs, source: Arc::new(source), right, pieces }
    }

    /// What a stream gives, and how it ends.
    async fn sent(&self, range: Range<u64>) -> (Vec<u8>, Option<Error>) {
        let mut sent = Vec::new();
        let mut stream = Box::pin(self.source.stream(range));
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => {
                    assert!(!chunk.is_empty() && chunk.len() <= 256 << 10);
                    sent.extend(chunk);
                }
                Err(error) => {
                    assert!(stream.next().await.is_none(), "an error is the end");
                    return (sent, Some(error));
                }
            }
        }
        (sent, None)
    }

    async fn sends(&self, range: Range<u64>) {
        let (sent, error) = self.sent(range.clone()).await;
        let end = range.end.min(self.right.len() as u64);
        let right = &self.right[range.start.min(end) as usize..end as usize];
        assert!(error.is_none(), "{range:?}: {error:?}");
        assert!(sent == right, "{range:?}");
    }

    fn pack(&self, number: u32) -> ObjectName {
        ObjectName::Pack(self.source.packs[number as usize].key)
    }

    /// Damages a byte of a piece, and looks at what is sent of some bytes: nothing wrong, unless
    /// the piece is larger than a batch; and never the end of that piece.
    async fn sends_no_end_of(&self, number: usize, byte: u64, range: Range<u64>) {
        let (piece, pack, offset) = &self.pieces[number];
        self.packs.flip(&self.pack(*pack), (offset + byte) as usize);
        let (sent, error) = self.sent(range.clone()).await;
        self.packs.flip(&self.pack(*pack), (offset + byte) as usize);
        let Some(Error::Damage(DamageError::DamagedPack { key, detail, .. })) = &error else {
            panic!("byte {byte} of piece {number}: {error:?}");
        };
        assert_eq!(*key, self.source.packs[*pack as usize].key);
        assert!(detail.contains(&format!("at byte {offset}")), "{detail}");
        let end = range.start + sent.len() as u64;
        assert!(end < piece.end, "the end of the wrong piece was sent");
        let right = (piece.start.max(range.start) - range.start).min(sent.len() as u64) as usize;
        assert!(sent[..right] == self.right[range.start as usize..][..right]);
        assert!(end >= piece.start, "what is right was sent");
    }
}

fn three() -> [Vec<u8>; 3] {
    [pack_of(6, 10..300), pack_of(10, 0..40), pack_of(4, 100..200)]
}

/// Small answers of all kinds.
fn cases() -> [Case; 6] {
    let bytes = pack_of(6, 0..200);
    [
        Case::of_pack(Packs::local(), bytes.clone()),
        Case::of_pack(Packs::remote(), bytes),
        Case::of_plan(Packs::local(), &three(), true),
        Case::of_plan(Packs::local(), &three(), false),
        Case::of_plan(Packs::remote(), &three(), true),
        Case::of_plan(Packs::remote(), &three(), false),
    ]
}

#[tokio::test]
async fn every_range_of_an_answer_is_a_slice_of_it() {
    for case in cases() {
        let bytes = case.source.bytes();
        assert_eq!(bytes, case.right.len() as u64);
        case.sends(0..bytes).await;
        case.sends(0..u64::MAX).await;
        for start in (0..bytes).step_by(17) {
            for end in [start, start + 1, start + 61, bytes / 2, bytes].map(|end| end.max(start)) {
                case.sends(start..end).await;
            }
        }
        case.sends(bytes..bytes + 5).await;
    }
}

#[tokio::test]
async fn no_wrong_record_is_ever_sent_whole() {
    for case in cases() {
        let bytes = case.right.len() as u64;
        for number in 0..case.pieces.len() {
            let piece = case.pieces[number].0.clone();
            for byte in (0..piece.end - piece.start).step_by(if number < 4 { 3 } else { 29 }) {
                case.sends_no_end_of(number, byte, 0..bytes).await;
            }
            // A range that begins within it.
            case.sends_no_end_of(number, 0, piece.end - 1..bytes).await;
        }
    }
}

#[tokio::test]
async fn records_that_are_larger_than_a_batch_are_checked_and_not_kept() {
    let large = [pack_of(4, 700_000..900_000), pack_of(600, 0..2000), pack_of(2, 100..200)];
    for case in [
        Case::of_pack(Packs::local(), large[0].clone()),
        Case::of_pack(Packs::remote(), large[0].clone()),
        Case::of_plan(Packs::local(), &large, true),
        Case::of_plan(Packs::remote(), &large, false),
    ] {
        let bytes = case.right.len() as u64;
        let (number, piece) = (0..)
            .zip(case.pieces.iter().map(|(piece, ..)| piece.clone()))
            .max_by_key(|(_, piece)| piece.end - piece.start)
            .unwrap();
        for range in [0..bytes, piece.start + 400_000..bytes, piece.end - 1..piece.end] {
            case.sends(range.clone()).await;
            case.sends_no_end_of(number, 1000, range).await;
        }
        // A range that ends before it needs nothing of it.
        case.packs.flip(&case.pack(case.pieces[number].1), case.pieces[number].2 as usize);
        case.sends(0..piece.start).await;
    }
}

#[tokio::test]
async fn a_missing_or_short_pack_ends_the_stream() {
    for case in cases() {
        let bytes = case.right.len() as u64;
        let (piece, pack, _) = case.pieces.last().unwrap().clone();
        let name = case.pack(pack);
        let whole = case.packs.memory.bytes(&name).unwrap();
        case.packs.memory.put_bytes(&name, &whole[..whole.len() - 1000.min(whole.len())]);
        let (sent, error) = case.sent(0..bytes).await;
        let Some(Error::Damage(DamageError::DamagedPack { key, .. })) = error else {
            panic!("{error:?}");
        };
        assert_eq!(key, case.source.packs[pack as usize].key);
        assert!((sent.len() as u64) < piece.end && case.right.starts_with(&sent));
        case.packs.vault.remove(&key).await.unwrap();
        let (_, error) = case.sent(piece.start..bytes).await;
        assert!(matches!(error, Some(Error::Damage(DamageError::MissingPack { .. }))), "{error:?}");
    }
}

#[tokio::test]
async fn a_damaged_directory_is_rebuilt_and_the_answer_is_right() {
    for case in [
        Case::of_pack(Packs::local(), pack_of(3000, 0..200)),
        Case::of_pack(Packs::remote(), pack_of(3000, 0..200)),
        Case::of_plan(Packs::local(), &[pack_of(3000, 0..200)], false),
    ] {
        let name = ObjectName::Directory(case.source.packs[0].key);
        let file = case.packs.memory.bytes(&name).unwrap();
        let records = case.source.packs[0].records as usize;
        let rows = file.len() - 32 - records * (ROW_BYTES + 16);
        // ID, fingerprint, kind, length and offset of a row in the middle.
        for field in [30, 60, 0, 16, 8] {
            case.packs.flip(&name, rows + (records / 2) * ROW_BYTES + field);
            case.sends(0..u64::MAX).await;
            assert!(case.packs.memory.bytes(&name).unwrap() == file, "it is written again");
            case.packs.flip(&name, rows + (records / 2) * ROW_BYTES + field);
            case.sends(case.right.len() as u64 / 2..u64::MAX).await;
            case.packs.memory.put_bytes(&name, &file);
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_when_its_pack_is_deleted() {
    let case = Case::of_pack(Packs::local(), pack_of(50, 50_000..90_000));
    let mut stream = Box::pin(case.source.stream(0..u64::MAX));
    let mut sent = stream.next().await.unwrap().unwrap().to_vec();
    assert!(sent.len() < case.right.len() / 8);
    case.packs.vault.remove(&case.source.packs[0].key).await.unwrap();
    while let Some(chunk) = stream.next().await {
        sent.extend(chunk.unwrap());
    }
    assert!(sent == case.right);
}

#[tokio::test]
async fn remote_packs_are_downloaded_in_parts_and_once() {
    let large = [pack_of(60, 30_000..90_000), pack_of(60, 30_000..90_000)];
    for (case, requests) in [
        (Case::of_pack(Packs::remote(), large[0].clone()), 6),
        // Its records are copied from places all over: most of them lie near others.
        (Case::of_plan(Packs::remote(), &large, true), 60),
    ] {
        let before = case.packs.vault.traffic();
        case.sends(0..u64::MAX).await;
        let after = case.packs.vault.traffic();
        let read = after.bytes_down - before.bytes_down;
        let sent = case.right.len() as u64;
        assert!(sent > 1 << 20 && read <= sent * 11 / 10, "{read} bytes for {sent}");
        let made = after.requests - before.requests;
        assert!(made <= requests, "{made} requests");
        assert!(case.packs.memory.bytes(&case.pack(0)).is_some());
        // A range reads what it sends.
        case.sends(sent / 2..sent / 2 + 100_000).await;
        let read = case.packs.vault.traffic().bytes_down - after.bytes_down;
        assert!(read < 400_000, "{read} bytes for a range");
    }
}

#[tokio::test]
async fn a_stream_that_waits_holds_a_few_batches() {
    let case = Case::of_pack(Packs::remote(), pack_of(200, 70_000..90_000));
    assert!(case.right.len() > 14 << 20);
    let before = case.packs.vault.traffic().bytes_down;
    let mut stream = Box::pin(case.source.stream(0..u64::MAX));
    let first = stream.next().await.unwrap().unwrap();
    // The task that reads can do no more than it has room for.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let read = case.packs.vault.traffic().bytes_down - before;
    assert!(read < 7 << 20, "{read} bytes, of which {} are sent", first.len());
    drop(stream);
}
