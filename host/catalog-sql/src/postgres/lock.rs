//! The lock for publishing and deleting: an advisory lock.

use packhouse_catalog::LockMode;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;

use super::error_kind::POOLER;
use super::{Columns, Sql, SqlResult};

/// A connection that holds the advisory lock, or waits for it. The server releases the lock when
/// the connection ends, also after a crash.
#[derive(Debug)]
pub(super) struct AdvisoryLock {
    /// None after it was released.
    pub(super) connection: Option<PoolConnection<sqlx::Postgres>>,
    /// The mode that it holds; none while it waits.
    pub(super) locked: Option<LockMode>,
    /// The server's process.
    pub(super) process: i64,
}

impl AdvisoryLock {
    /// Waits for the lock. 1885430635 is "pack".
    pub(super) async fn take(&mut self, mode: LockMode) -> SqlResult<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let lock = match mode {
            LockMode::Publishing => {
                "SELECT CAST(pg_advisory_lock_shared(1885430635, 1) AS TEXT),
                  CAST(pg_backend_pid() AS BIGINT) AS process"
            }
            LockMode::Deleting => {
                "SELECT CAST(pg_advisory_lock(1885430635, 1) AS TEXT),
                  CAST(pg_backend_pid() AS BIGINT) AS process"
            }
        };
        self.process = connection.one(lock, &[]).await?.int("process");
        self.locked = Some(mode);
        Ok(())
    }
}

impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (Some(mode), Ok(runtime)) = (self.locked, Handle::try_current()) else {
            // It may still get the lock: it must not be returned to the pool.
            drop(connection.detach());
            return;
        };
        runtime.spawn(async move {
            let unlock = match mode {
                LockMode::Publishing => {
                    "SELECT
                     CAST(CAST(pg_advisory_unlock_shared(1885430635, 1) AS INT) AS BIGINT) AS unlocked"
                }
                LockMode::Deleting => {
                    "SELECT
                     CAST(CAST(pg_advisory_unlock(1885430635, 1) AS INT) AS BIGINT) AS unlocked"
                }
            };
            let left = connection.one(unlock, &[]).await.map(|row| row.int("unlocked") == 1);
            if !matches!(left, Ok(true)) {
                tracing::warn!(
                    "the lock to {} could not be released; it ends with its session{POOLER}",
                    mode.own()
                );
                drop(connection.detach());
            }
        });
    }
}
