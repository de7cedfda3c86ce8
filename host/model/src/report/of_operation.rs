//! What an operation reports.

use serde::Serialize;

use super::{GcPlanReport, GcReport, ImportReport, PruneReport, PushReport, VerifyReport};
use crate::error::Error;
use crate::operation::Operation;

/// What an operation reports. Its JSON is that of the report.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Of [`Operation::Index`]: one for each pack.
    Index(Vec<PushReport>),
    /// Of [`Operation::Plan`].
    Plan(Box<GcPlanReport>),
    /// Of [`Operation::Gc`].
    Gc(Box<GcReport>),
    /// Of [`Operation::Verify`].
    Verify(VerifyReport),
    /// Of [`Operation::Prune`].
    Prune(Box<PruneReport>),
    /// Of an attempt at [`Operation::Mirror`]. It is not recorded: the job says it in its reason.
    Import(Box<ImportReport>),
}

/// Why a job fails whose operation did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProblem {
    /// What is wrong, and what to do.
    pub text: String,
    /// [`Error::DAMAGE_CODE`] or [`Report::PROBLEMS_CODE`].
    pub code: &'static str,
}

impl Report {
    /// What the reason of a job contains that failed because its verification found damage, and
    /// nothing else.
    pub const FOUND_DAMAGE: &str = " found, the first: ";
    /// The code of a verification that found something besides damage. [`Error::code`] has no such
    /// one.
    pub const PROBLEMS_CODE: &str = "problems";

    /// Reads the report of an operation.
    ///
    /// # Errors
    /// When the JSON is of something else.
    pub fn read(operation: &Operation, json: &str) -> serde_json::Result<Report> {
        Ok(match operation {
            Operation::Index(_) => Report::Index(serde_json::from_str(json)?),
            Operation::Plan(_) => Report::Plan(serde_json::from_str(json)?),
            Operation::Gc(_) => Report::Gc(serde_json::from_str(json)?),
            Operation::Verify(_) => Report::Verify(serde_json::from_str(json)?),
            Operation::Prune(_) => Report::Prune(serde_json::from_str(json)?),
            Operation::Mirror(_) => Report::Import(serde_json::from_str(json)?),
        })
    }

    /// What it found that is bad, and what to do about it; none: nothing.
    pub fn problem(&self) -> Option<FoundProblem> {
        match self {
            Report::Verify(report) => report.problems.first().map(|first| {
                let count = match report.problems.len() {
                    1 => "1 problem".to_owned(),
                    count => format!("{count} problems"),
                };
                let (detail, repo) = (&first.detail, &report.repo);
                let is_damage = report.problems.iter().all(|problem| problem.kind.is_damage());
                let (found, code) = match is_damage {
                    true => (Report::FOUND_DAMAGE, Error::DAMAGE_CODE),
                    false => (": ", Report::PROBLEMS_CODE),
                };
                let text = format!("{count}{found}{detail}. All of them: packhouse verify {repo}");
                FoundProblem { text, code }
            }),
            Report::Prune(report) => report.kept.first().map(|first| {
                let (packs, repo, detail) = (report.packs_kept, &first.repo, &first.detail);
                let text = format!(
                    "{packs} kept, since something is damaged, the first: {repo}: {detail}"
                );
                FoundProblem { text, code: Error::DAMAGE_CODE }
            }),
            Report::Index(_) | Report::Plan(_) | Report::Gc(_) | Report::Import(_) => None,
        }
    }

    /// The error for the report of another operation than the requested one.
    pub fn unexpected(&self) -> Error {
        let what = match self {
            Report::Index(_) => "a push",
            Report::Plan(_) => "a plan",
            Report::Gc(_) => "a consolidation",
            Report::Verify(_) => "a verification",
            Report::Prune(_) => "a deletion",
            Report::Import(_) => "an import",
        };
        Error::UnexpectedReport { what }
    }
}
