//! The catalog on SQLite. Only this folder names sqlx.
//!
//! One connection writes, some read; WAL, so that they don't wait for each other; foreign keys; every
//! commit waits for the disk. Rows cross in batches: many fixed-width values in one blob, unpacked
//! by SQLite, since a statement a row costs ten times the row.

mod deletion;
mod publish;
mod runs;
mod snapshot;
mod stamps;
mod summaries;
mod sums;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Row, SqlSafeStr};

use stamps::Stamps;

use super::{Catalog, Consolidation, Hold, Holding, Published, Push, RepoRow, Retired, RunsQuery, Snapshot};
use crate::error::{Error, Result};
use crate::names::{MpackKey, RepoId, RepoName, Visibility};
use crate::report::{GcEntry, GcRecord, GcReport, RepoSummary};

/// Migrations, append-only: a store remembers which it has and what they said.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "first pack house", include_str!("../../../migrations/sqlite/0001_first_pack_house.sql")),
    (2, "what operators ask", include_str!("../../../migrations/sqlite/0002_what_operators_ask.sql")),
];

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(30);

/// A catalog in an SQLite file.
#[derive(Debug)]
pub struct SqliteCatalog {
    path: PathBuf,
    /// The same, whatever links lead to it.
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
        let failed = |doing: &'static str| move |e: sqlx::Error| catalog_error(path, doing, &e);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY * 2)
            .connect_with(options.clone())
            .await
            .map_err(failed("opening it"))?;
        migrate(path, &writer).await?;
        let options = options.create_if_missing(false).read_only(false);
        let readers = SqlitePoolOptions::new().max_connections(8).connect_lazy_with(options.clone());
        let file = path.canonicalize().map_err(Error::io("finding", path))?;
        Ok(SqliteCatalog { path: path.to_owned(), file, writer, readers, stamps: Stamps::new(options) })
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(sqlx::Error) -> Error + 'a {
        move |e| catalog_error(&self.path, doing, &e)
    }
}

async fn migrate(path: &Path, pool: &SqlitePool) -> Result<()> {
    let migrations = MIGRATIONS
        .map(|(version, name, sql)| Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false));
    let known = MIGRATIONS[MIGRATIONS.len() - 1].0;
    let migrator = Migrator::with_migrations(migrations.into());
    let mut done = migrator.run(pool).await;
    // Two first uses of one store make the same tables: whoever comes second finds them made when it looks again.
    for _ in 0..3 {
        match &done {
            Ok(()) | Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => break,
            Err(_) => done = migrator.run(pool).await,
        }
    }
    match done {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(Error::NewerStore { catalog: path.display().to_string(), found, known }),
        Err(error) => Err(Error::Catalog {
            catalog: path.display().to_string(),
            doing: "bringing it up to date".into(),
            reason: error.to_string(),
            busy: false,
        }),
    }
}

/// Translates an error of sqlx, once.
fn catalog_error(path: &Path, doing: &str, error: &sqlx::Error) -> Error {
    let text = error.to_string();
    // SQLite's result code; extended codes have it in their low byte.
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map_or(0, |code| code & 0xff);
    let busy = matches!(code, 5 | 6) || matches!(error, sqlx::Error::PoolTimedOut);
    let hint = match code {
        _ if busy => ". Another process is writing: try again",
        8 | 14 => ". Its folder is missing or read-only: mount it writable, or use another --data folder",
        10 => ". The disk failed: look at the system's log",
        11 | 26 => ". It is damaged or no catalog: restore it from a backup",
        13 => ". Free some space and run it again; nothing was changed",
        _ => "",
    };
    Error::Catalog { catalog: path.display().to_string(), doing: doing.to_owned(), reason: format!("{text}{hint}"), busy }
}

/// An error for a row that holds what no packhouse writes.
fn damaged_row(path: &Path, what: &str) -> Error {
    Error::Catalog {
        catalog: path.display().to_string(),
        doing: "reading it".into(),
        reason: format!("{what} is not what packhouse writes; restore the catalog from a backup"),
        busy: false,
    }
}

/// A time as it is written in the catalog.
fn read_time(path: &Path, row: &SqliteRow, column: &str) -> Result<Timestamp> {
    row.get::<&str, _>(column).parse().map_err(|_| damaged_row(path, "a time"))
}

fn read_repo_name(path: &Path, row: &SqliteRow) -> Result<RepoName> {
    let name = format!("{}/{}", row.get::<&str, _>("owner"), row.get::<&str, _>("slug"));
    name.parse().map_err(|_| damaged_row(path, "a repo's name"))
}

fn read_repo(path: &Path, row: &SqliteRow) -> Result<RepoRow> {
    Ok(RepoRow {
        id: row.get("id"),
        repo_id: RepoId(row.get("repo_id")),
        name: read_repo_name(path, row)?,
        visibility: if row.get::<&str, _>("visibility") == "private" { Visibility::Private } else { Visibility::Public },
        default_branch: row.get("default_branch"),
        created_at: read_time(path, row, "created_at")?,
        revision: row.get("revision"),
        sums: sums::read_sums(path, row)?,
    })
}

#[async_trait]
impl Catalog for SqliteCatalog {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn file(&self) -> PathBuf {
        self.file.clone()
    }

    async fn create_repo(&self, name: &RepoName, id: RepoId, visibility: Visibility, now: Timestamp) -> Result<Option<RepoRow>> {
        let row = sqlx::query(
            "INSERT INTO repos (repo_id, owner, slug, visibility, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (owner, slug) DO NOTHING RETURNING *",
        )
        .bind(id.0)
        .bind(name.owner())
        .bind(name.slug())
        .bind(visibility.as_str())
        .bind(now.to_string())
        .fetch_optional(&self.writer)
        .await
        .map_err(self.failed("making a repo"))?;
        row.map(|row| read_repo(&self.path, &row)).transpose()
    }

    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        let row = sqlx::query("SELECT * FROM repos WHERE owner = ?1 AND slug = ?2")
            .bind(name.owner())
            .bind(name.slug())
            .fetch_optional(&self.readers)
            .await
            .map_err(self.failed("looking for a repo"))?;
        row.map(|row| read_repo(&self.path, &row)).transpose()
    }

    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        let rows = sqlx::query("SELECT * FROM repos WHERE (owner, slug) > (?1, ?2) ORDER BY owner, slug LIMIT ?3")
            .bind(after.map_or("", RepoName::owner))
            .bind(after.map_or("", RepoName::slug))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("listing repos"))?;
        rows.iter().map(|row| read_repo(&self.path, row)).collect()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let rows = summaries::page(&self.readers, after, limit).await.map_err(self.failed("listing repos"))?;
        rows.iter().map(|row| summaries::read(&self.path, row)).collect()
    }

    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>> {
        let row = summaries::one(&self.readers, name).await.map_err(self.failed("looking for a repo"))?;
        row.map(|row| summaries::read(&self.path, &row)).transpose()
    }

    async fn change_stamp(&self) -> Result<u64> {
        self.stamps.read().await.map_err(self.failed("looking for changes"))
    }

    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        snapshot::begin(&self.path, &self.readers, repo).await
    }

    async fn publish_push(&self, push: &Push) -> Result<Published> {
        publish::push(&self.writer, push).await.map_err(self.failed("publishing a push"))
    }

    async fn publish_consolidation(&self, consolidation: &Consolidation) -> Result<Published> {
        publish::consolidation(&self.writer, consolidation).await.map_err(self.failed("publishing a consolidation"))
    }

    async fn record_gc(&self, repo: i64, record: &GcRecord, report: Option<&GcReport>) -> Result<()> {
        runs::record(&self.writer, repo, record, report).await.map_err(self.failed("remembering a consolidation"))
    }

    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        let rows = runs::of_repo(&self.readers, repo, limit).await.map_err(self.failed("reading its history"))?;
        rows.iter().map(|row| runs::read_record(&self.path, row)).collect()
    }

    async fn gc_runs(&self, query: RunsQuery<'_>) -> Result<Vec<GcEntry>> {
        let rows = runs::list(&self.readers, query).await.map_err(self.failed("reading its history"))?;
        rows.iter().map(|row| runs::read_entry(&self.path, row)).collect()
    }

    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>> {
        runs::paces(&self.readers, limit).await.map_err(self.failed("reading its history"))
    }

    async fn note_answer(&self, repo: i64, key: &MpackKey, expires_at: Timestamp) -> Result<()> {
        sqlx::query(
            "INSERT INTO answers (repo, key, expires_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (repo, key) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)",
        )
        .bind(repo)
        .bind(&key.digest()[..])
        .bind(whole_seconds(expires_at))
        .execute(&self.writer)
        .await
        .map_err(self.failed("noting an answer"))?;
        Ok(())
    }

    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        let rows = sqlx::query("SELECT key FROM answers WHERE repo = ?1 AND expires_at < ?2")
            .bind(repo)
            .bind(whole_seconds(now))
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("looking for expired answers"))?;
        rows.iter().map(|row| snapshot::read_key(&self.path, row, "key")).collect()
    }

    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()> {
        sqlx::query("DELETE FROM answers WHERE repo = ?1 AND expires_at < ?2")
            .bind(repo)
            .bind(whole_seconds(now))
            .execute(&self.writer)
            .await
            .map_err(self.failed("forgetting answers"))?;
        Ok(())
    }

    async fn hold(&self, hold: Hold) -> Result<Holding> {
        deletion::hold(&self.file, hold).await
    }

    async fn unneeded_packs(&self) -> Result<Vec<Retired>> {
        let rows = deletion::retired(&self.readers).await.map_err(self.failed("looking for packs that nobody needs"))?;
        let mut packs: Vec<Retired> = Vec::new();
        for row in &rows {
            let (pack, at) = (snapshot::read_pack(&self.path, row)?, read_time(&self.path, row, "retired_at")?);
            match packs.last_mut() {
                Some(last) if last.pack.id == pack.id => last.at = last.at.max(at),
                _ => packs.push(Retired { pack, at }),
            }
        }
        Ok(packs)
    }

    async fn forget_packs(&self, packs: &[MpackKey], until: Timestamp) -> Result<Vec<MpackKey>> {
        deletion::forget(&self.path, &self.writer, packs, until).await
    }

    async fn held_packs(&self) -> Result<Vec<MpackKey>> {
        let rows = deletion::held(&self.readers).await.map_err(self.failed("listing packs"))?;
        rows.iter().map(|row| snapshot::read_key(&self.path, row, "key")).collect()
    }

    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let mut known = Vec::with_capacity(keys.len());
        for key in keys {
            let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM packs WHERE key = ?1)")
                .bind(&key.digest()[..])
                .fetch_one(&self.readers)
                .await
                .map_err(self.failed("looking for packs"))?;
            known.push(found);
        }
        Ok(known)
    }
}

/// A time whose text orders like the time: always the same width.
fn whole_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
