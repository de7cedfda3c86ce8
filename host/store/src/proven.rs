//! Law 4: an answer to a fetch is proven before any of it is written or given out.

use packhouse_catalog::{EntityKey, PackRow, entity_key};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Answer, Plan, Row, Step};
use packhouse_model::error::Result;
use packhouse_run::{BasePack, LocatedRow, RunPack};

use super::fetch::FetchState;
use super::prove::ProofError;
use super::prove::answer::{Claim, prove};
use super::prove::base::{copies_unread_rows, covers, prove as prove_on_base};
use super::prove::had::ReadLimits;
use super::prove::stored::StoredRepo;
use super::{Store, blocking, prove};

impl Store {
    /// Proves that an answer contains what it must, and nothing else. `repo` is the state on which
    /// it was planned.
    pub(super) async fn prove_answer(
        &self,
        fetch: &FetchState<'_>,
        answer: Answer,
        mut repo: StoredRepo,
    ) -> Result<Answer> {
        let FetchState { row, packs, heads, ask, .. } = fetch;
        let name = &row.name;
        let base = repo.base().filter(|_| copies_unread_rows(&answer.plan, packs));
        let admitted = prove::admit_on(base.as_ref(), &answer.plan, packs, heads);
        let admitted = admitted
            .and_then(|()| match &base {
                Some(base) => covers(&answer.plan, packs, base),
                None => Ok(()),
            })
            .and_then(|()| prove::layout::layout(&answer.plan, packs, heads, base.as_ref()));
        if let Err(failed) = admitted {
            return Err(self.unproven(name, packs, failed).await);
        }
        let (ask, reading, all) = (ask.clone(), packs.clone(), fetch.pack_rows.clone());
        let (answer, proven) = blocking(move || {
            let claim = Claim { records: answer.plan.records, missing: answer.missing };
            let on = base.as_ref().map(|base| base.pack);
            let records = copied(&answer.plan, &reading).filter(|record| on != Some(record.pack));
            let proven = match &base {
                Some(base) => prove_on_base(&mut repo, &ask, base, records, claim),
                None => prove(&mut repo, &ask, records, claim, ReadLimits::default()),
            };
            let proven = proven.and_then(|proof| {
                match &base {
                    Some(base) => is_all_of(&answer, base)?,
                    None => is_reusable(&answer, &reading, &all)?,
                }
                Ok(proof)
            });
            Ok((answer, proven))
        })
        .await?;
        match proven {
            Ok(proof) => {
                tracing::debug!(repo = %name, ?proof, "the answer is proven");
                Ok(answer)
            }
            Err(failed) => Err(self.unproven(name, packs, failed).await),
        }
    }
}

/// Packs that are compared with an answer of as many records.
const EQUAL_PACKS: usize = 16;

impl Store {
    /// The number of a pack that consists of exactly the records that a plan copies from others: a
    /// record can be in several packs, and the index maps it to one.
    pub(super) async fn equal_pack(
        &self,
        fetch: &FetchState<'_>,
        plan: &Plan,
    ) -> Result<Option<u32>> {
        if copies_unread_rows(plan, &fetch.packs) {
            // The rows of a base are not compared: no other pack is likely to have them all.
            return Ok(None);
        }
        let records = plan.records.total();
        let has_as_many = |(pack, _): &(&PackRow, u32)| records > 0 && pack.records == records;
        let directories = self.directories_of(&fetch.row.name);
        let mut planned = None;
        for (pack, number) in fetch.pack_rows.iter().zip(0..).filter(has_as_many).take(EQUAL_PACKS)
        {
            let planned = planned.get_or_insert_with(|| {
                identities(copied(plan, &fetch.packs).map(|record| record.row))
            });
            let directory = directories.whole(pack).await?;
            if identities(directory.rows()) == *planned {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

/// Which records rows stand for, in order.
fn identities(rows: impl Iterator<Item = Row>) -> Vec<(EntityKey, u64, Fingerprint)> {
    let mut identities: Vec<_> =
        rows.map(|row| (entity_key(row.kind, row.id), row.length, row.fingerprint)).collect();
    identities.sort_unstable();
    identities
}

/// The records that an admitted plan copies, in order.
fn copied<'p>(plan: &'p Plan, packs: &'p [RunPack]) -> impl Iterator<Item = LocatedRow> + 'p {
    let spans = plan.steps.iter().filter_map(|step| match step {
        Step::Copy(span) => Some(*span),
        Step::Literal(_) => None,
    });
    spans.flat_map(|span| {
        let directory = packs.get(span.pack as usize).map(|pack| &pack.directory);
        let rows = directory.and_then(|found| found.whole_rows(span.offset, span.length));
        let rows = rows.unwrap_or_default();
        rows.filter_map(move |number| {
            Some(LocatedRow { pack: span.pack, number, row: directory?.row(number)? })
        })
    })
}

/// Fails if the answer is to be a stored pack, unless it is the base, and nothing is inserted.
fn is_all_of(answer: &Answer, base: &BasePack) -> Result<(), ProofError> {
    match answer.reuse {
        Some(reused) if reused != base.pack || answer.plan.records != base.records => {
            Err(ProofError::Component(
                "it would answer with a pack that does not hold what it counts".into(),
            ))
        }
        _ => Ok(()),
    }
}

/// Fails if the answer is to be a stored pack that does not contain exactly the records of the
/// plan: all are copied from it, each once, and as many as it has.
fn is_reusable(answer: &Answer, packs: &[RunPack], all: &[PackRow]) -> Result<(), ProofError> {
    let Some(reused) = answer.reuse else { return Ok(()) };
    let mut numbers: Vec<u64> = Vec::new();
    let from_it = copied(&answer.plan, packs).all(|record| {
        numbers.push(record.number);
        record.pack == reused
    });
    numbers.sort_unstable();
    let is_once = numbers.windows(2).all(|pair| pair[0] != pair[1]);
    let records = all.get(reused as usize).map(|pack| pack.records);
    match from_it && is_once && records == Some(numbers.len() as u64) {
        true => Ok(()),
        false => Err(ProofError::Component(
            "it would answer with a pack that does not hold what it counts".into(),
        )),
    }
}
