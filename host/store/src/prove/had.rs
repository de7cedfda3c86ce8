//! What a client has of what an answer reaches and does not contain.
//!
//! As the planner looks for it ([decision 27]): first in the *near* snapshots (those of the
//! boundary), then in the *older* ones behind them, breadth first, until every reference is found.
//! The planner stops earlier: it may send again what only older snapshots hold. What a near one
//! lists it may not send.
//!
//! [decision 27]: ../../../../docs/decisions/0027-a-fetch-costs-what-it-sends.md

use std::collections::{HashMap, HashSet, VecDeque};

use packhouse_core::assemble::Bounds;
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Edges, EntityId, Kind};
use packhouse_model::error::Result;
use packhouse_run::LocatedRow;

use super::ancestors::Ancestors;
use super::view::{RepoView, batches};
use super::{ProofError, wrong};

/// References that leave an answer, each with the record that has it.
pub(super) type OpenReferences = HashMap<(Kind, EntityId), (Kind, EntityId)>;

/// How much of what a client has is read for a proof, in bytes of snapshot records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// Near snapshots; twice the snapshots of the sent commits, if that is more.
    pub(crate) near: u64,
    /// Older snapshots. Not less than the planner reads of them: else honest answers are refused.
    pub(crate) older: u64,
}

/// Those of the planner, at most.
impl Default for ReadLimits {
    fn default() -> ReadLimits {
        let Bounds { near, most, .. } = Bounds::default();
        ReadLimits { near, older: most }
    }
}

/// What looking at one older commit counts, as for the planner: as if so many bytes of snapshots
/// were read.
const COMMIT_BYTES: u64 = 64;

/// Number of commits or snapshots that are first read ahead; doubled with each read.
pub(super) const FIRST_PAGE: u32 = 16;

/// What matters of a snapshot that was read.
#[derive(Default)]
struct ReadAhead {
    length: u64,
    parent: Option<EntityId>,
    /// The references that it lists and that were open.
    found: Vec<(Kind, EntityId)>,
}

/// The search for what a client has. It keeps what is open, never all that the client has.
pub(super) struct Search<'v> {
    view: &'v mut dyn RepoView,
    /// What was not found yet.
    open: OpenReferences,
    /// Snapshots that were met: read, or not in the index.
    met: HashSet<EntityId>,
    /// Parents of snapshots that were read.
    parents: VecDeque<EntityId>,
    /// Snapshots that were read ahead of their turn.
    ahead: HashMap<EntityId, ReadAhead>,
    /// How many to read at once.
    page: u32,
    /// Snapshots read.
    pub(super) snapshots: u64,
    /// Their size.
    pub(super) bytes: u64,
}

impl<'v> Search<'v> {
    pub(super) fn new(view: &'v mut dyn RepoView, open: OpenReferences) -> Search<'v> {
        Search {
            view,
            open,
            met: HashSet::new(),
            parents: VecDeque::new(),
            ahead: HashMap::new(),
            page: FIRST_PAGE,
            snapshots: 0,
            bytes: 0,
        }
    }

    /// Reads the snapshots of the boundary, as far as they fit into `limit` bytes. Fails where one
    /// lists something that is sent.
    pub(super) fn near(
        &mut self,
        boundary: &[Edges],
        limit: u64,
        is_sent: impl Fn(Kind, EntityId) -> bool,
    ) -> Result<(), ProofError> {
        let ids: Vec<EntityId> = boundary.iter().filter_map(|commit| commit.snapshot).collect();
        let (mut near, mut bytes) = (Vec::new(), 0u64);
        for (id, found) in ids.iter().zip(locate(self.view, &ids)?) {
            // A commit that the client has names it.
            self.open.remove(&(Kind::Snapshot, *id));
            let length = found.map_or(0, |found| found.row.length);
            if self.met.contains(id) || bytes.saturating_add(length) > limit {
                continue;
            }
            bytes += length;
            self.met.insert(*id);
            is_repeated(Kind::Snapshot, *id, &is_sent)?;
            near.extend(found);
        }
        for batch in batches(&near) {
            let (open, parents) = (&mut self.open, &mut self.parents);
            self.view.read(batch, &mut |_, kind, id| {
                open.remove(&(kind, id));
                if kind == Kind::Snapshot {
                    parents.push_back(id);
                }
                is_repeated(kind, id, &is_sent)
            })?;
            self.snapshots += batch.len() as u64;
            self.bytes += batch.iter().map(|snapshot| snapshot.row.length).sum::<u64>();
        }
        Ok(())
    }

    /// Drops references to what the repo does not have; returns how many there were.
    pub(super) fn drop_unknown(&mut self) -> Result<u64> {
        let before = self.open.len();
        for kind in [Kind::Snapshot, Kind::Object] {
            let ids: Vec<EntityId> =
                self.open.keys().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
            for page in ids.chunks(MAX_ITEMS as usize) {
                for (id, known) in page.iter().zip(self.view.knows(kind, page)?) {
                    if !known {
                        self.open.remove(&(kind, *id));
                    }
                }
            }
        }
        Ok((before - self.open.len()) as u64)
    }

    /// Reads older snapshots until all references are found, or as many bytes as `limit` were read.
    pub(super) fn older(&mut self, boundary: &[Edges], limit: u64) -> Result<(), ProofError> {
        let mut history = Ancestors::of(boundary);
        let (near, mut looked_at) = (self.bytes, 0);
        // In turns: the parents of deltas mostly are the snapshots of the next commits.
        while !self.open.is_empty() && self.bytes - near + looked_at < limit {
            let parent = self.parents.pop_front();
            if let Some(parent) = parent {
                self.read_older(parent, &history)?;
            }
            let commit = history.next(self.view)?;
            if commit.is_some() {
                looked_at += COMMIT_BYTES;
            }
            if let Some(snapshot) = commit.and_then(|commit| commit.snapshot) {
                self.read_older(snapshot, &history)?;
            }
            if parent.is_none() && commit.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn read_older(&mut self, id: EntityId, history: &Ancestors) -> Result<(), ProofError> {
        if !self.met.insert(id) {
            return Ok(());
        }
        self.open.remove(&(Kind::Snapshot, id));
        if !self.ahead.contains_key(&id) {
            self.read_ahead(id, history)?;
        }
        if let Some(read) = self.ahead.remove(&id) {
            self.snapshots += 1;
            self.bytes = self.bytes.saturating_add(read.length);
            for found in read.found {
                self.open.remove(&found);
            }
            self.parents.extend(read.parent);
        }
        Ok(())
    }

    /// Reads a snapshot, and with it some of those whose turn comes next: fewer reads, and the same
    /// order.
    fn read_ahead(&mut self, id: EntityId, history: &Ancestors) -> Result<(), ProofError> {
        let next = self.parents.iter().copied().chain(history.coming(self.page as usize));
        let mut seen = HashSet::from([id]);
        let is_new = |id: &EntityId| {
            !self.met.contains(id) && !self.ahead.contains_key(id) && seen.insert(*id)
        };
        let mut ids = vec![id];
        ids.extend(next.filter(is_new).take(self.page as usize - 1));
        self.page = self.page.saturating_mul(2).min(MAX_ITEMS);
        let found: Vec<LocatedRow> = locate(self.view, &ids)?.into_iter().flatten().collect();
        let Some(first) = batches(&found).next() else { return Ok(()) };
        for LocatedRow { row, .. } in first {
            self.ahead.insert(row.id, ReadAhead { length: row.length, ..ReadAhead::default() });
        }
        let (open, ahead) = (&self.open, &mut self.ahead);
        self.view.read(first, &mut |snapshot, kind, id| {
            let Some(read) = ahead.get_mut(&snapshot.row.id) else { return Ok(()) };
            if kind == Kind::Snapshot {
                read.parent = Some(id);
            }
            if open.contains_key(&(kind, id)) {
                read.found.push((kind, id));
            }
            Ok(())
        })
    }

    /// Fails if the answer leaves out something that the client does not have.
    pub(super) fn found_all(&self) -> Result<(), ProofError> {
        match self.open.iter().min() {
            None => Ok(()),
            Some(((kind, id), (by, by_id))) => {
                wrong(format!("its answer leaves out {kind} {id}, wanted by {by} {by_id}"))
            }
        }
    }
}

fn is_repeated(
    kind: Kind,
    id: EntityId,
    is_sent: impl Fn(Kind, EntityId) -> bool,
) -> Result<(), ProofError> {
    match is_sent(kind, id) {
        true => wrong(format!("its answer repeats {kind} {id}, which the client has")),
        false => Ok(()),
    }
}

/// Where the index has snapshots, in order.
pub(super) fn locate(view: &mut dyn RepoView, ids: &[EntityId]) -> Result<Vec<Option<LocatedRow>>> {
    let mut found = Vec::with_capacity(ids.len());
    for page in ids.chunks(MAX_ITEMS as usize) {
        found.extend(view.locate(page)?);
    }
    Ok(found)
}
