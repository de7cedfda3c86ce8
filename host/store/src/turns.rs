//! Turns of pushes to one repo.
//!
//! A push is prepared on one state of its repo, and starts again if another one is published first.
//! Pushes of this process to one repo go one after the other, in the order in which they came:
//! no preparation is wasted, and every push gets its turn. A push of another process can still be
//! published first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use packhouse_model::names::RepoName;
use packhouse_model::shared::shared;
use packhouse_model::span::TARGET;
use tokio::sync::OwnedMutexGuard;

use super::Store;

/// The turns of all repos, for all clones of a store.
pub(super) type Turns = Arc<Mutex<HashMap<RepoName, Weak<tokio::sync::Mutex<()>>>>>;

/// The turn of a push to a repo, until it is dropped.
#[must_use = "the turn ends when this is dropped"]
#[derive(Debug)]
pub struct PushTurn {
    repo: RepoName,
    _held: OwnedMutexGuard<()>,
}

impl PushTurn {
    /// The repo.
    pub fn repo(&self) -> &RepoName {
        &self.repo
    }
}

impl Store {
    /// Waits for the turn of a push to a repo. Who waits for another turn of it meanwhile waits for
    /// ever.
    #[tracing::instrument(target = TARGET, name = "wait for turn", skip_all, fields(packhouse.repo = %repo))]
    pub async fn push_turn(&self, repo: &RepoName) -> PushTurn {
        let _held = shared(&self.turns, repo, Arc::default).lock_owned().await;
        PushTurn { repo: repo.clone(), _held }
    }
}
