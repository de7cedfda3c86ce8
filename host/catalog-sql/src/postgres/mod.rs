//! The catalog on Postgres: publications lock their repo's row, reads are repeatable, and an
//! advisory lock separates deleting and publishing.

mod error_kind;
mod lock;

use std::time::Duration;

use packhouse_catalog::{LockGuard, LockMode};
use packhouse_model::blocking::joined;
use packhouse_model::error::{Error, Result};
use ring::digest::{SHA256, digest};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor, Pool};

use self::error_kind::{POOLER, commit_error_kind, error_kind};
use self::lock::AdvisoryLock;
use super::SqlCatalog;
use super::engine::{
    Check, Columns, Engine, ErrorKind, Reader, Sql, SqlResult, Tx, args, leave_heads, listed,
    mapped_packs, planned_shelves, put_awaited, put_commits, put_generations, put_heads,
    put_on_shelves, retire_packs, take_job, take_scrub,
};
use super::migrations::{
    APPLIED, MigrationStep, Migrations, PendingMigrations, Schema, are_pending, pending_error, run,
};
use crate::MissingCatalog;

/// SQL: number `n.i` of a parameter of [`numbers`](super::engine::numbers).
macro_rules! number {
    ($param:literal) => {
        concat!("CAST(convert_from(substr(", $param, ", 1 + 20 * n.i, 20), 'UTF8') AS BIGINT)")
    };
}

/// A catalog in a Postgres database.
pub type PostgresCatalog = SqlCatalog<PostgresDatabase>;

/// The migrations of a catalog in a Postgres database, in order.
pub const MIGRATIONS: [MigrationStep; 14] = [
    (1, "first pack house", include_str!("../../migrations/postgres/0001_first_pack_house.sql")),
    (2, "tokens", include_str!("../../migrations/postgres/0002_tokens.sql")),
    (3, "damage", include_str!("../../migrations/postgres/0003_damage.sql")),
    (4, "retention", include_str!("../../migrations/postgres/0004_retention.sql")),
    (5, "room for answers", include_str!("../../migrations/postgres/0005_room_for_answers.sql")),
    (6, "releases", include_str!("../../migrations/postgres/0006_releases.sql")),
    (
        7,
        "cost follows the change",
        include_str!("../../migrations/postgres/0007_cost_follows_the_change.sql"),
    ),
    (8, "fetch requests", include_str!("../../migrations/postgres/0008_fetch_requests.sql")),
    (9, "index runs", include_str!("../../migrations/postgres/0009_index_runs.sql")),
    (10, "codes of errors", include_str!("../../migrations/postgres/0010_codes_of_errors.sql")),
    (11, "shallow repos", include_str!("../../migrations/postgres/0011_shallow_repos.sql")),
    (12, "mirrors", include_str!("../../migrations/postgres/0012_mirrors.sql")),
    (13, "traces", include_str!("../../migrations/postgres/0013_traces.sql")),
    (
        14,
        "codes of failed jobs",
        include_str!("../../migrations/postgres/0014_codes_of_failed_jobs.sql"),
    ),
];

/// Timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections for statements. A verb uses at most two: one that reads one state, and one that
/// publishes.
const CONNECTIONS: u32 = 20;

/// Connections that only hold the lock for publishing or deleting.
const HOLDERS: u32 = 12;

/// A Postgres database that holds a catalog.
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    place: String,
    identity: String,
    pool: PgPool,
    lock_pool: PgPool,
}

impl PostgresCatalog {
    /// Opens a catalog. Creates its tables on first use, and runs pending migrations. A current
    /// catalog is only read.
    ///
    /// # Errors
    /// If the URL is malformed, or the server can't be reached;
    /// [`packhouse_model::error::OpenError::NewerStore`] for a catalog with migrations that this
    /// build does not know; [`packhouse_model::error::OpenError::ForeignDatabase`] for a database
    /// with other tables.
    pub async fn open(url: &str) -> Result<PostgresCatalog> {
        PostgresCatalog::open_with(url, PendingMigrations::Run).await
    }

    /// The same, with what to do about pending migrations.
    ///
    /// # Errors
    /// [`packhouse_model::error::OpenError::PendingMigrations`], if they are not to be run.
    pub(crate) async fn open_with(
        url: &str,
        pending: PendingMigrations,
    ) -> Result<PostgresCatalog> {
        let options = connect_options(url)?;
        let place = place(&options);
        let failed = |e: sqlx::Error| catalog_error(&place, "opening it", &e);
        // Not with a pool, which would wait long for an unreachable server.
        let mut connection = options.connect().await.map_err(failed)?;
        let applied = schema(&mut connection).await.map_err(failed)?.of_catalog(&place)?;
        if are_pending(&place, &MIGRATIONS, &applied)? {
            if pending == PendingMigrations::Refuse {
                return Err(pending_error(&place, &MIGRATIONS, &applied));
            }
            run(&place, &MIGRATIONS, &mut connection).await?;
        }
        let (identity, process) = identity(&mut connection).await.map_err(failed)?;
        let pool = pool(&options);
        let lock_pool = lock_pool(options);
        let engine = PostgresDatabase { place, identity, pool, lock_pool };
        // Two connections have two server processes, unless a pooler gives both the same one: then
        // nothing that belongs to a session is reliable.
        let other = process_of(&engine)
            .await
            .map_err(|e| catalog_error(&engine.place, "opening it", &e))?;
        if other == process {
            return Err(Error::Catalog {
                catalog: engine.place,
                doing: "opening it".into(),
                reason: format!("two connections share one session of the server{POOLER}"),
                busy: false,
                read_only: false,
                full: false,
            });
        }
        connection.close().await.map_err(|e| catalog_error(&engine.place, "opening it", &e))?;
        Ok(SqlCatalog { engine })
    }

    /// What is there instead of a catalog; none when there is one, or the tables of another
    /// program. Creates nothing.
    pub(crate) async fn absent(url: &str) -> Result<Option<MissingCatalog>> {
        let options = connect_options(url)?;
        let look = async {
            let mut connection = options.connect().await?;
            let found = schema(&mut connection).await?;
            let absent = match found.applied.is_empty() && !found.is_foreign {
                false => None,
                true => Some(MissingCatalog {
                    identity: identity(&mut connection).await?.0,
                    instead: "has no tables",
                }),
            };
            connection.close().await?;
            SqlResult::Ok(absent)
        };
        look.await.map_err(|e| catalog_error(&place(&options), "opening it", &e))
    }

    /// The state of a catalog's migrations. Changes nothing.
    ///
    /// # Errors
    /// When the URL is malformed, or the server can't be reached.
    pub async fn migrations(url: &str) -> Result<Migrations> {
        let options = connect_options(url)?;
        let place = place(&options);
        let schema = async { schema(&mut options.connect().await?).await };
        let schema = schema.await.map_err(|e| catalog_error(&place, "reading its schema", &e))?;
        Ok(Migrations::of(&place, &MIGRATIONS, &schema.of_catalog(&place)?))
    }
}

/// The identity of the catalog in a database, and the server's process.
async fn identity(connection: &mut PgConnection) -> SqlResult<(String, i64)> {
    let row = connection
        .one(
            "SELECT 'postgres database ' || datname || ' (system ' || system_identifier
               || ', oid ' || oid || ')' AS identity,
                    CAST(pg_backend_pid() AS BIGINT) AS process
             FROM pg_database, pg_control_system() WHERE datname = current_database()",
            &[],
        )
        .await?;
    Ok((row.text("identity").to_owned(), row.int("process")))
}

/// The tables of the schema in which a catalog would be, without those of extensions.
async fn schema(connection: &mut PgConnection) -> SqlResult<Schema> {
    let tables = connection
        .one(
            "SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT) AS known,
                    (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace =
                        (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                     AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = CAST('pg_class' AS regclass)
                                     AND d.objid = c.oid AND d.deptype = 'e')) AS tables",
            &[],
        )
        .await?;
    if tables.maybe_text("known").is_none() {
        return Ok(Schema { applied: Vec::new(), is_foreign: tables.int("tables") > 0 });
    }
    let rows = connection.all(APPLIED, &[]).await?;
    let applied =
        rows.iter().map(|row| (row.int("version"), row.bytes("checksum").to_vec())).collect();
    Ok(Schema { applied, is_foreign: false })
}

/// The server's process that runs a statement.
async fn process_of(engine: &PostgresDatabase) -> SqlResult<i64> {
    let mut reader = Reader::of(engine).await?;
    Ok(reader.one("SELECT CAST(pg_backend_pid() AS BIGINT) AS process", &[]).await?.int("process"))
}

/// Settings of the planner. Each statement looks up a few given keys. Without statistics, or with
/// outdated ones, Postgres prefers to read or hash whole tables; and it keeps plans that it made
/// while tables were small.
const PLANNING: [(&str, &str); 4] = [
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// The statement that sets them. Settings in the URL (`options=-c NAME=VALUE`) are kept.
fn planning(options: &PgConnectOptions) -> String {
    let set = options.get_options().unwrap_or_default();
    PLANNING
        .iter()
        .filter(|(name, _)| !set.contains(name))
        .map(|(name, value)| format!("SET {name} = {value};"))
        .collect()
}

fn pool(options: &PgConnectOptions) -> PgPool {
    let planning = planning(options);
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(move |connection, _| {
            let planning = AssertSqlSafe(planning.clone());
            Box::pin(async move { connection.execute(planning).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

fn lock_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(HOLDERS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| {
            // While a session waits for a lock, the server does not notice that its client has
            // disconnected, and it blocks all later sessions. Servers before 14 can't check: there
            // the session waits until it gets the lock.
            Box::pin(async move {
                let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Begins a transaction in a task, so that BEGIN completes even if the caller is cancelled. sqlx does
/// not roll back a cancelled BEGIN: the pool would reuse a connection with an open transaction.
#[expect(clippy::disallowed_methods, reason = "only begin_reading and begin_writing call it")]
async fn begin(pool: &PgPool, statement: &'static str) -> SqlResult<Tx<PostgresDatabase>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    joined(begun).await.unwrap_or(Err(sqlx::Error::PoolClosed))
}

fn connect_options(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(|e: sqlx::Error| {
        // The URL may contain a password: it is not repeated.
        Error::Usage(format!(
            "--database: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE ({e})"
        ))
    })?;
    Ok(options.application_name("packhouse"))
}

/// The location of a URL, without the password.
pub(crate) fn place_of(url: &str) -> String {
    connect_options(url).map_or_else(|_| "postgres".into(), |options| place(&options))
}

/// Its location, without the password.
fn place(options: &PgConnectOptions) -> String {
    let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
    format!("postgres://{user}@{host}:{port}/{}", options.get_database().unwrap_or(user))
}

fn catalog_error(place: &str, doing: &str, error: &sqlx::Error) -> Error {
    error_kind(error).of(error, place, doing)
}

impl Engine for PostgresDatabase {
    type Db = sqlx::Postgres;
    type Row = sqlx::postgres::PgRow;

    const IS_FILE: bool = false;

    const PUT_HEADS: &'static str = put_heads!(
        "(SELECT name, n - 1 AS n
          FROM json_array_elements_text(CAST($2 AS json)) WITH ORDINALITY AS e (name, n)) j"
    );
    const LEAVE_HEADS: &'static str = leave_heads!(
        "(SELECT name, n - 1 AS n
          FROM json_array_elements_text(CAST($2 AS json)) WITH ORDINALITY AS e (name, n)) j",
        " CROSS JOIN LATERAL (SELECT repo, name, head FROM branches
          WHERE repo = $1 AND name = j.name OFFSET 0) b"
    );
    const BLOCKS: &'static str = "SELECT CAST(b.id AS TEXT) AS ids, b.data
         FROM json_array_elements_text(CAST($1 AS json)) AS n (id)
         CROSS JOIN LATERAL (
             SELECT id, data FROM index_blocks WHERE id = CAST(n.id AS BIGINT) OFFSET 0) b";
    const OLD_PAGE: &'static str =
        "SELECT string_agg(encode(entity, 'hex') || coalesce(encode(print, 'hex'), '')
             || ':' || shelf, E'\\n' ORDER BY entity) AS found FROM (
             SELECT entity, print, shelf FROM old_entities WHERE repo = $1 AND entity > $2
               ORDER BY entity LIMIT $3) page_rows";
    const LOCK_REPO: &'static str = "SELECT id, deleted_at FROM repos WHERE id = $1 FOR UPDATE";
    const LOCK_LEASE: &'static str =
        "SELECT id FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running' FOR UPDATE";

    // Lookups by key are subqueries that look up one key. OFFSET keeps the planner from rewriting
    // them: with any other join, it would read all rows of the repo as soon as the statistics say
    // that there are few.
    const HISTORY: &'static str = "WITH RECURSIVE
            n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3),
            asked (id, parent1, parent2, snapshot, generation) AS MATERIALIZED (
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation FROM n CROSS JOIN LATERAL (
                    SELECT * FROM commits WHERE repo = $1 AND id = substr($2, 1 + 33 * n.i, 33) OFFSET 0) c),
            walk (id, parent1, parent2, snapshot, generation) AS (
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation
                FROM asked CROSS JOIN LATERAL (VALUES (asked.parent1), (asked.parent2)) parent (id)
                  CROSS JOIN LATERAL (
                    SELECT * FROM commits WHERE repo = $1 AND commits.id = parent.id OFFSET 0) c
                UNION
                SELECT c.id, c.parent1, c.parent2, c.snapshot, c.generation
                FROM walk CROSS JOIN LATERAL (VALUES (walk.parent1), (walk.parent2)) parent (id)
                  CROSS JOIN LATERAL (
                    SELECT * FROM commits WHERE repo = $1 AND commits.id = parent.id OFFSET 0) c)
         SELECT string_agg(is_ancestor || ':' || generation || ':' || encode(id, 'hex') || ':'
             || coalesce(encode(parent1, 'hex'), '') || ':' || coalesce(encode(parent2, 'hex'), '') || ':'
             || coalesce(encode(snapshot, 'hex'), ''), E'\n') AS found
         FROM (SELECT 0 AS is_ancestor, id, parent1, parent2, snapshot, generation FROM asked
           UNION ALL SELECT 1, id, parent1, parent2, snapshot, generation FROM (SELECT * FROM walk LIMIT $4) ancestors)
           history";
    const GENERATIONS: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT CAST(n.i AS BIGINT) AS i, c.generation FROM n CROSS JOIN LATERAL (
             SELECT generation FROM commits
               WHERE repo = $1 AND id = substr($2, 1 + 33 * n.i, 33) OFFSET 0) c";
    const PUT_GENERATIONS: &'static str = put_generations!(
        number,
        "LATERAL (SELECT * FROM commits
            WHERE repo = $1 AND id = substr($2, 1 + 33 * n.i, 33) OFFSET 0) c
         WHERE true"
    );
    const PUT_COMMITS: &'static str = put_commits!(number);
    const PUT_AWAITED: &'static str = put_awaited!(number);
    const TAKE_AWAITED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM awaited_parents WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM n CROSS JOIN LATERAL (
             SELECT ctid FROM awaited_parents
               WHERE repo = $1 AND parent = substr($2, 1 + 33 * n.i, 33) OFFSET 0) a))
         RETURNING parent, generation";
    // `repo + 0`: without statistics of the repo, the primary key would seem as good as the index by
    // commit.
    const TAGS_OF: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT t.entity, t.tag_id, t.commit_id FROM n CROSS JOIN LATERAL (
             SELECT entity, tag_id, commit_id FROM tag_ids
               WHERE repo + 0 = $1 AND commit_id = substr($2, 1 + 33 * n.i, 33) OFFSET 0) t";
    const OLD_LOOKUP: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT string_agg(n.i || ':' || e.shelf || ':' || coalesce(encode(e.print, 'hex'), ''), E'\n')
           AS found FROM n CROSS JOIN LATERAL (
             SELECT shelf, print FROM old_entities
               WHERE repo = $1 AND entity = substr($2, 1 + 34 * n.i, 34) OFFSET 0) e";
    const PACKS_ON: &'static str = concat!(
        "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT s.id, p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at,
           p.verified_at FROM n CROSS JOIN LATERAL (
             SELECT id, pack FROM shelves
               WHERE id = ",
        number!("$2"),
        " AND repo = $1 OFFSET 0) s
         JOIN packs p ON p.id = s.pack"
    );
    const PLANNED_SHELVES: &'static str = planned_shelves!(number);
    const PUT_ON_SHELVES: &'static str = put_on_shelves!(number);
    const RETIRE_PACKS: &'static str = retire_packs!(number);
    const LISTED: &'static str = listed!(
        "string_agg(DISTINCT CASE WHEN s.commits + s.snapshots + s.objects + s.tags > 0 THEN encode(p.key, 'hex') END, ',')",
        "string_agg(encode(b.head, 'hex') || ' ' || b.name, E'\n')"
    );
    const MAPPED_PACKS: &'static str = mapped_packs!(number);
    const STALE: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT CAST(n.i AS BIGINT) AS i FROM n LEFT JOIN LATERAL (
             SELECT at FROM freshened WHERE repo = $1 AND entity = substr($2, 1 + 34 * n.i, 34)
               AND at >= $4 OFFSET 0) f ON true
         WHERE f.at IS NULL";
    const TOUCHED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         SELECT 1 FROM n CROSS JOIN LATERAL (
             SELECT number FROM freshened
               WHERE repo = $1 AND entity = substr($2, 1 + 34 * n.i, 34) AND number > $4 OFFSET 0) f
         LIMIT 1";
    const DROP_FRESHENED: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM freshened WHERE ctid = ANY (ARRAY(SELECT f.ctid FROM n CROSS JOIN LATERAL (
             SELECT ctid FROM freshened
               WHERE repo = $1 AND entity = substr($2, 1 + 34 * n.i, 34) OFFSET 0) f))";
    const DROP_COMMITS: &'static str =
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
         DELETE FROM commits WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM n CROSS JOIN LATERAL (
             SELECT ctid FROM commits WHERE repo = $1 AND id = substr($2, 2 + 34 * n.i, 33) OFFSET 0) c
             WHERE substr($2, 1 + 34 * n.i, 1) = $4))";

    const LOCK_FETCH_REQUESTS: &'static str =
        "LOCK TABLE fetch_requests IN SHARE ROW EXCLUSIVE MODE";

    const TAKE_JOB: &'static str = take_job!(" FOR UPDATE OF j SKIP LOCKED");
    const TAKE_SCRUB: &'static str = take_scrub!(" FOR UPDATE OF p SKIP LOCKED");

    fn place(&self) -> &str {
        &self.place
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn clock(&self) -> Result<Option<jiff::Timestamp>> {
        let now = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now";
        let asked = async { Reader::of(self).await?.one(now, &[]).await };
        let row = asked.await.map_err(|e| catalog_error(&self.place, "reading its clock", &e))?;
        Ok(jiff::Timestamp::from_millisecond(row.int("now")).ok())
    }

    fn readers(&self) -> (&Pool<Self::Db>, Check) {
        (&self.pool, None)
    }

    async fn begin_reading(&self) -> SqlResult<(Tx<Self>, Check)> {
        let tx = begin(&self.pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok((tx, None))
    }

    async fn begin_writing(&self) -> SqlResult<Tx<Self>> {
        begin(&self.pool, "BEGIN").await
    }

    /// A snapshot of Postgres names the transactions that write: it changes when one of them begins
    /// or ends, in any table. Transactions that only read have no number, and don't count.
    async fn change_stamp(&self) -> SqlResult<u64> {
        let row = Reader::of(self)
            .await?
            .one("SELECT CAST(pg_current_snapshot() AS TEXT) AS snapshot", &[])
            .await?;
        let sum = digest(&SHA256, row.text("snapshot").as_bytes());
        Ok(u64::from_be_bytes(std::array::from_fn(|i| sum.as_ref()[i])))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a session that holds a lock, and does nothing else"
    )]
    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        let failed = |e| catalog_error(&self.place, "waiting for its lock", &e);
        let connection = self.lock_pool.acquire().await.map_err(failed)?;
        let mut held = AdvisoryLock { connection: Some(connection), locked: None, process: 0 };
        {
            // The lock's queue is fair: a waiting `Deleting` comes before later `Publishing` locks.
            let mut taking = std::pin::pin!(held.take(mode));
            match tokio::time::timeout(Duration::from_secs(2), &mut taking).await {
                Ok(taken) => taken,
                Err(_) => {
                    tracing::warn!("waiting for another process that {}", mode.other());
                    taking.await
                }
            }
            .map_err(failed)?;
        }
        Ok(LockGuard::new(held))
    }

    async fn still_locked<S: Sql<Row = Self::Row>>(
        &self,
        lock: &LockGuard,
        tx: &mut S,
    ) -> SqlResult<bool> {
        let Some(held) = lock.get::<AdvisoryLock>() else { return Ok(false) };
        let found = tx
            .maybe(
                "SELECT 1 FROM pg_locks l
                  JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                 WHERE l.locktype = 'advisory' AND l.classid = 1885430635 AND l.objid = 1
                   AND l.objsubid = 2 AND l.granted AND l.pid = $1",
                args![held.process],
            )
            .await?;
        Ok(found.is_some())
    }

    async fn close(&self) {
        self.pool.close().await;
        self.lock_pool.close().await;
    }

    fn error_kind(&self, error: &sqlx::Error) -> ErrorKind {
        error_kind(error)
    }

    fn commit_error_kind(&self, error: &sqlx::Error) -> ErrorKind {
        commit_error_kind(error)
    }
}
