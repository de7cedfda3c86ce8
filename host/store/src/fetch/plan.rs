//! Plans the answer to a fetch on one state of the repo, and proves it. Nothing is written.

use std::sync::Arc;

use packhouse_catalog::{CompletePack, PackRow, RepoRow, Snapshot};
use packhouse_core::{Answer, Head, Request};
use packhouse_model::error::Result;
use packhouse_model::names::RepoName;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::span::TARGET;
use packhouse_run::{FetchHost, Loan, RunPack};
use packhouse_tape::Question;

use super::super::Store;
use super::super::client::handed_out;
use super::super::load::distinct_packs;
use super::super::prove::stored::StoredRepo;
use super::super::record::PacksOfRun;
use super::content::AnswerPlan;
use super::planned::PlannedAnswer;
use super::request::RequestedCommits;

/// A fetch that is planned, and the state of the repo that it is planned on.
pub(in super::super) struct FetchState<'a> {
    pub(in super::super) row: &'a RepoRow,
    /// The packs of the repo, with the rows that the component has located or paged.
    pub(in super::super) packs: Arc<Vec<RunPack>>,
    /// The same packs, as the catalog has them.
    pub(in super::super) pack_rows: Vec<PackRow>,
    /// The heads that clients get.
    pub(in super::super) heads: Vec<Head>,
    /// The request to the component.
    pub(in super::super) ask: Request,
}

impl Store {
    /// Plans the answer to a request on the repo's state of now.
    #[tracing::instrument(target = TARGET, name = "plan answer", skip_all, fields(packhouse.repo = %row.name))]
    pub(super) async fn plan_answer(
        &self,
        row: &RepoRow,
        requested: &RequestedCommits,
        progress: &Progress,
    ) -> Result<PlannedAnswer> {
        progress.at(&row.name.to_string(), Phase::Plan, 0, 0)?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let (mut heads, mut ask) = heads_and_ask(snapshot.as_mut(), requested).await?;
        if let Some(found) = self.complete_answer(snapshot.as_mut(), &ask, &heads).await? {
            let CompletePack { counts, missing, .. } = found.complete;
            let (missing, content) = (missing.len() as u64, self.stored_content(row, found.pack));
            return Ok(PlannedAnswer::new(counts, missing, content));
        }
        if !snapshot.tags_without_commit(1).await?.is_empty() {
            // An older packhouse did not record the commits of tags.
            drop(snapshot);
            self.tell_tags(row).await?;
            snapshot = self.catalog.snapshot(row.id).await?;
            (heads, ask) = heads_and_ask(snapshot.as_mut(), requested).await?;
        }
        let pack_rows = distinct_packs(&snapshot.shelves().await?);
        let (answer, planned_on) =
            self.ask_for_answer(&row.name, &heads, &ask, &pack_rows, snapshot).await?;
        let state = FetchState { row, heads, ask, packs: planned_on.packs(), pack_rows };
        let answer = self.prove_answer(&state, answer, planned_on).await?;
        let (counts, missing) = (answer.plan.records, answer.missing);
        let equal = match answer.reuse {
            Some(pack) => Some(pack),
            None => self.equal_pack(&state, &answer.plan).await?,
        };
        let reused = match equal {
            Some(pack) => self.reusable(&state, pack, progress).await?,
            None => None,
        };
        let content = match reused {
            Some(pack) => self.stored_content(row, pack),
            None => {
                let plan = Arc::new(answer.plan);
                let FetchState { packs, pack_rows, heads, .. } = state;
                self.planned_content(row, AnswerPlan { plan, packs, pack_rows, heads })
            }
        };
        Ok(PlannedAnswer::new(counts, missing, content))
    }

    /// Asks the component for the answer. Returns the state of the repo, too: the answer is proven
    /// on the same.
    pub(in super::super) async fn ask_for_answer(
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

    /// A stored pack, whose directory was proven to list the records of the answer, if it names the
    /// right branches. It is read.
    async fn reusable(
        &self,
        state: &FetchState<'_>,
        pack: u32,
        progress: &Progress,
    ) -> Result<Option<PackRow>> {
        let Some(row) = state.pack_rows.get(pack as usize) else { return Ok(None) };
        let (_, scanned) = self.read_sound(&state.row.name, &row.key, progress).await?;
        // A clone takes the branches from the pack: one that names others, or other heads, is not
        // an answer to it.
        let is_clone = state.ask.want.is_empty();
        let right_branches =
            scanned.bad_branch.is_none() && (!is_clone || state.heads == scanned.heads);
        Ok(right_branches.then(|| row.clone()))
    }
}

/// The heads that clients get, and what to ask the component for.
async fn heads_and_ask(
    snapshot: &mut dyn Snapshot,
    requested: &RequestedCommits,
) -> Result<(Vec<Head>, Request)> {
    let heads = snapshot.heads().await?;
    let ask = requested.ask(snapshot, &heads).await?;
    Ok((handed_out(snapshot.repo(), heads), ask))
}
