//! The work of a verb for several repos.

use std::fmt::Display;

use packhouse_host::Error;

use crate::context::Context;
use crate::exit::Exit;

/// Does the work for one repo after the other. A failure is printed and does not stop the others;
/// the most severe exit is returned. An error that is not about a repo (a cancellation) ends the
/// loop.
pub(super) async fn each<R: Display>(
    repos: &[R],
    context: &Context,
    mut work: impl AsyncFnMut(&R) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut worst = Exit::Done;
    for repo in repos {
        let exit = match work(repo).await {
            Ok(exit) => exit,
            Err(error) if repos.len() == 1 || ends_the_loop(&error) => return Err(error),
            Err(error) => {
                context.output.failure_of(Some(&repo.to_string()), &context.explained(error).await)
            }
        };
        worst = worst.max(exit);
    }
    Ok(worst)
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

    async fn round(outcomes: Vec<anyhow::Result<Exit>>) -> (usize, anyhow::Result<Exit>) {
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
        assert_eq!((left, ended.unwrap()), (0, Exit::Damage));
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
