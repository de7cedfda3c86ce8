//! What a record names.

use packhouse_core::msgpack::MsgpackError;
use packhouse_core::record::{Commit, Snapshot, Tag};
use packhouse_core::{EntityId, Kind};

/// The records that a record names: of a commit its parents and its snapshot, of a snapshot its
/// parent and its objects, of a tag its commit. An object names none.
///
/// # Errors
/// If the record is malformed.
pub fn references(kind: Kind, record: &[u8]) -> Result<Vec<(Kind, EntityId)>, MsgpackError> {
    Ok(match kind {
        Kind::Commit => {
            let commit = Commit::parse(record)?;
            let parents = commit.parents.into_iter().flatten().map(|id| (Kind::Commit, id));
            parents.chain(commit.snapshot.map(|id| (Kind::Snapshot, id))).collect()
        }
        Kind::Snapshot => {
            let snapshot = Snapshot::parse(record)?;
            let parent = snapshot.parent.map(|id| (Kind::Snapshot, id)).into_iter();
            parent.chain(snapshot.entries.iter().map(|(_, id)| (Kind::Object, *id))).collect()
        }
        Kind::Tag => vec![(Kind::Commit, Tag::parse(record)?.commit)],
        Kind::Object => Vec::new(),
    })
}
