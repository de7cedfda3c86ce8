//! Law 4: the plan of a component is trusted only after verification.
//!
//! - Every span consists of whole records of a pack of the run ([`admit`], before anything is
//!   written).
//! - The pack that was read back is record for record what the plan copied ([`same_records`]): no
//!   record came from a literal, and the sources match their directories.
//! - A consolidation contains every entity of the index, in the encoding of the index, and nothing
//!   else ([`consolidation`]: the plan before anything is written, then what was read back).
//! - A fetch result has nothing around its records but the canonical form and the heads
//!   ([`layout`](mod@layout), before anything is written).
//! - A fetch result contains what the request reaches and the client does not have: nothing is left
//!   out, nothing is added ([`answer`], before anything is written). One on a base has all of that,
//!   and what is new ([`base`]).

mod ancestors;
pub(crate) mod answer;
pub(crate) mod base;
mod between;
pub(crate) mod consolidation;
pub(crate) mod had;
pub(crate) mod layout;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use packhouse_core::{Head, Plan, Row, Step};
use packhouse_model::error::Error;
use packhouse_pack::scan::{BadPack, ScannedPack};
use packhouse_run::{BasePack, RunPack};

/// Why a proof failed.
#[derive(Debug)]
pub(crate) enum ProofError {
    /// The component is wrong.
    Component(String),
    /// A source pack is not what it was.
    Source {
        /// Its number.
        pack: u32,
        /// What is wrong.
        detail: String,
    },
    /// It could not be checked.
    Unchecked(Error),
}

impl From<Error> for ProofError {
    fn from(error: Error) -> ProofError {
        ProofError::Unchecked(error)
    }
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, ProofError> {
    Err(ProofError::Component(reason.into()))
}

/// The packs with a record that the plan does not copy: a duplicate, whose bytes no splice reads.
pub(super) fn partly_copied(plan: &Plan, packs: &[RunPack]) -> Vec<u32> {
    let mut copied = vec![0u64; packs.len()];
    for step in &plan.steps {
        if let Step::Copy(span) = step {
            copied[span.pack as usize] += span.length;
        }
    }
    let records = |pack: &RunPack| pack.directory.rows().map(|row| row.length).sum::<u64>();
    (0..packs.len()).filter(|n| copied[*n] != records(&packs[*n])).map(|n| n as u32).collect()
}

/// Checks a plan before anything is written: its spans, its size, and that it copies no more than
/// there is and says no more around it than headers and the repo's heads take.
pub(super) fn admit(plan: &Plan, packs: &[RunPack], heads: &[Head]) -> Result<(), ProofError> {
    admit_on(None, plan, packs, heads)
}

/// As [`admit`], for a plan on a base, all of which it copies: [`base::covers`] checks that.
pub(super) fn admit_on(
    base: Option<&BasePack>,
    plan: &Plan,
    packs: &[RunPack],
    heads: &[Head],
) -> Result<(), ProofError> {
    let of_base = base.map_or(0, |base| base.records.total());
    let most_records: u64 = packs.iter().map(|p| p.directory.len()).sum::<u64>() + of_base;
    let most_around: u64 = 256 + heads.iter().map(|h| h.branch.len() as u64 + 96).sum::<u64>();
    let mut around = 0u64;
    let mut bytes = 0u64;
    let mut records = of_base;
    for step in &plan.steps {
        bytes = bytes.saturating_add(step.bytes());
        if let Step::Literal(literal) = step {
            around = around.saturating_add(literal.len() as u64);
        }
        if around > most_around {
            return wrong(format!("it has more than {most_around} bytes of literals"));
        }
        if let Step::Copy(span) = step
            && base.is_none_or(|base| span.pack != base.pack)
        {
            let Some(pack) = packs.get(span.pack as usize) else {
                return wrong(format!(
                    "it copies from pack number {}, but there are {}",
                    span.pack,
                    packs.len()
                ));
            };
            let Some(rows) = pack.directory.whole_rows(span.offset, span.length) else {
                return wrong(format!(
                    "bytes {}+{} of pack {} are not whole records of it",
                    span.offset, span.length, pack.directory.key
                ));
            };
            records += rows.end - rows.start;
        }
        if records > most_records {
            return wrong(format!("it copies more than all {most_records} records"));
        }
    }
    if bytes != plan.bytes {
        return wrong(format!("it claims {} bytes and its steps write {bytes}", plan.bytes));
    }
    if records != plan.records.total() {
        return wrong(format!(
            "it claims {} records and its steps copy {records}",
            plan.records.total()
        ));
    }
    Ok(())
}

/// The rows that a plan copies, in their order: where each is in the new pack, the number of its
/// pack, its number there, and itself. The plan was admitted.
fn copied_rows<'a>(
    plan: &'a Plan,
    packs: &'a [RunPack],
) -> impl Iterator<Item = (u64, u32, u64, Row)> + 'a {
    let steps = plan.steps.iter().scan(0, |end, step| {
        let at = *end;
        *end += step.bytes();
        Some((at, step))
    });
    steps.flat_map(move |(at, step)| {
        let found = match step {
            Step::Copy(span) => packs.get(span.pack as usize).map(|pack| {
                let rows = pack.directory.whole_rows(span.offset, span.length).unwrap_or_default();
                rows.filter_map(move |number| {
                    let row = pack.directory.row(number)?;
                    Some((at + (row.offset - span.offset), span.pack, number, row))
                })
            }),
            Step::Literal(_) => None,
        };
        found.into_iter().flatten()
    })
}

/// Compares what was read back with what the plan copied, record for record.
pub(super) fn same_records(
    plan: &Plan,
    packs: &[RunPack],
    scanned: &ScannedPack,
    heads: &[Head],
) -> Result<(), ProofError> {
    let mut found = scanned.rows.iter();
    for (at, pack, _, row) in copied_rows(plan, packs) {
        if found.next() != Some(&Row { offset: at, ..row }) {
            let detail = format!(
                "{} {} at byte {} has changed since it was stored",
                row.kind, row.id, row.offset
            );
            return Err(ProofError::Source { pack, detail });
        }
    }
    if let Some(extra) = found.next() {
        return wrong(format!("{} {} comes from no source pack", extra.kind, extra.id));
    }
    same_form(plan, scanned, heads)
}

/// Compares what was read back with what the plan says around its records.
fn same_form(plan: &Plan, scanned: &ScannedPack, heads: &[Head]) -> Result<(), ProofError> {
    if scanned.heads != heads {
        return wrong("its branch heads are not the repo's");
    }
    if scanned.rows.len() as u64 != plan.records.total() {
        return wrong(format!(
            "it claims {} records and writes {}",
            plan.records.total(),
            scanned.rows.len()
        ));
    }
    Ok(())
}

/// Who is to blame when what was read back is not a valid pack: the source of the bad byte, or the
/// component that wrote it.
pub(super) fn blame(plan: &Plan, bad: &BadPack) -> ProofError {
    let mut at = 0;
    for step in &plan.steps {
        if let Step::Copy(span) = step
            && (at..at + span.length).contains(&bad.offset)
        {
            let place = span.offset + (bad.offset - at);
            let record = bad.record.as_deref().unwrap_or("a record");
            return ProofError::Source {
                pack: span.pack,
                detail: format!("{record}: {}, at byte {place}", bad.reason),
            };
        }
        at += step.bytes();
    }
    ProofError::Component(format!(
        "its result is not a valid pack: {}, at byte {}",
        bad.reason, bad.offset
    ))
}
