//! Detects changes without reading them.
//!
//! SQLite counts the commits of other connections that a connection has noticed (`PRAGMA
//! data_version`). Therefore one connection is reserved for this and never writes: every commit, by
//! this process or another one, comes from another connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

/// The reserved connection.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    connection: SqlitePool,
    /// Number of connects: when a connection is lost, its count is lost, too.
    connected: Arc<AtomicU64>,
}

impl Stamps {
    /// Connects on first use.
    pub(super) fn new(options: SqliteConnectOptions) -> Stamps {
        let connected = Arc::new(AtomicU64::new(0));
        let count = connected.clone();
        let connection = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |_, _| {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(()) })
            })
            .connect_lazy_with(options);
        Stamps { connection, connected }
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.connection.close().await;
    }

    /// A number that changes with each commit of another connection.
    #[expect(
        clippy::disallowed_methods,
        reason = "a connection of its own, which is asked one thing"
    )]
    pub(super) async fn read(&self) -> Result<u64, sqlx::Error> {
        let mut connection = self.connection.acquire().await?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
        // SQLite's count has 32 bits. Read while the connection is held, so that no one reconnects.
        Ok(self.connected.load(Ordering::SeqCst) << 32 | (version as u64 & 0xffff_ffff))
    }
}
