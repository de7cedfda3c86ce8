//! Of the marked repos: which are consolidated, which are left out and why, and which nobody sees
//! at the moment.

use std::collections::HashSet;

use packhouse_host::{RepoName, RepoSummary};

/// What a question about marked repos is about.
#[derive(Debug, Default)]
pub(in crate::console) struct Choice {
    /// Those that have something to merge.
    pub(in crate::console) repos: Vec<RepoSummary>,
    pub(in crate::console) left_out: Vec<(RepoName, Why)>,
    /// Those of `repos` that the filter hides: whoever says yes must not have forgotten them.
    pub(in crate::console) hidden: HashSet<RepoName>,
}

/// Why a marked repo is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Why {
    Empty,
    OnePack,
    /// It is being consolidated, or waits for that.
    Busy,
}

impl Why {
    pub(in crate::console) const ALL: [Why; 3] = [Why::OnePack, Why::Empty, Why::Busy];

    /// In words, behind a name.
    pub(in crate::console) const fn words(self) -> &'static str {
        match self {
            Why::Empty => "empty",
            Why::OnePack => "one pack already",
            Why::Busy => "being consolidated, or queued",
        }
    }
}

impl Choice {
    /// Chooses among marked repos.
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
