//! Law 5: a crash between any two steps leaves every fetch working, and the next run finishes.
//!
//! Ports that fail at the n-th call stand for the crash: what was done before stays, what comes after is not done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Fixture, options};
use crate::catalog::{Catalog, Consolidation, Published, Push, RepoRow, Snapshot};
use crate::error::{Error, Result};
use crate::names::{MpackKey, RepoId, RepoName, Visibility};
use crate::progress::Progress;
use crate::report::GcRecord;
use crate::sample::{HistoryOptions, history};
use crate::store::{PushOptions, Store};
use crate::vault::{Staged, StoredPack, Swept, Vault};

/// Counts calls that change something, and fails from the n-th on: a crashed process does nothing more.
#[derive(Debug)]
struct Fuse {
    left: AtomicU32,
}

impl Fuse {
    fn burn(&self) -> Result<()> {
        let spent = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
        if spent { Err(Error::Unsupported("the machine has crashed".into())) } else { Ok(()) }
    }
}

/// A port behind a fuse.
#[derive(Debug)]
struct Fused<P: ?Sized> {
    fuse: Arc<Fuse>,
    port: Arc<P>,
}

#[async_trait]
impl Vault for Fused<dyn Vault> {
    fn place(&self) -> String {
        self.port.place()
    }
    fn place_of(&self, key: &MpackKey) -> String {
        self.port.place_of(key)
    }
    fn url_of(&self, key: &MpackKey) -> String {
        self.port.url_of(key)
    }
    fn stage(&self, name: [u8; 16]) -> Result<Staged> {
        self.fuse.burn()?;
        self.port.stage(name)
    }
    async fn store(&self, staged: Staged, key: &MpackKey) -> Result<()> {
        self.fuse.burn()?;
        self.port.store(staged, key).await
    }
    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.port.open(key).await
    }
    async fn put_directory(&self, key: &MpackKey, bytes: &[u8]) -> Result<()> {
        self.fuse.burn()?;
        self.port.put_directory(key, bytes).await
    }
    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>> {
        self.port.directory(key).await
    }
    async fn store_answer(&self, staged: Staged, repo: &RepoId, key: &MpackKey) -> Result<String> {
        self.port.store_answer(staged, repo, key).await
    }
    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.port.open_answer(repo, key).await
    }
    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()> {
        self.port.remove_answer(repo, key).await
    }
    async fn sweep(&self) -> Result<Swept> {
        self.port.sweep().await
    }
    fn free_bytes(&self) -> Result<u64> {
        self.port.free_bytes()
    }
}

#[async_trait]
impl Catalog for Fused<dyn Catalog> {
    fn place(&self) -> String {
        self.port.place()
    }
    async fn create_repo(&self, name: &RepoName, id: RepoId, visibility: Visibility, now: Timestamp) -> Result<Option<RepoRow>> {
        self.port.create_repo(name, id, visibility, now).await
    }
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        self.port.repo(name).await
    }
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        self.port.repos(after, limit).await
    }
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        self.port.snapshot(repo).await
    }
    async fn publish_push(&self, push: &Push) -> Result<Published> {
        self.fuse.burn()?;
        self.port.publish_push(push).await
    }
    async fn publish_consolidation(&self, consolidation: &Consolidation) -> Result<Published> {
        self.fuse.burn()?;
        self.port.publish_consolidation(consolidation).await
    }
    async fn record_gc(&self, repo: i64, record: &GcRecord) -> Result<()> {
        self.fuse.burn()?;
        self.port.record_gc(repo, record).await
    }
    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        self.port.gc_history(repo, limit).await
    }
    async fn note_answer(&self, repo: i64, key: &MpackKey, expires_at: Timestamp) -> Result<()> {
        self.port.note_answer(repo, key, expires_at).await
    }
    async fn expire_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        self.port.expire_answers(repo, now).await
    }
}

/// The fixture's store, with ports that fail after so many changes.
async fn fused(fixture: &Fixture, changes: u32) -> Store {
    let fuse = Arc::new(Fuse { left: AtomicU32::new(changes) });
    let vault: Arc<dyn Vault> = Arc::new(Fused { fuse: fuse.clone(), port: fixture.store.vault.clone() });
    let catalog: Arc<dyn Catalog> = Arc::new(Fused { fuse, port: fixture.store.catalog.clone() });
    Store::with_parts(catalog, vault, fixture.store.sandbox.clone(), fixture.store.world.clone()).await.unwrap()
}

#[tokio::test]
async fn law_5_a_crash_at_any_step_of_a_consolidation_loses_nothing() {
    let reference = Fixture::with_history().await;
    let key = reference.store.gc(&reference.repo, &Progress::silent()).await.unwrap().consolidated_key;
    let mut finished = false;
    for changes in 0..20 {
        let fixture = Fixture::with_history().await;
        let before = fixture.fetch().await;
        let crashed = fused(&fixture, changes).await.gc(&fixture.repo, &Progress::silent()).await;
        // A new process opens the store, and goes on.
        let store = Store::open(options(fixture.folder.path())).await.unwrap();
        let fixture = Fixture { store, ..fixture };
        fixture.assert_unharmed(&before, &format!("crash after {changes} changes")).await;
        let done = fixture.store.gc(&fixture.repo, &Progress::silent()).await.unwrap();
        assert_eq!(done.consolidated_key, key, "crash after {changes} changes");
        assert_eq!(fixture.report().await.packs, 1);
        fixture.assert_unharmed(&before, &format!("after the next run, crash after {changes} changes")).await;
        if crashed.is_ok() {
            finished = true;
            assert!(changes >= 5, "stage, store, directory, publish and record: {changes} changes can't be all");
            break;
        }
    }
    assert!(finished, "the crash was never late enough");
}

#[tokio::test]
async fn law_5_a_crash_at_any_step_of_a_push_stores_all_or_nothing() {
    let packs = history(&HistoryOptions { seed: 9, pushes: 3, ..HistoryOptions::default() });
    for changes in 0..20 {
        let fixture = Fixture::new().await;
        fixture.push("first.mpack", &packs[0]).await;
        let before = fixture.fetch().await;
        let files = [fixture.file("1.mpack", &packs[1]), fixture.file("2.mpack", &packs[2])];
        let pushed =
            fused(&fixture, changes).await.push(&fixture.repo, &files, PushOptions::default(), &Progress::silent()).await;
        let store = Store::open(options(fixture.folder.path())).await.unwrap();
        let fixture = Fixture { store, ..fixture };
        if pushed.is_ok() {
            assert_eq!(fixture.report().await.packs, 3);
            assert!(changes >= 7, "two of stage, store and directory, and one publish: {changes} changes can't be all");
            return;
        }
        assert_eq!(fixture.report().await.packs, 1, "crash after {changes} changes");
        fixture.assert_unharmed(&before, &format!("crash after {changes} changes")).await;
        let again = fixture.store.push(&fixture.repo, &files, PushOptions::default(), &Progress::silent()).await.unwrap();
        assert!(again.iter().all(|r| r.status == crate::report::PushStatus::Stored), "crash after {changes} changes");
    }
    panic!("the crash was never late enough");
}

#[tokio::test]
async fn law_5_what_a_crash_leaves_in_staging_is_swept_and_what_is_in_use_is_not() {
    let fixture = Fixture::with_history().await;
    std::fs::write(fixture.folder.path().join("staging/left-behind"), b"half a pack").unwrap();
    let in_use = fixture.store.vault.stage([7; 16]).unwrap();
    let store = Store::open(options(fixture.folder.path())).await.unwrap();
    assert_eq!(store.swept(), Swept { removed: 1, in_use: 1 });
    assert!(in_use.path().exists());
}

#[tokio::test]
async fn directories_are_a_cache() {
    let fixture = Fixture::with_history().await;
    let before = fixture.fetch().await;
    let mut harmed = 0;
    for entry in std::fs::read_dir(fixture.folder.path().join("packs")).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "dir") {
                // Some gone, some damaged.
                if harmed % 2 == 0 {
                    std::fs::remove_file(&path).unwrap()
                } else {
                    std::fs::write(&path, b"PACKDIR1 and nonsense").unwrap()
                }
                harmed += 1;
            }
        }
    }
    assert_eq!(harmed, 4);
    let verified = fixture.store.verify(&fixture.repo, &Progress::silent()).await.unwrap();
    assert_eq!(verified.problems.len(), 2, "a missing directory is no damage, a wrong one is: {:?}", verified.problems);
    fixture.store.gc(&fixture.repo, &Progress::silent()).await.unwrap();
    fixture.assert_unharmed(&before, "after the directories were made anew").await;
}
