//! Packs and answers that nobody needs any more.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_host::catalog::{Catalog, Consolidation, Hold, NewJob, Published};
use packhouse_host::{MpackKey, QueuedPack, Task};

use super::desk::{Desk, at, key, pack};

async fn unneeded(catalog: &Arc<dyn Catalog>) -> Vec<(MpackKey, Timestamp)> {
    catalog.unneeded_packs().await.unwrap().iter().map(|retired| (retired.pack.key, retired.at)).collect()
}

async fn forget(catalog: &Arc<dyn Catalog>, numbers: &[u64], until: Timestamp) -> Vec<MpackKey> {
    let keys: Vec<MpackKey> = numbers.iter().copied().map(key).collect();
    let holding = catalog.hold(Hold::Deleting).await.unwrap();
    catalog.forget_packs(&keys, until, &holding).await.unwrap()
}

async fn consolidate_at(desk: &Desk, number: u64, seconds: i64) {
    let plan = Consolidation { now: at(seconds), ..desk.plan(number).await };
    assert!(matches!(desk.apply(&plan).await, Published::Done { .. }));
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

pub async fn a_pack_is_unneeded_when_no_repo_holds_it_since_the_last_gave_it_up(catalog: Arc<dyn Catalog>) {
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
    assert_eq!(forget(&catalog, &[1, 9, 3], at(20)).await, [key(1)], "what is not known is not forgotten, nor what is held");
    assert_eq!(catalog.knows_packs(&[key(1), key(2), key(3)]).await.unwrap(), [false, true, true]);
    for desk in [&one, &other] {
        assert_eq!((desk.retired().await, desk.row().await.sums.stored_bytes > 2000), (vec![key(2)], true));
        assert_eq!(desk.snapshot().await.holds(&[key(1)]).await.unwrap(), [false]);
        desk.adds_up().await;
    }
    assert_eq!(unneeded(&catalog).await, [(key(2), at(20))]);
    // It can come again, and is stored anew then.
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
    assert!(matches!(desk.apply(&plan).await, Published::Done { .. }));
    assert!(forget(&catalog, &[1], at(2)).await.is_empty());
    assert_eq!(forget(&catalog, &[1], half).await, [key(1)]);
}

pub async fn what_a_shelf_holds_by_now_is_kept(catalog: Arc<dyn Catalog>) {
    let (one, _) = with_shared(&catalog).await;
    let found = unneeded(&catalog).await;
    assert_eq!(found.len(), 2);
    one.push(vec![pack(1, 0..0)]).await;
    assert_eq!(forget(&catalog, &[1, 2], Timestamp::MAX).await, [key(2)]);
}

pub async fn the_packs_of_a_job_that_has_not_ended_are_known_and_never_forgotten(catalog: Arc<dyn Catalog>) {
    let (one, _) = with_shared(&catalog).await;
    let queued = |number| QueuedPack { mpack_key: key(number), file: "f".into() };
    let task = Task::Index { packs: vec![queued(1), queued(8), queued(1)], force: false };
    let job = catalog.add_job(&NewJob { repo: Some(one.repo), task, now: at(30) }).await.unwrap();
    assert_eq!(catalog.knows_packs(&[key(7), key(8), key(1)]).await.unwrap(), [false, true, true]);
    assert_eq!(catalog.waiting_packs(&[key(8), key(2), key(1), key(7)]).await.unwrap(), [true, false, true, false]);
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

pub async fn answers_are_good_until_the_latest_time_that_was_noted(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for (number, until) in [(1, 50), (1, 20), (2, 10), (2, 30), (3, 30)] {
        catalog.note_answer(one.repo, &key(number), at(until)).await.unwrap();
    }
    catalog.note_answer(other.repo, &key(1), at(5)).await.unwrap();
    let expired = async |desk: &Desk, now| {
        let mut keys = catalog.expired_answers(desk.repo, at(now)).await.unwrap();
        keys.sort_unstable();
        keys
    };
    assert!(expired(&one, 29).await.is_empty() && expired(&one, 30).await.is_empty(), "good until then");
    assert_eq!(expired(&one, 31).await, [key(2), key(3)]);
    assert_eq!(expired(&one, 99).await, [key(1), key(2), key(3)]);
    assert_eq!(expired(&other, 6).await, [key(1)], "each repo has its own");
    catalog.forget_answers(one.repo, at(31)).await.unwrap();
    assert_eq!((expired(&one, 99).await, expired(&other, 99).await), (vec![key(1)], vec![key(1)]));
    assert_eq!(catalog.expired_answers(one.repo, Timestamp::MAX).await.unwrap(), [key(1)]);
}
