//! Group commit: writers that wait for the one connection that writes share a transaction, and so
//! one wait for the disk.
//!
//! Writers take turns, first come, first served. The first of a group begins a transaction, does its
//! work, and passes the turn on without a commit. Each writer that is waiting by then does its work
//! in a savepoint of the same transaction. The commit is queued behind them; all members return after
//! it. If no other writer is waiting, the commit follows at once.
//!
//! ```text
//! first    BEGIN · work ─────────────────────────────────────────────▶ returns
//! second         SAVEPOINT · work · RELEASE ─────────────────────────▶ returns
//! third                             SAVEPOINT · work · ROLLBACK TO ──▶ its error; the others go on
//! committer                                                    COMMIT
//! ```
//!
//! If a member is dropped during its work, or an error ends the whole transaction (as SQLite does on
//! a full disk), the group is not committed. The other members repeat their work, each in a
//! transaction of its own.

use std::sync::Arc;

use packhouse_catalog::LockGuard;
use packhouse_model::blocking::joined;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::connections::{TransactionError, Work, Writing, work_in};
use super::{Engine, SqlResult};

/// Writers of a database that has one connection for them. All clones are one.
pub(crate) struct Group<E: Engine>(Arc<Mutex<Option<Shared<E>>>>);

/// The turn to write, with the transaction of those before.
type Turn<E> = OwnedMutexGuard<Option<Shared<E>>>;

/// A transaction of several writers.
struct Shared<E: Engine> {
    tx: Writing<E>,
    /// How its commit ended. Dropped without one: nothing was committed.
    committed: watch::Sender<Option<Result<(), Arc<sqlx::Error>>>>,
    /// Whether it may have lost what members have done.
    is_broken: bool,
}

impl<E: Engine> Clone for Group<E> {
    fn clone(&self) -> Self {
        Group(self.0.clone())
    }
}

impl<E: Engine> Default for Group<E> {
    fn default() -> Self {
        Group(Arc::default())
    }
}

impl<E: Engine> std::fmt::Debug for Group<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

impl<E: Engine> Group<E> {
    /// Does the work in a transaction with that of others, or `alone`, and waits until it is
    /// committed. None if the lock was lost: then it is not.
    pub(super) async fn attempt<G: Sync, T: Send>(
        &self,
        engine: &E,
        lock: Option<&LockGuard>,
        work: (&G, Work<E, G, T>),
        alone: bool,
    ) -> Result<Option<T>, TransactionError> {
        let mut turn = self.0.clone().lock_owned().await;
        if alone {
            turn = commit(turn).await?;
        }
        // Until it is put back, dropping this future rolls the transaction back.
        let before = turn.take();
        let is_first = before.is_none();
        let mut shared = match before {
            Some(shared) => shared,
            None => Shared::begin(engine).await.map_err(TransactionError::Unchanged)?,
        };
        let done = if is_first {
            work_in(engine, &mut shared.tx, lock, work).await
        } else {
            shared.as_member(engine, lock, work).await
        };
        let done = match done {
            Ok(Some(done)) => done,
            // If the first member fails, its transaction ends; another member's failure leaves the
            // transaction to the others.
            left => {
                *turn = Some(shared).filter(|shared| !is_first && !shared.is_broken);
                return left.map(|_| None).map_err(TransactionError::Unchanged);
            }
        };
        let mut committed = shared.committed.subscribe();
        *turn = Some(shared);
        if alone {
            commit(turn).await?;
        } else {
            drop(turn);
            if is_first {
                // Queued behind the writers that are waiting now.
                let turn = self.0.clone().lock_owned();
                tokio::spawn(async move { commit(turn.await).await.map(drop) });
            }
        }
        match committed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(TransactionError::Unconfirmed(error.clone())),
            Ok(_) => Ok(Some(done)),
            Err(_) => Err(TransactionError::Aborted),
        }
    }
}

impl<E: Engine> Shared<E> {
    async fn begin(engine: &E) -> SqlResult<Shared<E>> {
        let tx = Writing::begin(engine).await?;
        Ok(Shared { tx, committed: watch::Sender::new(None), is_broken: false })
    }

    /// Does work after that of others. What fails, or must not be committed, is undone.
    async fn as_member<G: Sync, T: Send>(
        &mut self,
        engine: &E,
        lock: Option<&LockGuard>,
        work: (&G, Work<E, G, T>),
    ) -> SqlResult<Option<T>> {
        // Until its savepoint is closed.
        self.is_broken = true;
        self.tx.run("SAVEPOINT member", &[]).await?;
        let done = work_in(engine, &mut self.tx, lock, work).await;
        if !matches!(done, Ok(Some(_))) && self.tx.run("ROLLBACK TO member", &[]).await.is_err() {
            return done;
        }
        match self.tx.run("RELEASE member", &[]).await {
            Ok(_) => self.is_broken = false,
            Err(error) => return done.and(Err(error)),
        }
        done
    }
}

/// Commits the shared transaction, also if the caller stops waiting.
async fn commit<E: Engine>(mut turn: Turn<E>) -> Result<Turn<E>, TransactionError> {
    let Some(shared) = turn.take() else { return Ok(turn) };
    let committing = tokio::spawn(async move {
        let result = shared.tx.commit().await.map_err(Arc::new);
        shared.committed.send_replace(Some(result));
        turn
    });
    joined(committing).await.map_err(|_| TransactionError::Aborted)
}
