//! Opening a catalog in a file. A current catalog is only read: nothing is written before the first
//! change.
//!
//! To read a file in WAL mode SQLite creates two files next to it, which a read-only folder or a
//! full disk prevents. Then the catalog is read *frozen*: without them if there is no log,
//! otherwise from a copy of file and log. After every statement packhouse checks that no process
//! has written in the meantime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use packhouse_model::error::Result;
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Sqlite};
use tempfile::TempDir;

use super::error_kind::{error_kind, extended};
use super::lock::{POLL_INTERVAL, POLLS_BEFORE_WARNING};
use super::stamps::Stamps;
use super::{Columns, MIGRATIONS, Sql, SqlResult, catalog_error, copies};
use crate::engine::Check;
use crate::migrations::{APPLIED, PendingMigrations, Schema, are_pending, pending_error, run};

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(30);

/// Number of connections that read.
const READERS: u32 = 8;

/// An open catalog.
pub(super) struct Opened {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    pub(super) stamps: Stamps,
    pub(super) frozen: Option<Frozen>,
}

/// Opens a catalog; creates it on first use, and migrates it if allowed.
pub(super) async fn open(path: &Path, place: &str, pending: PendingMigrations) -> Result<Opened> {
    let failed = |e: sqlx::Error| catalog_error(place, "opening it", &e);
    // Whatever state an error has left a connection in, the next transaction starts on a clean one.
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY * 2)
        .after_release(is_clean);
    let writer = writer.connect_lazy_with(writing(path));
    let (readers, mut frozen) = (pool(reading(path)), None);
    let (mut applied, mut is_old) = (Vec::new(), true);
    if path.exists() {
        let found = look(path, &readers).await.map_err(failed)?;
        (applied, frozen) = (found.schema.of_catalog(place)?, found.frozen);
        is_old = are_pending(place, &MIGRATIONS, &applied)?;
    }
    if is_old && pending == PendingMigrations::Refuse {
        return Err(pending_error(place, &MIGRATIONS, &applied));
    }
    if is_old {
        bring_up_to_date(place, &writer).await?;
        // SQLite can create its files again.
        frozen = None;
    }
    Ok(Opened { writer, readers, stamps: Stamps::new(reading(path)), frozen })
}

async fn bring_up_to_date(place: &str, writer: &SqlitePool) -> Result<()> {
    let mut connection =
        connected(writer).await.map_err(|e| catalog_error(place, "opening it", &e))?;
    run(place, &MIGRATIONS, &mut *connection).await
}

/// What was found in a catalog.
struct Found {
    pub(super) schema: Schema,
    /// How it must be read, if not in the usual way.
    frozen: Option<Frozen>,
}

/// Copies the log into the file. Returns whether there was a log and all of it was copied, so that
/// it can be reused.
#[expect(clippy::disallowed_methods, reason = "a checkpoint is no transaction")]
pub(super) async fn checkpoint(writer: &SqlitePool) -> SqlResult<bool> {
    let row = writer.acquire().await?.one("PRAGMA wal_checkpoint(PASSIVE)", &[]).await?;
    Ok(row.int("busy") == 0 && row.int("log") > 0 && row.int("log") == row.int("checkpointed"))
}

/// The tables of a catalog. Changes nothing.
pub(super) async fn schema(path: &Path) -> SqlResult<Schema> {
    Ok(look(path, &pool(reading(path))).await?.schema)
}

async fn look(path: &Path, readers: &SqlitePool) -> SqlResult<Found> {
    let error = match schema_of(readers).await {
        Ok(schema) => return Ok(Found { schema, frozen: None }),
        Err(error) => error,
    };
    // The errors of SQLite if it can't create or enlarge the files that it needs.
    if !matches!(extended(&error) & 0xff, 8 | 10 | 13 | 14) {
        return Err(error);
    }
    let Ok(Some(frozen)) = Frozen::of(path) else { return Err(error) };
    // Of the two errors, the first describes the problem of the catalog itself.
    match schema_of(&frozen.pool).await {
        Ok(schema) => {
            tracing::debug!("reading {} without SQLite's own files: {error}", path.display());
            Ok(Found { schema, frozen: Some(frozen) })
        }
        Err(_) => Err(error),
    }
}

async fn schema_of(readers: &SqlitePool) -> SqlResult<Schema> {
    let mut connection = connected(readers).await?;
    // One statement: another process may be creating the tables.
    let tables = connection
        .one(
            "SELECT count(*) AS tables, coalesce(sum(name = '_sqlx_migrations'), 0) AS known
             FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'",
            &[],
        )
        .await?;
    if tables.int("known") == 0 {
        return Ok(Schema { applied: Vec::new(), is_foreign: tables.int("tables") > 0 });
    }
    let rows = connection.all(APPLIED, &[]).await?;
    let applied =
        rows.iter().map(|row| (row.int("version"), row.bytes("checksum").to_vec())).collect();
    Ok(Schema { applied, is_foreign: false })
}

/// Connects, and retries while another process creates the file: turning WAL on does not wait for
/// locks.
#[expect(clippy::disallowed_methods, reason = "the catalog is not open yet")]
async fn connected(pool: &SqlitePool) -> SqlResult<PoolConnection<Sqlite>> {
    for _ in 0..POLLS_BEFORE_WARNING {
        match pool.acquire().await {
            Err(error @ sqlx::Error::Database(_)) if error_kind(&error).busy => {
                tokio::time::sleep(POLL_INTERVAL).await
            }
            done => return done,
        }
    }
    pool.acquire().await
}

fn writing(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // Pages that pushes touch again and again are copied into the main file less often.
        .pragma("wal_autocheckpoint", "8192")
        .pragma("cache_size", "-32000")
        .pragma("temp_store", "memory")
        .optimize_on_close(true, None)
}

/// Such a connection refuses to change anything.
fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-32000")
        .pragma("temp_store", "memory")
        .pragma("query_only", "on")
}

fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .after_release(is_clean)
        .connect_lazy_with(options)
}

/// Whether a returned connection is outside any transaction. If an error has ended one without sqlx
/// knowing, or one could not be ended, the connection is closed: the pool opens another.
fn is_clean(
    connection: &mut SqliteConnection,
    _: PoolConnectionMetadata,
) -> BoxFuture<'_, SqlResult<bool>> {
    Box::pin(async move {
        // A rollback in progress finishes before this statement returns.
        connection.ping().await?;
        Ok(!connection.is_in_transaction())
    })
}

/// How a catalog is read if SQLite can't create files next to it.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    pool: SqlitePool,
    file: PathBuf,
    /// The state of file and log when it was opened.
    was: [Option<Stamp>; 2],
    /// Another process has written since. It is never frozen again.
    thawed: Arc<AtomicBool>,
    /// The location of the copy, if it is one.
    copy: Option<Arc<TempDir>>,
}

/// The name of a copied catalog.
const COPY: &str = "catalog.db";

/// Length, modification time and inode of a file.
type Stamp = (u64, Option<SystemTime>, u64);

impl Frozen {
    /// None while it is being written.
    fn of(file: &Path) -> std::io::Result<Option<Frozen>> {
        // Links are resolved: SQLite's files are next to the target.
        let file = file.canonicalize()?;
        let was = stamps(&file);
        let (options, copy) = if was[1].is_none() {
            (reading(&file).read_only(true).immutable(true), None)
        } else {
            let folder = tempfile::Builder::new().prefix("packhouse-catalog-").tempdir()?;
            let copy = folder.path().join(COPY);
            std::fs::copy(&file, &copy)?;
            std::fs::copy(log_of(&file), log_of(&copy))?;
            (reading(&copy), Some(Arc::new(folder)))
        };
        let frozen = Frozen { pool: pool(options), file, was, thawed: Arc::default(), copy };
        Ok(frozen.is_current().is_ok().then_some(frozen))
    }

    /// Connections that read it, with the check after each statement; none if another process has
    /// written since.
    pub(super) fn readers(&self) -> Option<(&SqlitePool, Check)> {
        if self.is_current().is_err() {
            self.thawed.store(true, Ordering::SeqCst);
        }
        let frozen = self.clone();
        let check: Check = Some(Arc::new(move || frozen.is_current()));
        (!self.thawed.load(Ordering::SeqCst)).then_some((&self.pool, check))
    }

    /// Copies it to a file.
    pub(super) async fn copy_to(&self, to: &Path) -> SqlResult<()> {
        let options = SqliteConnectOptions::new();
        let options = match &self.copy {
            Some(folder) => options.filename(folder.path().join(COPY)),
            None => options.filename(&self.file).read_only(true).immutable(true),
        };
        copies::copy_with(options, to).await?;
        self.is_current()
    }

    /// An error if the results may be of two states.
    fn is_current(&self) -> SqlResult<()> {
        if stamps(&self.file) == self.was {
            return Ok(());
        }
        Err(sqlx::Error::Io(std::io::Error::other(
            "another process has written to it in the meantime",
        )))
    }
}

/// The state of a catalog's file and its log. An empty log counts as none.
fn stamps(file: &Path) -> [Option<Stamp>; 2] {
    use std::os::unix::fs::MetadataExt;
    [file.to_owned(), log_of(file)].map(|path| {
        let found = std::fs::metadata(path).ok().filter(|found| found.len() > 0)?;
        Some((found.len(), found.modified().ok(), found.ino()))
    })
}

fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}
