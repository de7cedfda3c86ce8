//! `push`: stores files as packs of a repo, all of them or none.
//!
//! ```text
//! receive  each file ─▶ staging, hashed, read back, scanned
//! compare  with one state of the repo: what is new, and what of the repo is missing or damaged
//! prepare  the component reads records, decides heads ─▶ the index rows they make
//! publish  store packs ─▶ store directories ─▶ shelves, rows, edges, heads in one transaction
//! ```
//!
//! If the repo changes between *compare* and *publish*, an attempt starts again; the files are
//! received once. Each step is a file of this folder; which pack the index then maps an entity to
//! is in [`super::placement`].

use std::collections::BTreeSet;
use std::path::PathBuf;

use packhouse_catalog::{DamageFindings, LockGuard, LockMode, PublishOutcome, RepoRow, Snapshot};
use packhouse_core::{Head, Kind};
use packhouse_model::client::PushOptions;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{PushReport, PushStatus};
use packhouse_model::span::TARGET;

use super::preconditions::PushPreconditions;
use super::prepare::{Prepared, PushInput};
use super::receive::{StagedPack, entities_of, refuse_bad_branches};
use super::repo::named;
use super::turns::PushTurn;
use super::{Store, TRIES};

/// A push whose files were received, through all attempts.
struct Pushing<'a> {
    row: &'a RepoRow,
    received: Vec<StagedPack>,
    force: bool,
    /// Whether the branches stay where they are, whatever the packs say.
    keeps_heads: bool,
    preconditions: Option<&'a PushPreconditions>,
    progress: &'a Progress,
    /// From the first stored pack until all are on shelves: no pack is deleted in between.
    lock: Option<LockGuard>,
    /// The numbers of the files that are packs of the repo and were not really there.
    restored: BTreeSet<usize>,
}

impl<'a> Pushing<'a> {
    /// A push that decides the heads, and whose branches move forward only.
    fn new(row: &'a RepoRow, received: Vec<StagedPack>, progress: &'a Progress) -> Pushing<'a> {
        Pushing {
            row,
            received,
            force: false,
            keeps_heads: false,
            preconditions: None,
            progress,
            lock: None,
            restored: BTreeSet::new(),
        }
    }

    /// Reports a step, and fails when the push was cancelled.
    fn at(&self, phase: Phase) -> Result<()> {
        let bytes = self.received.iter().map(|one| one.written.bytes).sum();
        self.progress.at(&self.row.name.to_string(), phase, bytes, bytes)
    }
}

impl Store {
    /// Stores files as packs of a repo: all of them or none.
    ///
    /// # Errors
    /// [`packhouse_model::error::PushError::BadPack`],
    /// [`packhouse_model::error::PushError::Disagreement`] and
    /// [`packhouse_model::error::PushError::HeadConflict`] refuse the push; [`Error::Busy`] when
    /// other pushes kept coming first. Nothing is stored then.
    pub async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        // First what costs nothing: whether there is such a repo.
        self.known_repo(repo).await?;
        let received = self.receive_all(repo, files, progress).await?;
        self.push_received(&self.push_turn(repo).await, received, options, None, progress).await
    }

    /// The rest of a push whose packs were received: they become packs of the repo whose turn it is,
    /// all of them or none.
    ///
    /// # Errors
    /// As [`Store::push`].
    pub async fn push_received(
        &self,
        turn: &PushTurn,
        received: Vec<StagedPack>,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let row = self.known_repo(turn.repo()).await?;
        self.index(&row, received, options, preconditions, progress).await
    }

    /// Puts files on shelves of a repo, whose turn the caller has: all of them or none. If the repo
    /// changes in the meantime, starts again.
    pub(crate) async fn index(
        &self,
        row: &RepoRow,
        received: Vec<StagedPack>,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let pushing = Pushing {
            force: options.force,
            preconditions,
            ..Pushing::new(row, received, progress)
        };
        let done = Box::pin(self.index_all(pushing)).await;
        self.remembering(row.id, "push", done).await
    }

    /// The same, and the branches stay where they are: only the records are wanted.
    pub(super) async fn index_records(
        &self,
        row: &RepoRow,
        received: Vec<StagedPack>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let pushing =
            Pushing { force: true, keeps_heads: true, ..Pushing::new(row, received, progress) };
        let _turn = self.push_turn(&row.name).await;
        let done = Box::pin(self.index_all(pushing)).await;
        self.remembering(row.id, "copy", done).await
    }

    #[tracing::instrument(target = TARGET, name = "index", skip_all)]
    async fn index_all(&self, mut push: Pushing<'_>) -> Result<Vec<PushReport>> {
        for _ in 0..TRIES {
            if let Some(reports) = self.try_index(&mut push).await? {
                return Ok(reports);
            }
        }
        Err(Error::Busy { repo: push.row.name.clone(), what: "packs were pushed to it" })
    }

    /// One attempt, on one state of the repo. None when that has changed.
    async fn try_index(&self, push: &mut Pushing<'_>) -> Result<Option<Vec<PushReport>>> {
        push.at(Phase::Index)?;
        let mut snapshot = self.catalog.snapshot(push.row.id).await?;
        let comparison = self.compare_push(push.row, snapshot.as_mut(), &push.received).await?;
        if !comparison.lost.is_empty() {
            if push.lock.is_none() {
                // Compared again under the lock: what the repo gives up in the meantime is not
                // stored in vain.
                push.lock = Some(self.catalog.lock(LockMode::Publishing).await?);
                return Ok(None);
            }
            self.restore(push, &comparison.lost).await?;
        }
        if comparison.fresh.is_empty() && (!push.force || push.keeps_heads) {
            let heads = snapshot.heads().await?;
            // If the branch has moved by now, the existing pack moves it again.
            if push.preconditions.is_none_or(|wanted| wanted.check(&heads).is_ok()) {
                return self.nothing_new(push, snapshot, &heads).await;
            }
        }
        if !push.keeps_heads {
            refuse_bad_branches(&push.received)?;
        }
        if let Some(preconditions) = push.preconditions {
            // Checked on the state that is published on: if it changes, all starts again.
            self.is_whole(snapshot.as_mut(), &push.received, preconditions).await?;
        }
        let input = PushInput {
            received: &push.received,
            comparison: &comparison,
            force: push.force,
            keeps_heads: push.keeps_heads,
            preconditions: push.preconditions,
            progress: push.progress,
        };
        let prepared = match self.prepare(snapshot, &input).await {
            Err(error) if self.is_stale(push.row.id, &error).await? => return Ok(None),
            prepared => prepared?,
        };
        push.preconditions.map_or(Ok(()), |wanted| wanted.check(&prepared.heads))?;
        self.publish(push, prepared).await
    }

    /// Stores files again that are packs of the repo: what is stored there is missing or damaged.
    #[tracing::instrument(target = TARGET, name = "restore packs", skip_all)]
    async fn restore(&self, push: &mut Pushing<'_>, lost: &[usize]) -> Result<()> {
        let repo = &push.row.name;
        let mut findings = DamageFindings::at(self.now());
        self.store_received(repo, &mut push.received, lost, push.progress).await?;
        for number in lost {
            let key = push.received[*number].written.key;
            tracing::info!(%repo, "restored pack {key}, which was missing or damaged");
            findings.sound.push(key);
        }
        self.catalog.note_findings(&findings).await?;
        push.restored.extend(lost);
        Ok(())
    }

    /// Ends a push whose files the repo has: what they hold is recent from now on. None when some
    /// of it was dropped in the meantime.
    async fn nothing_new(
        &self,
        push: &Pushing<'_>,
        snapshot: Box<dyn Snapshot>,
        heads: &[Head],
    ) -> Result<Option<Vec<PushReport>>> {
        let looked_up = snapshot.repo().clone();
        drop(snapshot);
        let entities = entities_of(&push.received);
        let fresh = self.catalog.freshen(&looked_up, &entities, self.time().await?).await?;
        Ok(fresh.then(|| self.push_reports(push, None, heads)))
    }

    /// Stores the packs, and makes them visible. None when the repo has changed.
    #[tracing::instrument(target = TARGET, name = "publish", skip_all)]
    async fn publish(
        &self,
        push: &mut Pushing<'_>,
        prepared: Prepared,
    ) -> Result<Option<Vec<PushReport>>> {
        push.at(Phase::Publish)?;
        let lock = match push.lock.take() {
            Some(lock) => lock,
            None => self.catalog.lock(LockMode::Publishing).await?,
        };
        // It can still be cancelled after this wait.
        push.at(Phase::Publish)?;
        let repo = &push.row.name;
        self.store_received(repo, &mut push.received, &prepared.files, push.progress).await?;
        match self.catalog.publish_push(&prepared.push, &lock).await? {
            PublishOutcome::Done { .. } => {
                Ok(Some(self.push_reports(push, Some(&prepared), &prepared.heads)))
            }
            PublishOutcome::Changed => {
                push.lock = Some(lock);
                Ok(None)
            }
            PublishOutcome::LeaseLost => Err(self.lease_lost()),
        }
    }

    fn push_reports(
        &self,
        push: &Pushing<'_>,
        prepared: Option<&Prepared>,
        heads: &[Head],
    ) -> Vec<PushReport> {
        let report = |(number, one): (usize, &StagedPack)| {
            let unchanged = self.unchanged(&push.row.name, one, heads);
            let Some(pack) = prepared.and_then(|prepared| prepared.pack_of(number)) else {
                let is_restored = push.restored.contains(&number);
                let status = if is_restored { PushStatus::Stored } else { unchanged.status };
                return PushReport { status, ..unchanged };
            };
            let new = |kind: Kind| {
                pack.fresh.iter().filter(|f| f.row.entity[0] == kind as u8).count() as u64
            };
            let (new_objects, new_tags) = (new(Kind::Object), new(Kind::Tag));
            PushReport { status: PushStatus::Stored, new_objects, new_tags, ..unchanged }
        };
        push.received.iter().enumerate().map(report).collect()
    }

    /// The report of a file that adds nothing to a repo.
    pub(super) fn unchanged(
        &self,
        repo: &RepoName,
        one: &StagedPack,
        heads: &[Head],
    ) -> PushReport {
        let counts = one.written.scanned.distinct();
        PushReport {
            repo: repo.clone(),
            file: one.file.display().to_string(),
            mpack_key: one.written.key,
            status: PushStatus::Unchanged,
            objects: counts.objects,
            commits: counts.commits,
            snapshots: counts.snapshots,
            tags: counts.tags,
            new_objects: 0,
            new_tags: 0,
            bytes: one.written.bytes,
            branch_heads: named(heads),
            job: None,
            component: self.planner.digest().to_owned(),
        }
    }
}
