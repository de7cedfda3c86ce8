//! Records that are gathered from several packs into a new one.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{EntityId, Kind, Row, Span, Step};

use crate::verified::{Expected, Verifier};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Whether a file has a record where its row says, byte for byte. What can't be read is not there.
pub fn has_record(file: &File, row: &Row) -> bool {
    let (mut verifier, mut expected) =
        (Verifier::default(), std::iter::once(Expected::Record(*row)));
    let mut chunk = vec![0; usize::try_from(row.length).unwrap_or(CHUNK).min(CHUNK)];
    let mut read = 0;
    while read < row.length {
        let part = usize::try_from(row.length - read).unwrap_or(CHUNK).min(CHUNK);
        let Some(offset) = row.offset.checked_add(read) else { return false };
        let is_right = file.read_exact_at(&mut chunk[..part], offset).is_ok()
            && verifier.push(&chunk[..part], &mut expected).is_ok();
        if !is_right {
            return false;
        }
        read += part as u64;
    }
    row.length > 0
}

/// The steps that write a pack of records, each from its place in another pack. The pack names no
/// branches.
pub fn steps_of(records: &BTreeMap<(Kind, EntityId), Span>) -> Vec<Step> {
    // In the order of the sections, since that is the order of kinds.
    let mut sections: Vec<(Kind, Vec<Span>)> = Vec::new();
    for ((kind, _), span) in records {
        match sections.last_mut() {
            Some((last, spans)) if last == kind => spans.push(*span),
            _ => sections.push((*kind, vec![*span])),
        }
    }
    let mut head = Vec::new();
    put_map(&mut head, sections.len() as u32);
    let mut steps = Vec::with_capacity(records.len() + sections.len());
    for (kind, spans) in sections {
        put_str(&mut head, kind.section());
        put_array(&mut head, spans.len() as u32);
        steps.push(Step::Literal(std::mem::take(&mut head)));
        steps.extend(spans.into_iter().map(Step::Copy));
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::scan::scan;
    use crate::testing::some_pack;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_record_is_there_only_as_long_as_each_of_its_bytes_is() {
        let mut pack = some_pack(3 << 20);
        let rows = scan(pack.as_slice(), |_| Ok(())).unwrap().rows;
        assert!(rows.iter().all(|row| has_record(&file_of(&pack), row)));
        for (number, row) in rows.iter().enumerate() {
            for at in [row.offset, row.offset + row.length / 2, row.offset + row.length - 1] {
                pack[at as usize] ^= 1;
                let file = file_of(&pack);
                let there: Vec<_> = rows.iter().map(|row| has_record(&file, row)).collect();
                let expected: Vec<_> = (0..rows.len()).map(|other| other != number).collect();
                assert_eq!(there, expected, "byte {at} of {row:?}");
                pack[at as usize] ^= 1;
            }
            let cut = file_of(&pack[..(row.offset + row.length - 1) as usize]);
            assert!(!has_record(&cut, row));
        }
    }

    #[test]
    fn a_pack_of_gathered_records_has_them_and_nothing_else() {
        let pack = some_pack(1000);
        let rows = scan(pack.as_slice(), |_| Ok(())).unwrap().rows;
        for left_out in 0..rows.len() {
            let chosen =
                rows.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, row)| row);
            let records: BTreeMap<_, _> =
                chosen.map(|row| ((row.kind, row.id), row.span(0))).collect();
            let mut made = Vec::new();
            for step in steps_of(&records) {
                match step {
                    Step::Literal(bytes) => made.extend(bytes),
                    Step::Copy(span) => made.extend_from_slice(
                        &pack[span.offset as usize..(span.offset + span.length) as usize],
                    ),
                }
            }
            let found = scan(made.as_slice(), |_| Ok(())).unwrap();
            let found: Vec<_> = found.rows.iter().map(|row| (row.kind, row.id)).collect();
            assert_eq!(found, records.into_keys().collect::<Vec<_>>());
        }
    }
}
