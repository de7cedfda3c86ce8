//! A plan: the steps that write a pack.

use crate::id::Kind;
use crate::msgpack::{put_array, put_map, put_str};
use crate::ports::{Head, Span};
use crate::table::{Number, Table};

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

/// The records of a pack, each kind in canonical order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    pub commits: Vec<Number>,
    pub snapshots: Vec<Number>,
    pub objects: Vec<Number>,
    pub tags: Vec<Number>,
}

impl Sequence {
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            commits: self.commits.len() as u64,
            snapshots: self.snapshots.len() as u64,
            objects: self.objects.len() as u64,
            tags: self.tags.len() as u64,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Number> + '_ {
        [&self.commits, &self.snapshots, &self.objects, &self.tags].into_iter().flatten().copied()
    }

    /// Lays the pack out in canonical form.
    pub(crate) fn plan(&self, table: &Table, heads: &[Head]) -> Plan {
        let records = self.counts();
        let mut plan = Plan { records, ..Plan::default() };
        let mut literal = Vec::new();
        put_map(&mut literal, if self.tags.is_empty() { 4 } else { 5 });
        for (kind, numbers) in [
            (Kind::Commit, &self.commits),
            (Kind::Snapshot, &self.snapshots),
            (Kind::Object, &self.objects),
            (Kind::Tag, &self.tags),
        ] {
            if kind == Kind::Tag && numbers.is_empty() {
                continue;
            }
            put_str(&mut literal, kind.section());
            put_array(&mut literal, numbers.len() as u32);
            if numbers.is_empty() {
                continue;
            }
            plan.literal(std::mem::take(&mut literal));
            for number in numbers {
                plan.copy(table.entry(*number).span());
            }
        }
        put_str(&mut literal, "branch_heads");
        put_map(&mut literal, heads.len() as u32);
        for head in heads {
            put_str(&mut literal, &head.branch);
            put_str(&mut literal, &head.commit.to_string());
        }
        plan.literal(literal);
        plan
    }
}
