//! What a push means for the index: are its records sound, what do its commits reach, and where do
//! branches stand afterwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{EntityId, Kind};
use crate::msgpack::MsgpackError;
use crate::order::{malformed_at, misnamed};
use crate::plan_error::{BranchConflict, PlanError};
use crate::ports::{
    AccessError, Ancestor, Database, Edges, EncodingConflict, Head, Span, Storage, all_heads,
    for_each_record, read_all,
};
use crate::record::{Commit, Snapshot, Tag, commits_disagree, snapshots_disagree, tags_disagree};
use crate::row::{ROW_BYTES, Row};
use crate::table::longer_then_greater;

/// What a push means for the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// For every branch that the push names, by name: where it stands afterwards.
    pub heads: Vec<Head>,
    /// Numbers of the conflicts whose pushed encoding takes the place of the stored one.
    pub preferred: Vec<u64>,
    /// What the pushed commits reach, each once, by id.
    pub edges: Vec<Edges>,
}

/// Reads what is pushed: packs 0 to `pushed` - 1 of the run.
///
/// # Errors
/// [`PlanError::Malformed`] for a record that is not what the format asks for,
/// [`PlanError::Conflicting`] for two encodings of one entity that reach different things,
/// [`PlanError::HeadConflict`] unless `force`.
pub fn index<H: Storage + Database + ?Sized>(
    host: &mut H,
    pushed: u32,
    force: bool,
) -> Result<Index, PlanError> {
    let mut edges: BTreeMap<EntityId, Edges> = BTreeMap::new();
    let mut read = Read { first: BTreeMap::new() };
    for pack in 0..pushed {
        read.pack(host, pack, &mut edges)?;
    }
    drop(read);
    let preferred = prefer_encodings(host)?;
    let heads = decide_heads(host, pushed, force, &edges)?;
    Ok(Index { heads, preferred, edges: edges.into_values().collect() })
}

/// Commits, snapshots and tags read so far: the first encoding met of each.
struct Read {
    first: BTreeMap<(Kind, EntityId), (Row, u32)>,
}

impl Read {
    fn pack<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        pack: u32,
        edges: &mut BTreeMap<EntityId, Edges>,
    ) -> Result<(), PlanError> {
        let mut first = 0;
        loop {
            let page = host.pack_index(pack, first, 0)?;
            let rows = page.items;
            let unreadable = || {
                let length = rows.len() as u64;
                AccessError::OutOfRange(Span { pack, offset: first, length })
            };
            if rows.len() % ROW_BYTES != 0 || (rows.is_empty() && !page.done) {
                return Err(unreadable().into());
            }
            let mut fresh = Vec::new();
            let mut again = Vec::new();
            for bytes in rows.chunks_exact(ROW_BYTES) {
                let row = Row::decode(bytes).ok_or_else(unreadable)?;
                if row.kind == Kind::Object {
                    continue;
                }
                match self.first.get(&(row.kind, row.id)) {
                    None => {
                        self.first.insert((row.kind, row.id), (row, pack));
                        fresh.push(row);
                    }
                    Some((met, at))
                        if (met.length, met.fingerprint) != (row.length, row.fingerprint) =>
                    {
                        again.push((met.span(*at), row))
                    }
                    Some(_) => {}
                }
            }
            first += (rows.len() / ROW_BYTES) as u64;

            let spans: Vec<Span> = fresh.iter().map(|row| row.span(pack)).collect();
            for_each_record(host, &spans, |_, i, bytes| check(&fresh[i], spans[i], bytes, edges))?;
            for (met, row) in again {
                let at = row.span(pack);
                let bytes = one(host, at)?;
                check(&row, at, &bytes, &mut BTreeMap::new())?;
                agree(&one(host, met)?, &bytes, row.kind, met, at)?;
            }
            if page.done {
                return Ok(());
            }
        }
    }
}

fn one<H: Storage + ?Sized>(host: &mut H, span: Span) -> Result<Vec<u8>, AccessError> {
    host.read_records(&[span])?.pop().ok_or(AccessError::OutOfRange(span))
}

/// Reads a record whole; notes what a commit reaches.
fn check(
    row: &Row,
    at: Span,
    bytes: &[u8],
    edges: &mut BTreeMap<EntityId, Edges>,
) -> Result<(), PlanError> {
    let place = |e: MsgpackError| malformed_at(row.kind, row.id, at, e);
    let id = match row.kind {
        Kind::Commit => {
            let commit = Commit::parse(bytes).map_err(place)?;
            edges.insert(
                commit.id,
                Edges { commit: commit.id, parents: commit.parents, snapshot: commit.snapshot },
            );
            commit.id
        }
        Kind::Snapshot => Snapshot::parse(bytes).map_err(place)?.id,
        // A tag's row holds its text's digest, which only a host can make.
        Kind::Tag => Tag::parse(bytes).map(|_| row.id).map_err(place)?,
        Kind::Object => row.id,
    };
    if id == row.id { Ok(()) } else { Err(place(misnamed(id))) }
}

/// Law 7: two encodings of one entity reach the same, or one of them is forged or damaged.
fn agree(a: &[u8], b: &[u8], kind: Kind, first: Span, second: Span) -> Result<(), PlanError> {
    let (id, detail) = match kind {
        Kind::Commit => {
            let read = |bytes, at| Commit::parse(bytes).map_err(|e| unreadable(kind, at, e));
            let (a, b) = (read(a, first)?, read(b, second)?);
            (a.id, commits_disagree(&a, &b))
        }
        Kind::Snapshot => {
            let read_a = Snapshot::parse(a).map_err(|e| unreadable(kind, first, e))?;
            let read_b = Snapshot::parse(b).map_err(|e| unreadable(kind, second, e))?;
            (read_a.id, snapshots_disagree(&read_a, &read_b))
        }
        Kind::Tag => {
            let read_a = Tag::parse(a).map_err(|e| unreadable(kind, first, e))?;
            let read_b = Tag::parse(b).map_err(|e| unreadable(kind, second, e))?;
            (
                nameless(),
                tags_disagree(&read_a, &read_b).map(|d| format!("tag `{}`: {d}", read_a.text)),
            )
        }
        Kind::Object => return Ok(()),
    };
    match detail {
        Some(detail) => Err(PlanError::Conflicting { kind, id, first, second, detail }),
        None => Ok(()),
    }
}

/// Stands in for the id of a record that gave none in fixed width.
fn nameless() -> EntityId {
    EntityId::new(crate::id::Form::Text, [0; 32])
}

fn unreadable(kind: Kind, at: Span, error: MsgpackError) -> PlanError {
    malformed_at(kind, nameless(), at, error)
}

fn prefer_encodings<H: Storage + Database + ?Sized>(host: &mut H) -> Result<Vec<u64>, PlanError> {
    let conflicts = read_all(|read: &[EncodingConflict]| host.conflicts(read.len() as u64, 0))?;
    let mut preferred = Vec::new();
    for (number, conflict) in conflicts.into_iter().enumerate() {
        let (kind, pushed, stored) = (conflict.kind, conflict.pushed, conflict.stored);
        // Objects agree by their content, which the host has hashed; their bytes don't cross.
        if kind != Kind::Object {
            agree(&one(host, stored)?, &one(host, pushed)?, kind, stored, pushed)?;
        }
        if longer_then_greater(host, pushed, stored)? {
            preferred.push(number as u64);
        }
    }
    Ok(preferred)
}

/// The heads given for a branch, in the order of the packs, and the one the repo has.
#[derive(Default)]
struct Candidates {
    stored: Option<EntityId>,
    given: Vec<EntityId>,
}

fn decide_heads<H: Storage + Database + ?Sized>(
    host: &mut H,
    pushed: u32,
    force: bool,
    edges: &BTreeMap<EntityId, Edges>,
) -> Result<Vec<Head>, PlanError> {
    let mut branches: BTreeMap<String, Candidates> = BTreeMap::new();
    for pack in 0..pushed {
        for head in read_all(|heads: &[Head]| host.branch_heads(pack, heads.len() as u32, 0))? {
            branches.entry(head.branch).or_default().given.push(head.commit);
        }
    }
    for head in all_heads(host)? {
        if let Some(candidates) = branches.get_mut(&head.branch) {
            candidates.stored = Some(head.commit);
        }
    }

    let mut history = History { pushed: edges, stored: BTreeMap::new() };
    let mut heads = Vec::with_capacity(branches.len());
    let mut conflicts = Vec::new();
    for (branch, candidates) in branches {
        let decided = history.leading(host, &candidates)?.or(if force {
            candidates.given.last().copied()
        } else {
            None
        });
        match decided {
            Some(commit) => heads.push(Head { branch, commit }),
            None => conflicts.push(BranchConflict {
                branch,
                stored: candidates.stored,
                given: candidates.given,
            }),
        }
    }
    if conflicts.is_empty() { Ok(heads) } else { Err(PlanError::HeadConflict(conflicts)) }
}

/// The union of the histories pushed and stored.
struct History<'e> {
    pushed: &'e BTreeMap<EntityId, Edges>,
    /// Read from the index so far; `None` for a commit that it does not know.
    stored: BTreeMap<EntityId, Option<Edges>>,
}

impl History<'_> {
    /// The head that all the others are equal to or ancestors of, if there is one.
    fn leading<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        candidates: &Candidates,
    ) -> Result<Option<EntityId>, PlanError> {
        // Heads of pushed commits first: they usually lead to the stored one within a few steps;
        // then the stored one, which leads to those that a client has not moved for a while.
        let mut heads: Vec<EntityId> = Vec::new();
        let stored = candidates.stored.into_iter();
        let (new, old): (Vec<EntityId>, Vec<EntityId>) = stored
            .chain(candidates.given.iter().copied())
            .partition(|id| self.pushed.contains_key(id));
        for head in new.into_iter().chain(old) {
            if !heads.contains(&head) {
                heads.push(head);
            }
        }
        let all: BTreeSet<EntityId> = heads.iter().copied().collect();
        // A head that some other leads to can't lead; each commit is walked once for all heads.
        let mut followed: BTreeSet<EntityId> = BTreeSet::new();
        let mut walked: BTreeSet<EntityId> = BTreeSet::new();
        for head in &heads {
            if followed.contains(head) {
                continue;
            }
            self.ancestors(host, *head, &mut walked, |ancestor| {
                if ancestor != *head && all.contains(&ancestor) {
                    followed.insert(ancestor);
                }
                followed.len() + 1 < all.len()
            })?;
        }
        let mut leaders = all.iter().filter(|head| !followed.contains(head));
        match (leaders.next(), leaders.next()) {
            (Some(leader), None) => Ok(Some(*leader)),
            (Some(_), Some(_)) => Ok(None),
            // A damaged history in which heads lead to each other: the smallest that leads to all.
            (None, _) => {
                for head in &all {
                    let mut reached = BTreeSet::from([*head]);
                    self.ancestors(host, *head, &mut BTreeSet::new(), |ancestor| {
                        reached.insert(ancestor);
                        true
                    })?;
                    if all.is_subset(&reached) {
                        return Ok(Some(*head));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Visits a commit and its ancestors, also those known only as somebody's parent, until `visit`
    /// says no.
    fn ancestors<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        from: EntityId,
        walked: &mut BTreeSet<EntityId>,
        mut visit: impl FnMut(EntityId) -> bool,
    ) -> Result<(), PlanError> {
        let mut frontier = vec![from];
        while !frontier.is_empty() {
            let mut next = Vec::new();
            for id in &frontier {
                if !visit(*id) {
                    return Ok(());
                }
                if !walked.insert(*id) {
                    continue;
                }
                if let Some(edges) = self.edges(host, *id, &frontier)? {
                    next.extend(edges.parents());
                }
            }
            next.sort_unstable();
            next.dedup();
            frontier = next;
        }
        Ok(())
    }

    /// What a commit reaches; reads ahead for the whole `frontier` when it has to ask.
    fn edges<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        id: EntityId,
        frontier: &[EntityId],
    ) -> Result<Option<Edges>, PlanError> {
        if let Some(edges) = self.pushed.get(&id) {
            return Ok(Some(*edges));
        }
        if !self.stored.contains_key(&id) {
            let at_once = host.limits().items as usize;
            let mut ask: Vec<EntityId> = vec![id];
            ask.extend(
                frontier
                    .iter()
                    .filter(|f| {
                        **f != id && !self.pushed.contains_key(f) && !self.stored.contains_key(f)
                    })
                    .take(at_once.saturating_sub(1)),
            );
            for Ancestor { edges, .. } in host.history(&ask, 0)?.items {
                self.stored.insert(edges.commit, Some(edges));
            }
            for id in ask {
                self.stored.entry(id).or_insert(None);
            }
        }
        Ok(self.stored.get(&id).copied().flatten())
    }
}
