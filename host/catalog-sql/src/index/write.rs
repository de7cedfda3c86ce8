//! What a publication writes: one run, merged with older ones if that is due.

use packhouse_index::{Chunk, Outline, Row, Run, RunBuilder, RunId, Unordered, merged_by_push};

use super::cursors::Cursors;
use super::{blocks, runs};
use crate::engine::{Columns, Engine, Sql, SqlResult, Writing, args};

/// Rows of an older version that the first publication afterwards converts with its own. More are
/// left to [`super::convert`].
const CONVERTED_AT_ONCE: u64 = 65_536;

/// How many rows the runs of repo `$1` have, newest first; whether it has old rows, and how many
/// entities.
pub(crate) const RUN_SIZES: &str =
    "SELECT r.old_index, r.commits + r.snapshots + r.objects + r.tags AS entities, i.id, i.rows
     FROM repos r LEFT JOIN index_runs i ON i.repo = r.id WHERE r.id = $1 ORDER BY i.age DESC";

/// The newest `$2` runs of repo `$1`, newest first.
pub(crate) const NEWEST_RUNS: &str =
    "SELECT id, root FROM index_runs WHERE repo = $1 ORDER BY age DESC LIMIT $2";

/// Writes what a publication changes, in no order, each entity once. `age` is the revision of the
/// repo, which is locked, after it. Returns the number of changed rows.
pub(crate) async fn put<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    age: i64,
    mut rows: Vec<Row>,
) -> SqlResult<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    // Rows of a pack are in order already.
    rows.sort_by_key(|row| row.key);
    if !rows.is_sorted_by(|a, b| a.key < b.key) {
        return Err(twice(Unordered));
    }
    let there = tx.all(RUN_SIZES, args![repo]).await?;
    let mut sizes = vec![rows.len() as u64];
    sizes.extend(there.iter().filter_map(|row| row.maybe_int("rows")).map(|rows| rows as u64));
    let has_old_rows = there.first().is_some_and(|row| row.int("old_index") != 0);
    let entities = there.first().map_or(0, |row| row.count("entities"));
    let converts = has_old_rows && sizes.len() == 1 && entities <= CONVERTED_AT_ONCE;

    let merged = merged_by_push(&sizes) - 1;
    let replaced = match merged {
        0 => Vec::new(),
        _ => runs(&tx.all(NEWEST_RUNS, args![repo, merged]).await?)?,
    };
    let is_oldest = merged + 1 == sizes.len() && has_old_rows == converts;
    let cursors = Cursors::with_newer(rows, &replaced, converts);
    let mut changed = replace::<E>(tx, repo, age, cursors, &replaced, is_oldest).await?;
    if converts {
        changed += tx.run("DELETE FROM old_entities WHERE repo = $1", args![repo]).await?;
        changed += tx.run("UPDATE repos SET old_index = 0 WHERE id = $1", args![repo]).await?;
    }
    Ok(changed)
}

/// Writes a run in place of those that its rows come `of`.
pub(super) async fn replace<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    age: i64,
    rows: Cursors,
    of: &[Run],
    is_oldest: bool,
) -> SqlResult<u64> {
    let mut changed = write::<E>(tx, repo, age, rows, of, is_oldest).await?;
    for run in of {
        changed += blocks::delete::<E>(tx, run.id).await?;
    }
    Ok(changed)
}

/// The rows of a run that is being made, and what has come of them.
pub(super) struct RowsOfRun {
    rows: Cursors,
    builder: RunBuilder,
    /// Nothing is older: what was dropped is left out.
    is_oldest: bool,
}

impl RowsOfRun {
    pub(super) fn new(run: RunId, rows: Cursors, is_oldest: bool) -> RowsOfRun {
        RowsOfRun { rows, builder: RunBuilder::new(run), is_oldest }
    }

    /// Reads the rows until there is a chunk to write; none at the end. `of` are the runs that they
    /// come from.
    pub(super) async fn next<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        repo: i64,
        of: &[Run],
    ) -> SqlResult<Option<Chunk>> {
        while let Some(row) = self.rows.next::<E, S>(sql, repo, of).await? {
            if self.is_oldest && row.change.shelf().is_none() {
                continue;
            }
            if let Some(chunk) = self.builder.push(&row).map_err(twice)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Ends the run, after the last chunk.
    pub(super) fn finish(self) -> Outline {
        self.builder.finish()
    }
}

/// Writes a run of rows that come in order. What was dropped is left out if there is nothing older.
async fn write<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    age: i64,
    rows: Cursors,
    of: &[Run],
    is_oldest: bool,
) -> SqlResult<u64> {
    let made = tx
        .one(
            "INSERT INTO index_runs (repo, age, rows, root) VALUES ($1, $2, 0, $3) RETURNING id",
            args![repo, age, &b""[..]],
        )
        .await?;
    let run = RunId(made.int("id"));
    let mut rows = RowsOfRun::new(run, rows, is_oldest);
    let mut changed = 1;
    while let Some(chunk) = rows.next::<E, _>(tx, repo, of).await? {
        changed += blocks::put::<E>(tx, &chunk).await?;
    }
    let Outline { rows, root, rest } = rows.finish();
    if rows == 0 {
        return Ok(changed + blocks::delete::<E>(tx, run).await?);
    }
    if let Some(rest) = rest {
        changed += blocks::put::<E>(tx, &rest).await?;
    }
    let put = "UPDATE index_runs SET rows = $2, root = $3 WHERE id = $1";
    tx.run(put, args![run.0, rows, &root]).await?;
    Ok(changed)
}

/// Removes the whole index of a repo, and what merges have built or left behind.
pub(crate) async fn forget<E: Engine>(tx: &mut Writing<E>, repo: i64) -> SqlResult<()> {
    let runs = "SELECT id FROM index_runs WHERE repo IN ($1, $2)";
    for row in tx.all(runs, args![repo, -repo]).await? {
        blocks::delete::<E>(tx, RunId(row.int("id"))).await?;
    }
    tx.run("DELETE FROM old_entities WHERE repo = $1", args![repo]).await?;
    tx.run("UPDATE repos SET old_index = 0 WHERE id = $1", args![repo]).await?;
    Ok(())
}

/// The error for an entity that a publication changes twice.
fn twice(_: Unordered) -> sqlx::Error {
    sqlx::Error::Protocol("a publication changes an entity of the index twice".into())
}
