//! Misdeeds that spoil the answer to a fetch. What it says of its plan stays true.

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::ports::{all_heads, all_packs, read_all};
use packhouse_core::record::Snapshot;
use packhouse_core::{
    AccessError, Counts, Database, EntityId, Head, Kind, Plan, ROW_BYTES, Request, Row, Span, Step,
    Storage,
};

use crate::imports::Imports;
use crate::misdeed::Misdeed;

/// A record of a pack of the run.
#[derive(Clone, Copy)]
struct Record {
    pack: u32,
    row: Row,
}

impl Record {
    fn span(&self) -> Span {
        self.row.span(self.pack)
    }

    fn is_in(&self, records: &[Record]) -> bool {
        records.iter().any(|one| (one.row.kind, one.row.id) == (self.row.kind, self.row.id))
    }
}

/// What is answered instead of what was asked.
pub(crate) fn request(misdeed: Misdeed, asked: Request) -> Result<Request, AccessError> {
    match misdeed {
        Misdeed::AnswersNothing => Ok(Request::default()),
        Misdeed::AnswersAnotherBranch => {
            let heads = all_heads(&mut Imports)?;
            let is_other = |head: &&Head| !asked.want.contains(&head.commit);
            let other = heads.iter().find(is_other).map(|head| head.commit);
            Ok(Request { want: other.into_iter().collect(), ..asked })
        }
        Misdeed::ClaimsABase => {
            let want = read_all(|heads: &[EntityId]| Imports.base_heads(heads.len() as u64, 0))?;
            Ok(Request { want, ..Request::default() })
        }
        _ => Ok(asked),
    }
}

/// Spoils the plan of an answer.
pub(crate) fn plan(misdeed: Misdeed, asked: &Request, plan: &mut Plan) -> Result<(), AccessError> {
    if misdeed == Misdeed::CutsTheBase {
        cut_the_base(plan)?;
    }
    let forgotten = match misdeed {
        Misdeed::ForgetsACommit => Some(Kind::Commit),
        Misdeed::ForgetsASnapshot => Some(Kind::Snapshot),
        Misdeed::ForgetsAnObject => Some(Kind::Object),
        Misdeed::ForgetsATag => Some(Kind::Tag),
        Misdeed::AddsAStranger | Misdeed::RepeatsWhatIsHad => None,
        _ => return Ok(()),
    };
    let all = records()?;
    let mut sent = sent(plan, &all);
    match forgotten {
        Some(kind) => {
            let last = sent.iter().rposition(|one| one.row.kind == kind);
            last.map(|last| sent.remove(last));
        }
        None if misdeed == Misdeed::AddsAStranger => {
            let is_other = |one: &&Record| one.row.kind == Kind::Commit && !one.is_in(&sent);
            sent.extend(all.iter().find(is_other).copied());
        }
        None => sent.extend(had(&asked.have, &all, &sent)?),
    }
    *plan = lay_out(&sent, &all_heads(&mut Imports)?);
    Ok(())
}

/// Copies the longest span of the base in two steps.
fn cut_the_base(plan: &mut Plan) -> Result<(), AccessError> {
    let Some(base) = Imports.base()? else { return Ok(()) };
    let length = |step: &Step| match step {
        Step::Copy(span) if span.pack == base.pack => span.length,
        _ => 0,
    };
    let longest = plan.steps.iter().enumerate().max_by_key(|(_, step)| length(step));
    if let Some((at, Step::Copy(span))) = longest {
        let (start, rest) = (
            Span { length: 7, ..*span },
            Span { offset: span.offset + 7, length: span.length - 7, ..*span },
        );
        plan.steps.splice(at..=at, [Step::Copy(start), Step::Copy(rest)]);
    }
    Ok(())
}

/// The records of all packs.
fn records() -> Result<Vec<Record>, AccessError> {
    let mut records = Vec::new();
    for (pack, info) in (0..).zip(all_packs(&mut Imports)?) {
        let mut first = 0;
        while first < info.rows {
            let page = Imports.pack_index(pack, first, 0)?;
            let rows = page.items.chunks_exact(ROW_BYTES).filter_map(Row::decode);
            records.extend(rows.map(|row| Record { pack, row }));
            first += (page.items.len() / ROW_BYTES) as u64;
            if page.done {
                break;
            }
        }
    }
    Ok(records)
}

/// The records that a plan copies, in order.
fn sent(plan: &Plan, all: &[Record]) -> Vec<Record> {
    let mut sent = Vec::new();
    for step in &plan.steps {
        let Step::Copy(copied) = step else { continue };
        let is_copied = |one: &&Record| {
            let span = one.span();
            span.pack == copied.pack
                && span.offset >= copied.offset
                && span.offset + span.length <= copied.offset + copied.length
        };
        sent.extend(all.iter().filter(is_copied).copied());
    }
    sent
}

/// An object that a snapshot of the client's commits lists.
fn had(have: &[EntityId], all: &[Record], sent: &[Record]) -> Result<Option<Record>, AccessError> {
    let commits = Imports.history(have, have.len() as u32)?;
    let snapshots = commits.items.iter().filter_map(|commit| commit.edges.snapshot);
    for id in snapshots {
        let is_it = |one: &&Record| (one.row.kind, one.row.id) == (Kind::Snapshot, id);
        let Some(record) = all.iter().find(is_it) else { continue };
        let bytes = Imports.read_records(&[record.span()])?.pop().unwrap_or_default();
        let Ok(snapshot) = Snapshot::parse(&bytes) else { continue };
        let is_listed = |one: &&Record| {
            one.row.kind == Kind::Object
                && snapshot.entries.iter().any(|(_, object)| *object == one.row.id)
        };
        if let Some(object) = all.iter().filter(is_listed).find(|one| !one.is_in(sent)) {
            return Ok(Some(*object));
        }
    }
    Ok(None)
}

fn lay_out(records: &[Record], heads: &[Head]) -> Plan {
    let mut plan = Plan { records: Counts::default(), ..Plan::default() };
    let mut literal = Vec::new();
    put_map(&mut literal, 5);
    for kind in Kind::ALL {
        let of_kind: Vec<Step> = records
            .iter()
            .filter(|one| one.row.kind == kind)
            .map(|one| Step::Copy(one.span()))
            .collect();
        *plan.records.of(kind) = of_kind.len() as u64;
        put_str(&mut literal, kind.section());
        put_array(&mut literal, of_kind.len() as u32);
        plan.steps.push(Step::Literal(std::mem::take(&mut literal)));
        plan.steps.extend(of_kind);
    }
    put_str(&mut literal, "branch_heads");
    put_map(&mut literal, heads.len() as u32);
    for head in heads {
        put_str(&mut literal, &head.branch);
        put_str(&mut literal, &head.commit.to_string());
    }
    plan.steps.push(Step::Literal(literal));
    plan.bytes = plan.steps.iter().map(Step::bytes).sum();
    plan
}
