//! Misdeeds that spoil an honest plan.

use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Form, Head,
    Index, Kind, Limits, Location, PackInfo, Page, Plan, ROW_BYTES, Row, Span, Step, Storage,
};

use crate::imports::Imports;
use crate::misdeed::{Misdeed, for_ever};
use crate::packhouse::engine::types;

/// The host, but for one object that is in no directory any more: what the honest planner makes of
/// that is a well formed pack.
pub(crate) struct Hiding {
    pub(crate) hides: bool,
    pub(crate) hidden: Option<EntityId>,
}

impl Storage for Hiding {
    fn limits(&mut self) -> Limits {
        Imports.limits()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let page = Imports.pack_index(pack, first, limit)?;
        if !self.hides {
            return Ok(page);
        }
        let mut items = Vec::new();
        for row in page.items.chunks_exact(ROW_BYTES) {
            let decoded = Row::decode(row).expect("the host gives rows");
            if decoded.kind == Kind::Object && *self.hidden.get_or_insert(decoded.id) == decoded.id
            {
                continue;
            }
            items.extend_from_slice(row);
        }
        Ok(Page { items, done: page.done })
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        Imports.spine(pack, first, limit)
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        Imports.read_records(spans)
    }

    fn compare_records(
        &mut self,
        pairs: &[(Span, Span)],
    ) -> Result<Vec<std::cmp::Ordering>, AccessError> {
        Imports.compare_records(pairs)
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        Imports.branch_heads(pack, first, limit)
    }
}

impl Database for Hiding {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        Imports.packs(first, limit)
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        Imports.heads(after, limit)
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        Imports.history(commits, limit)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        Imports.walk_floor()
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        Imports.locate(kind, ids)
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        Imports.locate_tags(tags)
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        Imports.tags(commits, after, limit)
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        Imports.base()
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        Imports.base_heads(first, limit)
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        Imports.known(kind, ids)
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Imports.conflicts(first, limit)
    }
}

/// Spoils the steps, and keeps the plan's own words about them true.
pub(crate) fn plan(misdeed: Misdeed, plan: &mut Plan) {
    let last = plan
        .steps
        .iter()
        .rposition(|step| matches!(step, Step::Copy(_)))
        .expect("the tests give it records");
    let Step::Copy(span) = plan.steps[last] else { unreachable!("it was looked for above") };
    let mut bytes = plan.bytes;
    match misdeed {
        Misdeed::RepeatsAnObject => {
            let (at, object) = last_object(&plan.steps);
            plan.steps.insert(at + 1, Step::Copy(object));
            plan.records.objects += 1;
            bytes += object.length;
            one_more_object(&mut plan.steps);
        }
        Misdeed::OutsideAPack => {
            plan.steps[last] = Step::Copy(Span { offset: u64::MAX - span.length, ..span })
        }
        Misdeed::AnotherReposPack => plan.steps[last] = Step::Copy(Span { pack: u32::MAX, ..span }),
        Misdeed::HalfARecord => {
            plan.steps[last] = Step::Copy(Span { length: span.length - 1, ..span })
        }
        Misdeed::Invents => {
            // The last tag comes as a literal: nothing says that its bytes were ever anybody's.
            let tag = rows_of(span).pop().expect("a span is whole records").span(span.pack);
            let bytes = Imports.read_records(&[tag]).expect("a tag may cross").remove(0);
            let before = Span { length: span.length - tag.length, ..span };
            let before = (before.length > 0).then_some(Step::Copy(before));
            plan.steps.splice(last..=last, before.into_iter().chain([Step::Literal(bytes)]));
            plan.records.tags -= 1;
        }
        Misdeed::MovesABranch => {
            let Some(Step::Literal(heads)) = plan.steps.last_mut() else { return };
            let end = heads.len() - 1;
            heads[end] = if heads[end] == b'0' { b'1' } else { b'0' };
        }
        _ => {}
    }
    plan.bytes = match misdeed {
        Misdeed::HalfARecord => bytes - 1,
        _ => bytes,
    };
}

/// The last object that is copied, and the step that copies it.
fn last_object(steps: &[Step]) -> (usize, Span) {
    let object = |(at, step): (usize, &Step)| match step {
        Step::Copy(span) => rows_of(*span)
            .pop()
            .filter(|row| row.kind == Kind::Object)
            .map(|row| (at, row.span(span.pack))),
        Step::Literal(_) => None,
    };
    steps.iter().enumerate().rev().find_map(object).expect("the tests give it objects")
}

/// The rows of the records in a span.
fn rows_of(span: Span) -> Vec<Row> {
    let rows = Imports.pack_index(span.pack, 0, 0).unwrap_or_default().items;
    let within = |row: &Row| {
        row.offset >= span.offset && row.offset + row.length <= span.offset + span.length
    };
    rows.chunks_exact(ROW_BYTES).filter_map(Row::decode).filter(within).collect()
}

/// Raises the number in the header of the objects, which is written in one byte for the tests' few
/// objects.
fn one_more_object(steps: &mut [Step]) {
    for step in steps {
        let Step::Literal(bytes) = step else { continue };
        let Some(at) = bytes.windows(8).position(|window| window == b"\xa7objects") else {
            continue;
        };
        match bytes[at + 8] {
            count @ 0x90..0x9f => bytes[at + 8] = count + 1,
            0xdc => bytes[at + 10] += 1,
            _ => panic!("the tests give it fewer objects"),
        }
    }
}

/// Spoils what it says of a plan.
pub(crate) fn summary(misdeed: Misdeed, summary: &mut types::PlanSummary) {
    match misdeed {
        Misdeed::CountsWrong => summary.records.objects += 1,
        Misdeed::SizesWrong => summary.bytes += 1,
        Misdeed::ClaimsEndlessSteps => summary.steps = u64::MAX,
        _ => {}
    }
}

/// A page that is none of the plan's.
pub(crate) fn page(misdeed: Misdeed, steps: &[Step]) -> Option<Vec<types::Step>> {
    match misdeed {
        Misdeed::GivesNoSteps => Some(Vec::new()),
        Misdeed::GivesTooManySteps => {
            Some(steps.iter().cycle().take(steps.len() * 2 + 1).map(Into::into).collect())
        }
        Misdeed::HandsOverTooMuch => Some(vec![types::Step::Literal(vec![0; 300 << 20])]),
        Misdeed::LoopsInPages => for_ever(),
        Misdeed::TrapsInPages => panic!("as it was told"),
        _ => None,
    }
}

/// Spoils what it says of a push.
pub(crate) fn index(misdeed: Misdeed, index: &mut Index) {
    match misdeed {
        Misdeed::ForgesAHead => {
            for head in &mut index.heads {
                head.commit = EntityId::new(Form::Bare, [0xee; 32]);
            }
        }
        Misdeed::ForgetsHeads => index.heads.clear(),
        Misdeed::RewindsHeads => {
            let stored = Imports.heads(None, 0).unwrap_or_default().items;
            for head in &mut index.heads {
                let before = stored.iter().find(|stored| stored.branch == head.branch);
                head.commit = before.map_or(head.commit, |before| before.commit);
            }
        }
        Misdeed::PrefersNobody => index.preferred.extend([3, u64::MAX]),
        Misdeed::ForgetsEdges => {
            index.edges.pop();
        }
        _ => {}
    }
}
