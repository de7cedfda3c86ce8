//! Packs that nobody needs any more: which they are, and forgetting them.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::super::{Hold, Holding};
use super::sums;
use crate::error::{Error, Result};

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

/// Forgets packs, except those that a shelf holds by now. Gives those that are forgotten.
pub(super) async fn forget(writer: &SqlitePool, packs: &[i64]) -> std::result::Result<Vec<i64>, sqlx::Error> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let (mut forgotten, mut touched) = (Vec::new(), BTreeSet::new());
    for pack in packs {
        let held: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM shelves WHERE pack = ?1)").bind(pack).fetch_one(&mut *tx).await?;
        if held {
            continue;
        }
        let repos = sqlx::query("DELETE FROM retired WHERE pack = ?1 RETURNING repo").bind(pack).fetch_all(&mut *tx).await?;
        touched.extend(repos.iter().map(|row| row.get::<i64, _>(0)));
        if sqlx::query("DELETE FROM packs WHERE id = ?1").bind(pack).execute(&mut *tx).await?.rows_affected() > 0 {
            forgotten.push(*pack);
        }
    }
    for repo in touched {
        sums::recount_packs(&mut tx, repo).await?;
    }
    tx.commit().await?;
    Ok(forgotten)
}

/// Waits for its turn. The system gives the lock back when the file is closed, be it by a crash.
pub(super) async fn hold(catalog: &Path, hold: Hold) -> Result<Holding> {
    let mut path = catalog.as_os_str().to_owned();
    path.push("-lock");
    let path = std::path::PathBuf::from(path);
    let taking = tokio::task::spawn_blocking(move || {
        let open = File::options().create(true).truncate(false).write(true).read(true).open(&path);
        let file = open.map_err(Error::io("opening", &path))?;
        match hold {
            Hold::Publishing => file.lock_shared(),
            Hold::Deleting => file.lock(),
        }
        .map_err(Error::io("locking", &path))?;
        Ok(Holding::new(file))
    });
    taking.await.map_err(|_| Error::Cancelled)?
}
