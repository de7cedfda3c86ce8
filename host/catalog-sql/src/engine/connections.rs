//! Connections: those that read, and transactions that change something.

use std::pin::Pin;
use std::sync::Arc;

use packhouse_catalog::LockGuard;
use sqlx::pool::PoolConnection;

use super::params::Arg;
use super::rows::{Execute, Sql};
use super::{Engine, SqlResult, Tx};

/// Checks that the results of statements are of one state; none if the database guarantees that.
pub(crate) type Check = Option<Arc<dyn Fn() -> SqlResult<()> + Send + Sync>>;

/// A connection for statements that read. Each sees what was committed before it.
pub(crate) struct Reader<E: Engine>(PoolConnection<E::Db>, Check);

impl<E: Engine> Reader<E> {
    #[expect(clippy::disallowed_methods, reason = "here it becomes a connection that reads")]
    pub(crate) async fn of(engine: &E) -> SqlResult<Reader<E>> {
        let (pool, check) = engine.readers();
        Ok(Reader(pool.acquire().await?, check))
    }
}

/// A transaction that sees one state.
pub(crate) struct Reading<E: Engine>(Tx<E>, Check);

impl<E: Engine> Reading<E> {
    pub(crate) async fn of(engine: &E) -> SqlResult<Reading<E>> {
        let (tx, check) = engine.begin_reading().await?;
        Ok(Reading(tx, check))
    }
}

/// A transaction that writes. It exists only inside of [`attempt`]: therefore everything that is
/// written is committed, and an error of the commit is an error of the write.
pub(crate) struct Writing<E: Engine>(Tx<E>, Check);

impl<E: Engine> Writing<E> {
    pub(super) async fn begin(engine: &E) -> SqlResult<Writing<E>> {
        Ok(Writing(engine.begin_writing().await?, None))
    }

    pub(super) async fn commit(self) -> SqlResult<()> {
        self.0.commit().await
    }

    /// How many rows have changed.
    pub(crate) async fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<u64> {
        self.0.execute(sql, args).await
    }
}

macro_rules! reads {
    ($($of:ident),*) => {
        $(impl<E: Engine> Sql for $of<E> {
            type Row = E::Row;

            async fn all(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<Vec<E::Row>> {
                let rows = self.0.all(sql, args).await;
                self.1.as_ref().map_or(Ok(()), |check| check())?;
                rows
            }
        })*
    };
}
reads!(Reader, Reading, Writing);

/// Work in a transaction, with an argument. It may be repeated in another transaction.
pub(crate) type Work<E, G, T> =
    for<'t> fn(
        &'t mut Writing<E>,
        &'t G,
    ) -> Pin<Box<dyn Future<Output = SqlResult<T>> + Send + 't>>;

/// Why a transaction failed.
#[derive(Debug)]
pub(crate) enum TransactionError {
    /// Nothing was changed.
    Unchanged(sqlx::Error),
    /// The commit was not confirmed. It may have happened, for example if the connection was lost.
    Unconfirmed(Arc<sqlx::Error>),
    /// Nothing was changed: another member of the group ended the transaction.
    Aborted,
}

/// Does the work in a transaction, and commits it. None if the lock was lost: then nothing is
/// committed. Where writers share transactions, this one may be with others, unless it is to be
/// `alone`.
pub(crate) async fn attempt<E: Engine, G: Sync, T: Send>(
    engine: &E,
    lock: Option<&LockGuard>,
    work: (&G, Work<E, G, T>),
    alone: bool,
) -> std::result::Result<Option<T>, TransactionError> {
    if let Some(group) = engine.group() {
        return group.attempt(engine, lock, work, alone).await;
    }
    let mut tx = Writing::begin(engine).await.map_err(TransactionError::Unchanged)?;
    let done = work_in(engine, &mut tx, lock, work).await.map_err(TransactionError::Unchanged)?;
    if done.is_some() {
        tx.commit().await.map_err(|error| TransactionError::Unconfirmed(Arc::new(error)))?;
    }
    Ok(done)
}

/// Does the work in a transaction. None if it must not be committed, because the lock was lost.
pub(super) async fn work_in<E: Engine, G: Sync, T: Send>(
    engine: &E,
    tx: &mut Writing<E>,
    lock: Option<&LockGuard>,
    (params, work): (&G, Work<E, G, T>),
) -> SqlResult<Option<T>> {
    let done = work(tx, params).await?;
    // Checked as late as possible: without the lock, another process may be deleting what is
    // published here.
    if let Some(lock) = lock
        && !engine.still_locked(lock, tx).await?
    {
        return Ok(None);
    }
    Ok(Some(done))
}
