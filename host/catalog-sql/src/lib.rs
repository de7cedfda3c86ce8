//! The catalog on a database that speaks SQL. Only this crate names sqlx.
//!
//! [`SqlCatalog`] is written once. An engine implements what differs between databases; [`sqlite`]
//! and [`postgres`] are the engines. The database coordinates: a publication is one transaction
//! that locks its repo and compares before it writes.

mod access;
mod alerts;
mod answers;
mod columns;
mod complete;
mod damage;
mod deletion;
mod deltas;
mod engine;
mod fetch_requests;
mod freshen;
mod gc_log;
mod graph;
mod heads;
mod healed;
mod index;
mod jobs;
mod lines;
mod listing;
mod migrations;
mod place;
mod policies;
pub mod postgres;
mod publish;
mod rebuild_index;
mod releases;
mod repos;
mod restore;
mod rows;
mod scrubs;
mod snapshot;
pub mod sqlite;
mod summaries;
mod sums;
mod times;
mod walk;
mod work;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{
    Alerts, BranchDeletion, Catalog, CompletePack, Consolidation, DamageFindings, DeletionSummary,
    EntityKey, GcLogQuery, ListedRepo, LockGuard, LockMode, PublishOutcome, Push, RebuiltIndex,
    RepoRestoration, RepoRow, RestoreOutcome, RunsToMerge, Snapshot, StoredPacks, Totals,
    UnneededPack,
};
use packhouse_model::client::RepoSettings;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, Visibility};
use packhouse_model::report::{DeletedRepo, GcEntry, GcRecord, GcReport, RepoSummary};

use self::columns::repo_columns;
use self::engine::{Columns, Engine, Reader, Sql, TransactionError, Work, args, attempt};

pub use migrations::{MigrationStep, Migrations, PendingMigrations, migrator};
pub use place::{CatalogPlace, MissingCatalog};

/// How often a transaction is tried if another one interferes.
const TRIES: u32 = 5;

/// A catalog on a database.
#[derive(Debug)]
#[expect(private_bounds, reason = "the engines are those of this folder")]
pub struct SqlCatalog<E: Engine> {
    engine: E,
}

#[expect(private_bounds, reason = "the engines are those of this folder")]
impl<E: Engine> SqlCatalog<E> {
    /// Converts an error of sqlx.
    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(sqlx::Error) -> Error + 'a {
        move |error| failed(&self.engine, doing, &error)
    }

    /// Runs a transaction under a lock; does nothing if the lock was lost.
    async fn locked<G: Sync, T: Send>(
        &self,
        lock: &LockGuard,
        doing: &str,
        params: &G,
        work: Work<E, G, T>,
    ) -> Result<T> {
        self.again(doing, Some(lock), params, work).await?.ok_or_else(|| self.lock_lost(doing))
    }

    /// The numbers of repos that a statement finds after number `$1`, at most `$2`.
    async fn repo_numbers(
        &self,
        doing: &str,
        sql: &'static str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>> {
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let found = reader.all(sql, args![after, limit]).await.map_err(self.failed(doing))?;
        Ok(found.iter().map(|row| row.int("repo")).collect())
    }

    /// The error for a lost lock.
    fn lock_lost(&self, doing: &str) -> Error {
        Error::Catalog {
            catalog: self.engine.place().to_owned(),
            doing: doing.to_owned(),
            reason: "the connection that holds the lock against deletions was lost; nothing was changed, run it again"
                .into(),
            busy: true,
            read_only: false,
            full: false,
        }
    }

    /// Does something in a transaction.
    async fn writing<G: Sync, T: Send>(
        &self,
        doing: &str,
        params: &G,
        work: Work<E, G, T>,
    ) -> Result<T> {
        let done = self.again(doing, None, params, work).await?;
        Ok(done.unwrap_or_else(|| unreachable!("there is no lock that could be lost")))
    }

    /// Does the work in a transaction, and retries it if another one interferes. None if the lock
    /// was lost.
    async fn again<G: Sync, T: Send>(
        &self,
        doing: &str,
        lock: Option<&LockGuard>,
        params: &G,
        work: Work<E, G, T>,
    ) -> Result<Option<T>> {
        let mut made_room = false;
        for tries in 0.. {
            let alone = tries > 0;
            let (error_kind, error) = match attempt(&self.engine, lock, (params, work), alone).await
            {
                Ok(done) => return Ok(done),
                Err(TransactionError::Unchanged(error)) => {
                    (self.engine.error_kind(&error), Arc::new(error))
                }
                Err(TransactionError::Unconfirmed(error)) => {
                    (self.engine.commit_error_kind(&error), error)
                }
                Err(TransactionError::Aborted) if tries < TRIES => continue,
                Err(TransactionError::Aborted) => return Err(Error::Cancelled),
            };
            if tries < TRIES && error_kind.again {
                continue;
            }
            if error_kind.full && !made_room {
                made_room = true;
                if self.engine.make_room().await {
                    continue;
                }
            }
            return Err(error_kind.of(&error, self.engine.place(), doing));
        }
        unreachable!("the loop ends by returning")
    }
}

fn failed(engine: &impl Engine, doing: &str, error: &sqlx::Error) -> Error {
    engine.error_kind(error).of(error, engine.place(), doing)
}

#[async_trait]
impl<E: Engine> Catalog for SqlCatalog<E> {
    fn place(&self) -> String {
        self.engine.place().to_owned()
    }

    fn identity(&self) -> String {
        self.engine.identity()
    }

    async fn clock(&self) -> Result<Option<Timestamp>> {
        self.engine.clock().await
    }

    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64> {
        let work: Work<E, _, _> = |tx, params| Box::pin(times::settle::<E>(tx, params));
        self.writing("settling times", &(now, repo), work).await
    }

    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(repos::create::<E>(tx, params));
        let new = repos::CreateParams { name, id, visibility, now: now.to_string() };
        let row = self.writing("creating a repo", &new, work).await?;
        row.map(|row| rows::repo(self.engine.place(), &row)).transpose()
    }

    async fn set_repo(&self, repo: i64, settings: &RepoSettings) -> Result<Option<RepoRow>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(repos::set::<E>(tx, params));
        let row = self.writing("changing a repo", &(repo, *settings), work).await?;
        row.map(|row| rows::repo(self.engine.place(), &row)).transpose()
    }

    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(repos::delete::<E>(tx, params));
        self.writing("deleting a repo", &(repo, now.to_string()), work).await
    }

    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome> {
        let params = restore::RestoreParams { place: self.engine.place(), restoration, now };
        self.locked(lock, "restoring a repo", &params, |tx, params| {
            Box::pin(restore::restore::<E>(tx, params))
        })
        .await
    }

    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>> {
        let found = restore::of_name(&self.engine, name)
            .await
            .map_err(self.failed("looking for deleted repos"))?;
        Ok(restore::newest_first(self.engine.place(), &found)?
            .into_iter()
            .map(|(_, deleted)| deleted)
            .collect())
    }

    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>> {
        let found = restore::deleted(&self.engine)
            .await
            .map_err(self.failed("looking for deleted repos"))?;
        let mut repos = Vec::new();
        for row in &found {
            // Compared as times: their texts have fractions of any length.
            if rows::time(self.engine.place(), row, "deleted_at")? <= until {
                repos.push(rows::repo(self.engine.place(), row)?);
            }
        }
        Ok(repos)
    }

    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool> {
        let params = (repo, now.to_string());
        self.locked(lock, "purging a deleted repo", &params, |tx, params| {
            Box::pin(restore::forget::<E>(tx, params))
        })
        .await
    }

    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool> {
        let doing = "marking entities as recently used";
        let mut params = freshen::FreshenParams { repo, entities, at };
        let Some(stale) =
            freshen::stale(&self.engine, &params).await.map_err(self.failed(doing))?
        else {
            return Ok(false);
        };
        if stale.is_empty() {
            return Ok(true);
        }
        params.entities = &stale;
        self.writing(doing, &params, |tx, params| Box::pin(freshen::freshen::<E>(tx, params))).await
    }

    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        let doing = "looking up a repo";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let row = reader
            .maybe(
                concat!("SELECT ", repo_columns!(), " FROM repos WHERE owner = $1 AND slug = $2"),
                args![name.owner(), name.slug()],
            )
            .await
            .map_err(self.failed(doing))?;
        row.map(|row| rows::repo(self.engine.place(), &row)).transpose()
    }

    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        let doing = "listing repos";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let found = reader
            .all(
                concat!(
                    "SELECT ",
                    repo_columns!(),
                    " FROM repos WHERE (owner, slug) > ($1, $2) AND deleted_at IS NULL
                      ORDER BY owner, slug LIMIT $3"
                ),
                args![after.map_or("", RepoName::owner), after.map_or("", RepoName::slug), limit],
            )
            .await
            .map_err(self.failed(doing))?;
        found.iter().map(|row| rows::repo(self.engine.place(), row)).collect()
    }

    async fn listed(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<ListedRepo>> {
        let found = listing::page(&self.engine, after, limit)
            .await
            .map_err(self.failed("listing repos"))?;
        found.iter().map(|row| listing::read(self.engine.place(), row)).collect()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let found = summaries::page(&self.engine, after, limit)
            .await
            .map_err(self.failed("listing repos"))?;
        found.iter().map(|row| summaries::read(self.engine.place(), row)).collect()
    }

    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>> {
        let row =
            summaries::one(&self.engine, name).await.map_err(self.failed("looking up a repo"))?;
        row.map(|row| summaries::read(self.engine.place(), &row)).transpose()
    }

    async fn probe_writing(&self) -> Result<()> {
        let work: Work<E, _, _> = |tx, params| Box::pin(policies::probe::<E>(tx, params));
        self.writing("testing whether it is writable", &(), work).await
    }

    async fn totals(&self) -> Result<Totals> {
        let row = summaries::totals(&self.engine).await.map_err(self.failed("summing up repos"))?;
        Ok(summaries::read_totals(&row))
    }

    async fn alerts(&self, retired_until: Timestamp, now: Timestamp) -> Result<Alerts> {
        let read = alerts::read(&self.engine, retired_until, now).await;
        read.map_err(self.failed("looking for what needs attention"))
    }

    async fn stored_packs(&self) -> Result<StoredPacks> {
        alerts::stored_packs(&self.engine).await.map_err(self.failed("counting packs"))
    }

    async fn change_stamp(&self) -> Result<u64> {
        self.engine.change_stamp().await.map_err(self.failed("looking for changes"))
    }

    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        snapshot::begin(&self.engine, repo).await
    }

    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome> {
        self.locked(lock, "publishing a push", push, |tx, push| {
            Box::pin(publish::push::<E>(tx, push))
        })
        .await
    }

    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome> {
        let work: Work<E, _, _> = |tx, deletion| Box::pin(repos::delete_branch::<E>(tx, deletion));
        self.writing("deleting a branch", deletion, work).await
    }

    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        lock: &LockGuard,
    ) -> Result<PublishOutcome> {
        let work: Work<E, _, _> =
            |tx, consolidation| Box::pin(publish::consolidation::<E>(tx, consolidation));
        self.locked(lock, "publishing a consolidation", consolidation, work).await
    }

    async fn old_indexes(&self, after: i64, limit: u32) -> Result<Vec<i64>> {
        let old =
            "SELECT id AS repo FROM repos WHERE old_index <> 0 AND id > $1 ORDER BY id LIMIT $2";
        self.repo_numbers("looking for old indexes", old, after, limit).await
    }

    async fn convert_index(&self, repo: i64) -> Result<u64> {
        self.writing("converting an index", &repo, |tx, repo| {
            Box::pin(index::convert::<E>(tx, repo))
        })
        .await
    }

    async fn indexes_to_merge(&self, after: i64, limit: u32) -> Result<Vec<i64>> {
        let doing = "looking for indexes to merge";
        self.repo_numbers(doing, index::merge::REPOS_TO_MERGE, after, limit).await
    }

    async fn merge_index(
        &self,
        repo: i64,
        runs: RunsToMerge,
        now: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<u64> {
        self.merge(repo, runs, now).await
    }

    async fn rebuild_index(
        &self,
        index: &RebuiltIndex,
        lock: &LockGuard,
    ) -> Result<PublishOutcome> {
        self.locked(lock, "rebuilding an index", index, |tx, index| {
            Box::pin(rebuild_index::rebuild::<E>(tx, index))
        })
        .await
    }

    async fn note_complete_pack(
        &self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> Result<PublishOutcome> {
        self.writing("recording a complete pack", &(repo, pack, complete), |tx, params| {
            Box::pin(complete::note::<E>(tx, params))
        })
        .await
    }

    async fn record_gc(
        &self,
        repo: i64,
        record: &GcRecord,
        report: Option<&GcReport>,
    ) -> Result<()> {
        let work: Work<E, _, _> = |tx, ended| Box::pin(gc_log::record::<E>(tx, ended));
        self.writing(
            "recording a consolidation",
            &gc_log::FinishedGc { repo, record, report },
            work,
        )
        .await
    }

    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        let found = gc_log::of_repo(&self.engine, repo, limit)
            .await
            .map_err(self.failed("reading its history"))?;
        found.iter().map(|row| gc_log::read_record(self.engine.place(), row)).collect()
    }

    async fn gc_log(&self, query: GcLogQuery<'_>) -> Result<Vec<GcEntry>> {
        let found =
            gc_log::list(&self.engine, query).await.map_err(self.failed("reading its history"))?;
        found.iter().map(|row| gc_log::read_entry(self.engine.place(), row)).collect()
    }

    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>> {
        gc_log::paces(&self.engine, limit).await.map_err(self.failed("reading its history"))
    }

    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        self.engine.lock(mode).await
    }

    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>> {
        let found = deletion::unneeded(&self.engine)
            .await
            .map_err(self.failed("looking for unused packs"))?;
        deletion::each_once(self.engine.place(), &found)
    }

    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<UnneededPack>> {
        // Only reads: on a full disk, beginning a transaction that writes may fail.
        let doing = "looking for unused packs";
        let params = deletion::ForgetParams { place: self.engine.place(), packs, until };
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let found = deletion::deletable(&mut reader, &params).await.map_err(self.failed(doing))?;
        // The caller then removes the files of these packs.
        match self.engine.still_locked(lock, &mut reader).await.map_err(self.failed(doing))? {
            true => Ok(found),
            false => Err(self.lock_lost(doing)),
        }
    }

    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<MpackKey>> {
        let params = deletion::ForgetParams { place: self.engine.place(), packs, until };
        self.locked(lock, "forgetting packs", &params, |tx, params| {
            Box::pin(deletion::forget::<E>(tx, params))
        })
        .await
    }

    async fn held_packs(&self) -> Result<Vec<MpackKey>> {
        let found = deletion::held(&self.engine).await.map_err(self.failed("listing packs"))?;
        found.iter().map(|row| rows::key(self.engine.place(), row, "key")).collect()
    }

    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        deletion::knows(&self.engine, keys).await.map_err(self.failed("looking up packs"))
    }

    async fn note_findings(&self, findings: &DamageFindings) -> Result<()> {
        let work: Work<E, _, _> = |tx, findings| Box::pin(damage::note::<E>(tx, findings));
        self.writing("recording damage", findings, work).await
    }

    async fn damaged_packs(&self) -> Result<Vec<MpackKey>> {
        let found =
            damage::all(&self.engine).await.map_err(self.failed("listing damaged packs"))?;
        found.iter().map(|row| rows::key(self.engine.place(), row, "key")).collect()
    }

    async fn last_stored(&self) -> Result<Option<Timestamp>> {
        let row =
            deletion::last_stored(&self.engine).await.map_err(self.failed("looking up packs"))?;
        rows::maybe_time(self.engine.place(), &row, "at")
    }

    async fn checkpoint(&self) -> Result<bool> {
        self.engine.checkpoint().await.map_err(self.failed("checkpointing its log"))
    }

    fn is_file(&self) -> bool {
        E::IS_FILE
    }

    async fn copy_to(&self, file: &Path) -> Result<()> {
        self.engine.copy_to(file).await.map_err(self.failed("copying it"))
    }

    async fn open_copy(&self, file: &Path) -> Result<Arc<dyn Catalog>> {
        CatalogPlace::Sqlite(file.to_owned()).open().await
    }

    async fn settle_copy(&self, file: &Path) -> Result<()> {
        CatalogPlace::Sqlite(file.to_owned()).settle().await
    }

    async fn close(&self) {
        self.engine.close().await;
    }
}
