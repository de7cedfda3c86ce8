//! Copies of a catalog's file: whether a file is a catalog, how its log is moved into it, and how
//! it is copied.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use packhouse_model::error::{Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection as _};

use super::lock::POLL_INTERVAL;
use super::{Columns, Sql, SqlResult, catalog_error};
use crate::MissingCatalog;
use crate::engine::args;

/// Every catalog that is complete in its file is larger than this: each table takes a page. For a
/// smaller file, the tables may be in the log.
const SMALLEST: u64 = 64 << 10;

/// How long readers and copies wait for another process.
const BUSY: Duration = Duration::from_secs(30);

/// How long a checkpoint waits for readers and writers, each time. Writers wait for it, too.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(100);

/// How often a checkpoint is tried.
const CHECKPOINT_TRIES: u32 = 3;

/// What exists instead of a catalog; none if there is one, or a file that may be one. Creates
/// nothing.
pub(super) async fn absent(path: &Path) -> Option<MissingCatalog> {
    let instead = match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            "does not exist"
        }
        Ok(found) if found.is_file() && found.len() == 0 => "is empty",
        Ok(found) if found.is_file() && found.len() < SMALLEST && has_no_tables(path).await => {
            "has no tables"
        }
        _ => return None,
    };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder
        .canonicalize()
        .or_else(|_| std::path::absolute(folder))
        .unwrap_or_else(|_| folder.to_owned());
    let identity = path
        .file_name()
        .map_or_else(|| folder.clone(), |name| folder.join(name))
        .display()
        .to_string();
    Some(MissingCatalog { identity, instead })
}

/// Whether a file is a database without tables. A file that can't be read fails later, when it is
/// opened.
async fn has_no_tables(path: &Path) -> bool {
    let look = async {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY)
            .connect()
            .await?;
        let found = connection.all("SELECT 1 FROM sqlite_master LIMIT 1", &[]).await?;
        connection.close().await?;
        SqlResult::Ok(found.is_empty())
    };
    look.await.unwrap_or(false)
}

/// Moves the log into the file and empties it, with a separate connection: those of the pools may
/// be in use, or dropped halfway.
///
/// While another process reads an older state, or writes, as much as possible is moved. That
/// process moves the rest when it exits.
pub(super) async fn checkpoint(catalog: &Path) -> SqlResult<bool> {
    if !std::fs::metadata(log_of(catalog)).is_ok_and(|log| log.len() > 0) {
        return Ok(true);
    }
    let options = SqliteConnectOptions::new().filename(catalog).busy_timeout(CHECKPOINT_WAIT);
    let mut connection = options.connect().await?;
    let mut done = false;
    for _ in 0..CHECKPOINT_TRIES {
        done = connection.one("PRAGMA wal_checkpoint(TRUNCATE)", &[]).await?.int("busy") == 0;
        if done {
            break;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    connection.close().await?;
    Ok(done)
}

fn log_of(catalog: &Path) -> PathBuf {
    let mut path = catalog.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

/// Copies the catalog as of one moment. Reads one state, like any reader, and does not block
/// writers.
pub(super) async fn copy(catalog: &Path, to: &Path) -> SqlResult<()> {
    copy_with(SqliteConnectOptions::new().filename(catalog), to).await
}

/// The same, with a separate connection to the file.
pub(super) async fn copy_with(catalog: SqliteConnectOptions, to: &Path) -> SqlResult<()> {
    let Some(to) = to.to_str() else {
        return Err(sqlx::Error::Configuration(
            "SQLite accepts only UTF-8 file names, and the copy's name is not UTF-8".into(),
        ));
    };
    let mut connection = catalog.busy_timeout(BUSY).connect().await?;
    connection.all("VACUUM INTO $1", args![to]).await?;
    connection.close().await
}

/// Turns a catalog that is not open into a single file, durably: no log, no shared memory.
pub(super) async fn settle(path: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(CHECKPOINT_WAIT);
    let settled =
        async { options.journal_mode(SqliteJournalMode::Delete).connect().await?.close().await };
    settled.await.map_err(|e| catalog_error(&path.display().to_string(), "closing it", &e))?;
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(Error::io("writing", path))
}
