//! The newest row of each key of several runs, in order. Rows come in portions: no run is ever in
//! memory as a whole.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use thiserror::Error;

use crate::row::{Change, Key, Row};

/// A merge of several sources of rows, the newest first.
#[derive(Debug)]
pub struct Merge {
    sources: Vec<Source>,
    /// The next key of each source that has one.
    heads: BinaryHeap<Head>,
    /// Sources whose portion is used up.
    waiting: Vec<usize>,
}

#[derive(Debug, Default)]
struct Source {
    rows: Vec<Row>,
    /// The first row that was not taken.
    next: usize,
}

/// The next key of a source. The greatest is the smallest key, and of equal ones the newest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    key: Key,
    source: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        other.key.cmp(&self.key).then(other.source.cmp(&self.source))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What comes next in a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The newest row of the next key. It may say that the entity was dropped.
    Row(Row),
    /// Rows of this source are needed: [`Merge::supply`], or [`Merge::end`].
    Needs(usize),
    /// All sources have ended.
    End,
}

/// An entity that one run adds to the index although an older one has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("two runs of the index add the same entity")]
pub struct Clash(pub Key);

impl Merge {
    /// A merge of so many sources, of which the first is the newest.
    pub fn new(sources: usize) -> Merge {
        Merge {
            sources: (0..sources).map(|_| Source::default()).collect(),
            heads: BinaryHeap::with_capacity(sources),
            waiting: (0..sources).rev().collect(),
        }
    }

    /// Gives a source its next rows: ascending, and after those it has had.
    pub fn supply(&mut self, source: usize, rows: impl IntoIterator<Item = Row>) {
        let there = &mut self.sources[source];
        there.rows.clear();
        there.rows.extend(rows);
        there.next = 0;
        if let Some(first) = there.rows.first() {
            self.heads.push(Head { key: first.key, source });
            self.end(source);
        }
    }

    /// Ends a source: it has no more rows.
    pub fn end(&mut self, source: usize) {
        self.waiting.retain(|waiting| *waiting != source);
    }

    /// The next row, or what it needs for that.
    ///
    /// # Errors
    /// If an entity was added that was there.
    pub fn step(&mut self) -> Result<Step, Clash> {
        if let Some(source) = self.waiting.last() {
            return Ok(Step::Needs(*source));
        }
        let Some(mut newest) = self.take() else { return Ok(Step::End) };
        while self.heads.peek().is_some_and(|head| head.key == newest.key)
            && let Some(older) = self.take()
        {
            newest.change = over(newest.change, older.change).ok_or(Clash(newest.key))?;
        }
        Ok(Step::Row(newest))
    }

    /// Takes the row at the head of the heap.
    fn take(&mut self) -> Option<Row> {
        let mut head = self.heads.peek_mut()?;
        let source = &mut self.sources[head.source];
        let row = source.rows[source.next];
        source.next += 1;
        match source.rows.get(source.next) {
            Some(next) => head.key = next.key,
            None => self.waiting.push(PeekMut::pop(head).source),
        }
        Some(row)
    }
}

/// Two changes of an entity as one; none if it was added twice.
fn over(newer: Change, older: Change) -> Option<Change> {
    match (newer, older) {
        (Change::New(shelf), Change::Dropped) => Some(Change::Replaces(shelf)),
        (Change::New(_), Change::New(_) | Change::Replaces(_)) => None,
        (Change::Replaces(shelf), Change::New(_)) => Some(Change::New(shelf)),
        (newer, _) => Some(newer),
    }
}
