//! Unreachable data: kept by default, dropped only on request, and never what a recent head or tag
//! reaches.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packhouse_host::clock::{FixedClock, SystemClock};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    GcOptions, GcReport, JobsQuery, Operation, Progress, PruneOptions, PushOptions, Store,
    StoreOptions, Visibility,
};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::seed::{Chain, chain};
use packhouse_tests::store::{TestStore, options};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The store of a folder, so many days after it was made.
async fn after(days: i64, data: &Path) -> Store {
    let start: jiff::Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    let clock = FixedClock::starting_at(start + jiff::SignedDuration::from_hours(24 * days));
    StoreOptions { clock: Arc::new(clock), ..options(data) }.open().await.unwrap()
}

async fn force(store: &Store, from: &TestStore, pack: &[u8]) {
    let file = from.file(pack);
    store
        .push(&from.repo, &[file], PushOptions { force: true }, &Progress::silent())
        .await
        .unwrap();
}

async fn expire(store: &Store, from: &TestStore, days: u32) -> GcReport {
    store
        .gc(
            &from.repo,
            GcOptions { expire_unreachable: Some(DAY * days), ..GcOptions::default() },
            &Progress::silent(),
        )
        .await
        .unwrap()
}

/// A repo whose branch led to `old` at first, and to `new` after a forced push on the tenth day.
async fn rewritten() -> (TestStore, Chain, Chain) {
    let store = TestStore::new().await;
    let (old, new) = (chain(3, "old", None), chain(2, "new", None));
    store.push_each(&[&old.pack]).await;
    force(&after(10, &store.data()).await, &store, &new.pack).await;
    (store, old, new)
}

fn objects(report: &GcReport) -> BTreeSet<String> {
    let dropped = report.dropped.as_ref().unwrap();
    dropped
        .entities
        .iter()
        .filter_map(|entity| entity.strip_prefix("object "))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn what_nothing_reaches_is_kept_unless_somebody_asks() {
    let (store, old, new) = rewritten().await;
    let report = after(400, &store.data())
        .await
        .gc(&store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    assert_eq!((report.commits, report.dropped), (5, None));
    let wanted = [old.tip.clone(), new.tip.clone()];
    store.fetch(&wanted, &[]).await.unwrap();
    store.sound().await;
}

#[tokio::test]
async fn what_was_left_longer_ago_than_the_age_is_dropped_and_told_by_name() {
    let (store, old, new) = rewritten().await;
    let (_, whole) = store.fetch(std::slice::from_ref(&new.tip), &[]).await.unwrap();
    // The branch left it on the tenth day: on the thirtieth, that is twenty days ago.
    let late = after(30, &store.data()).await;
    let kept = expire(&late, &store, 21).await;
    assert_eq!((kept.commits, kept.dropped.unwrap().entities.len()), (5, 0));
    let planned = late
        .plan_gc(
            &store.repo,
            GcOptions { expire_unreachable: Some(DAY * 19), ..GcOptions::default() },
            &Progress::silent(),
        )
        .await
        .unwrap()
        .report;
    assert!(!planned.skipped, "there is one pack, and something to drop");
    let before = store.show().await;
    let done = expire(&late, &store, 19).await;
    assert_eq!(planned.dropped, done.dropped);
    let dropped = done.dropped.clone().unwrap();
    assert_eq!((dropped.commits, dropped.snapshots, dropped.objects), (3, 3, 3));
    assert_eq!(objects(&done), old.objects.iter().cloned().collect());
    assert!(dropped.entities.contains(&format!("commit {}", old.tip)), "{dropped:?}");
    let after = store.show().await;
    assert_eq!((before.commits, after.commits, after.objects, after.packs), (5, 2, 2, 1));
    store.sound().await;
    assert_eq!(store.fetch(&[], &[]).await.unwrap().1, whole, "what is reached is what it was");
    store.fetch(std::slice::from_ref(&old.tip), &[]).await.unwrap_err();
    assert!(expire(&late, &store, 0).await.skipped, "there is nothing more to drop");

    // Until it is pruned, what was dropped comes back with the same bytes.
    let branch = chain(3, "old", None);
    force(&late, &store, &branch.pack).await;
    assert_eq!(store.show().await.commits, 5);
    store.sound().await;
}

#[tokio::test]
async fn the_consolidated_form_is_that_of_a_repo_which_never_had_the_rest() {
    let (store, _, new) = rewritten().await;
    let plain = TestStore::new().await;
    plain.push_each(&[&new.pack]).await;
    let more = chain(1, "more", Some(&new.tip));
    plain.push_each(&[&more.pack]).await;
    store.push_each(&[&more.pack]).await;
    let late = after(300, &store.data()).await;
    assert_eq!(
        expire(&late, &store, 100).await.consolidated_key,
        plain.gc().await.unwrap().consolidated_key
    );
}

#[tokio::test]
async fn what_was_pushed_of_late_is_kept_whether_anything_reaches_it_or_not() {
    let store = TestStore::new().await;
    let (old, new) = (chain(2, "old", None), chain(2, "new", None));
    store.push_each(&[&old.pack]).await;
    let late = after(30, &store.data()).await;
    // On the thirtieth day the branch leads elsewhere, and back again: the other was pushed then,
    // and is left then.
    force(&late, &store, &new.pack).await;
    force(&late, &store, &old.pack).await;
    assert_eq!(
        expire(&after(31, &store.data()).await, &store, 2).await.dropped.unwrap().entities.len(),
        0
    );
    assert_eq!(
        objects(&expire(&after(40, &store.data()).await, &store, 2).await),
        new.objects.iter().cloned().collect()
    );
    store.sound().await;
}

#[tokio::test]
async fn a_repo_without_branches_is_not_emptied() {
    let store = TestStore::new().await;
    let loose = packhouse_host::sample::history(&packhouse_host::sample::HistoryOptions {
        pushes: 2,
        tags: false,
        heads: packhouse_host::sample::HeadStyle::Absent,
        ..Default::default()
    });
    store.push_each(&loose).await;
    let late = after(400, &store.data()).await;
    let error = late
        .gc(
            &store.repo,
            GcOptions { expire_unreachable: Some(DAY), ..GcOptions::default() },
            &Progress::silent(),
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("repo delete"), "{error}");
    store.sound().await;
}

/// Whatever is pushed while data is dropped: nothing that the repo then reaches is missing.
#[tokio::test]
async fn a_push_that_reaches_what_is_being_dropped_is_never_left_without_it() {
    for call in 0.. {
        let (store, old, new) = rewritten().await;
        // A commit on top of unreachable ones, whose client knows that the server has the rest.
        let on_top = chain(1, "top", Some(&old.tip));
        let late = after(300, &store.data()).await;
        let theirs = Fault::never();
        // Two that are at work at once must not stage files of one name.
        let theirs_too = StoreOptions { clock: Arc::new(SystemClock), ..options(&store.data()) };
        let pusher =
            faulty::open(theirs_too, Sandbox::reference(None).unwrap(), &theirs).await.unwrap();
        let (file, repo) = (store.file(&on_top.pack), store.repo.clone());
        let pushed = Arc::new(AtomicBool::new(false));
        let done = pushed.clone();
        let fault = Fault::meanwhile(call, &theirs, move || {
            let (pusher, file, repo, done) =
                (pusher.clone(), file.clone(), repo.clone(), done.clone());
            async move {
                pusher
                    .push(&repo, &[file], PushOptions { force: true }, &Progress::silent())
                    .await
                    .unwrap();
                done.store(true, Ordering::SeqCst);
            }
        });
        drop(late);
        let clock = FixedClock::starting_at("2027-03-02T09:00:00Z".parse().unwrap());
        let faulty = StoreOptions { clock: Arc::new(clock), ..options(&store.data()) };
        let faulty = faulty::open(faulty, Sandbox::reference(None).unwrap(), &fault).await.unwrap();
        let done = faulty
            .gc(
                &store.repo,
                GcOptions { expire_unreachable: Some(DAY), ..GcOptions::default() },
                &Progress::silent(),
            )
            .await
            .unwrap();
        if !fault.struck() {
            assert!(call > 8, "{call} calls");
            break;
        }
        // Where it was made to wait, it may still be at it.
        let waited = async {
            while !pushed.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(MINUTE, waited).await.expect("the push fails or takes long");
        store.sound().await;
        let shown = store.show().await;
        let has_old = shown.commits > 3;
        let dropped = done.dropped.is_some_and(|dropped| dropped.commits > 0);
        assert!(has_old || dropped, "call {call}");
        // Either the push came first, and then what it reaches is there; or the drop did, and then
        // its base is unknown.
        let fetched =
            store.store.fetch(&store.repo, &Default::default(), &Progress::silent()).await.unwrap();
        assert!(fetched.commit_count == 4 || fetched.missing > 0, "call {call}: {fetched:?}");
        assert_eq!(fetched.missing == 0, has_old, "call {call}: {new:?}");
    }
}

#[tokio::test]
async fn a_deleted_repo_frees_its_name_and_its_packs_wait() {
    let store = TestStore::new().await;
    let pushed = chain(3, "a", None);
    store.push_each(&[&pushed.pack]).await;
    let other = "c/d".parse().unwrap();
    store.store.create_repo(&other, Visibility::Public).await.unwrap();
    let shared = store.file(&pushed.pack);
    store.store.push(&other, &[shared], PushOptions::default(), &Progress::silent()).await.unwrap();
    let (answer, _) = store.fetch(&[], std::slice::from_ref(&pushed.tip)).await.unwrap();
    let file = answer.mpack_url.strip_prefix("file://").unwrap().to_owned();
    store.queue(Operation::Gc(GcOptions::default())).await.unwrap();
    let gone = store.store.delete_repo(&store.repo).await.unwrap();
    assert_eq!((gone.packs_waiting, gone.jobs_cancelled), (1, 1));
    assert!(!Path::new(&file).exists(), "what was assembled from it is gone at once");
    store.store.repo(&store.repo).await.unwrap_err();
    store.store.delete_repo(&store.repo).await.unwrap_err();
    assert_eq!(store.store.reports(None, 99).await.unwrap().len(), 1);
    assert_eq!(store.store.every_summary().await.unwrap().len(), 1);
    store.store.gc_entries(&Default::default()).await.unwrap();
    store.store.jobs(&JobsQuery { limit: 10, ..JobsQuery::default() }).await.unwrap();

    let late = after(30, &store.data()).await;
    let prune = PruneOptions::default();
    assert_eq!(
        late.prune(prune, &Progress::silent()).await.unwrap().packs_deleted,
        0,
        "another repo's shelf holds it"
    );
    late.delete_repo(&other).await.unwrap();
    assert_eq!(
        after(60, &store.data())
            .await
            .prune(prune, &Progress::silent())
            .await
            .unwrap()
            .packs_deleted,
        1
    );
    store.store.create_repo(&store.repo, Visibility::Private).await.unwrap();
    store.push_each(&[&pushed.pack]).await;
    assert_eq!(store.show().await.commits, 3);
    store.sound().await;
}

/// Work on a repo that is deleted at the same time fails with a clear error, and restores nothing.
#[tokio::test]
async fn a_repo_that_is_deleted_meanwhile_stays_deleted() {
    for verb in ["push", "gc"] {
        for call in 0.. {
            let store = TestStore::new().await;
            let first = chain(2, "a", None);
            store.push_each(&[&first.pack]).await;
            store.push_each(&[chain(1, "b", Some(&first.tip)).pack]).await;
            let (theirs, repo) = (store.store.clone(), store.repo.clone());
            let never = Fault::never();
            let fault = Fault::meanwhile(call, &never, move || {
                let (theirs, repo) = (theirs.clone(), repo.clone());
                async move { drop(theirs.delete_repo(&repo).await) }
            });
            let faulty =
                faulty::open(options(&store.data()), Sandbox::reference(None).unwrap(), &fault)
                    .await
                    .unwrap();
            let file = store.file(&chain(1, "c", Some(&chain(1, "b", Some(&first.tip)).tip)).pack);
            let done = match verb {
                "push" => faulty
                    .push(&store.repo, &[file], PushOptions::default(), &Progress::silent())
                    .await
                    .map(drop),
                _ => faulty
                    .gc(&store.repo, GcOptions::default(), &Progress::silent())
                    .await
                    .map(drop),
            };
            if !fault.struck() {
                break;
            }
            store.store.repo(&store.repo).await.unwrap_err();
            if let Err(error) = done {
                let words = error.to_string();
                assert!(
                    words.contains("deleted")
                        || words.contains("there is no repo")
                        || words.contains("kept changing"),
                    "{verb} {call}: {words}"
                );
            }
            store.store.create_repo(&store.repo, Visibility::Public).await.unwrap();
            assert_eq!(store.show().await.commits, 0, "{verb} {call}");
        }
    }
}
