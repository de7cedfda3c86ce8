//! The proof of an answer to a fetch, before any of it is written.
//!
//! - Its commits are exactly those that the request reaches and the client does not have, and its
//!   tags are all tags of these.
//! - Every other record is listed by a record that is sent, once: nothing is added.
//! - Each reference that leaves the answer leads to what the client has, or to what the repo does
//!   not have: nothing is left out.
//! - Nothing is sent that a snapshot of the boundary lists (the boundary: the client's commits, and
//!   those that sent commits name as parents).
//!
//! Commits are compared by their edges in the index, which were compared with the records when
//! these were pushed. Snapshots are read.

use std::collections::{HashMap, HashSet};

use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Counts, EntityId, Kind, Request};

use packhouse_run::LocatedRow;

use super::between::{Between, between};
use super::had::{OpenReferences, ReadLimits, Search, locate};
use super::view::{RepoView, batches};
use super::{ProofError, wrong};

/// What was compared and read to prove an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnswerProof {
    /// Records of the answer.
    pub(crate) records: Counts,
    /// References that leave it.
    pub(crate) references: u64,
    /// Those of them that lead to what the repo does not have, commits included.
    pub(crate) unknown: u64,
    /// Snapshots that the client has and that were read.
    pub(crate) had_snapshots: u64,
    /// Their size in bytes.
    pub(crate) had_bytes: u64,
}

/// What a component says of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// How many records it has.
    pub(crate) records: Counts,
    /// How many IDs are reached that the repo does not have and the client does not know.
    pub(crate) missing: u64,
}

/// Proves an answer that consists of these records, in the order in which they are sent.
pub(crate) fn prove(
    view: &mut dyn RepoView,
    ask: &Request,
    records: impl IntoIterator<Item = LocatedRow>,
    claim: Claim,
    limits: ReadLimits,
) -> Result<AnswerProof, ProofError> {
    let between = between_wants_and(view, ask, &ask.have)?;
    let sent = Sent::of(records, claim.records)?;
    sent.has_the_commits(&between)?;
    sent.has_the_tags(view, &between)?;
    let open = sent.follow(view, &between)?;
    let references = (open.len() + between.unknown.len()) as u64;

    let near = near_limit(view, &between, limits)?;
    let mut search = Search::new(view, open);
    search.near(&between.boundary, near, |kind, id| sent.contains(kind, id))?;
    let unknown = search.drop_unknown()? + between.unknown.len() as u64;
    if claim.missing > unknown || (ask.have.is_empty() && claim.missing < unknown) {
        return wrong(format!("it counts {} missing IDs, but there are {unknown}", claim.missing));
    }
    search.older(&between.boundary, limits.older)?;
    search.found_all()?;
    Ok(AnswerProof {
        records: claim.records,
        references,
        unknown,
        had_snapshots: search.snapshots,
        had_bytes: search.bytes,
    })
}

/// What lies between the wants of a request and some commits that are had. Fails where a want must be
/// known and is not.
pub(super) fn between_wants_and(
    view: &mut dyn RepoView,
    ask: &Request,
    have: &[EntityId],
) -> Result<Between, ProofError> {
    let between = between(view, &wants(ask), have)?;
    match ask.want.iter().find(|want| between.unknown.contains_key(want)) {
        None => Ok(between),
        Some(want) => {
            wrong(format!("it answers a request for commit {want}, which the repo does not have"))
        }
    }
}

/// All wants of a request.
pub(super) fn wants(ask: &Request) -> Vec<EntityId> {
    ask.want.iter().chain(&ask.want_if_known).copied().collect()
}

/// How many bytes of near snapshots are read.
fn near_limit(
    view: &mut dyn RepoView,
    between: &Between,
    limits: ReadLimits,
) -> Result<u64, ProofError> {
    if between.boundary.is_empty() {
        return Ok(0);
    }
    let own: HashSet<EntityId> =
        between.sent.values().filter_map(|commit| commit.snapshot).collect();
    let own: Vec<EntityId> = own.into_iter().collect();
    let bytes: u64 = locate(view, &own)?.iter().flatten().map(|found| found.row.length).sum();
    Ok(limits.near.max(bytes.saturating_mul(2)))
}

/// The records of an answer, each once.
pub(super) struct Sent {
    /// In order.
    commits: Vec<EntityId>,
    /// In order.
    tags: Vec<EntityId>,
    /// Numbered.
    objects: HashMap<EntityId, u32>,
    /// In the order of the answer.
    snapshots: Vec<LocatedRow>,
    snapshot_ids: HashSet<EntityId>,
}

impl Sent {
    pub(super) fn of(
        records: impl IntoIterator<Item = LocatedRow>,
        claimed: Counts,
    ) -> Result<Sent, ProofError> {
        let (mut commits, mut tags) = (Vec::new(), Vec::new());
        let mut objects = HashMap::new();
        let (mut snapshots, mut snapshot_ids) = (Vec::new(), HashSet::new());
        for record in records {
            let id = record.row.id;
            match record.row.kind {
                Kind::Commit => commits.push(id),
                Kind::Tag => tags.push(id),
                Kind::Object => {
                    let number = objects.len() as u32;
                    if objects.insert(id, number).is_some() {
                        return twice(Kind::Object, id);
                    }
                }
                Kind::Snapshot if snapshot_ids.insert(id) => snapshots.push(record),
                Kind::Snapshot => return twice(Kind::Snapshot, id),
            }
        }
        for (kind, ids) in [(Kind::Commit, &mut commits), (Kind::Tag, &mut tags)] {
            ids.sort_unstable();
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                return twice(kind, pair[0]);
            }
        }
        let counts = Counts {
            commits: commits.len() as u64,
            snapshots: snapshots.len() as u64,
            objects: objects.len() as u64,
            tags: tags.len() as u64,
        };
        if counts != claimed {
            return wrong(format!("it claims {claimed:?} and its answer has {counts:?}"));
        }
        Ok(Sent { commits, tags, objects, snapshots, snapshot_ids })
    }

    fn contains(&self, kind: Kind, id: EntityId) -> bool {
        match kind {
            Kind::Commit => self.commits.binary_search(&id).is_ok(),
            Kind::Snapshot => self.snapshot_ids.contains(&id),
            Kind::Object => self.objects.contains_key(&id),
            Kind::Tag => self.tags.binary_search(&id).is_ok(),
        }
    }

    /// The ids of the records of a kind.
    pub(super) fn ids(&self, kind: Kind) -> Vec<EntityId> {
        match kind {
            Kind::Commit => self.commits.clone(),
            Kind::Snapshot => self.snapshots.iter().map(|record| record.row.id).collect(),
            Kind::Object => self.objects.keys().copied().collect(),
            Kind::Tag => self.tags.clone(),
        }
    }

    pub(super) fn has_the_commits(&self, between: &Between) -> Result<(), ProofError> {
        if let Some(extra) = self.commits.iter().find(|id| !between.sent.contains_key(id)) {
            return wrong(format!(
                "its answer adds commit {extra}, which the request does not reach or the client has"
            ));
        }
        let Some(left_out) = between.sent.keys().find(|id| self.commits.binary_search(id).is_err())
        else {
            return Ok(());
        };
        let child = between.sent.values().find(|child| child.parents().any(|id| id == *left_out));
        let by = child.map_or("the request".to_owned(), |child| format!("commit {}", child.commit));
        wrong(format!("its answer leaves out commit {left_out}, wanted by {by}"))
    }

    fn has_the_tags(&self, view: &mut dyn RepoView, between: &Between) -> Result<(), ProofError> {
        let commits: Vec<EntityId> = between.sent.keys().copied().collect();
        let mut tags = HashSet::new();
        for page in commits.chunks(MAX_ITEMS as usize) {
            tags.extend(view.tags_of(page)?);
        }
        self.has_just_the_tags(&tags)
    }

    /// Fails unless exactly these tags are sent.
    pub(super) fn has_just_the_tags(&self, tags: &HashSet<EntityId>) -> Result<(), ProofError> {
        if let Some(extra) = self.tags.iter().find(|id| !tags.contains(id)) {
            return wrong(format!(
                "its answer adds tag {extra}, which is of no commit that it has"
            ));
        }
        match tags.iter().filter(|id| !self.contains(Kind::Tag, **id)).min() {
            Some(left_out) => wrong(format!("its answer leaves out tag {left_out}")),
            None => Ok(()),
        }
    }

    /// Follows what the commits and snapshots list. Fails where a record is listed by none; returns
    /// what is listed and not sent.
    pub(super) fn follow(
        &self,
        view: &mut dyn RepoView,
        between: &Between,
    ) -> Result<OpenReferences, ProofError> {
        let mut open = OpenReferences::new();
        let mut parents: HashMap<EntityId, EntityId> = HashMap::new();
        let mut is_listed = vec![false; self.objects.len()];
        for batch in batches(&self.snapshots) {
            view.read(batch, &mut |by, kind, id| {
                let by = by.row.id;
                if kind == Kind::Object
                    && let Some(number) = self.objects.get(&id)
                {
                    is_listed[*number as usize] = true;
                } else if kind == Kind::Snapshot && self.snapshot_ids.contains(&id) {
                    parents.insert(by, id);
                } else {
                    open.entry((kind, id)).or_insert((Kind::Snapshot, by));
                }
                Ok(())
            })?;
        }
        let mut listed = HashSet::new();
        for commit in between.sent.values() {
            let Some(root) = commit.snapshot else { continue };
            if !self.snapshot_ids.contains(&root) {
                open.entry((Kind::Snapshot, root)).or_insert((Kind::Commit, commit.commit));
                continue;
            }
            let mut next = Some(root);
            while let Some(id) = next
                && listed.insert(id)
            {
                next = parents.get(&id).copied();
            }
        }
        if let Some(added) = self.snapshot_ids.iter().filter(|id| !listed.contains(id)).min() {
            return adds(Kind::Snapshot, *added);
        }
        let added = self.objects.iter().filter(|(_, number)| !is_listed[**number as usize]);
        match added.map(|(id, _)| *id).min() {
            Some(added) => adds(Kind::Object, added),
            None => Ok(open),
        }
    }
}

fn twice<T>(kind: Kind, id: EntityId) -> Result<T, ProofError> {
    wrong(format!("its answer has {kind} {id} twice"))
}

fn adds<T>(kind: Kind, id: EntityId) -> Result<T, ProofError> {
    wrong(format!("its answer adds {kind} {id}, which nothing that it sends lists"))
}
