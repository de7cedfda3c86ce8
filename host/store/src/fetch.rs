//! `fetch`: returns a pack with everything that `want` reaches and `have` does not.
//!
//! A clone of a repo whose only pack is complete is that pack: one look into the catalog
//! ([`super::complete`]). Another stored pack that is exactly what is sent is answered as it is;
//! else one is assembled ([`super::assemble`]), and kept until it expires. What this store sends
//! itself, it reads whole before. A complete pack of which it gives the URL was proven when it was
//! written, and is not read: the client can compare it with its key.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{CompletePack, PackRow, RepoRow, Snapshot};
use packhouse_core::{Answer, Counts, Head, Request};
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::FetchReport;
use packhouse_run::{FetchHost, Loan};
use packhouse_tape::Question;
use packhouse_vault::StoredPack;

use super::answer_file::{copy_whole, put_whole};
use super::assemble::{PlannedFetch, StoredAnswer};
use super::client::handed_out;
use super::fetch_request::ask;
use super::load::distinct_packs;
use super::prove::stored::StoredRepo;
use super::record::PacksOfRun;
use super::{Store, blocking};

impl Store {
    /// Answers a fetch.
    ///
    /// # Errors
    /// [`Error::UnknownWant`]; [`packhouse_model::error::DamageError::Lost`] and other damage,
    /// where something that should be in the answer can't be read.
    pub async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        let row = self.known_repo(repo).await?;
        let sends_bytes = request.output.is_some();
        let (report, found) = self.fetch_current(&row, request, sends_bytes, progress).await?;
        if let Some(output) = &request.output {
            self.copy_answer(&row, found, output).await?;
        }
        Ok(report)
    }

    async fn fetch_current(
        &self,
        row: &RepoRow,
        request: &FetchRequest,
        sends_bytes: bool,
        progress: &Progress,
    ) -> Result<(FetchReport, StoredAnswer)> {
        let attempt = || self.fetch_once(row, request, sends_bytes, progress);
        let done = self.until_current(row.id, || Box::pin(attempt())).await;
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
        let (report, found) = self.fetch_current(&row, request, true, progress).await?;
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

    /// Answers on one state of the repo. `sends_bytes`: not only their URL.
    async fn fetch_once(
        &self,
        row: &RepoRow,
        request: &FetchRequest,
        sends_bytes: bool,
        progress: &Progress,
    ) -> Result<(FetchReport, StoredAnswer)> {
        request.check()?;
        let now = self.time().await?;
        let expires_at = self.expiry(request.ttl, now)?;
        // Where nothing can be written, nothing is tidied up either.
        let tidied = self.expire_answers(row.id, &row.repo_id, now, "fetch").await;
        tidied.or_else(|error| if error.is_read_only() { Ok(0) } else { Err(error) })?;

        progress.at(&row.name.to_string(), Phase::Plan, 0, 0)?;
        let mut snapshot = self.fetchable(row).await?;
        let heads = handed_out(snapshot.as_mut()).await?;
        let ask = ask(request, snapshot.as_mut()).await?;
        if let Some(complete) = self.complete_answer(snapshot.as_mut(), &ask, &heads).await? {
            let PackRow { key, bytes, .. } = complete.pack;
            if sends_bytes {
                self.read_sound(&row.name, &key, progress).await?;
            }
            let url = self.vault.url_of(&key, request.ttl).await?;
            let found = StoredAnswer { key, url, bytes, reused: true, aside: None };
            let CompletePack { counts, missing, .. } = complete.complete;
            return Ok((
                self.fetch_report(&found, counts, missing.len() as u64, expires_at),
                found,
            ));
        }
        let pack_rows = distinct_packs(&snapshot.shelves().await?);
        let (answer, planned_on) =
            self.plan_fetch(&row.name, &heads, &ask, &pack_rows, snapshot).await?;
        let fetch = PlannedFetch {
            row,
            heads,
            ask,
            packs: planned_on.packs(),
            pack_rows,
            ttl: request.ttl,
            expires_at,
            output: request.output.as_deref(),
            progress,
        };
        let answer = self.prove_answer(&fetch, answer, planned_on).await?;
        let (counts, missing) = (answer.plan.records, answer.missing);
        let equal = match answer.reuse {
            Some(pack) => Some(pack),
            None => self.equal_pack(&fetch, &answer.plan).await?,
        };
        let reused = match equal {
            Some(pack) => self.reuse(&fetch, pack).await?,
            None => None,
        };
        let found = match reused {
            Some(found) => found,
            None => self.assemble(&fetch, answer.plan).await?,
        };
        Ok((self.fetch_report(&found, counts, missing, expires_at), found))
    }

    /// The state of a repo, with the commits of all its tags: an older packhouse did not record them.
    async fn fetchable(&self, row: &RepoRow) -> Result<Box<dyn Snapshot>> {
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        if snapshot.tags_without_commit(1).await?.is_empty() {
            return Ok(snapshot);
        }
        drop(snapshot);
        self.tell_tags(row).await?;
        self.catalog.snapshot(row.id).await
    }

    fn fetch_report(
        &self,
        found: &StoredAnswer,
        counts: Counts,
        missing: u64,
        expires_at: Timestamp,
    ) -> FetchReport {
        FetchReport {
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
        }
    }

    /// When an answer with a URL that is valid for so long expires.
    fn expiry(&self, ttl: Duration, now: Timestamp) -> Result<Timestamp> {
        let too_long = || Error::Usage("the ttl is too long".into());
        let span = SignedDuration::try_from(ttl).map_err(|_| too_long())?;
        let expires_at = now.checked_add(span).map_err(|_| too_long())?;
        match self.vault.longest_url().filter(|longest| ttl > *longest) {
            None => Ok(expires_at),
            Some(longest) => Err(Error::Usage(format!(
                "a URL of {} is valid for at most {} seconds (7 days); use a shorter ttl",
                self.vault.place(),
                longest.as_secs()
            ))),
        }
    }

    /// Asks the component for the answer. Returns the state of the repo, too: the answer is proven
    /// on the same.
    pub(super) async fn plan_fetch(
        &self,
        repo: &RepoName,
        heads: &[Head],
        ask: &Request,
        packs: &[PackRow],
        snapshot: Box<dyn Snapshot>,
    ) -> Result<(Answer, StoredRepo)> {
        let of_run = PacksOfRun::from(packs);
        let records = of_run.records;
        let loan = Loan::default();
        let locator = self.locator(repo, packs.to_vec());
        let host = FetchHost::new(locator, heads.to_vec(), snapshot, &loan);
        let question = Question::Assembly { request: ask.clone() };
        let asked = ask.clone();
        let planned = self
            .ask("fetch", repo, question, of_run, host, move |sandbox, host| {
                sandbox.assemble(host, records, &asked)
            })
            .await?;
        let planned_on = StoredRepo::new(loan.take()?);
        match planned {
            Ok(answer) => Ok((answer, planned_on)),
            Err(error) => Err(self.run_error(repo, &planned_on.packs(), error).await),
        }
    }

    /// Checks a stored pack, whose directory was proven to list the records of the answer, and
    /// answers it as it is; `None` when it names other branches than it should.
    async fn reuse(&self, fetch: &PlannedFetch<'_>, pack: u32) -> Result<Option<StoredAnswer>> {
        let repo = &fetch.row.name;
        let Some(PackRow { key, .. }) = fetch.pack_rows.get(pack as usize).cloned() else {
            return Ok(None);
        };
        let (stored, scanned) = self.read_sound(repo, &key, fetch.progress).await?;
        let bytes = stored.bytes;
        // A clone takes the branches from the pack: one that names others, or other heads, is not
        // an answer to it.
        let is_clone = fetch.ask.want.is_empty();
        let right_branches =
            scanned.bad_branch.is_none() && (!is_clone || fetch.heads == scanned.heads);
        if !right_branches {
            return Ok(None);
        }
        let url = self.vault.url_of(&key, fetch.ttl).await?;
        Ok(Some(StoredAnswer { key, url, bytes, reused: true, aside: None }))
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
