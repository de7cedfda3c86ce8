//! What a client's push of one branch must keep to: the branch follows from where it was, and
//! nothing that it reaches is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::os::unix::fs::FileExt;

use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::{BranchConflict, EntityId, Head, Kind, Row};
use packhouse_model::error::{Error, PushError, Result};
use packhouse_pack::references;

use super::receive::StagedPack;
use super::{Store, blocking};

/// Missing ids that an error names.
const MAX_NAMED: usize = 10;

/// What a client's push of one branch must keep to besides: the branch follows from where it was,
/// and nothing that it reaches is missing.
#[derive(Clone, Debug)]
pub struct PushPreconditions {
    /// The branch: the one that the push names.
    pub branch: String,
    /// Its new head.
    pub head: EntityId,
}

impl PushPreconditions {
    /// Whether the branch is at its new head, or at a commit that descends from it.
    pub(super) fn check(&self, heads: &[Head]) -> Result<()> {
        let stands = heads.iter().find(|head| head.branch == self.branch).map(|head| head.commit);
        if stands == Some(self.head) {
            return Ok(());
        }
        let (branch, given) = (self.branch.clone(), vec![self.head]);
        Err(Error::Push(PushError::HeadConflict(vec![BranchConflict {
            branch,
            given,
            stored: stands,
        }])))
    }
}

impl Store {
    /// Fails when the branch, or any record of the push, would reach what is neither in the push
    /// nor in the repo. What the repo has was checked when it was pushed. In a repo that accepts holes,
    /// only the head of the branch must be there.
    pub(super) async fn is_whole(
        &self,
        snapshot: &mut dyn Snapshot,
        received: &[StagedPack],
        preconditions: &PushPreconditions,
    ) -> Result<()> {
        let mut open = BTreeMap::new();
        let mut start =
            vec![(Kind::Commit, preconditions.head, format!("branch {}", preconditions.branch))];
        for one in received {
            // All records of the push, also those beside the head: they are known from now on, and
            // not checked again.
            let brought = one
                .written
                .scanned
                .rows
                .iter()
                .filter(|row| matches!(row.kind, Kind::Commit | Kind::Snapshot));
            start.extend(brought.map(|row| (row.kind, row.id, "the push".to_owned())));
            let file = one.bytes.try_clone().map_err(Error::io("opening", &one.file))?;
            let (rows, path) = (one.written.scanned.rows.clone(), one.file.clone());
            let from = std::mem::take(&mut start);
            let ends = blocking(move || {
                let read = |row: &Row| {
                    let mut bytes = vec![0; row.length as usize];
                    file.read_exact_at(&mut bytes, row.offset).map(|()| bytes)
                };
                reached_outside(&rows, from, read).map_err(Error::io("reading", &path))
            })
            .await?;
            open.extend(ends);
        }
        if snapshot.repo().accepts_shallow {
            open.retain(|missing, _| *missing == (Kind::Commit, preconditions.head));
        }
        let keys: Vec<_> = open.keys().map(|(kind, id)| entity_key(*kind, *id)).collect();
        let known = snapshot.lookup(&keys).await?;
        let missing: Vec<String> = open
            .iter()
            .zip(known)
            .filter(|(_, known)| known.is_none())
            .map(|(((kind, id), by), _)| format!("{kind} {id} (wanted by {by})"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let repo = snapshot.repo().name.clone();
        let left_out = missing.len().saturating_sub(MAX_NAMED);
        Err(Error::Push(PushError::Incomplete {
            repo,
            branch: preconditions.branch.clone(),
            packhouse: "packhouse".to_owned(),
            missing: missing.into_iter().take(MAX_NAMED).collect(),
            left_out,
        }))
    }
}

/// What some records reach through those of a pack and that is not in it, each with what reaches
/// it.
fn reached_outside(
    rows: &[Row],
    from: Vec<(Kind, EntityId, String)>,
    read: impl Fn(&Row) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<BTreeMap<(Kind, EntityId), String>> {
    let held: HashMap<(Kind, EntityId), &Row> =
        rows.iter().map(|row| ((row.kind, row.id), row)).collect();
    let mut next: VecDeque<(Kind, EntityId, String)> = from.into();
    let (mut seen, mut open) = (BTreeSet::new(), BTreeMap::new());
    while let Some((kind, id, by)) = next.pop_front() {
        if !seen.insert((kind, id)) {
            continue;
        }
        let Some(row) = held.get(&(kind, id)) else {
            open.insert((kind, id), by);
            continue;
        };
        let by = format!("{kind} {id}");
        if !matches!(kind, Kind::Commit | Kind::Snapshot) {
            continue;
        }
        // What can't be read was refused when it was read back.
        let Ok(named) = references(kind, &read(row)?) else { continue };
        next.extend(named.into_iter().map(|(kind, id)| (kind, id, by.clone())));
    }
    Ok(open)
}
