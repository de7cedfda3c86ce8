//! The work of a verb for several repos.

use std::cell::Cell;
use std::fmt::Display;
use std::pin::pin;

use futures::{StreamExt, stream};
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
        let done = work(repo).await;
        ended.add(exit_of(repo, done, repos.len() == 1, context).await?);
    }
    Ok(ended)
}

/// The same for several repos at a time: a number of them. What they come to is passed to `end` in the
/// order of the repos. After an error that ends the loop, those that have begun end as well.
pub(super) async fn each_of_several<R: Display, T>(
    repos: &[R],
    concurrency: usize,
    context: &Context,
    work: impl AsyncFn(&R) -> anyhow::Result<T>,
    mut end: impl FnMut(T) -> anyhow::Result<Exit>,
) -> anyhow::Result<Ended> {
    let (work, is_over) = (&work, &Cell::new(false));
    let each = stream::iter(repos).map(async |repo| match is_over.get() {
        true => None,
        false => {
            let done = work(repo).await;
            if done.as_ref().is_err_and(ends_the_loop) {
                is_over.set(true);
            }
            Some((repo, done))
        }
    });
    let mut each = pin!(each.buffered(concurrency));
    let (mut ended, mut over) = (Ended::default(), None);
    while let Some(done) = each.next().await {
        let Some((repo, done)) = done else { continue };
        match exit_of(repo, done.and_then(&mut end), repos.len() == 1, context).await {
            Ok(exit) => ended.add(exit),
            Err(error) => {
                is_over.set(true);
                over.get_or_insert(error);
            }
        }
    }
    over.map_or(Ok(ended), Err)
}

/// The exit for what was done with a repo. A failure is printed, unless it is about the `only` repo, or
/// ends the loop: then it is the error.
async fn exit_of(
    repo: &impl Display,
    done: anyhow::Result<Exit>,
    only: bool,
    context: &Context,
) -> anyhow::Result<Exit> {
    match done {
        Ok(exit) => Ok(exit),
        Err(error) if only || ends_the_loop(&error) => Err(error),
        Err(error) => {
            Ok(context.output.failure_of(Some(&repo.to_string()), &context.explained(error).await))
        }
    }
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
    async fn several_at_a_time_end_as_one_after_the_other_do() {
        let context = Context::new(Globals { quiet: true, ..Globals::default() });
        let repos: Vec<usize> = (0..9).collect();
        let (running, most, mut order) = (Cell::new(0), Cell::new(0), Vec::new());
        let work = async |repo: &usize| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            for _ in *repo..9 {
                tokio::task::yield_now().await;
            }
            running.set(running.get() - 1);
            if *repo == 2 { Err(damage()) } else { Ok(*repo) }
        };
        let end = |repo| {
            order.push(repo);
            Ok(Exit::Done)
        };
        let ended = each_of_several(&repos, 3, &context, work, end).await.unwrap();
        assert_eq!((ended.exit, ended.done, ended.damaged, most.get()), (Exit::Damage, 8, 1, 3));
        assert_eq!(order, [0, 1, 3, 4, 5, 6, 7, 8]);

        // Those that have begun end, and no other begins.
        let (begun, over) = (Cell::new(0), Cell::new(0));
        let work = async |repo: &usize| {
            begun.set(begun.get() + 1);
            for _ in *repo..9 {
                tokio::task::yield_now().await;
            }
            over.set(over.get() + 1);
            // The first in order ends well after that.
            if *repo == 1 { Err(Error::Cancelled.into()) } else { Ok(Exit::Done) }
        };
        let error = each_of_several(&repos, 3, &context, work, Ok).await.unwrap_err();
        assert_eq!((Exit::of(&error), begun.get(), over.get()), (Exit::Refused, 3, 3));
    }

    #[tokio::test]
    async fn one_repo_alone_fails_with_its_error() {
        let (_, ended) = round(vec![Err(damage())]).await;
        assert_eq!(Exit::of(&ended.unwrap_err()), Exit::Damage);
    }
}
