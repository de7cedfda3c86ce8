//! Packs that nobody needs any more: which they are, and forgetting them.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::super::{Hold, Holding};
use super::{catalog_error, read_time, sums};
use crate::error::{Error, Result};
use crate::names::MpackKey;

/// Packs that no shelf of any repo holds, once a repo that has retired them, by pack.
pub(super) async fn retired(readers: &SqlitePool) -> std::result::Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query(
        "SELECT p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at, t.retired_at
         FROM retired t JOIN packs p ON p.id = t.pack
         WHERE NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id) ORDER BY p.key",
    )
    .fetch_all(readers)
    .await
}

/// Packs that a shelf holds.
pub(super) async fn held(readers: &SqlitePool) -> std::result::Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query("SELECT key FROM packs p WHERE EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id)").fetch_all(readers).await
}

/// Forgets packs, except those that a shelf holds by now or that a repo has retired later than `until`. Gives those that are forgotten.
pub(super) async fn forget(path: &Path, writer: &SqlitePool, packs: &[MpackKey], until: Timestamp) -> Result<Vec<MpackKey>> {
    let failed = |e: sqlx::Error| catalog_error(path, "forgetting packs", &e);
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let (mut forgotten, mut touched) = (Vec::new(), BTreeSet::new());
    for key in packs {
        let pack: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM packs p WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id)",
        )
        .bind(&key.digest()[..])
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        let Some(pack) = pack else { continue };
        let retired = sqlx::query("SELECT repo, retired_at FROM retired WHERE pack = ?1").bind(pack).fetch_all(&mut *tx).await;
        let retired = retired.map_err(failed)?;
        let times = retired.iter().map(|row| read_time(path, row, "retired_at")).collect::<Result<Vec<_>>>()?;
        if times.iter().any(|at| *at > until) {
            continue;
        }
        touched.extend(retired.iter().map(|row| row.get::<i64, _>("repo")));
        for statement in ["DELETE FROM retired WHERE pack = ?1", "DELETE FROM packs WHERE id = ?1"] {
            sqlx::query(statement).bind(pack).execute(&mut *tx).await.map_err(failed)?;
        }
        forgotten.push(*key);
    }
    for repo in touched {
        sums::recount_packs(&mut tx, repo).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    Ok(forgotten)
}

/// How often it is looked whether it is one's turn.
const LOOK: Duration = Duration::from_millis(10);

/// After so many looks it is said that somebody is waited for.
const PATIENCE: u32 = 200;

/// Waits for its turn. The system gives the lock back when the file is closed, be it by a crash.
///
/// It looks again and again: a thread that waited would be one that deleting needs.
pub(super) async fn hold(catalog: &Path, hold: Hold) -> Result<Holding> {
    let mut path = catalog.as_os_str().to_owned();
    path.push("-lock");
    let path = std::path::PathBuf::from(path);
    let open = File::options().create(true).truncate(false).write(true).read(true).open(&path);
    let file = open.map_err(Error::io("opening", &path))?;
    for looks in 0.. {
        let taken = match hold {
            Hold::Publishing => file.try_lock_shared(),
            Hold::Deleting => file.try_lock(),
        };
        match taken {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("locking", &path)(error)),
        }
        if looks == PATIENCE {
            tracing::warn!(
                "waiting for another process that {}",
                match hold {
                    Hold::Publishing => "deletes packs",
                    Hold::Deleting => "publishes packs",
                }
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Holding::new(file))
}
