//! Which packs are read to check them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use packhouse_host::catalog::{Catalog, DamageFindings, ScrubTask};
use packhouse_host::{Damage, MpackKey, ScrubState};

use super::desk::{Desk, at, key, pack};

/// A repo of packs that were stored at some seconds, in this order.
async fn stored(catalog: &Arc<dyn Catalog>, packs: &[(u64, Timestamp)]) -> Desk {
    let desk = Desk::new(catalog).await;
    for (number, now) in packs {
        let mut push = desk.prepare(vec![pack(*number, 10 * number..10 * number + 2)]).await;
        push.now = *now;
        desk.done(&push).await;
    }
    desk
}

async fn sound(catalog: &Arc<dyn Catalog>, keys: &[MpackKey], now: Timestamp) {
    let found = DamageFindings { sound: keys.to_vec(), ..DamageFindings::at(now) };
    catalog.note_findings(&found).await.unwrap();
}

/// Takes a pack at `now` that was not read since `before`, for ten seconds.
async fn take(catalog: &Arc<dyn Catalog>, now: i64, before: i64) -> Option<ScrubTask> {
    catalog.take_scrub(at(now), at(before), at(now + 10)).await.unwrap()
}

async fn taken(catalog: &Arc<dyn Catalog>, now: i64, before: i64) -> Option<MpackKey> {
    take(catalog, now, before).await.map(|task| task.pack.key)
}

pub async fn the_oldest_first(catalog: Arc<dyn Catalog>) {
    let half = at(2) + SignedDuration::from_millis(500);
    stored(&catalog, &[(1, at(5)), (2, half), (3, at(2)), (4, at(3)), (5, at(50))]).await;
    let task = take(&catalog, 100, 40).await.unwrap();
    assert_eq!((task.pack.key, task.lease_until), (key(3), at(110)));
    assert_eq!((task.pack.bytes, task.pack.records), (1003, 2));
    // As texts, `09:00:02.5Z` is before `09:00:02Z`.
    for expected in [Some(2), Some(4), Some(1), None] {
        assert_eq!(taken(&catalog, 100, 40).await, expected.map(key), "a time after it was stored");
    }
    // What was read is not due any more, and its lease is over.
    sound(&catalog, &[key(3)], at(105)).await;
    assert_eq!(taken(&catalog, 106, 105).await, Some(key(5)));
    assert_eq!(taken(&catalog, 106, 105).await, None);
    assert_eq!(taken(&catalog, 106, 106).await, Some(key(3)));
}

pub async fn two_workers_never_read_one_pack(catalog: Arc<dyn Catalog>) {
    stored(&catalog, &(1..9).map(|number| (number, at(1))).collect::<Vec<_>>()).await;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(task) = take(&catalog, 100, 40).await {
                    taken.push(task.pack.key);
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, (1..9).map(key).collect::<Vec<_>>());
}

pub async fn a_lease_that_ran_out_is_given_to_another(catalog: Arc<dyn Catalog>) {
    stored(&catalog, &[(1, at(1))]).await;
    let first = take(&catalog, 100, 40).await.unwrap();
    assert_eq!(taken(&catalog, 110, 40).await, None, "until then it is its own");
    let first = catalog.renew_scrub(&first, at(130)).await.unwrap().unwrap();
    assert_eq!(first.lease_until, at(130));
    assert_eq!(taken(&catalog, 120, 40).await, None);
    // It ran out, and nobody took it: it is still its own.
    let first = catalog.renew_scrub(&first, at(140)).await.unwrap().unwrap();
    let second = take(&catalog, 141, 40).await.unwrap();
    assert_eq!(second.pack.key, key(1));
    assert_eq!(catalog.renew_scrub(&first, at(170)).await.unwrap(), None);
    assert!(catalog.renew_scrub(&second, at(170)).await.unwrap().is_some());
}

pub async fn packs_of_no_repo_and_known_damage_are_left_alone(catalog: Arc<dyn Catalog>) {
    let desk = stored(&catalog, &[(1, at(1)), (2, at(2)), (3, at(3))]).await;
    let damage = Damage {
        mpack_key: Some(key(1)),
        since: at(4),
        found_by: "scrub".into(),
        detail: "d".into(),
    };
    let found = DamageFindings { damaged: vec![damage], ..DamageFindings::at(at(4)) };
    catalog.note_findings(&found).await.unwrap();
    let task = take(&catalog, 100, 40).await.unwrap();
    assert_eq!(task.pack.key, key(2), "1 is known to be damaged");
    desk.consolidate(9).await;
    assert_eq!(catalog.renew_scrub(&task, at(150)).await.unwrap(), None, "2 was retired");
    assert_eq!(taken(&catalog, 100, 40).await, Some(key(9)));
    catalog.delete_repo(desk.repo, at(9)).await.unwrap().unwrap();
    assert_eq!(taken(&catalog, 200, 200).await, None, "nothing is of a repo");
}

pub async fn the_state_tells_the_oldest_check_and_what_is_due(catalog: Arc<dyn Catalog>) {
    let none = catalog.scrub_state(at(99)).await.unwrap();
    assert_eq!(none, ScrubState { oldest: None, due: 0 });
    let desk = stored(&catalog, &[(1, at(1)), (2, at(7)), (3, at(9))]).await;
    let state = async |before| catalog.scrub_state(at(before)).await.unwrap();
    assert_eq!(state(8).await, ScrubState { oldest: Some(at(1)), due: 2 });
    sound(&catalog, &[key(1)], at(20)).await;
    assert_eq!(state(8).await, ScrubState { oldest: Some(at(7)), due: 1 });
    desk.consolidate(9).await;
    // The new pack is of second 2.
    assert_eq!(state(8).await, ScrubState { oldest: Some(at(2)), due: 1 });
}
