//! Merges runs in the background: the new run is built in small transactions, invisible to readers,
//! and one more transaction replaces its sources with it.
//!
//! ```text
//! begin   which runs; the row of the new one, under the repo's number below zero, with age 0
//! part    a chunk of blocks, and the time: a heartbeat                        ┐ many
//! end     are all sources there? then they go below zero, and the new run above
//! sweep   deletes what is below zero and was replaced, or is not being built any more   ┐ many
//! ```
//!
//! Runs never change, and their numbers are never given twice. So the blocks of the sources can be
//! read without a transaction, and a merge needs no lock until its end. A merge that ends anywhere
//! leaves a row below zero, which the next merge deletes; readers and publications don't see it.

use std::ops::Range;

use jiff::Timestamp;
use packhouse_catalog::RunsToMerge;
use packhouse_index::{Chunk, Outline, Run, RunId, all_runs_due, runs_due};
use packhouse_model::error::Result;

use super::cursors::Cursors;
use super::write::{RUN_SIZES, RowsOfRun};
use super::{blocks, runs};
use crate::SqlCatalog;
use crate::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};

/// A merge that has written nothing for so long is given up, in milliseconds.
const ABANDONED_AFTER: i64 = 5 * 60 * 1000;

/// Blocks that a transaction deletes: 16 MiB.
const SWEPT_AT_ONCE: u64 = 4096;

/// `$2` runs of repo `$1` after the newest `$3`, newest first.
pub(crate) const SOME_RUNS: &str =
    "SELECT id, root, age FROM index_runs WHERE repo = $1 ORDER BY age DESC LIMIT $2 OFFSET $3";

/// Repos after number `$1`, at most `$2`, that have enough runs for a merge, or something to sweep.
pub(crate) const REPOS_TO_MERGE: &str = "SELECT repo FROM (
        SELECT repo FROM index_runs WHERE repo > $1 GROUP BY repo HAVING count(*) >= 12
        UNION SELECT -repo AS repo FROM index_runs WHERE repo < 0 AND -repo > $1) found
     ORDER BY repo LIMIT $2";

/// What a merge is called in errors.
const MERGING: &str = "merging an index";

/// The time, as often as it is needed.
pub(crate) type Now<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

#[expect(private_bounds, reason = "the engines are those of this crate")]
impl<E: Engine> SqlCatalog<E> {
    /// Merges runs of a repo's index, and deletes what merges have left. Returns how many runs were
    /// replaced.
    pub(crate) async fn merge(&self, repo: i64, runs: RunsToMerge, now: Now<'_>) -> Result<u64> {
        let begin = Begin { repo, runs, now: now() };
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(MERGING))?;
        if !is_needed(&mut reader, &begin).await.map_err(self.failed(MERGING))? {
            return Ok(0);
        }
        let merged = self.merge_runs(&mut reader, begin, now).await?;
        let work: Work<E, _, _> = |tx, repo| Box::pin(sweep::<E>(tx, repo));
        while self.writing("removing runs that were merged", &repo, work).await? {}
        Ok(merged)
    }

    async fn merge_runs(&self, reader: &mut Reader<E>, begun: Begin, now: Now<'_>) -> Result<u64> {
        let work: Work<E, _, _> = |tx, begun| Box::pin(begin::<E>(tx, begun));
        let Some(build) = self.writing(MERGING, &begun, work).await? else { return Ok(0) };
        let mut rows = build.rows();
        loop {
            let chunk = match rows.next::<E, _>(reader, build.repo, &build.sources).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                // Missing blocks were merged by another process, or they are damaged.
                Err(error) => {
                    let is_current = build.is_current(reader).await;
                    return match is_current.map_err(self.failed(MERGING))? {
                        true => Err(self.failed(MERGING)(error)),
                        false => Ok(0),
                    };
                }
            };
            if !self.write_part(&build, &Part::Chunk(chunk), now()).await? {
                return Ok(0);
            }
        }
        let is_done = self.write_part(&build, &Part::End(rows.finish()), now()).await?;
        Ok(if is_done { build.sources.len() as u64 } else { 0 })
    }

    async fn write_part(&self, build: &Build, part: &Part, now: Timestamp) -> Result<bool> {
        let work: Work<E, _, _> = |tx, params| Box::pin(write::<E>(tx, params));
        self.writing(MERGING, &Write { build, part, now }, work).await
    }
}

/// A run that is being built of others.
struct Build {
    repo: i64,
    run: RunId,
    /// Newest first; neighbours in age.
    sources: Vec<Run>,
    /// The age of the newest source.
    age: i64,
    /// Whether nothing is older than the sources.
    is_oldest: bool,
}

/// The next part of a run.
enum Part {
    /// Blocks; there are more.
    Chunk(Chunk),
    /// The rest.
    End(Outline),
}

/// Which runs of a repo to merge, and the time.
struct Begin {
    repo: i64,
    runs: RunsToMerge,
    now: Timestamp,
}

/// Whether there is something to merge or to sweep. Usually there is not; then no transaction that
/// writes is begun, which would wait for other writers and change the catalog's change stamp.
async fn is_needed<S: Sql>(sql: &mut S, Begin { repo, runs, .. }: &Begin) -> SqlResult<bool> {
    let below_zero = "SELECT 1 AS found FROM index_runs WHERE repo = $1 LIMIT 1";
    if sql.maybe(below_zero, args![-*repo]).await?.is_some() {
        return Ok(true);
    }
    Ok(due(&sizes(&sql.all(RUN_SIZES, args![*repo]).await?), *runs).is_some())
}

/// How many rows the runs in [`RUN_SIZES`] have.
fn sizes<R: Columns>(rows: &[R]) -> Vec<u64> {
    rows.iter().filter_map(|row| row.maybe_int("rows")).map(|rows| rows as u64).collect()
}

/// Which runs to merge, newest first.
fn due(sizes: &[u64], runs: RunsToMerge) -> Option<Range<usize>> {
    match runs {
        RunsToMerge::All if all_runs_due(sizes) => Some(0..sizes.len()),
        RunsToMerge::All | RunsToMerge::Due => runs_due(sizes),
    }
}

/// Begins a merge. None if none is due, or another process is at one.
async fn begin<E: Engine>(
    tx: &mut Writing<E>,
    Begin { repo, runs: which, now }: &Begin,
) -> SqlResult<Option<Build>> {
    let (repo, now) = (*repo, now.as_millisecond());
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    let other = "SELECT id, rows AS at FROM index_runs WHERE repo = $1 AND age = 0";
    if let Some(other) = tx.maybe(other, args![-repo]).await? {
        if now.abs_diff(other.int("at")) < ABANDONED_AFTER.unsigned_abs() {
            return Ok(None);
        }
        give_up::<E>(tx, RunId(other.int("id"))).await?;
    }
    let there = tx.all(RUN_SIZES, args![repo]).await?;
    let sizes = sizes(&there);
    let Some(due) = due(&sizes, *which) else { return Ok(None) };
    let has_old_rows = there.first().is_some_and(|row| row.int("old_index") != 0);
    let is_oldest = due.end == sizes.len() && !has_old_rows;
    let rows = tx.all(SOME_RUNS, args![repo, due.len(), due.start]).await?;
    let age = rows.first().map_or(0, |row| row.int("age"));
    let sources = runs(&rows)?;
    let made = tx
        .one(
            "INSERT INTO index_runs (repo, age, rows, root) VALUES ($1, 0, $2, $3) RETURNING id",
            args![-repo, now, &b""[..]],
        )
        .await?;
    Ok(Some(Build { repo, run: RunId(made.int("id")), sources, age, is_oldest }))
}

impl Build {
    /// Its rows, before the first.
    fn rows(&self) -> RowsOfRun {
        RowsOfRun::new(self.run, Cursors::new(&self.sources, false, None), self.is_oldest)
    }

    /// Whether it is still this process's, and its sources are those of the repo.
    async fn is_current<S: Sql>(&self, sql: &mut S) -> SqlResult<bool> {
        let own = "SELECT 1 AS found FROM index_runs WHERE id = $1 AND repo = $2 AND age = 0";
        if sql.maybe(own, args![self.run.0, -self.repo]).await?.is_none() {
            return Ok(false);
        }
        for source in &self.sources {
            let live = "SELECT 1 AS found FROM index_runs WHERE id = $1 AND repo = $2";
            if sql.maybe(live, args![source.id.0, self.repo]).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A part of a build to write, and the time.
struct Write<'a> {
    build: &'a Build,
    part: &'a Part,
    now: Timestamp,
}

/// Writes a part; the last one takes the place of the sources. False if another process has taken
/// over, or a source is gone: then nothing is changed.
async fn write<E: Engine>(
    tx: &mut Writing<E>,
    Write { build, part, now }: &Write<'_>,
) -> SqlResult<bool> {
    match part {
        Part::Chunk(chunk) => {
            let alive = "UPDATE index_runs SET rows = $3 WHERE id = $1 AND repo = $2 AND age = 0";
            let at = now.as_millisecond();
            if tx.run(alive, args![build.run.0, -build.repo, at]).await? == 0 {
                return Ok(false);
            }
            blocks::put::<E>(tx, chunk).await?;
            Ok(true)
        }
        Part::End(outline) => end::<E>(tx, build, outline).await,
    }
}

async fn end<E: Engine>(
    tx: &mut Writing<E>,
    build: &Build,
    Outline { rows, root, rest }: &Outline,
) -> SqlResult<bool> {
    tx.maybe(E::LOCK_REPO, args![build.repo]).await?;
    if !build.is_current(tx).await? {
        return Ok(false);
    }
    for source in &build.sources {
        give_up::<E>(tx, source.id).await?;
    }
    if *rows == 0 {
        give_up::<E>(tx, build.run).await?;
        return Ok(true);
    }
    if let Some(rest) = rest {
        blocks::put::<E>(tx, rest).await?;
    }
    tx.run(
        "UPDATE index_runs SET repo = $2, age = $3, rows = $4, root = $5 WHERE id = $1",
        args![build.run.0, build.repo, build.age, *rows, root],
    )
    .await?;
    Ok(true)
}

/// Hides a run from readers; [`sweep`] deletes it.
async fn give_up<E: Engine>(tx: &mut Writing<E>, run: RunId) -> SqlResult<()> {
    tx.run("UPDATE index_runs SET repo = -abs(repo), age = -id WHERE id = $1", args![run.0])
        .await
        .map(drop)
}

/// Deletes some of what merges of a repo have left behind. False when nothing is left.
async fn sweep<E: Engine>(tx: &mut Writing<E>, repo: &i64) -> SqlResult<bool> {
    let left = "SELECT id FROM index_runs WHERE repo = $1 AND age < 0 LIMIT 1";
    let Some(left) = tx.maybe(left, args![-*repo]).await? else { return Ok(false) };
    let run = RunId(left.int("id"));
    let (first, end) = run.blocks();
    let deleted = tx
        .run(
            "DELETE FROM index_blocks WHERE id IN (
                 SELECT id FROM index_blocks WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
            args![first, end, SWEPT_AT_ONCE],
        )
        .await?;
    if deleted < SWEPT_AT_ONCE {
        tx.run("DELETE FROM index_runs WHERE id = $1", args![run.0]).await?;
    }
    Ok(true)
}
