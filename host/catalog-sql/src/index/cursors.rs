//! All rows of some runs, merged: for pages of the index, and for runs that replace others. Of each
//! run, a few leaves are in memory.

use std::collections::VecDeque;

use packhouse_catalog::EntityKey;
use packhouse_index::{BlockId, Leaf, Merge, Row, Run, Step};

use super::{blocks, corrupt, damaged, old};
use crate::engine::{Engine, Sql, SqlResult};

/// Leaves that are read at once, of all runs together: about a megabyte.
const LEAVES: usize = 256;

/// Of one run at least.
const LEAVES_PER_RUN: usize = 16;

/// A position in each of some runs, newest first, and in the old rows beneath them.
pub(super) struct Cursors {
    merge: Merge,
    sources: Vec<Source>,
    /// No row up to this one.
    after: Option<EntityKey>,
}

/// Where the next rows come from.
enum Source {
    /// Rows that are in memory. Then there are no more.
    Memory(Vec<Row>),
    /// A run, by its position.
    Run { run: usize, next: u32, read: VecDeque<(BlockId, Vec<u8>)> },
    /// Old rows, after the last one that was read.
    Old(Option<EntityKey>),
}

impl Cursors {
    /// Before the first row after a key.
    pub(super) fn new(runs: &[Run], old_rows: bool, after: Option<&EntityKey>) -> Cursors {
        let run = |(number, run): (usize, &Run)| match run.leaf() {
            Some(leaf) => Source::Memory(leaf.rows().collect()),
            None => Source::Run {
                run: number,
                next: after.map_or(0, |key| run.leaf_after(key)),
                read: VecDeque::new(),
            },
        };
        let runs = runs.iter().enumerate().map(run);
        Cursors::of(runs.chain(old_rows.then(|| Source::Old(after.copied()))), after)
    }

    /// Before the first row of some runs and of newer rows, which are in order.
    pub(super) fn with_newer(newer: Vec<Row>, runs: &[Run], old_rows: bool) -> Cursors {
        let below = Cursors::new(runs, old_rows, None).sources;
        Cursors::of(std::iter::once(Source::Memory(newer)).chain(below), None)
    }

    fn of(sources: impl Iterator<Item = Source>, after: Option<&EntityKey>) -> Cursors {
        let sources: Vec<Source> = sources.collect();
        Cursors { merge: Merge::new(sources.len()), sources, after: after.copied() }
    }

    /// The newest row of the next key; it may say that the entity was dropped. `runs` are those that
    /// it was made for.
    pub(super) async fn next<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        repo: i64,
        runs: &[Run],
    ) -> SqlResult<Option<Row>> {
        loop {
            match self.merge.step().map_err(|clash| corrupt(&clash.to_string()))? {
                Step::Row(row) => return Ok(Some(row)),
                Step::End => return Ok(None),
                Step::Needs(source) => self.feed::<E, S>(sql, repo, runs, source).await?,
            }
        }
    }

    /// Reads the next rows of a source.
    async fn feed<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        repo: i64,
        runs: &[Run],
        source: usize,
    ) -> SqlResult<()> {
        let after = self.after;
        let is_after = |row: &Row| after.is_none_or(|after| row.key > after);
        match &mut self.sources[source] {
            Source::Memory(rows) => {
                let mut rows = std::mem::take(rows);
                rows.retain(is_after);
                match rows.is_empty() {
                    true => self.merge.end(source),
                    false => self.merge.supply(source, rows),
                }
            }
            Source::Run { run, next, read } => {
                if read.is_empty() {
                    let most = (LEAVES / runs.len()).max(LEAVES_PER_RUN);
                    let ids = runs[*run].leaf_blocks(*next, most as u32);
                    *next += ids.len() as u32;
                    read.extend(blocks::series(sql, &ids).await?);
                }
                match read.pop_front() {
                    None => self.merge.end(source),
                    Some((id, bytes)) => {
                        let leaf = Leaf::open(bytes, id).map_err(damaged)?;
                        self.merge.supply(source, leaf.rows().filter(is_after));
                    }
                }
            }
            Source::Old(last) => {
                let rows = old::page::<E, S>(sql, repo, last.as_ref()).await?;
                match rows.last() {
                    None => self.merge.end(source),
                    Some(row) => {
                        *last = Some(row.key);
                        self.merge.supply(source, rows);
                    }
                }
            }
        }
        Ok(())
    }
}
