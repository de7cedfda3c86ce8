//! The marked repos: which of them are consolidated, which are skipped and why, and which are
//! hidden.

use std::collections::HashSet;

use packhouse_host::{RepoName, RepoSummary};

/// The marked repos of a confirm dialog.
#[derive(Debug, Default)]
pub(in crate::console) struct Choice {
    /// Repos with more than one pack.
    pub(in crate::console) repos: Vec<RepoSummary>,
    pub(in crate::console) left_out: Vec<(RepoName, Why)>,
    /// Repos that the filter hides; the dialog names them.
    pub(in crate::console) hidden: HashSet<RepoName>,
}

/// Why a marked repo is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Why {
    Empty,
    OnePack,
    /// A consolidation is queued or active.
    Busy,
}

impl Why {
    pub(in crate::console) const ALL: [Why; 3] = [Why::OnePack, Why::Empty, Why::Busy];

    /// The reason after the name of a repo.
    pub(in crate::console) const fn label(self) -> &'static str {
        match self {
            Why::Empty => "empty",
            Why::OnePack => "one pack already",
            Why::Busy => "being consolidated, or queued",
        }
    }
}

impl Choice {
    /// Sorts the marked repos.
    pub(in crate::console) fn of(
        marked: Vec<RepoSummary>,
        is_busy: impl Fn(&RepoName) -> bool,
        is_shown: impl Fn(&RepoName) -> bool,
    ) -> Choice {
        let mut choice = Choice::default();
        for repo in marked {
            let why = match repo.packs {
                0 => Some(Why::Empty),
                1 => Some(Why::OnePack),
                _ => is_busy(&repo.repo).then_some(Why::Busy),
            };
            match why {
                Some(why) => choice.left_out.push((repo.repo, why)),
                None => choice.repos.push(repo),
            }
        }
        choice.hidden = choice
            .repos
            .iter()
            .map(|repo| &repo.repo)
            .filter(|repo| !is_shown(repo))
            .cloned()
            .collect();
        choice
    }
}
