use jiff::SignedDuration;

use super::*;
use crate::console::failure::{Failure, FailureKind};
use crate::console::tests::fake::now;

fn ask(runs: &mut Runs, ticket: u64, repo: &str) {
    let repo: RepoName = repo.parse().unwrap();
    runs.ask(Ticket(ticket), repo, Work::Verify, Call::Verify, now());
}

fn started(runs: &mut Runs) -> Vec<u64> {
    let ticket = |started: Started| {
        assert!(matches!(started.call, Call::Verify), "{started:?}");
        started.ticket.0
    };
    runs.start(now()).into_iter().map(ticket).collect()
}

#[test]
fn two_run_at_once_and_never_on_one_repo() {
    let mut runs = Runs::default();
    for (ticket, repo) in [(1, "a/a"), (2, "a/a"), (3, "a/b"), (4, "a/c")] {
        ask(&mut runs, ticket, repo);
    }
    assert_eq!(started(&mut runs), [1, 3]);
    assert!(started(&mut runs).is_empty());
    runs.end(Ticket(3), Err(Failure { kind: FailureKind::Refused, message: String::new() }), now());
    assert_eq!(started(&mut runs), [4]);
    // Cancelled while queued.
    assert_eq!(runs.stop(&[Ticket(2)], now()), [Abandoned::Plan(Ticket(2))]);
    assert_eq!(runs.stop(&[Ticket(1)], now()), [Abandoned::Call(Ticket(1))]);
    assert!(runs.stop(&[Ticket(1)], now()).is_empty());
    runs.end(
        Ticket(1),
        Err(Failure { kind: FailureKind::Cancelled, message: String::new() }),
        now(),
    );
    assert!(started(&mut runs).is_empty() && runs.open().count() == 1);
}

fn listed(runs: &Runs) -> Vec<u64> {
    runs.listed().iter().map(|run| run.ticket.0).collect()
}

#[test]
fn running_runs_are_listed_before_queued_and_ended_ones() {
    let mut runs = Runs::default();
    for ticket in 1..=6 {
        ask(&mut runs, ticket, &format!("a/{ticket}"));
    }
    runs.start(now());
    assert_eq!(
        (listed(&runs), runs.current().map(|run| run.ticket)),
        (vec![1, 2, 3, 4, 5, 6], Some(Ticket(1)))
    );
    // The cursor follows the run, except on the first line, where it stays.
    runs.cursor.set(3);
    for (ticket, seconds) in [(2, 1), (1, 2)] {
        runs.end(Ticket(ticket), Err(cancelled()), now() + SignedDuration::from_secs(seconds));
        runs.start(now());
    }
    assert_eq!(
        (listed(&runs), runs.current().map(|run| run.ticket)),
        (vec![3, 4, 5, 6, 1, 2], Some(Ticket(4)))
    );
    runs.cursor.set(0);
    runs.end(Ticket(3), Err(cancelled()), now() + SignedDuration::from_secs(3));
    assert_eq!(
        (listed(&runs), runs.current().map(|run| run.ticket)),
        (vec![4, 5, 6, 3, 1, 2], Some(Ticket(4)))
    );
}

fn cancelled() -> Failure {
    Failure { kind: FailureKind::Cancelled, message: String::new() }
}
