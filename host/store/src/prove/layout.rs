//! What a plan writes around the records: it is not read back when an answer is streamed.

use std::collections::BTreeMap;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{Counts, Head, Kind, Plan, Step};
use packhouse_run::{BasePack, RunPack};

use super::{ProofError, wrong};

/// Bytes that precede a record, by its number; and at the end, by the number of records.
type Around = BTreeMap<u64, Vec<u8>>;

/// Checks that a plan writes the canonical form around its records: section by section, each with
/// the records of its kind, and the repo's heads at the end. The plan was admitted; one on a base
/// covers that.
pub(crate) fn layout(
    plan: &Plan,
    packs: &[RunPack],
    heads: &[Head],
    base: Option<&BasePack>,
) -> Result<(), ProofError> {
    let mut counts = base.map_or_else(Counts::default, |base| base.records);
    let mut found = Found::default();
    for step in &plan.steps {
        match step {
            Step::Literal(bytes) => found.literal.extend_from_slice(bytes),
            Step::Copy(span) => match base.filter(|base| base.pack == span.pack) {
                Some(base) => match base.kind_at(span.offset) {
                    Some(kind) => found.record(kind)?,
                    None => return not_canonical(),
                },
                None => {
                    let Some(pack) = packs.get(span.pack as usize) else { continue };
                    let rows = pack.directory.whole_rows(span.offset, span.length);
                    for number in rows.unwrap_or_default() {
                        let Some(row) = pack.directory.row(number) else { continue };
                        found.record(row.kind)?;
                        *counts.of(row.kind) += 1;
                    }
                }
            },
        }
    }
    found.around.push(found.literal);
    match found.around.iter().eq(canonical(counts, heads).values()) {
        true => Ok(()),
        false => not_canonical(),
    }
}

fn not_canonical() -> Result<(), ProofError> {
    wrong("its result is not a pack in canonical form with the heads of the repo")
}

/// What a plan has around its records, so far.
#[derive(Default)]
struct Found {
    /// What precedes each section that has records.
    around: Vec<Vec<u8>>,
    /// What was written since the last record.
    literal: Vec<u8>,
    last: Option<Kind>,
}

impl Found {
    /// Records of a kind follow.
    fn record(&mut self, kind: Kind) -> Result<(), ProofError> {
        match self.last {
            Some(last) if kind < last => wrong(format!("its result has a {kind} after a {last}")),
            Some(last) if kind == last && self.literal.is_empty() => Ok(()),
            Some(last) if kind == last => not_canonical(),
            _ => {
                self.last = Some(kind);
                self.around.push(std::mem::take(&mut self.literal));
                Ok(())
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use packhouse_core::{EntityId, Row, Span};
    use packhouse_model::names::MpackKey;
    use packhouse_pack::Directory;

    use super::*;

    fn id(number: u8) -> EntityId {
        EntityId::parse(format!("{number:064x}").as_bytes()).unwrap()
    }

    fn head(branch: &str) -> Head {
        Head { branch: branch.into(), commit: id(1) }
    }

    /// Records of ten bytes each, one after the other, in a pack of their own.
    fn pack(kinds: &[Kind]) -> Vec<RunPack> {
        let row = |(number, kind): (usize, &Kind)| Row {
            kind: *kind,
            id: id(number as u8),
            offset: 10 * number as u64,
            length: 10,
            fingerprint: [0; 16],
        };
        let rows: Vec<Row> = kinds.iter().enumerate().map(row).collect();
        let (key, bytes) = (MpackKey::new([1; 32]), 10 * rows.len() as u64);
        vec![RunPack::stored(Directory::new(key, bytes, &rows))]
    }

    /// The plan that copies them, section by section, in canonical form.
    fn plan(kinds: &[Kind], heads: &[Head]) -> Vec<Step> {
        let mut counts = Counts::default();
        kinds.iter().for_each(|kind| *counts.of(*kind) += 1);
        let mut steps = Vec::new();
        let mut around = canonical(counts, heads);
        for number in 0..kinds.len() as u64 {
            steps.extend(around.remove(&number).map(Step::Literal));
            steps.push(Step::Copy(Span { pack: 0, offset: 10 * number, length: 10 }));
        }
        steps.extend(around.into_values().map(Step::Literal));
        steps
    }

    fn is_right(steps: Vec<Step>, kinds: &[Kind], heads: &[Head]) -> bool {
        layout(&Plan { steps, ..Plan::default() }, &pack(kinds), heads, None).is_ok()
    }

    #[test]
    fn the_canonical_form_with_the_heads_is_right_and_nothing_else() {
        let kinds = [Kind::Commit, Kind::Commit, Kind::Snapshot, Kind::Object, Kind::Tag];
        let heads = [head("main"), head("side")];
        let right = plan(&kinds, &heads);
        assert!(is_right(right.clone(), &kinds, &heads));
        assert!(is_right(plan(&kinds[..4], &heads), &kinds[..4], &heads), "without tags");
        assert!(is_right(plan(&[], &[]), &[], &[]), "without anything");
        // Every byte around the records matters.
        for (step, literal) in right.iter().enumerate() {
            let Step::Literal(literal) = literal else { continue };
            for at in 0..literal.len() {
                let mut wrong = right.clone();
                let mut other = literal.clone();
                other[at] ^= 1;
                wrong[step] = Step::Literal(other);
                assert!(!is_right(wrong, &kinds, &heads), "byte {at} of step {step}");
            }
        }
        let with = |at: usize, step: Step| {
            let mut steps = right.clone();
            steps.insert(at, step);
            is_right(steps, &kinds, &heads)
        };
        assert!(with(0, Step::Literal(Vec::new())), "an empty literal writes nothing");
        for at in 0..=right.len() {
            assert!(!with(at, Step::Literal(b"more".to_vec())), "more before step {at}");
        }
        for at in 0..right.len() {
            let mut fewer = right.clone();
            fewer.remove(at);
            assert!(!is_right(fewer, &kinds, &heads), "without step {at}");
        }
    }

    #[test]
    fn other_heads_and_records_in_other_sections_are_wrong() {
        let kinds = [Kind::Commit, Kind::Snapshot];
        let heads = [head("main")];
        for others in [vec![], vec![head("side")], vec![head("main"), head("side")]] {
            assert!(!is_right(plan(&kinds, &others), &kinds, &heads), "{others:?}");
        }
        let mut swapped = plan(&kinds, &heads);
        let copies: Vec<usize> =
            (0..swapped.len()).filter(|at| matches!(swapped[*at], Step::Copy(_))).collect();
        swapped.swap(copies[0], copies[1]);
        assert!(!is_right(swapped, &kinds, &heads));
    }
}
