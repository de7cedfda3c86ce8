//! Law 4: the plan of a component is trusted only after verification of what was read back.
//!
//! - Every span consists of whole records of a pack of the run ([`admit`], before anything is
//!   written).
//! - The pack that was read back is record for record what the plan copied ([`same_records`]): no
//!   record came from a literal, and the sources match their directories.
//! - It contains every entity of the index, in the encoding of the index, and nothing else
//!   ([`covers`]).
//! - A fetch result for a client that has nothing omits nothing that the repo has ([`open_ends`]).

use std::collections::{BTreeMap, HashSet};

use packhouse_catalog::{IndexRow, entity_key, entity_of};
use packhouse_core::record::{Commit, Snapshot};
use packhouse_core::{EntityId, Head, Kind, Plan, Request, Row, Step};
use packhouse_model::report::GcProof;
use packhouse_pack::WrittenPack;
use packhouse_pack::scan::{BadPack, ScannedPack};
use packhouse_run::RunPack;

/// Why a proof failed.
#[derive(Debug)]
pub(super) enum ProofError {
    /// The component is wrong.
    Component(String),
    /// A source pack is not what it was.
    Source {
        /// Its number.
        pack: u32,
        /// What is wrong.
        detail: String,
    },
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
    let most_records: u64 = packs.iter().map(|p| p.directory.len()).sum();
    let most_around: u64 = 256 + heads.iter().map(|h| h.branch.len() as u64 + 96).sum::<u64>();
    let mut around = 0u64;
    let mut bytes = 0u64;
    let mut records = 0u64;
    for step in &plan.steps {
        bytes = bytes.saturating_add(step.bytes());
        if let Step::Literal(literal) = step {
            around = around.saturating_add(literal.len() as u64);
        }
        if around > most_around {
            return wrong(format!("it has more than {most_around} bytes of literals"));
        }
        if let Step::Copy(span) = step {
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

/// Compares what was read back with what the plan copied, record for record. Gives how many it has
/// compared.
pub(super) fn same_records(
    plan: &Plan,
    packs: &[RunPack],
    scanned: &ScannedPack,
    heads: &[Head],
) -> Result<u64, ProofError> {
    let mut found = scanned.rows.iter();
    let mut compared = 0;
    let mut at = 0;
    for step in &plan.steps {
        if let Step::Copy(span) = step {
            let mut offset = at;
            let Some(pack) = packs.get(span.pack as usize) else { continue };
            let rows = pack.directory.whole_rows(span.offset, span.length).unwrap_or_default();
            for row in rows.filter_map(|number| pack.directory.row(number)) {
                match found.next() {
                    Some(copy)
                        if (copy.kind, copy.id, copy.length, copy.offset)
                            == (row.kind, row.id, row.length, offset)
                            && copy.fingerprint == row.fingerprint => {}
                    _ => {
                        let detail = format!(
                            "{} {} at byte {} has changed since it was stored",
                            row.kind, row.id, row.offset
                        );
                        return Err(ProofError::Source { pack: span.pack, detail });
                    }
                }
                offset += row.length;
                compared += 1;
            }
        }
        at += step.bytes();
    }
    if let Some(extra) = found.next() {
        return wrong(format!("{} {} comes from no source pack", extra.kind, extra.id));
    }
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
    Ok(compared)
}

/// Dangling references of an answer: what was wanted and is not in it; and, in an answer to a
/// client that has nothing, what its records reach and is not in it. None of these may be in the
/// repo, except what was wanted and is had. For other answers, the rest is unknown without walking
/// all that the client has.
pub(super) fn open_ends(
    scanned: &ScannedPack,
    ask: &Request,
    read: impl Fn(&Row) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<DanglingReference>> {
    let sent: HashSet<(Kind, EntityId)> =
        scanned.rows.iter().map(|row| (row.kind, row.id)).collect();
    let mut ends = BTreeMap::new();
    let mut reaches = |kind, id, by: &dyn Fn() -> String| {
        if !sent.contains(&(kind, id)) {
            ends.entry((kind, id)).or_insert_with(by);
        }
    };
    for want in ask.want.iter().chain(&ask.want_if_known) {
        reaches(Kind::Commit, *want, &|| "the request".to_owned());
    }
    let walked = if ask.have.is_empty() { scanned.rows.as_slice() } else { &[] };
    for row in walked {
        let by = || format!("{} {}", row.kind, row.id);
        // What can't be read was refused when it was pushed, and when it was read back.
        match row.kind {
            Kind::Commit => {
                let Ok(commit) = Commit::parse(&read(row)?) else { continue };
                commit
                    .parents
                    .into_iter()
                    .flatten()
                    .for_each(|parent| reaches(Kind::Commit, parent, &by));
                commit
                    .snapshot
                    .into_iter()
                    .for_each(|snapshot| reaches(Kind::Snapshot, snapshot, &by));
            }
            Kind::Snapshot => {
                let bytes = read(row)?;
                let Ok(snapshot) = Snapshot::parse(&bytes) else { continue };
                snapshot.parent.into_iter().for_each(|parent| reaches(Kind::Snapshot, parent, &by));
                snapshot.entries.iter().for_each(|(_, object)| reaches(Kind::Object, *object, &by));
            }
            Kind::Object | Kind::Tag => {}
        }
    }
    Ok(ends
        .into_iter()
        .map(|((kind, id), wanted_by)| DanglingReference { kind, id, wanted_by })
        .collect())
}

/// Something that an answer reaches and does not hold.
#[derive(Debug)]
pub(super) struct DanglingReference {
    pub(super) kind: Kind,
    pub(super) id: EntityId,
    /// What reaches it.
    pub(super) wanted_by: String,
}

/// Compares what was read back with the index: every entity, once, in the encoding that is mapped,
/// and no other. `index` is in order. Gives how many entities of it were found.
pub(super) fn covers(scanned: &ScannedPack, index: &[IndexRow]) -> Result<u64, ProofError> {
    let mut rows: Vec<IndexRow> = scanned
        .rows
        .iter()
        .map(|row| IndexRow { entity: entity_key(row.kind, row.id), fingerprint: row.fingerprint })
        .collect();
    rows.sort_unstable();
    let name = |row: &IndexRow| match entity_of(&row.entity) {
        Some((kind, id)) => format!("{kind} {id}"),
        None => "an entity".into(),
    };
    let mut made = rows.iter();
    let mut covered = 0;
    for row in index {
        match made.next() {
            Some(found) if found == row => covered += 1,
            Some(found) if found.entity == row.entity => {
                return wrong(format!("{} has another encoding than in the index", name(row)));
            }
            Some(found) if found.entity < row.entity => {
                return wrong(format!("{} is there twice, or not in the index", name(found)));
            }
            _ => return wrong(format!("{} is missing", name(row))),
        }
    }
    match made.next() {
        Some(extra) => wrong(format!("{} is there twice, or not in the index", name(extra))),
        None => Ok(covered),
    }
}

/// The whole proof of what was read back, against the plan and the index; `index` is in order.
/// `sources_hashed` is what was verified of the sources in parallel.
pub(super) fn prove(
    plan: &Plan,
    packs: &[RunPack],
    written: &WrittenPack,
    heads: &[Head],
    index: &[IndexRow],
    sources_hashed: u64,
) -> Result<GcProof, ProofError> {
    let scanned = &written.scanned;
    let records = same_records(plan, packs, scanned, heads)?;
    let entities = covers(scanned, index)?;
    if scanned.bytes != written.bytes {
        return wrong(format!(
            "{} bytes were read back, but {} were hashed",
            scanned.bytes, written.bytes
        ));
    }
    Ok(GcProof {
        entities,
        records,
        objects_hashed: scanned.objects_hashed,
        bytes_read_back: scanned.bytes,
        sources_hashed,
    })
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
