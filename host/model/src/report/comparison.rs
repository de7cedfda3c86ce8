//! Two packs compared, record by record.

use packhouse_core::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::MpackKey;

/// Which records of a comparison to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackComparisonQuery {
    /// The one pack: one that the repo needs, or one that waits for deletion.
    pub a: MpackKey,
    /// The other pack.
    pub b: MpackKey,
    /// Only records of this class.
    pub class: Option<RecordClass>,
    /// Where the page begins: [`PackComparison::next`] of the page before.
    pub after: Option<String>,
    /// The maximum number.
    pub limit: u32,
    /// Whether the totals are wanted, which need all of both packs: only with the first page.
    pub totals: bool,
}

/// In which of two packs a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordClass {
    /// Only in the one pack.
    OnlyA,
    /// Only in the other pack.
    OnlyB,
    /// In both, with the same length and fingerprint.
    Same,
    /// In both, with another length or fingerprint: the content is the same, its encoding is not.
    OtherEncoding,
}

impl RecordClass {
    /// As it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordClass::OnlyA => "only_a",
            RecordClass::OnlyB => "only_b",
            RecordClass::Same => "same",
            RecordClass::OtherEncoding => "other_encoding",
        }
    }
}

/// Where a record is in a pack, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct RecordPlace {
    /// Where it begins.
    pub offset: u64,
    /// Its length.
    pub length: u64,
}

/// A record of one of two packs, or of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedRecord {
    /// Where it is.
    pub class: RecordClass,
    /// What it is.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Its ID.
    pub id: String,
    /// Its place in the one pack; of a record that the pack repeats, the first.
    pub a: Option<RecordPlace>,
    /// The same in the other pack.
    pub b: Option<RecordPlace>,
}

/// The records of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedSum {
    /// How many.
    pub records: u64,
    /// Their size in the one pack, in bytes.
    pub a_bytes: u64,
    /// Their size in the other pack, in bytes.
    pub b_bytes: u64,
}

/// The records of all classes, without repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedTotals {
    /// Only in the one pack.
    pub only_a: ComparedSum,
    /// Only in the other pack.
    pub only_b: ComparedSum,
    /// In both, the same.
    pub same: ComparedSum,
    /// In both, in different encodings.
    pub other_encoding: ComparedSum,
}

impl ComparedTotals {
    /// The records of a class.
    pub const fn of(&self, class: RecordClass) -> ComparedSum {
        match class {
            RecordClass::OnlyA => self.only_a,
            RecordClass::OnlyB => self.only_b,
            RecordClass::Same => self.same,
            RecordClass::OtherEncoding => self.other_encoding,
        }
    }

    /// Counts a record.
    pub fn add(&mut self, class: RecordClass, a: Option<RecordPlace>, b: Option<RecordPlace>) {
        let sum = match class {
            RecordClass::OnlyA => &mut self.only_a,
            RecordClass::OnlyB => &mut self.only_b,
            RecordClass::Same => &mut self.same,
            RecordClass::OtherEncoding => &mut self.other_encoding,
        };
        let bytes = |place: Option<RecordPlace>| place.map_or(0, |place| place.length);
        sum.records += 1;
        (sum.a_bytes, sum.b_bytes) = (sum.a_bytes + bytes(a), sum.b_bytes + bytes(b));
    }
}

/// Two packs compared: a page of their records, by kind and ID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackComparison {
    /// Counts and bytes of all classes, if they were asked for.
    pub totals: Option<ComparedTotals>,
    /// The records. There may be fewer than were asked for before the end.
    pub records: Vec<ComparedRecord>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}
