//! The differences between the databases, so that everything else is written once: connections,
//! rows, and the few statements that differ.
//!
//! The statements of this folder are the SQL that SQLite and Postgres share: `$1` for parameters,
//! `CAST(sum(x) AS BIGINT)`, `CASE` where each has its own function. Many fixed-width values are
//! passed in one parameter and unpacked by the database (`substr` counts bytes of a blob in both),
//! because one statement per row costs ten times as much as the row.

mod connections;
mod errors;
mod group;
mod params;
mod rows;
mod statements;

use std::path::Path;

use packhouse_catalog::{LockGuard, LockMode};
use packhouse_model::error::Result;
use sqlx::{Database, Pool, Transaction};

pub(super) use connections::{Check, Reader, Reading, TransactionError, Work, Writing, attempt};
pub(super) use errors::{ErrorKind, RESTORE, without_line};
pub(super) use group::Group;
pub(super) use params::{Arg, args, numbers};
pub(super) use rows::{Columns, Execute, Sql};
pub(super) use statements::{
    from_repos, leave_heads, listed, mapped_packs, page_of_repos, planned_shelves, put_awaited,
    put_commits, put_generations, put_heads, put_on_shelves, repo_state, retire_packs, take_job,
    take_scrub,
};

pub(super) type SqlResult<T> = std::result::Result<T, sqlx::Error>;

/// Values that one statement unpacks.
pub(super) const BATCH: usize = 32_768;

/// A transaction of a database, as sqlx has it.
pub(super) type Tx<E> = Transaction<'static, <E as Engine>::Db>;

/// A database that can hold a catalog.
pub(super) trait Engine: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Its type in sqlx.
    type Db: Database<Row = Self::Row, Connection: Sql<Row = Self::Row> + Execute>;
    /// The rows that it returns.
    type Row: Columns;

    /// Whether a catalog is a file.
    const IS_FILE: bool;

    /// Sets the heads of branches of repo `$1`: names in `$2`, a JSON array, and their commits in
    /// `$3`, 33 bytes each.
    const PUT_HEADS: &'static str;
    /// Records the old heads of the same branches, as left at `$4`, if they change.
    const LEAVE_HEADS: &'static str;
    /// Those blocks of the index whose IDs are in `$1`, a JSON array, in as many rows as the database
    /// is fastest with: `ids`, with commas, and `data`, one block after the other in the same order.
    const BLOCKS: &'static str;
    /// Old rows of the index of repo `$1` after entity `$2`, at most `$3`, as one text `found`: a line
    /// each, `HEX:SHELF`.
    const OLD_PAGE: &'static str;
    /// Keeps others from publishing to repo `$1` until the transaction ends; returns its row.
    const LOCK_REPO: &'static str;
    /// Keeps others from taking job `$1` until the transaction ends, if it still has fence `$2`;
    /// returns a row if so.
    const LOCK_LEASE: &'static str;

    /// Edges and generations of the commits in `$2` (`$3` of them, 33 bytes each) that repo `$1`
    /// has, each once; and those of at most `$4` of their ancestors: all if there are fewer,
    /// otherwise any. As one text `found`, null if there are none, a line each in no order: 1 for an
    /// ancestor and 0 for a requested commit, its generation, its ID, both parents and the snapshot,
    /// IDs in hex, empty for none, separated by colons. A row each would take most of the time.
    const HISTORY: &'static str;
    /// The generation of those of the `$3` commits in `$2`, 33 bytes each, that repo `$1` has; `i` is
    /// the position of the commit.
    const GENERATIONS: &'static str;
    /// Raises the generations of the `$3` commits in `$2`, 33 bytes each, of repo `$1`, which is
    /// locked, to those in `$4` ([`numbers`]). Commits that are not there or higher
    /// stay as they are.
    const PUT_GENERATIONS: &'static str;
    /// Inserts the `$3` commits in `$2` into repo `$1`: of each its ID, its parents and its snapshot,
    /// 33 bytes each, `$4` for none. Their generations are in `$5` ([`numbers`]).
    const PUT_COMMITS: &'static str;
    /// Awaits the `$3` parents in `$2`, 33 bytes each, in repo `$1`, each with the least generation
    /// of a commit that names it, in `$4` ([`numbers`]).
    const PUT_AWAITED: &'static str;
    /// Removes those of the `$3` awaited parents in `$2`, 33 bytes each, that repo `$1` awaits, and
    /// returns their generations; `parent` is the parent.
    const TAKE_AWAITED: &'static str;
    /// The tags of the `$3` commits in `$2`, 33 bytes each, of repo `$1`. In no order.
    const TAGS_OF: &'static str;
    /// Those of the `$3` entities in `$2`, 34 bytes each, that repo `$1` has among its old rows, as
    /// one text `found`, null if there are none: a line each, with the position of the entity, its
    /// shelf and its fingerprint in hex, separated by colons. A row each would take most of the time.
    const OLD_LOOKUP: &'static str;
    /// The packs on those of the shelves in `$2` ([`numbers`], `$3` of them) that
    /// belong to repo `$1`.
    const PACKS_ON: &'static str;
    /// Of the packs on the shelves in `$2` ([`numbers`], `$3` of them), the number `packs` and the
    /// size `bytes` of those to which the index of repo `$1` maps something, on these or other
    /// shelves.
    const MAPPED_PACKS: &'static str;
    /// Number, generation and pack of the shelves in `$2` ([`numbers`], `$3` of them) that repo `$1`
    /// has, in their order.
    const PLANNED_SHELVES: &'static str;
    /// Puts pack `$4` on the same shelves.
    const PUT_ON_SHELVES: &'static str;
    /// Retires at `$4` those of the packs in `$2` ([`numbers`], `$3` of them) that are on no shelf of
    /// repo `$1`.
    const RETIRE_PACKS: &'static str;
    /// Repos after owner `$1` and slug `$2`, by these, at most `$3`: their rows, their last
    /// consolidations, the number of findings of damage `damaged`; as `listed_packs` the keys of
    /// their mapped packs in hex, joined by commas, a colon, and the time of the oldest check; and
    /// as `listed_heads` a line for each branch, with its commit in hex, a space, and its name.
    const LISTED: &'static str;
    /// Those of the `$3` entities in `$2`, 34 bytes each, that were not marked as recent in repo
    /// `$1` at `$4` or later; `i` is the position of the entity.
    const STALE: &'static str;
    /// A row if one of them was marked as recent with a number above `$4`.
    const TOUCHED: &'static str;
    /// Removes the times at which they were marked as recent.
    const DROP_FRESHENED: &'static str;
    /// Removes the edges of those of them that have the kind `$4`, which is one byte: commits.
    const DROP_COMMITS: &'static str;
    /// Keeps others from recording a fetch request until the transaction ends.
    const LOCK_FETCH_REQUESTS: &'static str;

    /// Assigns to worker `$2` the job that has been due at `$1` for longest, until `$3` (both in
    /// milliseconds); `$4` is the time as text. Returns the job's id and the fence.
    const TAKE_JOB: &'static str;

    /// Leases until `$3` the pack on a shelf that was read longest ago, if that was before `$2`, and
    /// no one has a lease of it at `$1` (both in milliseconds).
    const TAKE_SCRUB: &'static str;

    /// Its location, for messages. No secrets.
    fn place(&self) -> &str;

    /// Identifies the catalog, independent of the names that lead to it.
    fn identity(&self) -> String;

    /// The time of its clock, or of its file system.
    fn clock(&self) -> impl Future<Output = Result<Option<jiff::Timestamp>>> + Send;

    /// Connections for statements that change nothing, with the check that must follow each of
    /// them. Only [`Reader`] takes one.
    fn readers(&self) -> (&Pool<Self::Db>, Check);

    /// Begins a transaction that sees one state and changes nothing, with the check that must follow
    /// each of its statements. Only [`Reading`] calls it.
    fn begin_reading(&self) -> impl Future<Output = SqlResult<(Tx<Self>, Check)>> + Send;

    /// Begins a transaction that writes. Only [`Writing`] calls it, and also ends the transaction.
    fn begin_writing(&self) -> impl Future<Output = SqlResult<Tx<Self>>> + Send;

    /// The writers that share transactions, for a database with one writing connection.
    fn group(&self) -> Option<&Group<Self>> {
        None
    }

    /// A number that changes with each commit of another connection.
    fn change_stamp(&self) -> impl Future<Output = SqlResult<u64>> + Send;

    /// Waits for a lock.
    fn lock(&self, mode: LockMode) -> impl Future<Output = Result<LockGuard>> + Send;

    /// Whether the lock has been held until now, and is held until the transaction ends.
    fn still_locked<S: Sql<Row = Self::Row>>(
        &self,
        lock: &LockGuard,
        tx: &mut S,
    ) -> impl Future<Output = SqlResult<bool>> + Send;

    /// Moves commits from the log into the catalog's file, if it has both; false if other
    /// connections prevented it.
    fn checkpoint(&self) -> impl Future<Output = SqlResult<bool>> + Send {
        std::future::ready(Ok(true))
    }

    /// Copies the catalog, as of one moment, to a file that does not exist or is empty.
    fn copy_to(&self, _file: &Path) -> impl Future<Output = SqlResult<()>> + Send {
        std::future::ready(Err(sqlx::Error::Configuration(
            "it is not a file; use the backup tools of the database".into(),
        )))
    }

    /// Closes all connections.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// The meaning of an error: whether another writer caused it, and what to do. For all errors
    /// but those of a commit, nothing was changed.
    fn error_kind(&self, error: &sqlx::Error) -> ErrorKind;

    /// The meaning of an error of a commit.
    fn commit_error_kind(&self, error: &sqlx::Error) -> ErrorKind;

    /// On a full disk: tries to free space, and returns whether there is more now.
    fn make_room(&self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }
}
