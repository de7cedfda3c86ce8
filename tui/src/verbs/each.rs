//! The work of a verb for several repos.

use std::fmt::Display;

use packhouse_host::Error;

use crate::context::Context;
use crate::exit::Exit;
use crate::text::{plural, tally};

/// How the work for several repos has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// The most severe exit.
    pub(super) exit: Exit,
    /// How many repos are done, have failed, and are damaged.
    done: u64,
    failed: u64,
    damaged: u64,
}

impl Ended {
    fn add(&mut self, exit: Exit) {
        self.exit = self.exit.max(exit);
        let number = match exit {
            Exit::Done => &mut self.done,
            Exit::Damage => &mut self.damaged,
            _ => &mut self.failed,
        };
        *number += 1;
    }

    /// Sums it up in a line, if it was about several repos: `40 repos: 38 verified, 2 damaged`. Those
    /// that were left are no part of it.
    pub(super) fn sum_up(&self, verb: &str, left: usize) -> Option<String> {
        let done = self.done.saturating_sub(left as u64);
        let all = done + self.failed + self.damaged;
        let parts = [(done, verb), (self.failed, "failed"), (self.damaged, "damaged")];
        (all > 1).then(|| format!("{}: {}", plural(all, "repo"), tally(parts)))
    }
}

/// Does the work for one repo after the other. A failure is printed and does not stop the others;
/// how all have ended is returned. An error that is not about a repo (a cancellation) ends the
/// loop.
pub(super) async fn each<R: Display>(
    repos: &[R],
    context: &Context,
    mut work: impl AsyncFnMut(&R) -> anyhow::Result<Exit>,
) -> anyhow::Result<Ended> {
    let mut ended = Ended::default();
    for repo in repos {
        let exit = match work(repo).await {
            Ok(exit) => exit,
            Err(error) if repos.len() == 1 || ends_the_loop(&error) => return Err(error),
            Err(error) => {
                context.output.failure_of(Some(&repo.to_string()), &context.explained(error).await)
            }
        };
        ended.add(exit);
    }
    Ok(ended)
}

fn ends_the_loop(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_none_or(|error| matches!(error, Error::Cancelled))
}

#[cfg(test)]
mod tests {
    use packhouse_host::{DamageError, PushError, RepoName};

    use super::*;
    use crate::globals::Globals;

    fn names(names: &[&str]) -> Vec<RepoName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    async fn round(outcomes: Vec<anyhow::Result<Exit>>) -> (usize, anyhow::Result<Ended>) {
        let context = Context::new(Globals { quiet: true, ..Globals::default() });
        let repos: Vec<RepoName> =
            (0..outcomes.len()).map(|n| format!("a/{n}").parse().unwrap()).collect();
        let mut outcomes = outcomes.into_iter();
        let ended = each(&repos, &context, async |_| outcomes.next().unwrap()).await;
        (outcomes.len(), ended)
    }

    fn damage() -> anyhow::Error {
        Error::Damage(DamageError::MissingPack {
            key: packhouse_host::MpackKey::new([0; 32]),
            repo: names(&["a/1"]).remove(0),
            place: "p".into(),
        })
        .into()
    }

    #[tokio::test]
    async fn a_failing_repo_does_not_stop_the_others_and_the_most_severe_exit_counts() {
        let busy = Error::Push(PushError::HeadConflict(Vec::new())).into();
        let refused = Error::UnknownRepo(names(&["a/4"]).remove(0)).into();
        let (left, ended) =
            round(vec![Err(busy), Err(damage()), Ok(Exit::Done), Err(refused)]).await;
        let ended = ended.unwrap();
        assert_eq!((left, ended.exit), (0, Exit::Damage));
        let sum = "4 repos: 1 consolidated, 2 failed, 1 damaged";
        assert_eq!(ended.sum_up("consolidated", 0).as_deref(), Some(sum));
        assert_eq!(ended.sum_up("consolidated", 1).unwrap(), "3 repos: 2 failed, 1 damaged");
    }

    #[tokio::test]
    async fn a_cancellation_ends_the_loop() {
        let (left, ended) =
            round(vec![Ok(Exit::Done), Err(Error::Cancelled.into()), Ok(Exit::Done)]).await;
        assert_eq!((left, Exit::of(&ended.unwrap_err())), (1, Exit::Refused));
    }

    #[tokio::test]
    async fn one_repo_alone_fails_with_its_error() {
        let (_, ended) = round(vec![Err(damage())]).await;
        assert_eq!(Exit::of(&ended.unwrap_err()), Exit::Damage);
    }
}
