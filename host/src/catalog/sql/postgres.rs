//! The catalog on Postgres: publications lock their repo's row, reads are repeatable, and an advisory lock keeps deleting and publishing
//! apart.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, Executor, Pool};
use tokio::runtime::Handle;

use super::super::{Hold, Holding};
use super::SqlCatalog;
use super::engine::{Columns, Connection, Engine, Meaning, Sql, SqlResult, Tx, args, leave_heads, put_heads, take_job};
use super::migrations::{APPLIED, Migrations, Step, run};
use crate::error::{Error, Result};

/// A catalog in a Postgres database.
pub type PostgresCatalog = SqlCatalog<PostgresDatabase>;

const MIGRATIONS: [Step; 4] = [
    (1, "first pack house", include_str!("../../../migrations/postgres/0001_first_pack_house.sql")),
    (2, "tokens", include_str!("../../../migrations/postgres/0002_tokens.sql")),
    (3, "damage", include_str!("../../../migrations/postgres/0003_damage.sql")),
    (6, "releases", include_str!("../../../migrations/postgres/0006_releases.sql")),
];

/// How long is waited for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections for statements. A verb takes two at most: one that reads one state, one that publishes.
const CONNECTIONS: u32 = 20;

/// Connections that hold the right to publish or to delete, and do nothing else.
const HOLDERS: u32 = 12;

/// A Postgres database that holds a catalog.
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    place: String,
    identity: String,
    pool: PgPool,
    holders: PgPool,
}

impl PostgresCatalog {
    /// Opens a catalog, making its tables on first use and bringing them up to date.
    ///
    /// # Errors
    /// When the URL is none, or the server can't be reached; [`Error::NewerStore`] for a catalog with migrations that this build does not know.
    pub async fn open(url: &str) -> Result<PostgresCatalog> {
        let options = connect_options(url)?;
        let place = place(&options);
        let failed = |e: sqlx::Error| catalog_error(&place, "opening it", &e);
        // Not by a pool, which would wait long for a server that is not there.
        let mut connection = options.connect().await.map_err(failed)?;
        run(&place, &MIGRATIONS, &mut connection).await?;
        let row = connection
            .one(
                "SELECT 'postgres database ' || datname || ' (system ' || system_identifier || ', oid ' || oid || ')' AS identity
                 FROM pg_database, pg_control_system() WHERE datname = current_database()",
                &[],
            )
            .await
            .map_err(failed)?;
        let identity = row.text("identity").to_owned();
        connection.close().await.map_err(failed)?;
        let pool = pool(&options);
        let holders = holders(options);
        Ok(SqlCatalog { engine: PostgresDatabase { place, identity, pool, holders } })
    }

    /// Which migrations a catalog has. Changes nothing.
    ///
    /// # Errors
    /// When the URL is none, or the server can't be reached.
    pub async fn migrations(url: &str) -> Result<Migrations> {
        let options = connect_options(url)?;
        let place = place(&options);
        let applied = async {
            let mut connection = options.connect().await?;
            let table = connection.one("SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT) AS name", &[]).await?;
            if table.maybe_text("name").is_none() { Ok(Vec::new()) } else { connection.all(APPLIED, &[]).await }
        };
        let rows = applied.await.map_err(|e: sqlx::Error| catalog_error(&place, "looking what it has", &e))?;
        Ok(Migrations::of(&place, &MIGRATIONS, rows.iter().map(|row| row.int("version")).collect()))
    }
}

fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            // Every statement looks up by key what it was given a few of. Without statistics (in a catalog that has just been made)
            // Postgres would rather hash whole tables.
            Box::pin(async move {
                connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off").await.map(drop)
            })
        })
        .connect_lazy_with(options.clone())
}

fn holders(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(HOLDERS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            // While a session waits for a lock, the server does not notice by itself that its client has gone, and nobody may pass
            // who comes later. Servers before 14 can't look: there it waits until it is its turn.
            Box::pin(async move {
                let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

fn connect_options(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(|e: sqlx::Error| {
        // The URL may hold a password: it is not repeated.
        Error::Usage(format!("--database: postgres://USER:PASSWORD@HOST:PORT/DATABASE is expected ({e})"))
    })?;
    Ok(options.application_name("packhouse"))
}

/// Where a URL leads, without a password.
pub(in crate::catalog) fn place_of(url: &str) -> String {
    connect_options(url).map_or_else(|_| "postgres".into(), |options| place(&options))
}

/// Where it is, without a password.
fn place(options: &PgConnectOptions) -> String {
    let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
    format!("postgres://{user}@{host}:{port}/{}", options.get_database().unwrap_or(user))
}

fn catalog_error(place: &str, doing: &str, error: &sqlx::Error) -> Error {
    meaning(error).of(error, place, doing)
}

fn meaning(error: &sqlx::Error) -> Meaning {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match (code.as_ref(), error) {
        // Two transactions in each other's way: the other one has gone on.
        ("40001" | "40P01", _) => Meaning { busy: true, again: true, way_out: ". Another process is writing: try again" },
        // Two workers took consolidations of one repo: whoever comes second looks again. (Nothing else clashes.)
        ("23505", _) => Meaning { busy: true, again: true, way_out: "" },
        ("55P03", _) => Meaning { busy: true, again: false, way_out: ". Another process is writing: try again" },
        ("53300", _) => {
            Meaning { busy: true, again: false, way_out: ". Raise max_connections of the server, or run fewer workers" }
        }
        ("57P01" | "57P02" | "57P03", _) => {
            Meaning { busy: true, again: false, way_out: ". The server is being restarted: try again" }
        }
        ("28P01" | "28000", _) => Meaning { way_out: ". Check the user and the password of --database", ..Meaning::default() },
        ("3D000", _) => Meaning { way_out: ". Make the database first: createdb NAME", ..Meaning::default() },
        ("42501", _) => {
            Meaning { way_out: ". The user must own the database, or be granted CREATE on its schema", ..Meaning::default() }
        }
        ("53100", _) => {
            Meaning { way_out: ". Free some space on the server and run it again; nothing was changed", ..Meaning::default() }
        }
        (_, sqlx::Error::PoolTimedOut) => Meaning {
            busy: true,
            again: false,
            way_out: ". The server does not answer, or all connections are in use: try again",
        },
        (_, sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => Meaning {
            busy: true,
            again: false,
            way_out: ". Is the server running, and does --database name it? Nothing was changed",
        },
        _ => Meaning::default(),
    }
}

impl Engine for PostgresDatabase {
    type Db = sqlx::Postgres;
    type Row = sqlx::postgres::PgRow;

    const PUT_ENTITIES: &'static str = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $4)
         INSERT INTO entities (repo, entity, shelf, print)
         SELECT $1, substr($2, 1 + 50 * i, 34), $3, nullif(substr($2, 35 + 50 * i, 16), $5) FROM n";
    const PUT_HEADS: &'static str =
        put_heads!("(SELECT name, n - 1 AS n FROM json_array_elements_text(CAST($2 AS json)) WITH ORDINALITY AS e (name, n)) j");
    const LEAVE_HEADS: &'static str = leave_heads!(
        "(SELECT name, n - 1 AS n FROM json_array_elements_text(CAST($2 AS json)) WITH ORDINALITY AS e (name, n)) j"
    );
    const INDEX_PAGE: &'static str =
        "SELECT string_agg(encode(entity, 'hex') || coalesce(encode(print, 'hex'), '') || ':' || shelf, E'\\n' ORDER BY entity) AS page FROM (
             SELECT entity, print, shelf FROM entities WHERE repo = $1 AND entity > $2 ORDER BY entity LIMIT $3) page_rows";
    const LOCK_REPO: &'static str = "SELECT id FROM repos WHERE id = $1 FOR UPDATE";
    const LOCK_LEASE: &'static str = "SELECT id FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running' FOR UPDATE";

    const TAKE_JOB: &'static str = take_job!(" FOR UPDATE OF j SKIP LOCKED");

    fn place(&self) -> &str {
        &self.place
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn readers(&self) -> &Pool<Self::Db> {
        &self.pool
    }

    fn writers(&self) -> &Pool<Self::Db> {
        &self.pool
    }

    async fn begin_reading(&self) -> SqlResult<Tx<Self>> {
        self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    async fn begin_writing(&self) -> SqlResult<Tx<Self>> {
        self.pool.begin().await
    }

    /// A snapshot names the transactions that write: it is another one when one of them has begun or ended, in whatever table. Those that
    /// only read have no number and don't count.
    async fn change_stamp(&self) -> SqlResult<u64> {
        let row = self.pool.acquire().await?.one("SELECT CAST(pg_current_snapshot() AS TEXT) AS snapshot", &[]).await?;
        let sum = digest(&SHA256, row.text("snapshot").as_bytes());
        Ok(u64::from_be_bytes(std::array::from_fn(|i| sum.as_ref()[i])))
    }

    async fn hold(&self, hold: Hold) -> Result<Holding> {
        let failed = |e| catalog_error(&self.place, "waiting for its turn", &e);
        let connection = self.holders.acquire().await.map_err(failed)?;
        let mut held = Held { connection: Some(connection), locked: None, process: 0 };
        {
            // The lock's queue is fair: whoever waits to delete comes before those who publish later.
            let mut taking = std::pin::pin!(held.take(hold));
            match tokio::time::timeout(Duration::from_secs(2), &mut taking).await {
                Ok(taken) => taken,
                Err(_) => {
                    tracing::warn!("waiting for another process that {}", hold.other());
                    taking.await
                }
            }
            .map_err(failed)?;
        }
        Ok(Holding::new(held))
    }

    async fn still_holds(&self, holding: &Holding, connection: &mut Connection<Self>) -> SqlResult<bool> {
        let Some(held) = holding.get::<Held>() else { return Ok(false) };
        let found = connection
            .maybe(
                "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                 WHERE l.locktype = 'advisory' AND l.classid = 1885430635 AND l.objid = 1 AND l.objsubid = 2 AND l.granted AND l.pid = $1",
                args![held.process],
            )
            .await?;
        Ok(found.is_some())
    }

    fn meaning(&self, error: &sqlx::Error) -> Meaning {
        meaning(error)
    }
}

/// A connection that holds the advisory lock, or waits for it. The server gives the lock back when the connection ends, be it by a crash.
#[derive(Debug)]
struct Held {
    /// None when it has been let go.
    connection: Option<PoolConnection<sqlx::Postgres>>,
    /// Which lock it has; none while it waits.
    locked: Option<Hold>,
    /// The server's process.
    process: i64,
}

impl Held {
    /// Waits for the lock. 1885430635 is "pack".
    async fn take(&mut self, hold: Hold) -> SqlResult<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let lock = match hold {
            Hold::Publishing => {
                "SELECT CAST(pg_advisory_lock_shared(1885430635, 1) AS TEXT), CAST(pg_backend_pid() AS BIGINT) AS process"
            }
            Hold::Deleting => "SELECT CAST(pg_advisory_lock(1885430635, 1) AS TEXT), CAST(pg_backend_pid() AS BIGINT) AS process",
        };
        self.process = connection.one(lock, &[]).await?.int("process");
        self.locked = Some(hold);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (Some(hold), Ok(runtime)) = (self.locked, Handle::try_current()) else {
            // It may get the lock yet: it must not go back among those that others take.
            drop(connection.detach());
            return;
        };
        runtime.spawn(async move {
            let unlock = match hold {
                Hold::Publishing => "SELECT pg_advisory_unlock_shared(1885430635, 1)",
                Hold::Deleting => "SELECT pg_advisory_unlock(1885430635, 1)",
            };
            if connection.run(unlock, &[]).await.is_err() {
                drop(connection.detach());
            }
        });
    }
}
