//! Ports that fail on purpose, or that count, around the real ones.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_core::EntityId;
use packhouse_host::catalog::{
    Access, Answers, AwaitedParent, BranchDeletion, Catalog, CommitGraph, CompletePack,
    Consolidation, DamageFindings, DeletionSummary, EntityKey, Fence, FetchRequests, GcLogQuery,
    JobEnd, JobQuery, Jobs, LockGuard, LockMode, NewAnswer, NewFetchRequest, NewJob, Pressure,
    PublishOutcome, Push, PutRelease, ReleaseRow, Releases, RepoRestoration, RepoRow,
    RequestBudget, RestoreOutcome, ScrubTask, Scrubs, Snapshot, TokenRow, Totals, UnneededPack,
};
use packhouse_host::error::ExhaustedBudget;
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::local::LocalPacks;
use packhouse_host::vault::objects::ObjectName;
use packhouse_host::vault::s3::{self, S3Packs};
use packhouse_host::vault::{
    FilePackStore, ListedPack, ObjectInfo, ObjectPart, PackStore, RemotePackStore, StagedFile,
    Staging, StagingFolder, Storage, StoredPack, SweepResult, Traffic, Vault,
};
use packhouse_host::{
    DeletedRepo, Error, GcEntry, GcRecord, GcReport, JobReport, JobStatus, MpackKey, Policy,
    RepoId, RepoName, RepoSummary, Result, ScrubState, Store, StoreOptions, Visibility,
};

use crate::counted::{CountedSnapshot, Walked};
use crate::place;

/// When a call fails: before it did anything, or after it did everything and could not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing was done.
    Before,
    /// All was done.
    After,
    /// It does not fail: another process does something before it.
    Meanwhile,
}

/// What the other process does.
type Meanwhile = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Which call of all ports together fails, and when. Clones share the count.
#[derive(Clone)]
pub struct Fault {
    left: Arc<AtomicI64>,
    moment: Moment,
    rows: Arc<AtomicU64>,
    /// Bytes that are free, at most.
    room: u64,
    meanwhile: Option<Meanwhile>,
    /// Calls of `hold` that have not been answered.
    waiting: Arc<AtomicI64>,
    /// Holdings that have not been dropped.
    locks_held: Arc<AtomicI64>,
    walked: Walked,
}

/// Counts one up until it is dropped.
struct Counted(Arc<AtomicI64>);

impl Counted {
    fn up(count: &Arc<AtomicI64>) -> Counted {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fault")
            .field("left", &self.left)
            .field("moment", &self.moment)
            .finish_non_exhaustive()
    }
}

impl Fault {
    /// The call with that number fails, counted from 0.
    pub fn at(call: i64, moment: Moment) -> Self {
        Fault {
            left: Arc::new(AtomicI64::new(call)),
            moment,
            rows: Arc::default(),
            room: u64::MAX,
            meanwhile: None,
            waiting: Arc::default(),
            locks_held: Arc::default(),
            walked: Walked::default(),
        }
    }

    /// Before the call with that number, another process does something, on a store with the fault
    /// `theirs`. If it comes to wait for the caller, it goes on while the call is made.
    pub fn meanwhile<F>(
        call: i64,
        theirs: &Fault,
        what: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let what: Meanwhile = Arc::new(move || Box::pin(what()));
        Fault {
            meanwhile: Some(what),
            waiting: theirs.waiting.clone(),
            ..Fault::at(call, Moment::Meanwhile)
        }
    }

    /// No call fails.
    pub fn never() -> Self {
        Fault::at(-1, Moment::Before)
    }

    /// No more than so many bytes are free.
    pub fn with_room(self, bytes: u64) -> Self {
        Fault { room: bytes, ..self }
    }

    /// Whether the call has been reached.
    pub fn struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// Rows that the last publication changed.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::SeqCst)
    }

    /// What was read of commit graphs.
    pub fn walked(&self) -> &Walked {
        &self.walked
    }

    fn error() -> Error {
        Error::Io {
            doing: "doing something in",
            path: "a faulty place".into(),
            source: std::io::Error::other("it failed on purpose"),
        }
    }

    /// Whether a call that is no future fails: nothing happens before such a one.
    fn fails(&self) -> bool {
        self.moment != Moment::Meanwhile && self.strikes()
    }

    fn strikes(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }

    async fn around<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let strikes = self.strikes();
        match self.moment {
            Moment::Before if strikes => return Err(Fault::error()),
            Moment::Meanwhile if strikes => {
                if let Some(meanwhile) = &self.meanwhile {
                    let doing = tokio::spawn(meanwhile());
                    let in_the_way = || {
                        self.waiting.load(Ordering::SeqCst) > 0
                            && self.locks_held.load(Ordering::SeqCst) > 0
                    };
                    while !doing.is_finished() && !in_the_way() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    if doing.is_finished() {
                        doing.await.expect("what is done meanwhile does not fail");
                    }
                }
            }
            _ => {}
        }
        let done = call.await?;
        if strikes && self.moment == Moment::After { Err(Fault::error()) } else { Ok(done) }
    }
}

/// The store of a folder, on ports with a fault.
///
/// # Errors
/// Those of opening it; also the fault.
pub async fn open(options: StoreOptions, sandbox: Sandbox, fault: &Fault) -> Result<Store> {
    let staging = |inner| Arc::new(FaultyStaging { inner, fault: fault.clone() });
    let vault = match &options.packs {
        Storage::Folder(packs) => {
            let making = |source| Error::Io { doing: "creating", path: packs.clone(), source };
            std::fs::create_dir_all(packs).map_err(making)?;
            let inner = LocalPacks::open(packs)?;
            let staging = staging(StagingFolder::of(inner.root()));
            Vault::new(Arc::new(FaultyPacks { inner, fault: fault.clone() }), staging)
        }
        Storage::S3(options) => {
            let inner = S3Packs::open(options).await?;
            let packs = Arc::new(FaultyPacks { inner, fault: fault.clone() });
            Vault::cached(packs, staging(s3::spool(options)?), options.budget)
        }
    };
    let catalog = FaultyCatalog { inner: options.catalog.open().await?, fault: fault.clone() };
    Store::with_parts(Arc::new(catalog), vault, Arc::new(sandbox), options.clock).await
}

/// Copies a store's folder, which is not open.
///
/// # Panics
/// When it can't be copied.
pub fn copy(from: &Path, to: &Path) {
    copy_files(from, to);
    place::copy_catalog(from, to);
}

/// Copies the files of a folder.
///
/// # Panics
/// When they can't be copied.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be listed") {
        let path = entry.expect("a listed file is there").path();
        let to = to.join(path.file_name().expect("a listed file has a name"));
        if path.is_dir() {
            copy_files(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("a file can be copied");
        }
    }
}

/// A pack store of either kind, with a fault.
#[derive(Debug)]
struct FaultyPacks<P> {
    inner: P,
    fault: Fault,
}

#[async_trait]
impl<P: PackStore> PackStore for FaultyPacks<P> {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn place_of(&self, name: &ObjectName) -> String {
        self.inner.place_of(name)
    }
    async fn url_of(&self, name: &ObjectName, ttl: Duration) -> Result<String> {
        self.inner.url_of(name, ttl).await
    }
    fn longest_url(&self) -> Option<Duration> {
        self.inner.longest_url()
    }
    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        self.fault.around(self.inner.info(name)).await
    }
    async fn write(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.fault.around(self.inner.write(name, bytes)).await
    }
    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        match name {
            ObjectName::Note(_) => self.inner.write_new(name, bytes).await,
            _ => self.fault.around(self.inner.write_new(name, bytes)).await,
        }
    }
    async fn remove(&self, name: &ObjectName) -> Result<()> {
        self.fault.around(self.inner.remove(name)).await
    }
    async fn list(&self) -> Result<Vec<ListedPack>> {
        self.fault.around(self.inner.list()).await
    }
    async fn notes(&self) -> Result<Vec<ObjectName>> {
        self.inner.notes().await
    }
    fn note_of(&self, catalog: &str) -> String {
        self.inner.note_of(catalog)
    }
}

/// Whether reads of an object can fail: a store opens without a fault.
fn may_fail(name: &ObjectName) -> bool {
    !matches!(name, ObjectName::Note(_) | ObjectName::Identity)
}

#[async_trait]
impl<P: FilePackStore> FilePackStore for FaultyPacks<P> {
    async fn publish(&self, staged: StagedFile, name: &ObjectName) -> Result<()> {
        self.fault.around(self.inner.publish(staged, name)).await
    }
    async fn open(&self, name: &ObjectName) -> Result<Option<StoredPack>> {
        match may_fail(name) {
            true => self.fault.around(self.inner.open(name)).await,
            false => self.inner.open(name).await,
        }
    }
    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        self.fault.around(self.inner.read_ranges(name, ranges)).await
    }
    fn file_of(&self, name: &ObjectName) -> Option<PathBuf> {
        self.inner.file_of(name)
    }
}

#[async_trait]
impl<P: RemotePackStore> RemotePackStore for FaultyPacks<P> {
    async fn get(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>> {
        match may_fail(name) {
            true => self.fault.around(self.inner.get(name, range, version)).await,
            false => self.inner.get(name, range, version).await,
        }
    }
    async fn put(
        &self,
        staged: &StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<String>> {
        self.fault.around(self.inner.put(staged, name, key)).await
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

#[derive(Debug)]
struct FaultyStaging {
    inner: StagingFolder,
    fault: Fault,
}

impl Staging for FaultyStaging {
    fn folder(&self) -> &Path {
        self.inner.folder()
    }
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        if self.fault.fails() { Err(Fault::error()) } else { self.inner.stage(name) }
    }
    fn stage_unnamed(&self) -> Result<StagedFile> {
        if self.fault.fails() { Err(Fault::error()) } else { self.inner.stage_unnamed() }
    }
    fn sweep(&self) -> Result<SweepResult> {
        self.inner.sweep()
    }
    fn free_bytes(&self) -> Result<u64> {
        if self.fault.fails() {
            Err(Fault::error())
        } else {
            Ok(self.inner.free_bytes()?.min(self.fault.room))
        }
    }
}

#[derive(Debug)]
struct FaultyCatalog {
    inner: Arc<dyn Catalog>,
    fault: Fault,
}

#[async_trait]
impl Catalog for FaultyCatalog {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn identity(&self) -> String {
        self.inner.identity()
    }
    async fn clock(&self) -> Result<Option<Timestamp>> {
        self.inner.clock().await
    }
    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64> {
        self.fault.around(self.inner.settle_times(now, repo)).await
    }
    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>> {
        self.inner.create_repo(name, id, visibility, now).await
    }
    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>> {
        self.fault.around(self.inner.delete_repo(repo, now)).await
    }
    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome> {
        self.fault.around(self.inner.restore_repo(restoration, now, lock)).await
    }
    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>> {
        self.inner.restorable_repos(name).await
    }
    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>> {
        self.fault.around(self.inner.deleted_repos(until)).await
    }
    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool> {
        self.fault.around(self.inner.forget_repo(repo, now, lock)).await
    }
    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool> {
        self.fault.around(self.inner.freshen(repo, entities, at)).await
    }
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        self.fault.around(self.inner.repo(name)).await
    }
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        self.fault.around(self.inner.repos(after, limit)).await
    }
    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        self.fault.around(self.inner.summaries(after, limit)).await
    }
    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>> {
        self.fault.around(self.inner.summary(name)).await
    }
    async fn probe_writing(&self) -> Result<()> {
        self.fault.around(self.inner.probe_writing()).await
    }
    async fn change_stamp(&self) -> Result<u64> {
        self.fault.around(self.inner.change_stamp()).await
    }
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        let inner = self.fault.around(self.inner.snapshot(repo)).await?;
        Ok(Box::new(CountedSnapshot { inner, walked: self.fault.walked.clone() }))
    }
    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome> {
        self.fault.around(self.inner.publish_push(push, lock)).await
    }
    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome> {
        self.fault.around(self.inner.delete_branch(deletion)).await
    }
    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        lock: &LockGuard,
    ) -> Result<PublishOutcome> {
        let published =
            self.fault.around(self.inner.publish_consolidation(consolidation, lock)).await?;
        if let PublishOutcome::Done { rows } = published {
            self.fault.rows.store(rows, Ordering::SeqCst);
        }
        Ok(published)
    }
    async fn note_complete_pack(
        &self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> Result<PublishOutcome> {
        self.inner.note_complete_pack(repo, pack, complete).await
    }
    async fn record_gc(
        &self,
        repo: i64,
        record: &GcRecord,
        report: Option<&GcReport>,
    ) -> Result<()> {
        self.fault.around(self.inner.record_gc(repo, record, report)).await
    }
    async fn totals(&self) -> Result<Totals> {
        self.inner.totals().await
    }
    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        self.inner.gc_history(repo, limit).await
    }
    async fn gc_log(&self, query: GcLogQuery<'_>) -> Result<Vec<GcEntry>> {
        self.fault.around(self.inner.gc_log(query)).await
    }
    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>> {
        self.fault.around(self.inner.gc_paces(limit)).await
    }
    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        let waiting = Counted::up(&self.fault.waiting);
        let lock = self.fault.around(self.inner.lock(mode)).await?;
        drop(waiting);
        Ok(lock.along(Counted::up(&self.fault.locks_held)))
    }
    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>> {
        self.fault.around(self.inner.unneeded_packs()).await
    }
    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<UnneededPack>> {
        self.fault.around(self.inner.deletable_packs(packs, until, lock)).await
    }
    async fn note_findings(&self, findings: &DamageFindings) -> Result<()> {
        self.inner.note_findings(findings).await
    }
    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.forget_packs(packs, until, lock)).await
    }
    async fn held_packs(&self) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.held_packs()).await
    }
    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.fault.around(self.inner.knows_packs(keys)).await
    }
    async fn damaged_packs(&self) -> Result<Vec<MpackKey>> {
        self.inner.damaged_packs().await
    }
    async fn last_stored(&self) -> Result<Option<Timestamp>> {
        self.fault.around(self.inner.last_stored()).await
    }
    async fn checkpoint(&self) -> Result<bool> {
        self.inner.checkpoint().await
    }
    fn is_file(&self) -> bool {
        self.inner.is_file()
    }
    async fn copy_to(&self, file: &Path) -> Result<()> {
        self.fault.around(self.inner.copy_to(file)).await
    }
    async fn open_copy(&self, file: &Path) -> Result<Arc<dyn Catalog>> {
        self.inner.open_copy(file).await
    }
    async fn settle_copy(&self, file: &Path) -> Result<()> {
        self.inner.settle_copy(file).await
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl CommitGraph for FaultyCatalog {
    async fn renumber(
        &self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> Result<PublishOutcome> {
        self.fault.around(self.inner.renumber(repo, generations)).await
    }
    async fn end_renumbering(
        &self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> Result<PublishOutcome> {
        self.fault.around(self.inner.end_renumbering(repo, floor, awaited)).await
    }
    async fn tell_tags(&self, repo: i64, tags: &[(EntityId, EntityId)]) -> Result<()> {
        self.fault.around(self.inner.tell_tags(repo, tags)).await
    }
}

#[async_trait]
impl Scrubs for FaultyCatalog {
    async fn take_scrub(
        &self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ScrubTask>> {
        self.fault.around(self.inner.take_scrub(now, verified_before, until)).await
    }
    async fn renew_scrub(&self, task: &ScrubTask, until: Timestamp) -> Result<Option<ScrubTask>> {
        self.fault.around(self.inner.renew_scrub(task, until)).await
    }
    async fn scrub_state(&self, verified_before: Timestamp) -> Result<ScrubState> {
        self.fault.around(self.inner.scrub_state(verified_before)).await
    }
}

#[async_trait]
impl Jobs for FaultyCatalog {
    async fn add_job(&self, job: &NewJob) -> Result<JobReport> {
        self.fault.around(self.inner.add_job(job)).await
    }
    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>> {
        self.fault.around(self.inner.jobs(query)).await
    }
    async fn job(&self, id: i64) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.job(id)).await
    }
    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>> {
        self.fault.around(self.inner.job_counts()).await
    }
    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>> {
        self.fault.around(self.inner.take_job(worker, now, lease_until)).await
    }
    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool> {
        self.inner.renew_lease(fence, lease_until).await
    }
    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.end_job(fence, end, now)).await
    }
    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.retry_job(id, now)).await
    }
    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.cancel_job(id, now)).await
    }
    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.fault.around(self.inner.waiting_packs(keys)).await
    }
    async fn policies(&self) -> Result<Vec<(i64, Policy)>> {
        self.fault.around(self.inner.policies()).await
    }
    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()> {
        self.fault.around(self.inner.set_policy(repo, policy)).await
    }
    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>> {
        self.fault.around(self.inner.pressures(repo)).await
    }
}

#[async_trait]
impl Answers for FaultyCatalog {
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>> {
        self.fault.around(self.inner.answer_of(repo, plan, expires_at)).await
    }
    async fn note_answer(&self, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        self.fault.around(self.inner.note_answer(key, answer)).await
    }
    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.expired_answers(repo, now)).await
    }
    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>> {
        self.fault.around(self.inner.repos_with_expired_answers(now)).await
    }
    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()> {
        self.fault.around(self.inner.forget_answers(repo, now)).await
    }
}

#[async_trait]
impl FetchRequests for FaultyCatalog {
    async fn note_fetch_request(
        &self,
        request: &NewFetchRequest,
        now: Timestamp,
        budget: Option<RequestBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        self.fault.around(self.inner.note_fetch_request(request, now, budget)).await
    }
    async fn fetch_request(
        &self,
        repo: i64,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>> {
        self.fault.around(self.inner.fetch_request(repo, digest, now)).await
    }
    async fn expire_fetch_requests(&self, now: Timestamp) -> Result<u64> {
        self.fault.around(self.inner.expire_fetch_requests(now)).await
    }
}

#[async_trait]
impl Access for FaultyCatalog {
    async fn add_token(&self, token: &TokenRow) -> Result<()> {
        self.fault.around(self.inner.add_token(token)).await
    }
    async fn tokens(&self) -> Result<Vec<TokenRow>> {
        self.fault.around(self.inner.tokens()).await
    }
    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        self.fault.around(self.inner.token(id)).await
    }
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        self.fault.around(self.inner.revoke_token(id, now)).await
    }
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        self.fault.around(self.inner.secret(name, fresh)).await
    }
    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>> {
        self.inner.kept(name).await
    }
    async fn keep(&self, name: &str, value: [u8; 32]) -> Result<()> {
        self.fault.around(self.inner.keep(name, value)).await
    }
}

#[async_trait]
impl Releases for FaultyCatalog {
    async fn put_release(&self, repo: i64, release: &ReleaseRow, most: u64) -> Result<PutRelease> {
        self.fault.around(self.inner.put_release(repo, release, most)).await
    }
    async fn releases(&self, repo: i64) -> Result<Vec<ReleaseRow>> {
        self.fault.around(self.inner.releases(repo)).await
    }
    async fn delete_release(&self, repo: i64, tag: &str) -> Result<bool> {
        self.fault.around(self.inner.delete_release(repo, tag)).await
    }
}
