//! What a plan writes around the records: it is not read back when an answer is streamed.

use std::collections::BTreeMap;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{Counts, Head, Kind, Plan, Step};
use packhouse_run::RunPack;

use super::{ProofError, wrong};

/// Bytes that precede a record, by its number; and at the end, by the number of records.
type Around = BTreeMap<u64, Vec<u8>>;

/// Checks that a plan writes the canonical form around its records: section by section, each with
/// the records of its kind, and the repo's heads at the end. The plan was admitted.
pub(crate) fn layout(plan: &Plan, packs: &[RunPack], heads: &[Head]) -> Result<(), ProofError> {
    let mut counts = Counts::default();
    let mut around = Around::new();
    let mut records = 0u64;
    let mut last = Kind::Commit;
    for step in &plan.steps {
        match step {
            Step::Literal(bytes) if bytes.is_empty() => {}
            Step::Literal(bytes) => around.entry(records).or_default().extend_from_slice(bytes),
            Step::Copy(span) => {
                let Some(pack) = packs.get(span.pack as usize) else { continue };
                let rows = pack.directory.whole_rows(span.offset, span.length).unwrap_or_default();
                for row in rows.filter_map(|number| pack.directory.row(number)) {
                    if row.kind < last {
                        let (kind, id) = (row.kind, row.id);
                        return wrong(format!("its result has {kind} {id} after a {last}"));
                    }
                    last = row.kind;
                    *counts.of(row.kind) += 1;
                    records += 1;
                }
            }
        }
    }
    if around == canonical(counts, heads) {
        return Ok(());
    }
    wrong("its result is not a pack in canonical form with the heads of the repo")
}

/// What a pack in canonical form has around its records.
fn canonical(counts: Counts, heads: &[Head]) -> Around {
    let mut counts = counts;
    let mut around = Around::new();
    let mut records = 0;
    let mut text = Vec::new();
    let sections = if *counts.of(Kind::Tag) > 0 { &Kind::ALL[..] } else { &Kind::ALL[..3] };
    put_map(&mut text, sections.len() as u32 + 1);
    for kind in sections {
        let count = *counts.of(*kind);
        put_str(&mut text, kind.section());
        put_array(&mut text, count as u32);
        if count > 0 {
            around.insert(records, std::mem::take(&mut text));
            records += count;
        }
    }
    put_str(&mut text, "branch_heads");
    put_map(&mut text, heads.len() as u32);
    for head in heads {
        put_str(&mut text, &head.branch);
        put_str(&mut text, &head.commit.to_string());
    }
    around.insert(records, text);
    around
}
