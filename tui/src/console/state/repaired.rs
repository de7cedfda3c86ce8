//! Whether another repair would end as the last one did. A repair takes what is damaged from intact
//! copies in the store: while nothing is stored in the repo, there are hardly more than it has found.

use packhouse_host::report::RepoDetail;
use packhouse_host::{Problem, RepoName, VerifyReport};

use super::model::Model;
use super::run::{Outcome, Run, RunState, Work};
use super::screen::Screen;

impl Model {
    /// The repos that a repair would be about: the displayed one, the marked ones, or the selected one;
    /// without those that have no known damage.
    pub(in crate::console) fn to_repair(&self) -> Vec<RepoName> {
        let has_damage = |name: &RepoName| self.repos.get(name).is_some_and(|it| it.damaged > 0);
        match self.screens.last() {
            Some(Screen::Repo(_) | Screen::Run(_)) => {
                self.repairable_here().cloned().into_iter().collect()
            }
            None if self.repos.marks() > 0 => {
                let marked = self.repos.marked().into_iter().filter(|repo| repo.damaged > 0);
                marked.map(|repo| repo.repo).collect()
            }
            _ => self.current_repo().filter(has_damage).into_iter().collect(),
        }
    }

    /// All repos with known damage.
    pub(in crate::console) fn damaged_repos(&self) -> impl Iterator<Item = &RepoName> {
        self.repos.wrong().filter(|repo| repo.damaged > 0).map(|repo| &repo.repo)
    }

    /// Whether the last repair of this console has left the damage of a repo as it is, and nothing was
    /// stored there since.
    pub(in crate::console) fn is_repaired_in_vain(&self, known: &RepoDetail) -> bool {
        let Some((run, left)) = self.last_repair(&known.summary.repo) else { return false };
        let is_left = |pack| left.problems.iter().any(|problem| problem.pack == pack);
        let index = left.problems.iter().any(|problem| problem.entity.is_some());
        let is_same = known.report.damaged.iter().all(|damage| match damage.mpack_key {
            Some(key) => is_left(Some(key)),
            None => index || is_left(None),
        });
        let since = |at| run.ended.is_some_and(|ended| at > ended);
        is_same && !known.packs.iter().any(|pack| since(pack.stored_at))
    }

    /// Whether a verification has found nothing but what the last repair has left, or is that repair.
    pub(in crate::console) fn is_left_by_repair(&self, run: &Run) -> bool {
        let RunState::Ended(Ok(Outcome::Verified(found))) = &run.state else { return false };
        let repair = run.repo.as_ref().and_then(|repo| self.last_repair(repo));
        repair.is_some_and(|(_, left)| {
            let is_left = |problem: &Problem| {
                left.problems.iter().any(|other| {
                    (other.kind, &other.entity, other.pack)
                        == (problem.kind, &problem.entity, problem.pack)
                })
            };
            found.packs_checked == left.packs_checked && found.problems.iter().all(is_left)
        })
    }

    /// The last repair of a repo that has ended with problems left.
    fn last_repair(&self, repo: &RepoName) -> Option<(&Run, &VerifyReport)> {
        let run = self.runs.last(repo, Work::Repair)?;
        match &run.state {
            RunState::Ended(Ok(Outcome::Verified(report))) if !report.ok => Some((run, report)),
            _ => None,
        }
    }
}
