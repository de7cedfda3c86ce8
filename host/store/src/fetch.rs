//! `fetch`: the pack that holds what `want` reaches and `have` does not.
//!
//! A stored pack that is exactly that is answered as it is; else one is assembled, and kept until
//! it expires. Either is read whole before it is answered: a fetch never hands out bytes that are
//! not what their key says.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{LockMode, NewAnswer, RepoRow, entity_key};
use packhouse_core::{Answer, Counts, EntityId, Head, Kind, Request, Row};
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Error, ExhaustedBudget, Result};
use packhouse_model::files::{beside, file_url, for_user, replaceable};
use packhouse_model::names::{MpackKey, RepoName, ShelfId};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::FetchReport;
use packhouse_pack::scan::ScannedPack;
use packhouse_run::{RunHost, RunPack};
use packhouse_tape::{Question, plan_digest};
use packhouse_vault::{StagedFile, StoredPack};

use super::client::handed_out;
use super::load::{distinct_packs, examine};
use super::prefetch::Reads;
use super::prove::ProofError;
use super::reach::unreached;
use super::{Store, blocking, prove};

/// What it takes to prove that an answer is whole.
struct ClosureCheck {
    ask: Request,
    /// The shelves that there were when it was planned.
    planned_from: BTreeSet<ShelfId>,
}

/// Room that was taken for an answer.
struct Reservation {
    name: MpackKey,
    answer: NewAnswer,
}

/// Where an answer is.
struct StoredAnswer {
    key: MpackKey,
    url: String,
    bytes: u64,
    reused: bool,
    /// The answer itself, where the store does not keep it.
    aside: Option<StagedFile>,
}

impl Store {
    /// Answers a fetch.
    ///
    /// # Errors
    /// [`Error::UnknownWant`]; [`Error::Lost`] and other damage, where something that should be in
    /// the answer can't be read.
    pub async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        let row = self.known_repo(repo).await?;
        let (report, found) = self.fetch_current(&row, request, progress).await?;
        if let Some(output) = &request.output {
            self.copy_answer(&row, found, output).await?;
        }
        Ok(report)
    }

    async fn fetch_current(
        &self,
        row: &RepoRow,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<(FetchReport, StoredAnswer)> {
        let done =
            self.until_current(row.id, || Box::pin(self.fetch_once(row, request, progress))).await;
        self.remembering(row.id, "fetch", done).await
    }

    /// Answers a fetch with the pack itself, open for reading.
    pub async fn fetch_open(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<(FetchReport, StoredPack)> {
        let row = self.known_repo(repo).await?;
        let (report, found) = self.fetch_current(&row, request, progress).await?;
        let pack = match found.aside {
            None => self.open_found(&row, &found).await?,
            Some(staged) => {
                let (path, bytes) = (staged.path().to_owned(), found.bytes);
                let file = staged.file.try_clone().map_err(Error::io("opening", &path))?;
                // Its name goes here, and its bytes when the file is closed.
                StoredPack { file, path, bytes }
            }
        };
        Ok((report, pack))
    }

    /// What a fetch of a repo has answered, if it is still there and still a pack of that repo (law
    /// 10).
    pub async fn fetched(
        &self,
        repo: &RepoName,
        key: &MpackKey,
        assembled: bool,
    ) -> Result<Option<StoredPack>> {
        let Some(row) = self.catalog.repo(repo).await?.filter(|row| self.means(row)) else {
            return Ok(None);
        };
        if assembled {
            return self.vault.open_answer(&row.repo_id, key).await;
        }
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        // A consolidation may have replaced it since, and dropped some of what it holds: it stays
        // readable until it is deleted.
        let is_its_own = snapshot.holds(&[*key]).await?.contains(&true)
            || snapshot.retired().await?.iter().any(|retired| retired.pack.key == *key);
        drop(snapshot);
        if !is_its_own {
            return Ok(None);
        }
        let found = self.vault.open(key).await?;
        if found.is_none() {
            // Where a shelf holds it, that is damage; else it was replaced and deleted.
            let missing = self.missing(repo, key);
            if !self.is_stale(row.id, &missing).await? {
                let _ = self.remembering::<()>(row.id, "serve", Err(missing)).await;
            }
        }
        Ok(found)
    }

    async fn fetch_once(
        &self,
        row: &RepoRow,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<(FetchReport, StoredAnswer)> {
        request.check()?;
        let repo = &row.name;
        let now = self.time().await?;
        let ttl = SignedDuration::try_from(request.ttl)
            .map_err(|_| Error::Usage("the ttl is too long".into()))?;
        let expires_at =
            now.checked_add(ttl).map_err(|_| Error::Usage("the ttl is too long".into()))?;
        if let Some(longest) = self.vault.longest_url().filter(|longest| request.ttl > *longest) {
            return Err(Error::Usage(format!(
                "a URL of {} is valid for at most {} seconds (7 days); use a shorter ttl",
                self.vault.place(),
                longest.as_secs()
            )));
        }
        // Where nothing can be written, nothing is tidied up either.
        let tidied = self.expire_answers(row.id, &row.repo_id, now, "fetch").await;
        tidied.or_else(|error| if error.is_read_only() { Ok(0) } else { Err(error) })?;

        progress.at(&row.name.to_string(), Phase::Plan, 0, 0)?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let stored_heads = snapshot.heads().await?;
        let heads = handed_out(snapshot.as_mut()).await?;
        let shelves = snapshot.shelves().await?;
        let mut ask = Request { want: ids(repo, &request.want)?, ..Request::default() };
        if request.want.is_empty() {
            // Of branches that clients can't keep the names are left out, and nothing that they
            // reach.
            ask.want_if_known = stored_heads.iter().map(|h| h.commit).collect();
        }
        // A have that the repo does not know says nothing of what the client has. Without it, more
        // can be proven of the answer.
        let had: Vec<EntityId> =
            request.have.iter().filter_map(|id| EntityId::parse(id.as_bytes()).ok()).collect();
        let keys: Vec<_> = had.iter().map(|id| entity_key(Kind::Commit, *id)).collect();
        let known = snapshot.lookup(&keys).await?;
        ask.have = had
            .into_iter()
            .zip(known)
            .filter(|(_, known)| known.is_some())
            .map(|(id, _)| id)
            .collect();

        let packs = Arc::new(self.directories(repo, &distinct_packs(&shelves)).await?);
        let planned_from: BTreeSet<ShelfId> = shelves.iter().map(|shelf| shelf.id).collect();
        let records = packs.iter().map(|p| p.directory.len()).sum();
        let mut reader = self.run_packs(repo, packs.clone());
        self.prefetch(&mut reader, &packs, Reads::Metadata, progress).await?;
        let run = RunHost::new(reader, heads.clone(), Some(snapshot));
        let asked = ask.clone();
        let question = Question::Assembly { request: ask.clone() };
        let planned = self
            .ask("fetch", repo, question, &packs, run, move |sandbox, host| {
                sandbox.assemble(host, records, &asked)
            })
            .await?;
        let answer = match planned {
            Ok(answer) => answer,
            Err(error) => return Err(self.run_error(repo, &packs, error).await),
        };

        let counts = answer.plan.records;
        let missing = answer.missing;
        // A clone takes the branches from the pack: one that names others, or other heads, is not
        // an answer to it.
        let branches = request.want.is_empty().then_some(&heads[..]);
        let closed = ClosureCheck { ask, planned_from };
        let reused = match answer.reuse {
            Some(pack) => {
                self.reuse(row, &packs, pack, counts, branches, &closed, request.ttl, progress)
                    .await?
            }
            None => None,
        };
        let found = match reused {
            Some(found) => found,
            None => {
                self.assemble(row, &packs, answer, &closed, &heads, (request, expires_at), progress)
                    .await?
            }
        };
        let report = FetchReport {
            mpack_key: found.key,
            mpack_url: found.url.clone(),
            object_count: counts.objects,
            commit_count: counts.commits,
            snapshot_count: counts.snapshots,
            tag_count: counts.tags,
            missing,
            bytes: found.bytes,
            expires_at,
            reused: found.reused,
            component: self.planner.digest().to_owned(),
        };
        Ok((report, found))
    }

    /// Checks a stored pack and answers it as it is; `None` when it names other `branches` than it
    /// should.
    #[expect(clippy::too_many_arguments, reason = "they are the state of one fetch, used once")]
    async fn reuse(
        &self,
        row: &RepoRow,
        packs: &[RunPack],
        pack: u32,
        counts: Counts,
        branches: Option<&[Head]>,
        closed: &ClosureCheck,
        ttl: Duration,
        progress: &Progress,
    ) -> Result<Option<StoredAnswer>> {
        let repo = &row.name;
        let unproven = |reason: &str| Error::Unproven {
            digest: self.planner.digest().to_owned(),
            repo: repo.clone(),
            reason: reason.to_owned(),
        };
        let directory = match packs.get(pack as usize) {
            Some(pack) if pack.directory.len() == counts.total() => &pack.directory,
            _ => {
                return Err(unproven(
                    "it would answer with a pack that does not hold what it counts",
                ));
            }
        };
        let key = directory.key;
        let stored = self.open_pack(repo, &key).await?;
        let (progress, name, total) = (progress.clone(), repo.to_string(), stored.bytes);
        let (stored, examined) = blocking(move || {
            let examined = examine(&stored, |done| progress.at(&name, Phase::Verify, done, total))?;
            Ok((stored, examined))
        })
        .await?;
        let bytes = examined.bytes;
        let scanned = examined.sound(&key).map_err(|detail| self.damaged(repo, &key, detail))?;
        let right_branches = scanned.bad_branch.is_none()
            && branches.is_none_or(|branches| branches == scanned.heads);
        self.leaves_nothing_out(row, packs, closed, scanned, stored.file, &stored.path).await?;
        if !right_branches {
            return Ok(None);
        }
        let url = self.vault.url_of(&key, ttl).await?;
        Ok(Some(StoredAnswer { key, url, bytes, reused: true, aside: None }))
    }

    /// Makes the pack that the plan says.
    #[expect(clippy::too_many_arguments, reason = "they are the state of one fetch, used once")]
    async fn assemble(
        &self,
        row: &RepoRow,
        packs: &Arc<Vec<RunPack>>,
        answer: Answer,
        closed: &ClosureCheck,
        heads: &[Head],
        (request, expires_at): (&FetchRequest, Timestamp),
        progress: &Progress,
    ) -> Result<StoredAnswer> {
        let plan = Arc::new(answer.plan);
        if let Err(failed) = prove::admit(&plan, packs, heads) {
            return Err(self.unproven(&row.name, packs, failed).await);
        }
        let digest = plan_digest(&plan, packs.iter().map(|pack| pack.directory.key));
        // Where nothing can be written, a file of the user's will do.
        let aside = |error: &Error| error.is_read_only() && request.output.is_some();
        match self.assembled_before(row, &digest, request.ttl, expires_at).await {
            Ok(Some(found)) => return Ok(found),
            Err(error) if !aside(&error) => return Err(error),
            Ok(None) | Err(_) => {}
        }
        let (staged, kept) = match (self.stage().await, &request.output) {
            (Err(error), Some(output)) if error.is_read_only() => {
                (stage_beside(output, &hex::encode(self.clock.random_id()))?, false)
            }
            (staged, _) => {
                self.need_space(plan.bytes)?;
                (staged?, true)
            }
        };
        // An answer that the store does not keep takes no room in it.
        let room = match kept {
            false => None,
            true => match self.take_room(row, digest, plan.bytes).await {
                Err(error) if aside(&error) => None,
                room => room?,
            },
        };
        let made = async {
            let (staged, written) = self
                .splice(staged, &row.name, &plan, packs, Reads::Copied(&plan), progress)
                .await?;
            if let Err(failed) = prove::same_records(&plan, packs, &written.scanned, heads) {
                return Err(self.unproven(&row.name, packs, failed).await);
            }
            let file = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
            self.leaves_nothing_out(row, packs, closed, written.scanned, file, staged.path())
                .await?;
            match (&room, &request.output) {
                (Some(room), _) => {
                    self.keep_answer(
                        row,
                        staged,
                        &written.key,
                        written.bytes,
                        room,
                        (request.ttl, expires_at),
                    )
                    .await
                }
                (None, output) => {
                    let output = output.as_deref().unwrap_or(Path::new("."));
                    let url = file_url(
                        &std::path::absolute(output).map_err(Error::io("finding", output))?,
                    );
                    Ok(StoredAnswer {
                        key: written.key,
                        url,
                        bytes: written.bytes,
                        reused: false,
                        aside: Some(staged),
                    })
                }
            }
        };
        let made = made.await;
        if let (Err(_), Some(room)) = (&made, &room) {
            // If that fails, its space is released when it expires.
            let _ = self.catalog.give_room_back(row.id, &room.name).await;
        }
        let found = made?;
        if let Some(Reservation { name, answer }) = room {
            // From now on the answer uses the space. If that fails, the space stays reserved until
            // it expires: the file exists.
            self.catalog
                .note_answer(&name, &found.key, &NewAnswer { expires_at, ..answer })
                .await?;
        }
        Ok(found)
    }

    /// Puts an answer into the store. Its room stays that of `room`.
    async fn keep_answer(
        &self,
        row: &RepoRow,
        staged: StagedFile,
        key: &MpackKey,
        bytes: u64,
        room: &Reservation,
        (ttl, expires_at): (Duration, Timestamp),
    ) -> Result<StoredAnswer> {
        // Recorded first: an unrecorded answer would stay for ever. And it can't be expired in
        // between.
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        self.note_without_room(key, &room.answer, expires_at).await?;
        let url = self.vault.store_answer(staged, &row.repo_id, key, ttl).await?;
        drop(lock);
        Ok(StoredAnswer { key: *key, url, bytes, reused: false, aside: None })
    }

    /// Records an answer without a file, so that it uses no space: neither while it is stored, nor
    /// when that fails.
    async fn note_without_room(
        &self,
        key: &MpackKey,
        answer: &NewAnswer,
        expires_at: Timestamp,
    ) -> Result<()> {
        // Under its own key no space was reserved: none is released.
        self.catalog
            .note_answer(key, key, &NewAnswer { bytes: 0, expires_at, ..answer.clone() })
            .await
    }

    /// The answer that the same plan has made before, if it is still there and whole. Its time is
    /// moved, and it takes no more room.
    async fn assembled_before(
        &self,
        row: &RepoRow,
        digest: &str,
        ttl: Duration,
        expires_at: Timestamp,
    ) -> Result<Option<StoredAnswer>> {
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        let Some(key) = self.catalog.answer_of(row.id, digest, expires_at).await? else {
            return Ok(None);
        };
        let stored = self.vault.open_answer(&row.repo_id, &key).await?;
        drop(lock);
        let bytes = match stored {
            None => None,
            Some(stored) => {
                let (bytes, examined) =
                    blocking(move || Ok((stored.bytes, examine(&stored, |_| Ok(()))?))).await?;
                examined.sound(&key).is_ok().then_some(bytes)
            }
        };
        let Some(bytes) = bytes else {
            // It is assembled again and replaces this one, whose space it must be able to use.
            let answer = NewAnswer {
                repo: row.id,
                plan: digest.to_owned(),
                bytes: 0,
                caller: String::new(),
                expires_at,
            };
            self.note_without_room(&key, &answer, expires_at).await?;
            return Ok(None);
        };
        let url = self.vault.url_of_answer(&row.repo_id, &key, ttl).await?;
        Ok(Some(StoredAnswer { key, url, bytes, reused: false, aside: None }))
    }

    /// Reserves space for an answer, if its caller has a quota.
    /// None where answers are not kept.
    async fn take_room(
        &self,
        row: &RepoRow,
        plan: String,
        bytes: u64,
    ) -> Result<Option<Reservation>> {
        let quota = self.quota.as_deref();
        if let Some(quota) = quota
            && self.vault.free_bytes()?.saturating_sub(bytes) < quota.keep_free
        {
            return Err(Error::AnswersFull { used_up: ExhaustedBudget::All, bytes });
        }
        if quota.is_some_and(|quota| !quota.kept) {
            return Ok(None);
        }
        let caller = quota.map_or_else(String::new, |quota| quota.caller.clone());
        // If this process dies, it is released after an hour.
        let soon =
            self.time().await?.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        let answer = NewAnswer { repo: row.id, plan, bytes, caller, expires_at: soon };
        let (first, second) = (self.clock.random_id(), self.clock.random_id());
        let mut name = [0; 32];
        name[..16].copy_from_slice(&first);
        name[16..].copy_from_slice(&second);
        let name = MpackKey::new(name);
        match self.catalog.take_room(&name, &answer, quota.map(|quota| quota.budget)).await? {
            None => Ok(Some(Reservation { name, answer })),
            Some(used_up) => Err(Error::AnswersFull { used_up, bytes }),
        }
    }

    /// Proves that what an answer leaves out is nothing that the repo knew when it was planned (law
    /// 12).
    async fn leaves_nothing_out(
        &self,
        row: &RepoRow,
        packs: &[RunPack],
        closed: &ClosureCheck,
        scanned: ScannedPack,
        file: File,
        path: &Path,
    ) -> Result<()> {
        let ask = closed.ask.clone();
        let read = move |row: &Row| {
            let mut bytes = vec![0; row.length as usize];
            file.read_exact_at(&mut bytes, row.offset).map(|()| bytes)
        };
        let path = path.to_owned();
        let ends = blocking(move || {
            prove::open_ends(&scanned, &ask, read).map_err(Error::io("reading", path))
        })
        .await?;
        if ends.is_empty() {
            return Ok(());
        }
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        // What was wanted and is had already need not be sent.
        let open = ends.iter().map(|end| end.id).collect();
        let open = if closed.ask.have.is_empty() {
            open
        } else {
            unreached(snapshot.as_mut(), &closed.ask.have, open).await?
        };
        let ends: Vec<_> = ends.into_iter().filter(|end| open.contains(&end.id)).collect();
        let keys: Vec<_> = ends.iter().map(|end| entity_key(end.kind, end.id)).collect();
        let known = snapshot.lookup(&keys).await?;
        // What is on another shelf was pushed after the answer was planned.
        let left_out = ends.iter().zip(known).find(|(_, known)| {
            known.is_some_and(|(shelf, _)| closed.planned_from.contains(&shelf))
        });
        match left_out {
            None => Ok(()),
            Some((end, _)) => {
                let reason = format!(
                    "its answer leaves out {} {}, wanted by {}",
                    end.kind, end.id, end.wanted_by
                );
                Err(self.unproven(&row.name, packs, ProofError::Component(reason)).await)
            }
        }
    }

    async fn open_found(&self, row: &RepoRow, found: &StoredAnswer) -> Result<StoredPack> {
        if found.reused {
            return self.open_pack(&row.name, &found.key).await;
        }
        let missing = || Error::MissingPack {
            key: found.key,
            repo: row.name.clone(),
            place: self.vault.place(),
        };
        self.vault.open_answer(&row.repo_id, &found.key).await?.ok_or_else(missing)
    }

    /// Writes the answer to a file of the user's: whole, or not at all.
    async fn copy_answer(&self, row: &RepoRow, found: StoredAnswer, output: &Path) -> Result<()> {
        let name = hex::encode(self.clock.random_id());
        let output = output.to_owned();
        match found.aside {
            Some(staged) => blocking(move || put_whole(staged, found.bytes, &output, &name)).await,
            None => {
                let pack = self.open_found(row, &found).await?;
                blocking(move || copy_whole(&pack, &output, &name)).await
            }
        }
    }
}

/// A file to assemble an answer in, where the store has no place for one.
fn stage_beside(output: &Path, name: &str) -> Result<StagedFile> {
    let path = beside(output, name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(Error::io("creating", &path))?;
    Ok(StagedFile::new(file, path))
}

/// Puts an answer that the store does not keep to where the user wants it.
fn put_whole(staged: StagedFile, bytes: u64, output: &Path, name: &str) -> Result<()> {
    if staged.path().parent() != beside(output, name).parent() {
        let file = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
        return copy_whole(
            &StoredPack { file, path: staged.path().to_owned(), bytes },
            output,
            name,
        );
    }
    replaceable(output)?;
    staged
        .file
        .sync_all()
        .and_then(|()| std::fs::rename(staged.path(), output))
        .map_err(Error::io("writing", output))?;
    staged.keep();
    Ok(())
}

fn copy_whole(pack: &StoredPack, output: &Path, name: &str) -> Result<()> {
    replaceable(output)?;
    let temporary = beside(output, name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(&temporary)?;
        (&pack.file).rewind()?;
        for_user(&file);
        std::io::copy(&mut &pack.file, &mut file)?;
        file.flush()?;
        file.sync_all()?;
        std::fs::rename(&temporary, output)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::io("writing", output)(e)
    })
}

/// Wants, as ids. A text that is no id is a commit that the repo can't have.
fn ids(repo: &RepoName, texts: &[String]) -> Result<Vec<EntityId>> {
    let (good, bad): (Vec<_>, Vec<_>) = texts
        .iter()
        .map(|t| EntityId::parse(t.as_bytes()).map_err(|_| t.clone()))
        .partition(Result::is_ok);
    if bad.is_empty() {
        return Ok(good.into_iter().flatten().collect());
    }
    Err(Error::UnknownWant {
        repo: repo.clone(),
        ids: bad.into_iter().filter_map(Result::err).collect(),
    })
}
