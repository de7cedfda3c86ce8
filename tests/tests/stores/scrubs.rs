//! Packs are read within the scrub age, though no request reads them.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_host::clock::FixedClock;
use packhouse_host::worker::{Stop, Worker, WorkerOptions};
use packhouse_host::{Error, Policy, Progress, ScrubReport, StoreOptions};
use packhouse_tests::store::{TestStore, options};

use super::damage::{Harm, file, packs, silent};

/// The bytes of packs that no request reads are checked within the scrub age.
#[tokio::test]
async fn a_flipped_byte_is_found_within_the_age() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let silent = silent();
    let after = async |days: i64| {
        let start: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let clock = FixedClock::starting_at(start + SignedDuration::from_hours(24 * days));
        StoreOptions { clock: Arc::new(clock), ..options(&store.data()) }.open().await.unwrap()
    };
    let early = after(14).await.scrub(u64::MAX, &silent).await.unwrap();
    assert_eq!(early, ScrubReport::default(), "nothing is due in the first half of the age");
    let later = after(16).await;
    let one = later.scrub(1, &silent).await.unwrap();
    assert_eq!((one.packs, one.damaged.len()), (1, 0), "a share is one pack at least");
    let all = store.show().await.packs;
    let rest = later.scrub(u64::MAX, &silent).await.unwrap();
    assert_eq!((rest.packs, rest.damaged.len()), (all - 1, 0), "and no pack is read twice");
    assert_eq!(later.scrub(u64::MAX, &silent).await.unwrap().packs, 0);
    assert_eq!(later.scrub_state().await.unwrap().due, 0);

    let keys = store.show().await.pack_keys;
    Harm::Flipped.does(&file(&store.data(), &keys[0]));
    Harm::Missing.does(&file(&store.data(), &keys[1]));
    let later = after(47).await;
    assert_eq!(later.scrub_state().await.unwrap().due, all, "none was read for 30 days");
    let found = later.scrub(u64::MAX, &silent).await.unwrap();
    let mut damaged = found.damaged.clone();
    damaged.sort_unstable();
    assert_eq!(damaged, keys[..2]);
    let known = store.show().await.damaged;
    assert!(known.iter().all(|damage| damage.found_by == "scrub") && known.len() == 2, "{known:?}");
    assert_eq!(later.scrub(u64::MAX, &silent).await.unwrap().packs, 0, "known damage stays known");
}

#[tokio::test]
async fn the_scrub_age_is_that_of_all_repos_and_0_means_never() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let month = Some(SignedDuration::from_hours(24 * 30));
    assert_eq!(store.store.scrub_age().await.unwrap(), month);
    let policy = Policy { scrub_age_seconds: Some(7), ..Policy::OFF };
    let refused = store.store.set_policy(Some(&store.repo), Some(policy)).await.unwrap_err();
    assert!(matches!(refused, Error::Usage(_)), "{refused}");
    store.store.set_policy(None, Some(policy)).await.unwrap();
    assert_eq!(store.store.scrub_age().await.unwrap(), Some(SignedDuration::from_secs(7)));
    let bytes = store.show().await.bytes;
    let share =
        async |seconds| store.store.scrub_share(Duration::from_secs(seconds)).await.unwrap();
    assert_eq!((share(7).await, share(60).await), (Some(bytes), Some(bytes)));
    assert_eq!(share(1).await, Some((bytes as f64 * (2.0 / 7.0)) as u64), "all in half of the age");
    let never = Policy { scrub_age_seconds: Some(0), ..Policy::OFF };
    store.store.set_policy(None, Some(never)).await.unwrap();
    assert_eq!((share(1).await, store.store.scrub_age().await.unwrap()), (None, None));
    assert_eq!(store.store.scrub_state().await.unwrap().due, 0);
}

#[tokio::test]
async fn a_scrub_that_is_cancelled_says_nothing_of_the_pack() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let never_rests = Policy { scrub_age_seconds: Some(1), ..Policy::OFF };
    store.store.set_policy(None, Some(never_rests)).await.unwrap();
    let cancelled = Progress::silent();
    cancelled.cancel();
    let error = store.store.scrub(u64::MAX, &cancelled).await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert!(store.show().await.damaged.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_finds_a_flipped_byte_while_it_waits_for_jobs() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let policy = Policy { scrub_age_seconds: Some(1), ..Policy::OFF };
    store.store.set_policy(None, Some(policy)).await.unwrap();
    let key = store.show().await.pack_keys[1];
    Harm::Flipped.does(&file(&store.data(), &key));
    let turn = Duration::from_millis(10);
    let options = WorkerOptions { scrubbing: Some(turn), poll: turn, ..WorkerOptions::default() };
    let stop = Stop::default();
    let worker = Worker::new(store.store.clone(), options, stop.clone());
    let working = tokio::spawn(async move { worker.run(|_| {}).await });
    for _ in 0..1000 {
        if !store.show().await.damaged.is_empty() {
            break;
        }
        tokio::time::sleep(turn).await;
    }
    stop.ask();
    working.await.unwrap().unwrap();
    let known = store.show().await.damaged;
    assert_eq!(known.iter().map(|damage| damage.mpack_key).collect::<Vec<_>>(), [Some(key)]);
}
