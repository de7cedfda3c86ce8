//! A plan: the steps that write a pack.

use crate::id::Kind;
use crate::msgpack::{put_array, put_map, put_str};
use crate::ports::{Head, Span};

/// How many distinct records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counts {
    /// Commits.
    pub commits: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Objects.
    pub objects: u64,
    /// Tags.
    pub tags: u64,
}

impl Counts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        // Counts that a component claims can be any numbers.
        self.commits
            .saturating_add(self.snapshots)
            .saturating_add(self.objects)
            .saturating_add(self.tags)
    }

    /// The count of a kind, to change.
    pub const fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Commit => &mut self.commits,
            Kind::Snapshot => &mut self.snapshots,
            Kind::Object => &mut self.objects,
            Kind::Tag => &mut self.tags,
        }
    }
}

/// One step in writing a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum Step {
    /// Write these bytes.
    Literal(#[cfg_attr(feature = "serde", serde(with = "hex"))] Vec<u8>),
    /// Write whole records that lie together in a source.
    Copy(Span),
}

impl Step {
    /// How many bytes the step writes.
    pub const fn bytes(&self) -> u64 {
        match self {
            Step::Literal(bytes) => bytes.len() as u64,
            Step::Copy(span) => span.length,
        }
    }
}

/// How to write a pack, and what it will hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The records of the pack.
    pub records: Counts,
    /// The size of the pack in bytes.
    pub bytes: u64,
    /// Records of the sources that are left out.
    pub duplicates: u64,
    /// The steps; the pack is what they write, one after the other.
    pub steps: Vec<Step>,
}

impl Plan {
    fn literal(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len() as u64;
        self.steps.push(Step::Literal(bytes));
    }

    /// Copies a record; one that follows the last in its pack extends that step.
    fn copy(&mut self, span: Span) {
        self.bytes += span.length;
        if let Some(Step::Copy(last)) = self.steps.last_mut()
            && last.pack == span.pack
            && last.offset + last.length == span.offset
        {
            last.length += span.length;
            return;
        }
        self.steps.push(Step::Copy(span));
    }
}

/// The steps that copy records: those that follow each other in their pack are one step.
fn runs(records: impl Iterator<Item = Span>) -> usize {
    let mut end = None;
    let begins = |span: &Span| {
        let begins = end != Some((span.pack, span.offset));
        end = Some((span.pack, span.offset + span.length));
        begins
    };
    records.filter(begins).count()
}

/// Lays a pack out in canonical form: section by section, in the order of [`Kind::ALL`], each with
/// its records in canonical order.
#[derive(Debug)]
pub(crate) struct Layout {
    plan: Plan,
    literal: Vec<u8>,
}

impl Layout {
    /// A pack has a section of tags only if it has tags.
    pub(crate) fn new(has_tags: bool) -> Layout {
        let mut literal = Vec::new();
        put_map(&mut literal, if has_tags { 5 } else { 4 });
        Layout { plan: Plan::default(), literal }
    }

    /// The next section. One of tags that has none is left out.
    pub(crate) fn section(&mut self, kind: Kind, records: impl Iterator<Item = Span> + Clone) {
        let count = records.clone().count();
        // Steps may be the largest part of a plan's memory: it is allocated once, besides literals.
        self.plan.steps.reserve_exact(runs(records.clone()) + 2);
        self.section_of(kind, count as u64, records);
    }

    /// The next section, with `count` records in spans of one or more.
    pub(crate) fn section_of(
        &mut self,
        kind: Kind,
        count: u64,
        records: impl Iterator<Item = Span>,
    ) {
        if kind == Kind::Tag && count == 0 {
            return;
        }
        *self.plan.records.of(kind) = count;
        put_str(&mut self.literal, kind.section());
        put_array(&mut self.literal, count as u32);
        if count > 0 {
            self.plan.literal(std::mem::take(&mut self.literal));
            records.for_each(|record| self.plan.copy(record));
        }
    }

    /// The plan, with the branch heads at the end.
    pub(crate) fn end(mut self, heads: &[Head]) -> Plan {
        put_str(&mut self.literal, "branch_heads");
        put_map(&mut self.literal, heads.len() as u32);
        for head in heads {
            put_str(&mut self.literal, &head.branch);
            put_str(&mut self.literal, &head.commit.to_string());
        }
        self.plan.literal(self.literal);
        self.plan
    }
}
