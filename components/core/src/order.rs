//! Canonical order: history first, oldest first, so that what one commit added lies together.
//!
//! The rules are those of law 7. Everything here works on numbers of a [`Table`], which order by
//! id.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::id::{EntityId, Kind};
use crate::msgpack::MsgpackError;
use crate::plan_error::PlanError;
use crate::ports::{Span, Storage, batch_end, for_each_record};
use crate::record::{Commit, Snapshot, Tag};
use crate::table::{Number, Table};

/// Parents and snapshot of a commit, as far as the run's packs give them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Links {
    pub parents: [Option<Number>; 2],
    pub snapshot: Option<Number>,
}

/// A record's fault, placed in its pack.
pub(crate) fn malformed(table: &Table, number: Number, error: MsgpackError) -> PlanError {
    let row = table.row(number);
    malformed_at(row.kind, row.id, table.span(number), error)
}

/// As [`malformed`], for a record that is in no table.
pub(crate) fn malformed_at(kind: Kind, id: EntityId, at: Span, error: MsgpackError) -> PlanError {
    PlanError::Malformed {
        kind,
        id,
        at,
        offset: at.offset + error.offset as u64,
        reason: error.reason,
    }
}

/// The fault of a record that calls itself by another id than its directory row.
pub(crate) fn misnamed(found: EntityId) -> MsgpackError {
    MsgpackError {
        offset: 0,
        reason: format!("its directory row stands for another record: this one is {found}"),
    }
}

/// Numbers in the order in which their records lie in the packs, with their spans.
pub(crate) fn by_place(
    table: &Table,
    numbers: impl Iterator<Item = Number>,
) -> (Vec<Number>, Vec<Span>) {
    let mut numbers: Vec<Number> = numbers.collect();
    numbers.sort_unstable_by_key(|n| table.span(*n));
    let spans = numbers.iter().map(|n| table.span(*n)).collect();
    (numbers, spans)
}

/// Reads all commits. The answer is indexed by number: commits are the first kind.
pub(crate) fn read_links<H: Storage + ?Sized>(
    host: &mut H,
    table: &Table,
) -> Result<Vec<Links>, PlanError> {
    let mut links = vec![Links::default(); table.of_kind(Kind::Commit).len()];
    let (numbers, spans) = by_place(table, table.of_kind(Kind::Commit));
    for_each_record(host, &spans, |_, i, bytes| {
        let number = numbers[i];
        let commit = Commit::parse(bytes).map_err(|e| malformed(table, number, e))?;
        if commit.id != table.id(number) {
            return Err(malformed(table, number, misnamed(commit.id)));
        }
        links[number as usize] = Links {
            parents: commit.parents.map(|p| p.and_then(|id| table.find(Kind::Commit, id))),
            snapshot: commit.snapshot.and_then(|id| table.find(Kind::Snapshot, id)),
        };
        Ok::<_, PlanError>(())
    })?;
    Ok(links)
}

/// Orders commits: again and again the smallest id among those whose parents have all been placed.
/// Only commits of `chosen` (ascending) count. What a cycle holds back follows by id.
pub(crate) fn order_commits(links: &[Links], chosen: &[Number]) -> Vec<Number> {
    const OUTSIDE: u32 = u32::MAX;
    let mut waiting = vec![OUTSIDE; links.len()];
    for c in chosen {
        waiting[*c as usize] = 0;
    }
    // Children of each commit, laid out in one vector: `children[starts[p]..starts[p + 1]]`.
    let mut starts = vec![0u32; links.len() + 1];
    let edges = || {
        chosen.iter().flat_map(|c| {
            links[*c as usize].parents.into_iter().flatten().map(move |parent| (parent, *c))
        })
    };
    for (parent, child) in
        edges().filter(|(p, _)| waiting[*p as usize] != OUTSIDE).collect::<Vec<_>>()
    {
        starts[parent as usize + 1] += 1;
        waiting[child as usize] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut children = vec![0 as Number; starts[links.len()] as usize];
    let mut fill = starts.clone();
    for (parent, child) in edges() {
        if waiting[parent as usize] != OUTSIDE {
            let slot = &mut fill[parent as usize];
            children[*slot as usize] = child;
            *slot += 1;
        }
    }

    let mut ready: BinaryHeap<Reverse<Number>> =
        chosen.iter().filter(|c| waiting[**c as usize] == 0).map(|c| Reverse(*c)).collect();
    let mut ordered = Vec::with_capacity(chosen.len());
    while let Some(Reverse(commit)) = ready.pop() {
        ordered.push(commit);
        for child in
            &children[starts[commit as usize] as usize..starts[commit as usize + 1] as usize]
        {
            let left = &mut waiting[*child as usize];
            *left -= 1;
            if *left == 0 {
                ready.push(Reverse(*child));
            }
        }
    }
    if ordered.len() < chosen.len() {
        ordered.extend(chosen.iter().filter(|c| waiting[**c as usize] > 0));
    }
    ordered
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// In the batch that is being placed, or below a snapshot that waits for its parent.
    Held,
    Done,
}

/// Places snapshots in order, and objects in the order in which placed snapshots list them.
///
/// A snapshot is read once, unless its parent has to be placed first; its entries are never kept.
pub(crate) struct SnapshotWalk<'t> {
    table: &'t Table,
    states: Vec<State>,
    first_snapshot: Number,
    first_object: Number,
    /// Whether each object has been placed.
    pub met: Vec<bool>,
    /// Snapshots placed so far.
    pub snapshots: Vec<Number>,
    /// Objects placed so far.
    pub objects: Vec<Number>,
}

impl<'t> SnapshotWalk<'t> {
    pub(crate) fn new(table: &'t Table) -> Self {
        SnapshotWalk {
            table,
            states: vec![State::Open; table.of_kind(Kind::Snapshot).len()],
            first_snapshot: table.of_kind(Kind::Snapshot).start,
            first_object: table.of_kind(Kind::Object).start,
            met: vec![false; table.of_kind(Kind::Object).len()],
            snapshots: Vec::with_capacity(table.of_kind(Kind::Snapshot).len()),
            objects: Vec::with_capacity(table.of_kind(Kind::Object).len()),
        }
    }

    fn state(&mut self, snapshot: Number) -> &mut State {
        &mut self.states[(snapshot - self.first_snapshot) as usize]
    }

    /// Places snapshots in the order given, a delta's parent before it, each once.
    pub(crate) fn place<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        roots: &[Number],
    ) -> Result<(), PlanError> {
        // Read ahead of the walk, a batch at a time.
        let mut ahead: Vec<Number> = Vec::new();
        for root in roots {
            if *self.state(*root) == State::Open {
                *self.state(*root) = State::Held;
                ahead.push(*root);
            }
        }
        let spans: Vec<Span> = ahead.iter().map(|n| self.table.span(*n)).collect();
        for root in &ahead {
            *self.state(*root) = State::Open;
        }
        let limits = host.limits();
        let mut start = 0;
        while start < ahead.len() {
            let end = batch_end(&spans, start, &limits);
            // A parent of an earlier batch may have been placed already: don't read it again.
            let wanted: Vec<Number> = ahead[start..end]
                .iter()
                .copied()
                .filter(|n| *self.state(*n) == State::Open)
                .collect();
            let wanted_spans: Vec<Span> = wanted.iter().map(|n| self.table.span(*n)).collect();
            let records =
                if wanted.is_empty() { Vec::new() } else { host.read_records(&wanted_spans)? };
            let held: BTreeMap<Number, Vec<u8>> = wanted.iter().copied().zip(records).collect();
            for root in wanted {
                self.place_one(host, root, &held)?;
            }
            start = end;
        }
        Ok(())
    }

    fn place_one<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        root: Number,
        held: &BTreeMap<Number, Vec<u8>>,
    ) -> Result<(), PlanError> {
        if *self.state(root) != State::Open {
            return Ok(());
        }
        let table = self.table;
        *self.state(root) = State::Held;
        let mut chain = vec![root];
        while let Some(top) = chain.last().copied() {
            let read;
            let bytes = match held.get(&top) {
                Some(bytes) => bytes,
                None => {
                    read = host.read_records(&[table.span(top)])?.pop().unwrap_or_default();
                    &read
                }
            };
            let snapshot = self.parse(top, bytes)?;
            // A parent that is held is an ancestor of itself: a cycle, cut here.
            if let Some(parent) = snapshot.parent.and_then(|id| table.find(Kind::Snapshot, id))
                && *self.state(parent) == State::Open
            {
                *self.state(parent) = State::Held;
                chain.push(parent);
                continue;
            }
            for (_, id) in &snapshot.entries {
                if let Some(object) = table.find(Kind::Object, *id) {
                    let met = &mut self.met[(object - self.first_object) as usize];
                    if !std::mem::replace(met, true) {
                        self.objects.push(object);
                    }
                }
            }
            self.snapshots.push(top);
            *self.state(top) = State::Done;
            chain.pop();
        }
        Ok(())
    }

    fn parse<'a>(&self, number: Number, bytes: &'a [u8]) -> Result<Snapshot<'a>, PlanError> {
        let snapshot = Snapshot::parse(bytes).map_err(|e| malformed(self.table, number, e))?;
        if snapshot.id != self.table.id(number) {
            return Err(malformed(self.table, number, misnamed(snapshot.id)));
        }
        Ok(snapshot)
    }
}

/// Reads all tags: text and number, by text.
pub(crate) fn read_tags<H: Storage + ?Sized>(
    host: &mut H,
    table: &Table,
) -> Result<Vec<(String, Number)>, PlanError> {
    let (numbers, spans) = by_place(table, table.of_kind(Kind::Tag));
    let mut tags = Vec::with_capacity(numbers.len());
    for_each_record(host, &spans, |_, i, bytes| {
        let tag = Tag::parse(bytes).map_err(|e| malformed(table, numbers[i], e))?;
        tags.push((tag.text.to_owned(), numbers[i]));
        Ok::<_, PlanError>(())
    })?;
    tags.sort_unstable();
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(parents: [Option<Number>; 2]) -> Links {
        Links { parents, snapshot: None }
    }

    fn order(links: &[Links]) -> Vec<Number> {
        order_commits(links, &(0..links.len() as Number).collect::<Vec<_>>())
    }

    #[test]
    fn parents_come_first_and_ties_go_by_id() {
        // 3 is the root, 0 and 2 follow it, 1 merges them.
        let links = [
            commit([Some(3), None]),
            commit([Some(0), Some(2)]),
            commit([Some(3), None]),
            commit([None, None]),
        ];
        assert_eq!(order(&links), [3, 0, 2, 1]);
    }

    #[test]
    fn the_smallest_ready_id_is_taken_again_and_again() {
        // 5 frees 0, which goes before 6 although 6 was ready earlier.
        let mut links = vec![commit([None, None]); 7];
        links[0] = commit([Some(5), None]);
        assert_eq!(order(&links), [1, 2, 3, 4, 5, 0, 6]);
    }

    #[test]
    fn a_cycle_follows_by_id() {
        let links = [
            commit([Some(1), None]),
            commit([Some(0), None]),
            commit([None, None]),
            commit([Some(3), Some(2)]),
        ];
        assert_eq!(order(&links), [2, 0, 1, 3]);
    }

    #[test]
    fn a_parent_named_twice_holds_back_once() {
        let links = [commit([Some(1), Some(1)]), commit([None, None])];
        assert_eq!(order(&links), [1, 0]);
    }

    #[test]
    fn parents_outside_the_choice_hold_nothing_back() {
        let links = [commit([Some(2), None]), commit([Some(0), None]), commit([None, None])];
        assert_eq!(order_commits(&links, &[0, 1]), [0, 1]);
    }
}
