//! The catalog on SQLite: one connection writes, some read; WAL, so that they don't wait for each other; foreign keys; every commit waits
//! for the disk.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Pool};

use super::super::{Hold, Holding};
use super::SqlCatalog;
use super::engine::{Columns, Connection, Engine, Meaning, Sql, SqlResult, Tx, leave_heads, put_heads, take_job};
use super::migrations::{APPLIED, Migrations, Step, run};
use super::stamps::Stamps;
use crate::error::{Error, Result};

/// A catalog in an SQLite file.
pub type SqliteCatalog = SqlCatalog<SqliteFile>;

pub(super) const MIGRATIONS: [Step; 6] = [
    (1, "first pack house", include_str!("../../../migrations/sqlite/0001_first_pack_house.sql")),
    (2, "what operators ask", include_str!("../../../migrations/sqlite/0002_what_operators_ask.sql")),
    (3, "production", include_str!("../../../migrations/sqlite/0003_production.sql")),
    (4, "tokens", include_str!("../../../migrations/sqlite/0004_tokens.sql")),
    (5, "damage", include_str!("../../../migrations/sqlite/0005_damage.sql")),
    (8, "releases", include_str!("../../../migrations/sqlite/0008_releases.sql")),
];

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(30);

/// An SQLite file that holds a catalog.
#[derive(Clone, Debug)]
pub struct SqliteFile {
    place: String,
    /// The file, whatever links lead to it.
    file: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    stamps: Stamps,
}

impl SqliteCatalog {
    /// Opens a catalog, making it on first use and bringing it up to date.
    ///
    /// # Errors
    /// [`Error::NewerStore`] for a catalog with migrations that this build does not know.
    pub async fn open(path: &Path) -> Result<SqliteCatalog> {
        let options = SqliteConnectOptions::new()
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
            .optimize_on_close(true, None);
        let place = path.display().to_string();
        let failed = |e: sqlx::Error| catalog_error(&place, "opening it", &e);
        let writer =
            connect(SqlitePoolOptions::new().max_connections(1).acquire_timeout(BUSY * 2), &options).await.map_err(failed)?;
        run(&place, &MIGRATIONS, &mut *writer.acquire().await.map_err(failed)?).await?;
        let options = options.create_if_missing(false).read_only(false);
        let readers = SqlitePoolOptions::new().max_connections(8).connect_lazy_with(options.clone());
        let file = path.canonicalize().map_err(Error::io("finding", path))?;
        Ok(SqlCatalog { engine: SqliteFile { place, file, writer, readers, stamps: Stamps::new(options) } })
    }

    /// Which migrations a catalog has. Changes nothing; where there is no file, it has none.
    ///
    /// # Errors
    /// When the file can't be read as a catalog.
    pub async fn migrations(path: &Path) -> Result<Migrations> {
        let place = path.display().to_string();
        if !path.exists() {
            return Ok(Migrations::of(&place, &MIGRATIONS, Vec::new()));
        }
        let applied = async {
            let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
            let rows = connection.all("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'", &[]).await?;
            if rows.is_empty() { Ok(rows) } else { connection.all(APPLIED, &[]).await }
        };
        let rows = applied.await.map_err(|e: sqlx::Error| catalog_error(&place, "looking what it has", &e))?;
        Ok(Migrations::of(&place, &MIGRATIONS, rows.iter().map(|row| row.int("version")).collect()))
    }
}

/// Connects, again and again while another process makes the file: who turns WAL on does not wait for its turn by itself.
async fn connect(pool: SqlitePoolOptions, options: &SqliteConnectOptions) -> SqlResult<SqlitePool> {
    for _ in 0..PATIENCE {
        match pool.clone().connect_with(options.clone()).await {
            Err(error @ sqlx::Error::Database(_)) if meaning(&error).busy => tokio::time::sleep(LOOK).await,
            done => return done,
        }
    }
    pool.connect_with(options.clone()).await
}

fn catalog_error(place: &str, doing: &str, error: &sqlx::Error) -> Error {
    meaning(error).of(error, place, doing)
}

fn meaning(error: &sqlx::Error) -> Meaning {
    // SQLite's result code; extended codes have it in their low byte.
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map_or(0, |code| code & 0xff);
    let busy = matches!(code, 5 | 6) || matches!(error, sqlx::Error::PoolTimedOut);
    let way_out = match code {
        _ if busy => ". Another process is writing: try again",
        8 | 14 => ". Its folder is missing or read-only: mount it writable, or use another --data folder",
        10 => ". The disk failed: look at the system's log",
        11 | 26 => ". It is damaged or no catalog: restore it from a backup",
        13 => ". Free some space and run it again; nothing was changed",
        _ => "",
    };
    Meaning { busy, again: false, way_out }
}

impl Engine for SqliteFile {
    type Db = sqlx::Sqlite;
    type Row = sqlx::sqlite::SqliteRow;

    // OR ROLLBACK: a clash would be a bug, and ends the transaction either way; so no journal of the statement is needed, which
    // would write every page once more.
    const PUT_ENTITIES: &'static str = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $4)
         INSERT OR ROLLBACK INTO entities (repo, entity, shelf, print)
         SELECT $1, substr($2, 1 + 50 * i, 34), $3, nullif(substr($2, 35 + 50 * i, 16), $5) FROM n";
    const PUT_HEADS: &'static str = put_heads!("(SELECT value AS name, key AS n FROM json_each($2)) j");
    const LEAVE_HEADS: &'static str = leave_heads!("(SELECT value AS name, key AS n FROM json_each($2)) j");
    const INDEX_PAGE: &'static str =
        "SELECT group_concat(hex(entity) || coalesce(hex(print), '') || ':' || shelf, '\n') AS page FROM (
             SELECT entity, print, shelf FROM entities WHERE repo = $1 AND entity > $2 ORDER BY entity LIMIT $3)";
    // One writes at a time: nothing need be locked.
    const LOCK_REPO: &'static str = "SELECT id FROM repos WHERE id = $1";
    const LOCK_LEASE: &'static str = "SELECT id FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running'";

    const TAKE_JOB: &'static str = take_job!("");

    fn place(&self) -> &str {
        &self.place
    }

    fn identity(&self) -> String {
        self.file.display().to_string()
    }

    fn readers(&self) -> &Pool<Self::Db> {
        &self.readers
    }

    fn writers(&self) -> &Pool<Self::Db> {
        &self.writer
    }

    async fn begin_reading(&self) -> SqlResult<Tx<Self>> {
        self.readers.begin().await
    }

    async fn begin_writing(&self) -> SqlResult<Tx<Self>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    async fn change_stamp(&self) -> SqlResult<u64> {
        self.stamps.read().await
    }

    async fn hold(&self, hold: Hold) -> Result<Holding> {
        lock(&self.file, hold).await
    }

    /// The system gives a lock back with its file only.
    async fn still_holds(&self, _: &Holding, _: &mut Connection<Self>) -> SqlResult<bool> {
        Ok(true)
    }

    fn meaning(&self, error: &sqlx::Error) -> Meaning {
        meaning(error)
    }
}

/// How often it is looked whether it is one's turn.
const LOOK: Duration = Duration::from_millis(10);

/// After so many looks it is said that somebody is waited for.
const PATIENCE: u32 = 200;

/// Waits for its turn, at two files beside the catalog: the lock itself, and the turn to take it. The system gives both back when they are
/// closed, be it by a crash.
///
/// Who waits to delete has the turn to itself meanwhile, so that those who publish can't go on and on without letting it in. It looks
/// again and again: a thread that waited would be one that deleting needs.
async fn lock(catalog: &Path, hold: Hold) -> Result<Holding> {
    let (turn, lock) = (Lock::open(catalog, "-turn")?, Lock::open(catalog, "-lock")?);
    let mut has_turn = false;
    for looks in 0.. {
        has_turn = has_turn || turn.take(hold)?;
        if has_turn && lock.take(hold)? {
            break;
        }
        if has_turn && hold == Hold::Publishing {
            // Somebody deletes: others may want to wait for that as well.
            turn.leave()?;
            has_turn = false;
        }
        if looks == PATIENCE {
            tracing::warn!("waiting for another process that {}", hold.other());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Holding::new(lock.file))
}

/// A file that is there to be locked.
struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    fn open(catalog: &Path, ending: &str) -> Result<Lock> {
        let mut path = catalog.as_os_str().to_owned();
        path.push(ending);
        let path = PathBuf::from(path);
        let open = File::options().create(true).truncate(false).write(true).read(true).open(&path);
        Ok(Lock { file: open.map_err(Error::io("opening", &path))?, path })
    }

    /// Takes it, unless somebody is in the way.
    fn take(&self, hold: Hold) -> Result<bool> {
        let taken = match hold {
            Hold::Publishing => self.file.try_lock_shared(),
            Hold::Deleting => self.file.try_lock(),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(Error::io("locking", &self.path)(error)),
        }
    }

    fn leave(&self) -> Result<()> {
        self.file.unlock().map_err(Error::io("unlocking", &self.path))
    }
}
