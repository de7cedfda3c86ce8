//! The differences between the databases, so that everything else is written once: connections,
//! rows, and the few statements that differ.
//!
//! The statements of this folder are the SQL that SQLite and Postgres share: `$1` for parameters,
//! `CAST(sum(x) AS BIGINT)`, `CASE` where each has its own function. Many fixed-width values are
//! passed in one parameter and unpacked by the database (`substr` counts bytes of a blob in both),
//! because one statement per row costs ten times as much as the row.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use packhouse_catalog::{LockGuard, LockMode};
use packhouse_model::error::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, Row as _, Transaction};

pub(super) type SqlResult<T> = std::result::Result<T, sqlx::Error>;

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

    /// Puts the entities of `$2` (entity and fingerprint of each), `$4` of them, on shelf `$3` of repo
    /// `$1`. `$5` is the fingerprint that is not written.
    const PUT_ENTITIES: &'static str;
    /// Sets the heads of branches of repo `$1`: names in `$2`, a JSON array, and their commits in
    /// `$3`, 33 bytes each.
    const PUT_HEADS: &'static str;
    /// Records the old heads of the same branches, as left at `$4`, if they change.
    const LEAVE_HEADS: &'static str;
    /// Index rows of repo `$1` after entity `$2`, at most `$3`, as one text: a line each,
    /// `HEX:SHELF`.
    const INDEX_PAGE: &'static str;
    /// Keeps others from publishing to repo `$1` until the transaction ends; returns its row.
    const LOCK_REPO: &'static str;
    /// Keeps others from taking job `$1` until the transaction ends, if it still has fence `$2`;
    /// returns a row if so.
    const LOCK_LEASE: &'static str;

    /// Edges of the commits in `$2` (`$3` of them, 33 bytes each) that repo `$1` has, each once;
    /// and edges of at most `$4` of their ancestors, with 1 as `is_ancestor`: all if there are
    /// fewer, otherwise any. In no order.
    const HISTORY: &'static str;
    /// Shelf and fingerprint of those of the `$3` entities in `$2`, 34 bytes each, that repo `$1`
    /// has; `i` is the position of the entity.
    const LOOKUP: &'static str;
    /// The packs on those of the shelves in `$2` ([`super::sums::numbers`], `$3` of them) that
    /// belong to repo `$1`.
    const PACKS_ON: &'static str;
    /// Removes the `$3` entities in `$2`, 34 bytes each, from repo `$1`, which is locked.
    const DROP_ENTITIES: &'static str;
    /// Those of the `$3` entities in `$2`, 34 bytes each, that were not marked as recent in repo
    /// `$1` at `$4` or later; `i` is the position of the entity.
    const STALE: &'static str;
    /// A row if one of them was marked as recent with a number above `$4`.
    const TOUCHED: &'static str;
    /// Removes the times at which they were marked as recent.
    const DROP_FRESHENED: &'static str;
    /// Removes the edges of those of them that have the kind `$4`, which is one byte: commits.
    const DROP_COMMITS: &'static str;
    /// Keeps others from reserving space for an answer until the transaction ends.
    const LOCK_ANSWERS: &'static str;

    /// Assigns to worker `$2` the job that has been due at `$1` for longest, until `$3` (both in
    /// milliseconds); `$4` is the time as text. Returns the job's id and the fence.
    const TAKE_JOB: &'static str;

    /// Its location, for messages. No secrets.
    fn place(&self) -> &str;

    /// Identifies the catalog, independent of the names that lead to it.
    fn identity(&self) -> String;

    /// Begins a transaction that sees one state, and changes nothing.
    const BEGIN_READING: &'static str;

    /// The time of its clock, or of its file system.
    fn clock(&self) -> impl Future<Output = Result<Option<jiff::Timestamp>>> + Send;

    /// Connections for statements that change nothing, with the check that must follow each of
    /// them. Only [`Reader`] and [`Reading`] take one.
    fn readers(&self) -> (&Pool<Self::Db>, Check);

    /// Begins a transaction that writes. Only [`attempt`] calls it, and also ends the transaction.
    fn begin_writing(&self) -> impl Future<Output = SqlResult<Tx<Self>>> + Send;
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

/// The meaning of an error of a database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorKind {
    /// Another writer caused it.
    pub(super) busy: bool,
    /// The same transaction would succeed if retried at once.
    pub(super) again: bool,
    /// The disk is full.
    pub(super) full: bool,
    /// It is read-only.
    pub(super) read_only: bool,
    /// It is damaged.
    pub(super) damaged: bool,
    /// What to do about it, as the end of a sentence.
    pub(super) way_out: &'static str,
}

/// The text of an error, without the line of the server's source code.
pub(super) fn without_line(error: &impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some((said, line)) = text.rsplit_once(" at line ")
        && line.bytes().all(|byte| byte.is_ascii_digit())
    {
        text.truncate(said.len());
    }
    text
}

/// What to do about a damaged catalog, as the end of a sentence.
pub(super) const RESTORE: &str = ". Restore the catalog from a backup (made with packhouse backup), then run: packhouse verify. Keep the damaged one until that is done";

impl ErrorKind {
    /// The error of a catalog, with its location and the operation.
    pub(super) fn of(self, error: &sqlx::Error, place: &str, doing: &str) -> Error {
        let (catalog, doing) = (place.to_owned(), doing.to_owned());
        // A row with a value that packhouse never writes.
        if let sqlx::Error::Decode(inner) = error
            && let Some(Error::DamagedCatalog { reason, .. }) = inner.downcast_ref()
        {
            return Error::DamagedCatalog { catalog, doing, reason: reason.clone() };
        }
        let reason = format!("{}{}", without_line(error), self.way_out);
        if self.damaged {
            return Error::DamagedCatalog { catalog, doing, reason };
        }
        Error::Catalog {
            catalog,
            doing,
            reason,
            busy: self.busy,
            read_only: self.read_only,
            full: self.full,
        }
    }
}

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Bytes(&'a [u8]),
}

/// Parameters, from values that can become one.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::engine::Arg::from($value)),*] };
}
pub(super) use args;

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl<'a> From<$from> for Arg<'a> {
            fn from(value: $from) -> Self {
                Arg::$variant(value)
            }
        })*
    };
}
from!(i64 => Int, Option<i64> => MaybeInt, &'a str => Text, Option<&'a str> => MaybeText, &'a [u8] => Bytes);

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Arg::Text(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Arg<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Arg::Bytes(value)
    }
}

impl From<u64> for Arg<'_> {
    /// Sizes and counts are far below `i64::MAX`.
    fn from(value: u64) -> Self {
        Arg::Int(value as i64)
    }
}

impl From<u32> for Arg<'_> {
    fn from(value: u32) -> Self {
        Arg::Int(value.into())
    }
}

impl From<usize> for Arg<'_> {
    fn from(value: usize) -> Self {
        Arg::Int(value as i64)
    }
}

/// [`Engine::TAKE_JOB`], with the clause that locks the job's row.
macro_rules! take_job {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET status = 'running', attempt = attempt + 1, fence = fence + 1,
                worker = $2, lease_until = $3, started_at = $4,
                finished_at = NULL
         WHERE id = (SELECT j.id FROM jobs j
             WHERE ((j.status = 'queued' AND j.run_at <= $1) OR (j.status = 'running' AND j.lease_until < $1))
             AND NOT EXISTS (SELECT 1 FROM jobs o
               WHERE o.repo = j.repo AND o.type = 'mpack.gc' AND j.type = 'mpack.gc'
                             AND o.status = 'running' AND o.id <> j.id)
             AND NOT EXISTS (SELECT 1 FROM jobs o
               WHERE o.repo = j.repo AND o.type = 'mpack.index' AND j.type = 'mpack.index'
                             AND o.status IN ('queued', 'running') AND o.id < j.id)
             ORDER BY j.run_at, j.id LIMIT 1",
            $lock,
            ") RETURNING id, fence"
        )
    };
}
pub(super) use take_job;

/// [`Engine::PUT_HEADS`], with the expression that turns the names into rows `j (name, n)`, `n`
/// from 0.
macro_rules! put_heads {
    ($names:literal) => {
        concat!(
            "INSERT INTO branches (repo, name, head)
              SELECT $1, j.name, substr($3, CAST(1 + 33 * j.n AS INT), 33) FROM ",
            $names,
            " WHERE true ON CONFLICT (repo, name) DO UPDATE SET head = excluded.head
              WHERE branches.head <> excluded.head"
        )
    };
}
pub(super) use put_heads;

/// [`Engine::LEAVE_HEADS`], with the same, and with the join of each of them to its row `b` of
/// `branches`.
macro_rules! leave_heads {
    ($names:literal, $branch:literal) => {
        concat!(
            "INSERT INTO left_heads (repo, branch, head, left_at) SELECT b.repo, b.name, b.head, $4 FROM ",
            $names,
            $branch,
            " WHERE b.head <> substr($3, CAST(1 + 33 * j.n AS INT), 33) ORDER BY j.n"
        )
    };
}
pub(super) use leave_heads;

/// Runs statements that read.
///
/// All rows are fetched, always. SQLite reports a failed write of a `RETURNING` statement only
/// after the last row: a caller that stops earlier misses it. Therefore nothing here calls sqlx's
/// `fetch_one` and `fetch_optional`.
pub(super) trait Sql: Send {
    /// The rows that it returns.
    type Row: Columns;

    /// All rows.
    fn all(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Vec<Self::Row>>> + Send;

    /// The first row, if there is one.
    fn maybe(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Option<Self::Row>>> + Send {
        async move { Ok(self.all(sql, args).await?.into_iter().next()) }
    }

    /// The first row; an error if there is none.
    fn one(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Self::Row>> + Send {
        async move { self.maybe(sql, args).await?.ok_or(sqlx::Error::RowNotFound) }
    }
}

/// Runs statements that write, for [`Writing`].
pub(super) trait Execute: Send {
    /// How many rows have changed.
    fn execute(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<u64>> + Send;
}

/// Checks that the results of statements are of one state; none if the database guarantees that.
pub(super) type Check = Option<Arc<dyn Fn() -> SqlResult<()> + Send + Sync>>;

/// A connection for statements that read. Each sees what was committed before it.
pub(super) struct Reader<E: Engine>(PoolConnection<E::Db>, Check);

impl<E: Engine> Reader<E> {
    #[expect(clippy::disallowed_methods, reason = "here it becomes a connection that reads")]
    pub(super) async fn of(engine: &E) -> SqlResult<Reader<E>> {
        let (pool, check) = engine.readers();
        Ok(Reader(pool.acquire().await?, check))
    }
}

/// A transaction that sees one state.
pub(super) struct Reading<E: Engine>(Tx<E>, Check);

impl<E: Engine> Reading<E> {
    #[expect(clippy::disallowed_methods, reason = "here it becomes a transaction that reads")]
    pub(super) async fn of(engine: &E) -> SqlResult<Reading<E>> {
        let (pool, check) = engine.readers();
        Ok(Reading(pool.begin_with(E::BEGIN_READING).await?, check))
    }
}

/// A transaction that writes. It exists only inside of [`attempt`]: therefore everything that is
/// written is committed, and an error of the commit is an error of the write.
pub(super) struct Writing<E: Engine>(Tx<E>, Check);

impl<E: Engine> Writing<E> {
    /// How many rows have changed.
    pub(super) async fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<u64> {
        self.0.execute(sql, args).await
    }
}

macro_rules! reads {
    ($($of:ident),*) => {
        $(impl<E: Engine> Sql for $of<E> {
            type Row = E::Row;

            async fn all(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<Vec<E::Row>> {
                let rows = self.0.all(sql, args).await;
                self.1.as_ref().map_or(Ok(()), |check| check())?;
                rows
            }
        })*
    };
}
reads!(Reader, Reading, Writing);

/// Work in a transaction, with an argument. It may be repeated in another transaction.
pub(super) type Work<E, G, T> =
    for<'t> fn(
        &'t mut Writing<E>,
        &'t G,
    ) -> Pin<Box<dyn Future<Output = SqlResult<T>> + Send + 't>>;

/// Why a transaction failed.
#[derive(Debug)]
pub(super) enum TransactionError {
    /// Nothing was changed.
    Unchanged(sqlx::Error),
    /// The commit was not confirmed. It may have happened, for example if the connection was lost.
    Unconfirmed(sqlx::Error),
}

/// Does the work in a transaction, and commits it. None if the lock was lost: then nothing is
/// committed.
pub(super) async fn attempt<E: Engine, G: Sync, T: Send>(
    engine: &E,
    lock: Option<&LockGuard>,
    params: &G,
    work: Work<E, G, T>,
) -> std::result::Result<Option<T>, TransactionError> {
    let mut tx = Writing(engine.begin_writing().await.map_err(TransactionError::Unchanged)?, None);
    let done = work(&mut tx, params).await.map_err(TransactionError::Unchanged)?;
    // Checked as late as possible: without the lock, another process may be deleting what is
    // published here.
    if let Some(lock) = lock
        && !engine.still_locked(lock, &mut tx).await.map_err(TransactionError::Unchanged)?
    {
        return Ok(None);
    }
    tx.0.commit().await.map_err(TransactionError::Unconfirmed)?;
    Ok(Some(done))
}

/// A row, by the names of its columns.
pub(super) trait Columns: Send + Sync + 'static {
    fn int(&self, column: &str) -> i64;
    fn maybe_int(&self, column: &str) -> Option<i64>;
    fn text(&self, column: &str) -> &str;
    fn maybe_text(&self, column: &str) -> Option<&str>;
    fn bytes(&self, column: &str) -> &[u8];
    fn maybe_bytes(&self, column: &str) -> Option<&[u8]>;

    /// A count or a size.
    fn count(&self, column: &str) -> u64 {
        self.int(column) as u64
    }
}

macro_rules! database {
    ($connection:ty, $row:ty) => {
        impl Sql for $connection {
            type Row = $row;

            async fn all(
                &mut self,
                sql: &'static str,
                args: &[Arg<'_>],
            ) -> SqlResult<Vec<Self::Row>> {
                bound!(sql, args).fetch_all(self).await
            }
        }

        impl Execute for $connection {
            async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<u64> {
                Ok(bound!(sql, args).execute(self).await?.rows_affected())
            }
        }

        impl Columns for $row {
            fn int(&self, column: &str) -> i64 {
                self.get(column)
            }

            fn maybe_int(&self, column: &str) -> Option<i64> {
                self.get(column)
            }

            fn text(&self, column: &str) -> &str {
                self.get(column)
            }

            fn maybe_text(&self, column: &str) -> Option<&str> {
                self.get(column)
            }

            fn bytes(&self, column: &str) -> &[u8] {
                self.get(column)
            }

            fn maybe_bytes(&self, column: &str) -> Option<&[u8]> {
                self.get(column)
            }
        }
    };
}

macro_rules! bound {
    ($sql:expr, $args:expr) => {
        $args.iter().fold(sqlx::query($sql), |query, arg| match *arg {
            Arg::Int(value) => query.bind(value),
            Arg::MaybeInt(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::MaybeText(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
        })
    };
}

database!(sqlx::SqliteConnection, sqlx::sqlite::SqliteRow);
database!(sqlx::PgConnection, sqlx::postgres::PgRow);
