//! Tags and releases: they pin commits.

use packhouse_core::{EntityId, Kind};

use crate::problem::{Fault, Problem, Problems};
use crate::record;
use crate::rows::TagRow;

/// A tag, or a release as one.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) tag_id: String,
    /// What it is called, for messages.
    pub(crate) tag: String,
    pub(crate) commit: EntityId,
    pub(crate) record: Vec<u8>,
}

/// Reads the tags of a repo.
pub(crate) fn pins(rows: &[TagRow], problems: &mut Problems) -> Vec<Pin> {
    let mut pins = Vec::with_capacity(rows.len());
    for row in rows {
        let commit = match EntityId::parse(row.commit_id.as_bytes()) {
            Ok(commit) => commit,
            Err(why) => {
                problems.add(Problem::bad_id(Kind::Commit, &row.commit_id, why));
                continue;
            }
        };
        match record::tag(row) {
            Ok(record) => {
                pins.push(Pin { tag_id: row.tag_id.clone(), tag: row.tag.clone(), commit, record })
            }
            Err(why) => problems.add(Problem::of(Fault::BadRow, &row.tag_id, why)),
        }
    }
    pins
}
