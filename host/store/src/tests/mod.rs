//! Laws 4, 5 and 6 from the inside: invalid plans, leftovers of crashes, races.

mod comparing;
mod complete;
mod invalid_answers;
mod invalid_plans;
mod leftovers;
mod liar;
mod locating;
mod negotiation;
mod on_base;
mod planned;
mod races;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog_sql::sqlite::SqliteCatalog;
use packhouse_model::client::{FetchRequest, PushOptions};
use packhouse_model::clock::FixedClock;
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::operation::VerifyOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{FetchReport, RepoReport};
use packhouse_run::RunPack;
use packhouse_sample::{HistoryOptions, history};
use packhouse_sandbox::Sandbox;
use packhouse_vault::Vault;
use tempfile::TempDir;

use super::Store;
use super::gc::PlannedGc;

/// A store in a temporary folder, with one repo.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) store: Store,
    pub(super) repo: RepoName,
}

/// Four packs of a small history, with merges and duplicates.
pub(super) fn history_packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        seed: 5,
        pushes: 4,
        merges: true,
        overlap: true,
        tags: true,
        ..HistoryOptions::default()
    })
}

/// Opens a store in files, some days after the first of January.
pub(super) async fn open(folder: &Path, days: i64) -> Store {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Store::with_parts(
        Arc::new(SqliteCatalog::open(&folder.join("catalog.db")).await.unwrap()),
        Vault::local(folder).unwrap(),
        Arc::new(Sandbox::reference(None).unwrap()),
        Arc::new(FixedClock::starting_at(start + SignedDuration::from_hours(24 * days))),
    )
    .await
    .unwrap()
}

impl Fixture {
    pub(super) async fn new() -> Fixture {
        let folder = TempDir::new().unwrap();
        let store = open(folder.path(), 0).await;
        let repo: RepoName = "law/test".parse().unwrap();
        store.create_repo(&repo, Visibility::Public).await.unwrap();
        Fixture { folder, store, repo }
    }

    /// With the packs of [`history_packs`].
    pub(super) async fn with_history() -> Fixture {
        let fixture = Fixture::new().await;
        for (i, pack) in history_packs().into_iter().enumerate() {
            fixture.push(&format!("{i}.mpack"), &pack).await;
        }
        fixture
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) async fn push(&self, name: &str, pack: &[u8]) {
        let file = self.file(name, pack);
        self.store
            .push(&self.repo, &[file], PushOptions::default(), &Progress::silent())
            .await
            .unwrap();
    }

    /// The packs of a planned consolidation, with their rows.
    pub(super) async fn sources(&self, work: &PlannedGc) -> Vec<RunPack> {
        self.store.directories(&self.repo, &work.sources).await.unwrap()
    }

    pub(super) async fn report(&self) -> RepoReport {
        self.store.repo(&self.repo).await.unwrap()
    }

    pub(super) async fn fetch(&self) -> FetchReport {
        self.store.fetch(&self.repo, &FetchRequest::default(), &Progress::silent()).await.unwrap()
    }

    /// Nothing is damaged, and a fetch gives what it gave.
    pub(super) async fn assert_unharmed(&self, before: &FetchReport, when: &str) {
        let verified = self
            .store
            .verify(&self.repo, VerifyOptions::default(), &Progress::silent())
            .await
            .unwrap();
        assert!(verified.ok, "{when}: {:?}", verified.problems);
        assert_eq!(
            self.fetch().await.mpack_key,
            before.mpack_key,
            "{when}: a fetch answers something else"
        );
    }
}
