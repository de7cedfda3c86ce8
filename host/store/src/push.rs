//! `push`: files become packs of a repo, all of them or none.
//!
//! ```text
//! each file ─▶ staging, hashed, read back, scanned      (the file is read once, and never trusted)
//! all of them ─▶ the component reads records, decides heads ─▶ the index rows they make
//! store packs ─▶ store directories ─▶ publish: shelves, rows, edges, heads in one transaction
//! ```
//!
//! Which pack the index then maps an entity to is in [`super::placement`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_catalog::{
    DamageFindings, EntityKey, LockMode, PackRow, PublishOutcome, Push, PushedPack, RepoRow,
    Snapshot, entity_key,
};
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Fault, Head, Kind, Rival as EncodingConflict, Row};
use packhouse_model::client::PushOptions;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{BranchName, MpackKey, RepoName, ShelfId, in_the_way, same_name};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{PushReport, PushStatus};
use packhouse_pack::pipeline::{CHUNK, Produce, WriteError};
use packhouse_pack::{BadPack, Directory, WrittenPack, write_and_read_back};
use packhouse_run::RunError;
use packhouse_run::{RunHost, RunPack};
use packhouse_tape::Question;
use packhouse_vault::StagedFile;

use super::damage::PushComparison;
use super::placement::{self, PushedEntity, check_index, choose};
use super::prefetch::Reads;
use super::reach::check_heads;
use super::repo::named;
use super::{Store, TRIES, blocking};

/// What a client's push of one branch must keep to besides: the branch follows from where it was,
/// and nothing that it reaches is missing.
#[derive(Clone, Debug)]
pub struct PushPreconditions {
    /// The branch: the one that the push names.
    pub branch: String,
    /// Its new head.
    pub head: EntityId,
}

/// A file of a push, in staging or stored already.
#[derive(Debug)]
pub struct StagedPack {
    pub(super) file: PathBuf,
    pub(crate) written: WrittenPack,
    pub(super) staged: Option<StagedFile>,
    /// Open for the component's reads, wherever the staged file has been moved.
    pub(super) bytes: File,
}

/// What a push does to the index.
struct Prepared {
    push: Push,
    /// Which of the received files each pack of the push is.
    files: Vec<usize>,
    heads: Vec<Head>,
}

/// The bytes of a push before a file of it, and in total (0 when unknown): for progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadProgress {
    /// Bytes of the files before.
    pub before: u64,
    /// Bytes of all files; 0 when unknown.
    pub total: u64,
}

/// Reads a pushed file front to back.
struct FileSource {
    file: File,
    path: PathBuf,
}

impl FileSource {
    fn open(path: PathBuf) -> Result<FileSource> {
        let file = File::open(&path).map_err(Error::io("opening", &path))?;
        if file.metadata().map_err(Error::io("opening", &path))?.is_dir() {
            return Err(Error::Usage(format!("{} is a folder; push takes files", path.display())));
        }
        Ok(FileSource { file, path })
    }
}

impl Produce for FileSource {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        use std::io::Read;
        let room = CHUNK as u64;
        (&self.file).take(room).read_to_end(chunk).map_err(Error::io("reading", &self.path))?;
        Ok(())
    }
}

impl Store {
    /// Stores files as packs of a repo: all of them or none.
    ///
    /// # Errors
    /// [`Error::BadPack`], [`Error::Disagreement`] and [`Error::HeadConflict`] refuse the push;
    /// [`Error::Busy`] when other pushes kept coming first. Nothing is stored then.
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
        self.push_received(repo, received, options, None, progress).await
    }

    /// The rest of a push whose packs were received: they become packs of the repo, all of them or
    /// none.
    ///
    /// # Errors
    /// As [`Store::push`].
    pub async fn push_received(
        &self,
        repo: &RepoName,
        received: Vec<StagedPack>,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let row = self.known_repo(repo).await?;
        self.index(&row, received, options, preconditions, progress).await
    }

    /// Takes files into staging and reads them back.
    pub(super) async fn receive_all(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        progress: &Progress,
    ) -> Result<Vec<StagedPack>> {
        if files.is_empty() {
            return Err(Error::Usage("a push needs at least one file".into()));
        }
        let total: u64 =
            files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
        // How long the directories will be is known when the records are: a guess.
        self.need_space(total.saturating_add(total / 16))?;
        let mut received = Vec::with_capacity(files.len());
        let mut done = 0;
        for file in files {
            let path = file.clone();
            let source = blocking(move || FileSource::open(path)).await?;
            let one = self
                .receive_from(
                    repo,
                    file.clone(),
                    Box::new(source),
                    UploadProgress { before: done, total },
                    progress,
                )
                .await?;
            done += one.written.bytes;
            received.push(one);
        }
        Ok(received)
    }

    /// Puts files on shelves of a repo: all of them or none. If the repo changes in the meantime,
    /// starts again.
    pub(crate) async fn index(
        &self,
        row: &RepoRow,
        received: Vec<StagedPack>,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let done = self.index_all(row, received, options, preconditions, progress).await;
        self.remembering(row.id, "push", done).await
    }

    async fn index_all(
        &self,
        row: &RepoRow,
        mut received: Vec<StagedPack>,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let repo = &row.name;
        let total = received.iter().map(|one| one.written.bytes).sum();
        // From the first stored pack until all are on shelves, through all tries: no pack is
        // deleted in between.
        let mut lock = None;
        // Files that are packs of the repo and were not really there.
        let mut restored = BTreeSet::new();
        for _ in 0..TRIES {
            progress.at(&repo.to_string(), Phase::Index, total, total)?;
            let mut snapshot = self.catalog.snapshot(row.id).await?;
            let comparison = self.compare_push(row, snapshot.as_mut(), &received).await?;
            if !comparison.lost.is_empty() {
                if lock.is_none() {
                    // Checked again under the lock: what the repo gives up in the meantime is not
                    // stored in vain.
                    lock = Some(self.catalog.lock(LockMode::Publishing).await?);
                    continue;
                }
                self.restore(repo, &mut received, &comparison.lost, progress).await?;
                restored.extend(comparison.lost.iter().copied());
            }
            if comparison.fresh.is_empty() && !options.force {
                let heads = snapshot.heads().await?;
                // If the branch has moved by now, the existing pack moves it again.
                if preconditions.is_none_or(|preconditions| preconditions.check(&heads).is_ok()) {
                    let looked_up = snapshot.repo().clone();
                    drop(snapshot);
                    if !self
                        .catalog
                        .freshen(&looked_up, &entities_of(&received), self.time().await?)
                        .await?
                    {
                        // Some of it was dropped in the meantime: it is not unchanged any more.
                        continue;
                    }
                    return Ok(self.push_reports(repo, &received, None, &restored, &heads));
                }
            }
            refuse_bad_branches(&received)?;
            if let Some(preconditions) = preconditions {
                // Checked on the state that is published on: if it changes, all starts again.
                self.is_whole(snapshot.as_mut(), &received, preconditions).await?;
            }
            let prepared = match self
                .prepare(snapshot, &received, &comparison, options, preconditions, progress)
                .await
            {
                Err(error) if self.is_stale(row.id, &error).await? => continue,
                prepared => prepared?,
            };
            preconditions.map_or(Ok(()), |preconditions| preconditions.check(&prepared.heads))?;
            progress.at(&repo.to_string(), Phase::Publish, total, total)?;
            let held = match lock {
                Some(lock) => lock,
                None => self.catalog.lock(LockMode::Publishing).await?,
            };
            // It can still be cancelled after this wait.
            progress.at(&repo.to_string(), Phase::Publish, total, total)?;
            for file in &prepared.files {
                self.store_received(repo, &mut received[*file], progress).await?;
            }
            match self.catalog.publish_push(&prepared.push, &held).await? {
                PublishOutcome::Done { .. } => {
                    return Ok(self.push_reports(
                        repo,
                        &received,
                        Some(&prepared),
                        &restored,
                        &prepared.heads,
                    ));
                }
                PublishOutcome::Changed => {}
                PublishOutcome::LeaseLost => return Err(self.lease_lost()),
            }
            lock = Some(held);
        }
        Err(Error::Busy { repo: repo.clone(), what: "packs were pushed to it" })
    }

    /// Stores files again that are packs of the repo: what is stored there is missing or damaged.
    async fn restore(
        &self,
        repo: &RepoName,
        received: &mut [StagedPack],
        lost: &[usize],
        progress: &Progress,
    ) -> Result<()> {
        let mut findings = DamageFindings::at(self.now());
        for number in lost {
            let one = &mut received[*number];
            self.store_received(repo, one, progress).await?;
            tracing::info!(%repo, "restored pack {}, which was missing or damaged", one.written.key);
            findings.sound.push(one.written.key);
        }
        self.catalog.note_findings(&findings).await
    }

    /// Stores a received file as a pack, if it is not yet stored: a second try finds it stored by
    /// the first.
    pub(super) async fn store_received(
        &self,
        repo: &RepoName,
        one: &mut StagedPack,
        progress: &Progress,
    ) -> Result<()> {
        if let Some(staged) = one.staged.take() {
            self.store_with_progress(
                &repo.to_string(),
                staged,
                &one.written.key,
                one.written.bytes,
                progress,
            )
            .await?;
            let directory =
                Directory::new(one.written.key, one.written.bytes, &one.written.scanned.rows);
            self.keep_directory(&directory).await;
        }
        Ok(())
    }

    fn push_reports(
        &self,
        repo: &RepoName,
        received: &[StagedPack],
        prepared: Option<&Prepared>,
        restored: &BTreeSet<usize>,
        heads: &[Head],
    ) -> Vec<PushReport> {
        let stored = |i: usize| {
            prepared.and_then(|p| p.files.iter().position(|f| *f == i).map(|at| &p.push.packs[at]))
        };
        received
            .iter()
            .enumerate()
            .map(|(i, one)| {
                let unchanged = self.unchanged(repo, one, heads);
                let Some(pack) = stored(i) else {
                    let status =
                        if restored.contains(&i) { PushStatus::Stored } else { unchanged.status };
                    return PushReport { status, ..unchanged };
                };
                let new = |kind: Kind| {
                    pack.fresh.iter().filter(|f| f.row.entity[0] == kind as u8).count() as u64
                };
                let (new_objects, new_tags) = (new(Kind::Object), new(Kind::Tag));
                PushReport { status: PushStatus::Stored, new_objects, new_tags, ..unchanged }
            })
            .collect()
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

    /// Takes a pack into staging and reads it back, wherever its bytes come from. `name` is what it
    /// is called in reports and errors.
    ///
    /// # Errors
    /// [`Error::BadPack`]; whatever the source fails with.
    pub async fn receive_from(
        &self,
        repo: &RepoName,
        name: PathBuf,
        mut source: Box<dyn Produce>,
        upload: UploadProgress,
        progress: &Progress,
    ) -> Result<StagedPack> {
        let staged = self.stage().await?;
        let (repo, progress) = (repo.to_string(), progress.clone());
        let (staged, written) = blocking(move || {
            let mut tick =
                |done| progress.at(&repo, Phase::Receive, upload.before + done, upload.total);
            let written =
                write_and_read_back(&staged.file, staged.path(), source.as_mut(), &mut tick);
            Ok((staged, written))
        })
        .await?;
        match written {
            Ok(written) => {
                let bytes = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
                Ok(StagedPack { file: name, written, staged: Some(staged), bytes })
            }
            Err(WriteError::Failed(error)) => Err(error),
            Err(WriteError::Bad(BadPack { offset, record, reason })) => {
                Err(Error::BadPack { file: name, offset, record, reason })
            }
        }
    }

    /// Reads the push with the component, and works out the index rows.
    async fn prepare(
        &self,
        mut snapshot: Box<dyn Snapshot>,
        received: &[StagedPack],
        comparison: &PushComparison,
        options: PushOptions,
        preconditions: Option<&PushPreconditions>,
        progress: &Progress,
    ) -> Result<Prepared> {
        let row = snapshot.repo().clone();
        let heads = snapshot.heads().await?;
        let PushComparison { fresh, broken, index, .. } = comparison;

        // All files speak for the heads; those that are new besides become packs. Each is a pack of
        // the run once.
        let mut numbers: Vec<usize> = Vec::new();
        for (i, one) in received.iter().enumerate() {
            if !numbers.iter().any(|n| received[*n].written.key == one.written.key) {
                numbers.push(i);
            }
        }
        let mut packs = Vec::with_capacity(numbers.len());
        for i in &numbers {
            let one = &received[*i];
            let directory =
                Directory::new(one.written.key, one.written.bytes, &one.written.scanned.rows);
            let file = one.bytes.try_clone().map_err(Error::io("opening", &one.file))?;
            packs.push(RunPack::staged(
                directory,
                file,
                one.file.clone(),
                one.written.scanned.heads.clone(),
            ));
        }
        let pushed = packs.len() as u32;
        // Of the repo's branches those that the push names: it costs as much beside many others as
        // beside few.
        let given: BTreeSet<&str> =
            packs.iter().flat_map(RunPack::heads).map(|head| head.branch.as_str()).collect();
        let stood: Vec<Head> =
            heads.iter().filter(|head| given.contains(head.branch.as_str())).cloned().collect();

        // The preferred encoding of each entity among the new packs.
        let staged = Arc::new(packs);
        let mut reader = self.run_packs(&row.name, staged.clone());
        let choosing = (numbers.clone(), fresh.to_vec(), staged.clone());
        let chosen = blocking(move || {
            let (numbers, fresh, staged) = choosing;
            choose(&mut reader, &staged, numbers.iter().map(|n| fresh.contains(n)).collect())
        })
        .await?;
        let known: Vec<_> = chosen.iter().map(|c| index.place(&c.entity)).collect();
        let shelves = &index.shelves;

        // Those that the repo has in another encoding, and the stored packs with them. What can't
        // be read is not compared, and stays mapped as it is until its own encoding is pushed
        // again.
        let different: Vec<(PushedEntity, ShelfId, Fingerprint)> = chosen
            .iter()
            .zip(&known)
            .filter_map(|(c, k)| {
                let differs = k.filter(|(shelf, fingerprint)| {
                    *fingerprint != c.row.print && !broken.contains(shelf)
                });
                differs.map(|(shelf, fingerprint)| (*c, shelf, fingerprint))
            })
            .collect();
        let mut packs = Arc::try_unwrap(staged).map_err(|_| Error::Cancelled)?;
        let conflicts = self.find_conflicts(&row.name, shelves, &different, &mut packs).await?;

        let records: u64 = packs.iter().map(|p| p.directory.len()).sum();
        let packs = Arc::new(packs);
        let mut reader = self.run_packs(&row.name, packs.clone());
        self.prefetch(&mut reader, &packs, Reads::Conflicts(&conflicts), progress).await?;
        let run =
            RunHost::new(reader, stood.clone(), Some(snapshot)).with_conflicts(conflicts.clone());
        let force = options.force;
        let question = Question::Indexing { pushed, force };
        let indexed = self
            .ask("push", &row.name, question, &packs, run, move |sandbox, host| {
                sandbox.index(host, records, pushed, force)
            })
            .await?;
        let mut indexed = match indexed {
            Ok(indexed) => indexed,
            Err(error) => {
                return Err(self.refusal(&row.name, received, &numbers, &packs, error).await);
            }
        };
        if let (true, Some(preconditions)) = (force, preconditions) {
            // By force a branch goes where it shall, be it back to where it came from.
            indexed
                .heads
                .iter_mut()
                .filter(|head| head.branch == preconditions.branch)
                .for_each(|head| head.commit = preconditions.head);
        }
        let mut reader = self.run_packs(&row.name, packs.clone());
        let (checking, judged) = (packs.clone(), conflicts.clone());
        let (mut checked, indexed) = blocking(move || {
            let checked =
                check_index(&mut reader, &checking[..pushed as usize], &judged, &indexed)?;
            Ok((checked, indexed))
        })
        .await?;
        if checked.is_ok() {
            let mut now = self.catalog.snapshot(row.id).await?;
            let (packs, decided) = (&packs[..pushed as usize], &indexed.heads);
            checked =
                check_heads(now.as_mut(), packs, &stood, &indexed.edges, decided, force).await?;
        }
        checked.map_err(|reason| Error::Component {
            digest: self.planner.digest().to_owned(),
            doing: "indexing a push",
            reason,
        })?;

        // With the length of the stored encoding that has lost.
        let won: BTreeMap<EntityKey, u64> = indexed
            .preferred
            .iter()
            .filter_map(|n| usize::try_from(*n).ok())
            .filter_map(|n| Some((different.get(n)?.0.entity, conflicts.get(n)?.stored.length)))
            .collect();
        let mut pushed_packs: Vec<PushedPack> =
            fresh.iter().map(|i| placement::unplaced(&received[*i].written)).collect();
        // Where each pack of the run is among those: one that the repo has already is not.
        let places: Vec<Option<usize>> =
            numbers.iter().map(|n| fresh.iter().position(|i| i == n)).collect();
        for (c, known) in chosen.iter().zip(known) {
            let Some(pack) = places[c.pack as usize].and_then(|at| pushed_packs.get_mut(at)) else {
                continue;
            };
            let stored = known.and_then(|(shelf, fingerprint)| {
                shelves.get(&shelf).map(|stored| (shelf, fingerprint, stored))
            });
            let is_broken = known.is_some_and(|(shelf, _)| broken.contains(&shelf));
            placement::place(pack, c, stored, won.get(&c.entity).copied(), is_broken);
        }
        room_for(&row.name, &heads, &indexed.heads)?;
        let mut all: BTreeMap<String, Head> =
            heads.into_iter().map(|h| (h.branch.clone(), h)).collect();
        all.extend(indexed.heads.iter().map(|h| (h.branch.clone(), h.clone())));
        let known = known_entities(received, &pushed_packs);
        let push = Push {
            repo: row,
            packs: pushed_packs,
            known,
            edges: indexed.edges,
            heads: indexed.heads,
            broken: broken.iter().copied().collect(),
            forced: options.force,
            fence: self.fence,
            now: self.time().await?,
        };
        Ok(Prepared { push, files: fresh.to_vec(), heads: all.into_values().collect() })
    }

    /// Finds the stored encodings, and adds their packs to the run.
    async fn find_conflicts(
        &self,
        repo: &RepoName,
        shelves: &BTreeMap<ShelfId, PackRow>,
        different: &[(PushedEntity, ShelfId, Fingerprint)],
        packs: &mut Vec<RunPack>,
    ) -> Result<Vec<EncodingConflict>> {
        if different.is_empty() {
            return Ok(Vec::new());
        }
        let needed: BTreeMap<i64, &PackRow> = different
            .iter()
            .filter_map(|(_, shelf, _)| shelves.get(shelf))
            .map(|pack| (pack.id, pack))
            .collect();
        let first = packs.len();
        let needed: Vec<PackRow> = needed.into_values().cloned().collect();
        packs.extend(self.directories(repo, &needed).await?);
        // Where each of the entities is in the pack that the index maps it to.
        let wanted: BTreeMap<EntityKey, Fingerprint> =
            different.iter().map(|(c, _, fingerprint)| (c.entity, *fingerprint)).collect();
        let mut places: BTreeMap<(i64, EntityKey), (u32, Row)> = BTreeMap::new();
        for (i, pack) in needed.iter().enumerate() {
            let number = (first + i) as u32;
            for row in packs[first + i].directory.rows() {
                let entity = entity_key(row.kind, row.id);
                // A pack may repeat an entity: it is the encoding that the index maps which has to
                // be beaten.
                if wanted.get(&entity) == Some(&row.print) {
                    places.insert((pack.id, entity), (number, row));
                }
            }
        }
        let mut conflicts = Vec::with_capacity(different.len());
        for (c, shelf, _) in different {
            let place = shelves.get(shelf).and_then(|pack| places.get(&(pack.id, c.entity)));
            let Some((pack, row)) = place else {
                let (kind, id) = (c.row.kind, c.row.id);
                return Err(Error::Lost {
                    repo: repo.clone(),
                    kind,
                    id,
                    wanted_by: "the push".into(),
                });
            };
            conflicts.push(EncodingConflict {
                kind: c.row.kind,
                pushed: c.row.span(c.pack),
                stored: row.span(*pack),
            });
        }
        Ok(conflicts)
    }

    /// A fault that a component found in a push, as an error about the files.
    async fn refusal(
        &self,
        repo: &RepoName,
        received: &[StagedPack],
        numbers: &[usize],
        packs: &[RunPack],
        error: RunError,
    ) -> Error {
        let file = |pack: u32| numbers.get(pack as usize).map(|n| &received[*n]);
        let place = |pack: u32| match file(pack) {
            Some(one) => one.file.display().to_string(),
            None => packs
                .get(pack as usize)
                .map_or_else(String::new, |p| format!("pack {}", p.directory.key)),
        };
        match error {
            RunError::Fault(Fault::Malformed { kind, id, at, offset, reason })
                if file(at.pack).is_some() =>
            {
                let path = file(at.pack).map(|one| one.file.clone()).unwrap_or_default();
                Error::BadPack { file: path, offset, record: Some(format!("{kind} {id}")), reason }
            }
            RunError::Fault(Fault::Disagrees { kind, id, first, second, detail }) => {
                let at = |span: packhouse_core::Span| {
                    format!("{} (byte {})", place(span.pack), span.offset)
                };
                // A tag's text is in the detail: here there is only its digest.
                let entity =
                    if kind == Kind::Tag { "a tag".into() } else { format!("{kind} {id}") };
                Error::Disagreement { entity, first: at(first), second: at(second), detail }
            }
            other => self.run_error(repo, packs, other).await,
        }
    }
}

/// Refuses a push that would do something and names a branch as none may be named. What a repo has
/// under such a name stays.
pub(super) fn refuse_bad_branches(received: &[StagedPack]) -> Result<()> {
    let bad =
        received.iter().find_map(|one| Some((&one.file, one.written.scanned.bad_branch.clone()?)));
    match bad {
        None => Ok(()),
        Some((file, BadPack { offset, record, reason })) => {
            Err(Error::BadPack { file: file.clone(), offset, record, reason })
        }
    }
}

/// Refuses new branches beside which another can't be: one name would be a folder of the other, or
/// the same name to many file systems.
fn room_for(repo: &RepoName, stored: &[Head], decided: &[Head]) -> Result<()> {
    let there: BTreeSet<&str> = stored.iter().map(|head| head.branch.as_str()).collect();
    let new: Vec<&str> = decided
        .iter()
        .map(|head| head.branch.as_str())
        .filter(|branch| !there.contains(branch))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let usable = there.iter().copied().filter(|branch| BranchName::fault(branch).is_none());
    let all: BTreeSet<&str> =
        usable.chain(decided.iter().map(|head| head.branch.as_str())).collect();
    if let Some((branch, other)) = same_name(&new, &all) {
        return Err(Error::SameBranch {
            repo: repo.clone(),
            branch: branch.to_owned(),
            other: other.to_owned(),
        });
    }
    let mut met = new.into_iter().filter_map(|branch| Some((branch, in_the_way(branch, &all)?)));
    met.next().map_or(Ok(()), |(branch, other)| {
        Err(Error::BranchInTheWay {
            repo: repo.clone(),
            branch: branch.to_owned(),
            other: other.to_owned(),
        })
    })
}

/// All entities of files, in order, each once.
pub(super) fn entities_of<'a>(
    received: impl IntoIterator<Item = &'a StagedPack>,
) -> Vec<EntityKey> {
    let rows = received.into_iter().flat_map(|one| &one.written.scanned.rows);
    let mut entities: Vec<EntityKey> = rows.map(|row| entity_key(row.kind, row.id)).collect();
    entities.sort_unstable();
    entities.dedup();
    entities
}

/// Entities of files that the repo had, and that packs of the push don't take over.
fn known_entities(received: &[StagedPack], packs: &[PushedPack]) -> Vec<EntityKey> {
    let taken = |pack: &PushedPack| -> Vec<EntityKey> {
        let fresh = pack.fresh.iter().map(|fresh| fresh.row.entity);
        fresh.chain(pack.moved.iter().map(|moved| moved.row.entity)).collect()
    };
    let mut taken: Vec<EntityKey> = packs.iter().flat_map(taken).collect();
    taken.sort_unstable();
    let mut known = entities_of(received);
    known.retain(|entity| taken.binary_search(entity).is_err());
    known
}

/// The numbers of the files whose bytes the repo does not have; of equal ones the first.
pub(super) async fn fresh_files(
    snapshot: &mut dyn Snapshot,
    received: &[StagedPack],
) -> Result<Vec<usize>> {
    let keys: Vec<MpackKey> = received.iter().map(|one| one.written.key).collect();
    let held = snapshot.holds(&keys).await?;
    let mut met = BTreeSet::new();
    Ok((0..received.len()).filter(|i| !held[*i] && met.insert(keys[*i])).collect())
}
