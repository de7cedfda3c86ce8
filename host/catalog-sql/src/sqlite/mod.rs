//! The catalog on SQLite: one connection writes, several read; WAL, so that they don't wait for
//! each other; foreign keys; every commit is synced to disk.

mod copies;
mod error_kind;
mod lock;
mod open;
#[cfg(test)]
mod plans;
mod stamps;

use std::path::{Path, PathBuf};

use packhouse_catalog::{LockGuard, LockMode};
use packhouse_model::error::{Error, Result};
use sqlx::Pool;
use sqlx::sqlite::SqlitePool;

use self::error_kind::{commit_error_kind, error_kind};
use self::open::{Frozen, Opened};
use self::stamps::Stamps;
use super::SqlCatalog;
use super::engine::{
    Check, Columns, Engine, ErrorKind, Group, Sql, SqlResult, Tx, leave_heads, listed,
    mapped_packs, planned_shelves, put_awaited, put_commits, put_generations, put_heads,
    put_on_shelves, retire_packs, take_job, take_scrub,
};
use super::migrations::{MigrationStep, Migrations, PendingMigrations};
use crate::MissingCatalog;

/// SQL: number `n.i` of a parameter of [`numbers`](super::engine::numbers).
macro_rules! number {
    ($param:literal) => {
        concat!("CAST(substr(", $param, ", 1 + 20 * n.i, 20) AS BIGINT)")
    };
}

/// A catalog in an SQLite file.
pub type SqliteCatalog = SqlCatalog<SqliteFile>;

/// The migrations of a catalog in an SQLite file, in order.
pub const MIGRATIONS: [MigrationStep; 16] = [
    (1, "first pack house", include_str!("../../migrations/sqlite/0001_first_pack_house.sql")),
    (2, "what operators ask", include_str!("../../migrations/sqlite/0002_what_operators_ask.sql")),
    (3, "production", include_str!("../../migrations/sqlite/0003_production.sql")),
    (4, "tokens", include_str!("../../migrations/sqlite/0004_tokens.sql")),
    (5, "damage", include_str!("../../migrations/sqlite/0005_damage.sql")),
    (6, "retention", include_str!("../../migrations/sqlite/0006_retention.sql")),
    (7, "room for answers", include_str!("../../migrations/sqlite/0007_room_for_answers.sql")),
    (8, "releases", include_str!("../../migrations/sqlite/0008_releases.sql")),
    (
        9,
        "cost follows the change",
        include_str!("../../migrations/sqlite/0009_cost_follows_the_change.sql"),
    ),
    (10, "fetch requests", include_str!("../../migrations/sqlite/0010_fetch_requests.sql")),
    (11, "index runs", include_str!("../../migrations/sqlite/0011_index_runs.sql")),
    (12, "codes of errors", include_str!("../../migrations/sqlite/0012_codes_of_errors.sql")),
    (13, "shallow repos", include_str!("../../migrations/sqlite/0013_shallow_repos.sql")),
    (14, "mirrors", include_str!("../../migrations/sqlite/0014_mirrors.sql")),
    (15, "traces", include_str!("../../migrations/sqlite/0015_traces.sql")),
    (
        16,
        "codes of failed jobs",
        include_str!("../../migrations/sqlite/0016_codes_of_failed_jobs.sql"),
    ),
];

/// An SQLite file that holds a catalog.
#[derive(Clone, Debug)]
pub struct SqliteFile {
    place: String,
    /// The file, with links resolved.
    file: PathBuf,
    /// Connects when something is first written.
    writer: SqlitePool,
    /// The writers that wait for it.
    writers: Group<SqliteFile>,
    readers: SqlitePool,
    stamps: Stamps,
    /// What is read instead, if SQLite can't create its files next to the catalog.
    frozen: Option<Frozen>,
}

impl SqliteCatalog {
    /// Opens a catalog; creates it on first use, and migrates it. A catalog that is up to date is
    /// only read.
    ///
    /// # Errors
    /// [`packhouse_model::error::OpenError::NewerStore`] for a catalog with migrations that this
    /// build does not know; [`packhouse_model::error::OpenError::ForeignDatabase`] for a database
    /// of another program.
    pub async fn open(path: &Path) -> Result<SqliteCatalog> {
        SqliteCatalog::open_with(path, PendingMigrations::Run).await
    }

    /// The same, with what to do about pending migrations.
    ///
    /// # Errors
    /// [`packhouse_model::error::OpenError::PendingMigrations`], if they are not to be run.
    pub(crate) async fn open_with(
        path: &Path,
        pending: PendingMigrations,
    ) -> Result<SqliteCatalog> {
        let place = path.display().to_string();
        let Opened { writer, readers, stamps, frozen } = open::open(path, &place, pending).await?;
        let file = path.canonicalize().map_err(Error::io("finding", path))?;
        Ok(SqlCatalog {
            engine: SqliteFile {
                place,
                file,
                writer,
                writers: Group::default(),
                readers,
                stamps,
                frozen,
            },
        })
    }

    /// What exists instead of a catalog; none if there is one, or a file that may be one. Creates
    /// nothing.
    pub(crate) async fn absent(path: &Path) -> Option<MissingCatalog> {
        copies::absent(path).await
    }

    /// Turns a catalog that is not open into a single file without a log, durably.
    ///
    /// # Errors
    /// When it is open.
    pub(crate) async fn settle(path: &Path) -> Result<()> {
        copies::settle(path).await
    }

    /// The state of a catalog's migrations. Changes nothing; without a file, none are applied.
    ///
    /// # Errors
    /// When the file can't be read as a catalog.
    pub async fn migrations(path: &Path) -> Result<Migrations> {
        let place = path.display().to_string();
        if !path.exists() {
            return Ok(Migrations::of(&place, &MIGRATIONS, &[]));
        }
        let schema = open::schema(path)
            .await
            .map_err(|e| catalog_error(&place, "reading its schema", &e))?;
        Ok(Migrations::of(&place, &MIGRATIONS, &schema.of_catalog(&place)?))
    }
}

fn catalog_error(place: &str, doing: &str, error: &sqlx::Error) -> Error {
    error_kind(error).of(error, place, doing)
}

impl Engine for SqliteFile {
    type Db = sqlx::Sqlite;
    type Row = sqlx::sqlite::SqliteRow;

    const IS_FILE: bool = true;

    const PUT_HEADS: &'static str =
        put_heads!("(SELECT value AS name, key AS n FROM json_each($2)) j");
    const LEAVE_HEADS: &'static str = leave_heads!(
        "(SELECT value AS name, key AS n FROM json_each($2)) j",
        " CROSS JOIN branches b ON b.repo = $1 AND b.name = j.name"
    );
    // SQLite joins bytes only as text, and keeps them as they are. The checksums of blocks would tell.
    const BLOCKS: &'static str =
        "SELECT group_concat(b.id) AS ids, CAST(group_concat(CAST(b.data AS TEXT), '') AS BLOB) AS data
         FROM json_each($1) n CROSS JOIN index_blocks b
         WHERE b.id = n.value";
    const OLD_PAGE: &'static str =
        "SELECT group_concat(hex(entity) || coalesce(hex(print), '') || ':' || shelf, '\n') AS found FROM (
             SELECT entity, print, shelf FROM old_entities WHERE repo = $1 AND entity > $2
               ORDER BY entity LIMIT $3)";
    // There is only one writer at a time: no lock is needed.
    const LOCK_REPO: &'static str = "SELECT id, deleted_at FROM repos WHERE id = $1";
    const LOCK_LEASE: &'static str =
        "SELECT id FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running'";

    // CROSS JOIN fixes the order of the lookups.
    const HISTORY: &'static str = "WITH RECURSIVE
            n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3),
            asked (id, parent1, parent2, snapshot, generation) AS MATERIALIZED (
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation
                FROM n CROSS JOIN commits c WHERE c.repo = $1 AND c.id = substr($2, 1 + 33 * n.i, 33)),
            walk (id, parent1, parent2, snapshot, generation) AS (
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation
                FROM asked CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2) side CROSS JOIN commits c
                WHERE c.repo = $1 AND c.id = CASE side.n WHEN 1 THEN asked.parent1 ELSE asked.parent2 END
                UNION
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation
                FROM walk CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2) side CROSS JOIN commits c
                WHERE c.repo = $1 AND c.id = CASE side.n WHEN 1 THEN walk.parent1 ELSE walk.parent2 END
                LIMIT $4)
         SELECT group_concat(is_ancestor || ':' || generation || ':' || hex(id) || ':'
             || coalesce(hex(parent1), '') || ':' || coalesce(hex(parent2), '') || ':'
             || coalesce(hex(snapshot), ''), '\n') AS found
         FROM (SELECT 0 AS is_ancestor, id, parent1, parent2, snapshot, generation FROM asked
           UNION ALL SELECT 1, id, parent1, parent2, snapshot, generation FROM walk) history";
    const GENERATIONS: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT n.i AS i, c.generation
         FROM n CROSS JOIN commits c WHERE c.repo = $1 AND c.id = substr($2, 1 + 33 * n.i, 33)";
    const PUT_GENERATIONS: &'static str = put_generations!(
        number,
        "commits c WHERE c.repo = $1 AND c.id = substr($2, 1 + 33 * n.i, 33)"
    );
    const PUT_COMMITS: &'static str = put_commits!(number);
    const PUT_AWAITED: &'static str = put_awaited!(number);
    const TAKE_AWAITED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM awaited_parents
         WHERE repo = $1 AND parent IN (SELECT substr($2, 1 + 33 * i, 33) FROM n)
         RETURNING parent, generation";
    const TAGS_OF: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT t.entity, t.tag_id, t.commit_id
         FROM n CROSS JOIN tag_ids t WHERE t.repo = $1 AND t.commit_id = substr($2, 1 + 33 * n.i, 33)";
    const OLD_LOOKUP: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT group_concat(n.i || ':' || e.shelf || ':' || coalesce(hex(e.print), ''), '\n') AS found
         FROM n CROSS JOIN old_entities e WHERE e.repo = $1 AND e.entity = substr($2, 1 + 34 * n.i, 34)";
    const PACKS_ON: &'static str = concat!(
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT s.id, p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at, p.verified_at
         FROM n CROSS JOIN shelves s CROSS JOIN packs p
         WHERE s.id = ",
        number!("$2"),
        " AND s.repo = $1 AND p.id = s.pack"
    );
    const PLANNED_SHELVES: &'static str = planned_shelves!(number);
    const PUT_ON_SHELVES: &'static str = put_on_shelves!(number);
    const RETIRE_PACKS: &'static str = retire_packs!(number);
    const LISTED: &'static str = listed!(
        "group_concat(DISTINCT CASE WHEN s.commits + s.snapshots + s.objects + s.tags > 0 THEN hex(p.key) END)",
        "group_concat(hex(b.head) || ' ' || b.name, '\n')"
    );
    const MAPPED_PACKS: &'static str = mapped_packs!(number);
    const STALE: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT n.i AS i FROM n LEFT JOIN freshened f ON f.repo = $1
           AND f.entity = substr($2, 1 + 34 * n.i, 34) AND f.at >= $4
         WHERE f.at IS NULL";
    const TOUCHED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT 1 FROM n CROSS JOIN freshened f
         WHERE f.repo = $1 AND f.entity = substr($2, 1 + 34 * n.i, 34) AND f.number > $4 LIMIT 1";
    const DROP_FRESHENED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM freshened WHERE repo = $1 AND entity IN (SELECT substr($2, 1 + 34 * i, 34) FROM n)";
    const DROP_COMMITS: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM commits WHERE repo = $1 AND id IN (
             SELECT substr($2, 2 + 34 * i, 33) FROM n WHERE substr($2, 1 + 34 * i, 1) = $4)";

    const LOCK_FETCH_REQUESTS: &'static str = "SELECT 1";

    const TAKE_JOB: &'static str = take_job!("");
    const TAKE_SCRUB: &'static str = take_scrub!("");

    fn place(&self) -> &str {
        &self.place
    }

    fn identity(&self) -> String {
        self.file.display().to_string()
    }

    /// The time that the file system records for a written file: its clock may be that of another
    /// machine. None if it can't be written.
    async fn clock(&self) -> Result<Option<jiff::Timestamp>> {
        Ok(lock::written_now(&self.file).ok())
    }

    fn readers(&self) -> (&Pool<Self::Db>, Check) {
        self.frozen.as_ref().and_then(Frozen::readers).unwrap_or((&self.readers, None))
    }

    #[expect(clippy::disallowed_methods, reason = "here it becomes a transaction that reads")]
    async fn begin_reading(&self) -> SqlResult<(Tx<Self>, Check)> {
        let (pool, check) = self.readers();
        Ok((pool.begin_with("BEGIN").await?, check))
    }

    #[expect(clippy::disallowed_methods, reason = "here it becomes a transaction that writes")]
    async fn begin_writing(&self) -> SqlResult<Tx<Self>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    fn group(&self) -> Option<&Group<Self>> {
        Some(&self.writers)
    }

    async fn change_stamp(&self) -> SqlResult<u64> {
        self.stamps.read().await
    }

    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        lock::lock(&self.file, mode).await
    }

    /// The system releases a lock only when its file is closed.
    async fn still_locked<S: Sql<Row = Self::Row>>(
        &self,
        _: &LockGuard,
        _: &mut S,
    ) -> SqlResult<bool> {
        Ok(true)
    }

    async fn checkpoint(&self) -> SqlResult<bool> {
        copies::checkpoint(&self.file).await
    }

    async fn copy_to(&self, file: &Path) -> SqlResult<()> {
        match self.frozen.as_ref().filter(|frozen| frozen.readers().is_some()) {
            Some(frozen) => frozen.copy_to(file).await,
            None => copies::copy(&self.file, file).await,
        }
    }

    async fn close(&self) {
        self.readers.close().await;
        self.stamps.close().await;
        self.writer.close().await;
    }

    fn error_kind(&self, error: &sqlx::Error) -> ErrorKind {
        error_kind(error)
    }

    fn commit_error_kind(&self, error: &sqlx::Error) -> ErrorKind {
        commit_error_kind(error)
    }

    /// Copies the log into the file, as far as there is disk space; then the log is reused from its
    /// start.
    async fn make_room(&self) -> bool {
        open::checkpoint(&self.writer).await.is_ok_and(|whole| whole)
    }
}
