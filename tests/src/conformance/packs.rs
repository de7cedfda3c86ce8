//! Unused packs and answers.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_core::Kind;
use packhouse_host::catalog::{
    Alerts, Catalog, Consolidation, LockMode, NewAnswer, NewJob, PublishOutcome, StoredPacks,
    Totals,
};
use packhouse_host::{IndexOptions, MpackKey, Operation, QueuedPack, RepoSummary};

use super::desk::{Desk, at, head, key, pack, row};

async fn unneeded(catalog: &Arc<dyn Catalog>) -> Vec<(MpackKey, Timestamp)> {
    catalog
        .unneeded_packs()
        .await
        .unwrap()
        .iter()
        .map(|retired| (retired.pack.key, retired.at))
        .collect()
}

async fn forget(catalog: &Arc<dyn Catalog>, numbers: &[u64], until: Timestamp) -> Vec<MpackKey> {
    let keys: Vec<MpackKey> = numbers.iter().copied().map(key).collect();
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    catalog.forget_packs(&keys, until, &lock).await.unwrap()
}

async fn consolidate_at(desk: &Desk, number: u64, seconds: i64) {
    let plan = Consolidation { now: at(seconds), ..desk.plan(number).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
}

/// Two repos that both had the packs 1 and 2: the one retired them at 10, the other at 20.
async fn with_shared(catalog: &Arc<dyn Catalog>) -> (Desk, Desk) {
    let (one, other) = (Desk::new(catalog).await, Desk::named(catalog, "c/d").await);
    for desk in [&one, &other] {
        desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    }
    consolidate_at(&one, 3, 10).await;
    assert!(unneeded(catalog).await.is_empty(), "another repo needs them");
    consolidate_at(&other, 4, 20).await;
    (one, other)
}

pub async fn a_pack_is_unneeded_when_no_repo_holds_it_since_the_last_gave_it_up(
    catalog: Arc<dyn Catalog>,
) {
    let (one, _) = with_shared(&catalog).await;
    assert_eq!(unneeded(&catalog).await, [(key(1), at(20)), (key(2), at(20))], "by key");
    one.push(vec![pack(2, 0..0)]).await;
    assert_eq!(unneeded(&catalog).await, [(key(1), at(20))]);
}

pub async fn the_newest_pack_that_is_known_is_told(catalog: Arc<dyn Catalog>) {
    assert_eq!(catalog.last_stored().await.unwrap(), None);
    let desk = Desk::new(&catalog).await;
    assert_eq!(catalog.last_stored().await.unwrap(), None, "a repo is no pack");
    let half = |seconds| at(seconds) + jiff::SignedDuration::from_millis(500);
    // The newest is not the last, and its time has a fraction where others have none.
    for (number, now) in [(1, at(10)), (2, half(20)), (3, at(20)), (4, at(9))] {
        let push = desk.prepare(vec![pack(number, number..number + 1)]).await;
        desk.done(&packhouse_host::catalog::Push { now, ..push }).await;
    }
    assert_eq!(catalog.last_stored().await.unwrap(), Some(half(20)));
    consolidate_at(&desk, 9, 30).await;
    assert_eq!(catalog.last_stored().await.unwrap(), Some(at(30)));
}

pub async fn a_pack_that_was_retired_later_than_said_is_kept(catalog: Arc<dyn Catalog>) {
    let (one, other) = with_shared(&catalog).await;
    assert!(forget(&catalog, &[1, 2], at(19)).await.is_empty());
    assert_eq!(
        forget(&catalog, &[1, 9, 3], at(20)).await,
        [key(1)],
        "what is not known is not forgotten, nor what is held"
    );
    assert_eq!(catalog.knows_packs(&[key(1), key(2), key(3)]).await.unwrap(), [false, true, true]);
    for desk in [&one, &other] {
        assert_eq!(
            (desk.retired().await, desk.row().await.sums.stored_bytes > 2000),
            (vec![key(2)], true)
        );
        assert_eq!(desk.snapshot().await.holds(&[key(1)]).await.unwrap(), [false]);
        desk.adds_up().await;
    }
    assert_eq!(unneeded(&catalog).await, [(key(2), at(20))]);
    // It can be pushed again, and is stored again then.
    let mut push = one.prepare(vec![pack(1, 0..0)]).await;
    push.now = at(30);
    one.done(&push).await;
    assert_eq!(one.shelves().await[2].pack.stored_at, at(30));
}

pub async fn times_with_fractions_decide_what_is_kept(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1)]).await;
    let half = at(2) + jiff::SignedDuration::from_millis(500);
    let plan = Consolidation { now: half, ..desk.plan(2).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert!(forget(&catalog, &[1], at(2)).await.is_empty());
    assert_eq!(forget(&catalog, &[1], half).await, [key(1)]);
}

pub async fn times_in_the_future_count_from_when_they_are_seen(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let half = jiff::SignedDuration::from_millis(500);
    for (desk, number, now) in [(&one, 1, 50), (&other, 10, 7)] {
        desk.push(vec![pack(number, 0..1)]).await;
        desk.push(vec![pack(number + 1, 1..2)]).await;
        consolidate_at(desk, number + 2, now).await;
    }
    assert_eq!(catalog.settle_times(at(50), None).await.unwrap(), 0);
    assert_eq!(catalog.settle_times(at(20) + half, None).await.unwrap(), 2);
    let expected =
        [(key(1), at(20) + half), (key(2), at(20) + half), (key(10), at(7)), (key(11), at(7))];
    assert_eq!(unneeded(&catalog).await, expected);
    catalog.delete_repo(other.repo, at(60)).await.unwrap().unwrap();
    assert_eq!(
        catalog.settle_times(at(40), None).await.unwrap(),
        2,
        "the repo, and the pack on its shelf"
    );
    assert_eq!(catalog.deleted_repos(at(40)).await.unwrap().len(), 1);
    // Of one repo: what says how recent things are.
    let mut push = one.prepare(vec![pack(5, 8..9)]).await;
    (push.heads, push.forced, push.now) = (vec![head("main", 1)], true, at(70));
    one.done(&push).await;
    let mut push = one.prepare(vec![]).await;
    (push.heads, push.forced, push.now) = (vec![head("main", 2)], true, at(70));
    one.done(&push).await;
    assert!(
        catalog.freshen(&one.row().await, &[row(Kind::Object, 1).entity], at(70)).await.unwrap()
    );
    assert_eq!(catalog.settle_times(at(45), Some(other.repo)).await.unwrap(), 0);
    assert_eq!(catalog.settle_times(at(45), Some(one.repo)).await.unwrap(), 3);
    assert_eq!(one.shelves().await.last().unwrap().made_at, Some(at(45)));
    let mut snapshot = one.snapshot().await;
    assert_eq!(
        (
            snapshot.left_heads(at(44)).await.unwrap().len(),
            snapshot.left_heads(at(45)).await.unwrap().len()
        ),
        (1, 0)
    );
    assert_eq!(snapshot.freshened(at(44)).await.unwrap().entities.len(), 1);
    assert!(snapshot.freshened(at(45)).await.unwrap().entities.is_empty());
}

pub async fn its_clock_goes_forward(catalog: Arc<dyn Catalog>) {
    let (first, second) = (catalog.clock().await.unwrap(), catalog.clock().await.unwrap());
    assert!(first <= second && first.is_some() == second.is_some(), "{first:?}, {second:?}");
}

pub async fn what_a_shelf_holds_by_now_is_kept(catalog: Arc<dyn Catalog>) {
    let (one, _) = with_shared(&catalog).await;
    let found = unneeded(&catalog).await;
    assert_eq!(found.len(), 2);
    one.push(vec![pack(1, 0..0)]).await;
    assert_eq!(forget(&catalog, &[1, 2], Timestamp::MAX).await, [key(2)]);
}

pub async fn the_packs_of_a_job_that_has_not_ended_are_known_and_never_forgotten(
    catalog: Arc<dyn Catalog>,
) {
    let (one, _) = with_shared(&catalog).await;
    let queued = |number| QueuedPack { mpack_key: key(number), file: "f".into() };
    let operation = Operation::Index(IndexOptions {
        packs: vec![queued(1), queued(8), queued(1)],
        force: false,
    });
    let job = catalog
        .add_job(&NewJob { repo: Some(one.repo), operation, now: at(30), traceparent: None })
        .await
        .unwrap();
    assert_eq!(catalog.knows_packs(&[key(7), key(8), key(1)]).await.unwrap(), [false, true, true]);
    assert_eq!(
        catalog.waiting_packs(&[key(8), key(2), key(1), key(7)]).await.unwrap(),
        [true, false, true, false]
    );
    assert_eq!(unneeded(&catalog).await, [(key(2), at(20))]);
    assert_eq!(forget(&catalog, &[1, 2], Timestamp::MAX).await, [key(2)]);
    catalog.take_job("w", at(30), at(40)).await.unwrap().unwrap();
    assert!(forget(&catalog, &[1], Timestamp::MAX).await.is_empty(), "nor while it runs");
    catalog.cancel_job(job.id, at(31)).await.unwrap().unwrap();
    assert_eq!(catalog.waiting_packs(&[key(8), key(1)]).await.unwrap(), [false, false]);
    assert_eq!(catalog.knows_packs(&[key(8), key(1)]).await.unwrap(), [false, true]);
    assert_eq!(forget(&catalog, &[8, 1], Timestamp::MAX).await, [key(1)]);
}

pub async fn all_packs_on_shelves_are_held_once(catalog: Arc<dyn Catalog>) {
    with_shared(&catalog).await;
    let third = Desk::named(&catalog, "e/f").await;
    third.push(vec![pack(3, 0..1), pack(5, 0..0)]).await;
    let mut held = catalog.held_packs().await.unwrap();
    held.sort_unstable();
    assert_eq!(held, [key(3), key(4), key(5)]);
}

/// Records an answer of a repo under the plan with its number.
async fn note(desk: &Desk, number: u64, until: i64) {
    let plan = format!("plan {number}");
    let answer = NewAnswer { repo: desk.repo, plan, expires_at: at(until) };
    desk.catalog.note_answer(&key(number), &answer).await.unwrap();
}

async fn expired(desk: &Desk, now: i64) -> Vec<MpackKey> {
    let mut keys = desk.catalog.expired_answers(desk.repo, at(now)).await.unwrap();
    keys.sort_unstable();
    keys
}

pub async fn answers_are_good_until_the_latest_time_that_was_noted(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for (number, until) in [(1, 50), (1, 20), (2, 10), (2, 30), (3, 30)] {
        note(&one, number, until).await;
    }
    note(&other, 1, 5).await;
    assert!(
        expired(&one, 29).await.is_empty() && expired(&one, 30).await.is_empty(),
        "good until then"
    );
    assert_eq!(expired(&one, 31).await, [key(2), key(3)]);
    assert_eq!(expired(&one, 99).await, [key(1), key(2), key(3)]);
    assert_eq!(expired(&other, 6).await, [key(1)], "each repo has its own");
    let repos = async |now| {
        catalog.repos_with_expired_answers(at(now)).await.unwrap().into_keys().collect::<Vec<_>>()
    };
    assert_eq!((repos(5).await, repos(6).await), (vec![], vec![other.repo]));
    assert_eq!(repos(31).await, [one.repo, other.repo]);
    catalog.forget_answers(one.repo, at(31)).await.unwrap();
    assert_eq!((expired(&one, 99).await, expired(&other, 99).await), (vec![key(1)], vec![key(1)]));
    assert_eq!(catalog.expired_answers(one.repo, Timestamp::MAX).await.unwrap(), [key(1)]);
    catalog.delete_repo(other.repo, at(7)).await.unwrap().unwrap();
    assert_eq!(repos(6).await, [other.repo], "also when it was deleted: its files are there still");
}

pub async fn the_same_plan_is_the_same_answer_and_its_time_is_moved(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    note(&one, 1, 20).await;
    let of = async |desk: &Desk, plan: &str, until| {
        catalog.answer_of(desk.repo, plan, at(until)).await.unwrap()
    };
    assert_eq!(of(&one, "plan 2", 99).await, None);
    assert_eq!(of(&other, "plan 1", 99).await, None, "each repo has its own");
    assert_eq!(of(&one, "plan 1", 10).await, Some(key(1)));
    assert_eq!(expired(&one, 21).await, [key(1)], "a later time wins");
    assert_eq!(of(&one, "plan 1", 40).await, Some(key(1)));
    assert!(expired(&one, 40).await.is_empty());
    assert_eq!(expired(&one, 41).await, [key(1)]);
}

pub async fn alerts_count_what_may_be_pruned_each_pack_once(catalog: Arc<dyn Catalog>) {
    let alerts = async |seconds| catalog.alerts(at(seconds), at(0)).await.unwrap();
    assert_eq!(alerts(99).await, Alerts::default());
    assert_eq!(catalog.stored_packs().await.unwrap(), StoredPacks::default());
    let (one, _) = with_shared(&catalog).await;
    // Of the four packs, two repos had the first two, which none needs.
    let all = Alerts { unneeded_packs: 2, unneeded_bytes: 1001 + 1002, ..Alerts::default() };
    let stored = StoredPacks { packs: 4, bytes: 1001 + 1002 + 1003 + 1004 };
    assert_eq!(catalog.stored_packs().await.unwrap(), stored);
    // A time with a fraction is later than that without.
    let half = at(19) + jiff::SignedDuration::from_millis(999);
    assert_eq!(catalog.alerts(half, at(0)).await.unwrap(), all, "the last gave it up at 20");
    let both = Alerts { prunable_packs: 2, prunable_bytes: 1001 + 1002, ..all };
    assert_eq!(alerts(20).await, both);
    one.push(vec![pack(2, 0..0)]).await;
    let first = Alerts {
        prunable_packs: 1,
        prunable_bytes: 1001,
        unneeded_packs: 1,
        unneeded_bytes: 1001,
        ..all
    };
    assert_eq!(alerts(20).await, first, "what is pushed again is needed");
}

pub async fn totals_are_the_sums_of_all_summaries(catalog: Arc<dyn Catalog>) {
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
    with_shared(&catalog).await;
    let third = Desk::named(&catalog, "e/f").await;
    third.push(vec![pack(3, 0..1), pack(5, 0..0)]).await;
    third.push(vec![pack(6, 7..9)]).await;
    let gone = Desk::named(&catalog, "g/h").await;
    gone.push(vec![pack(8, 0..3)]).await;
    catalog.delete_repo(gone.repo, at(40)).await.unwrap().unwrap();
    let all = catalog.summaries(None, 100).await.unwrap();
    let sum = |of: fn(&RepoSummary) -> u64| all.iter().map(of).sum::<u64>();
    let totals = catalog.totals().await.unwrap();
    assert_eq!(
        totals,
        Totals {
            repos: 3,
            most_packs: all.iter().map(|repo| repo.packs).max().unwrap(),
            packs: sum(|repo| repo.packs),
            bytes: sum(|repo| repo.bytes),
            duplicate_bytes: sum(|repo| repo.duplicate_bytes),
            superseded_bytes: sum(|repo| repo.superseded_bytes),
            objects: sum(|repo| repo.objects),
            damaged: 0,
        }
    );
    assert!(totals.superseded_bytes > 0 && totals.duplicate_bytes > 0, "{totals:?}");
}
