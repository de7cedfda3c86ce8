//! Law 6: publishing compares. Interleavings are forced, not hoped for: a plan is made, something
//! else happens, the plan is applied.

use packhouse_model::client::PushOptions;
use packhouse_model::error::{Class, Error};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use packhouse_sample::{HistoryOptions, PackBuilder, history};

use super::{Fixture, open};

#[tokio::test]
async fn law_6_a_push_that_lands_meanwhile_keeps_its_shelf() {
    let fixture = Fixture::new().await;
    let packs =
        history(&HistoryOptions { seed: 3, pushes: 4, overlap: true, ..HistoryOptions::default() });
    for (i, pack) in packs[..3].iter().enumerate() {
        fixture.push(&format!("{i}.mpack"), pack).await;
    }
    let plan = fixture
        .store
        .plan_gc(&fixture.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    fixture.push("late.mpack", &packs[3]).await;
    let whole = fixture.fetch().await;
    let done = fixture.store.apply_gc(plan, &Progress::silent()).await.unwrap();
    assert_eq!((done.packs_before, done.packs_after), (3, 1));
    assert_eq!(
        fixture.report().await.packs,
        2,
        "the consolidated pack, and the one that came meanwhile"
    );
    fixture.assert_unharmed(&whole, "a push during a consolidation").await;
    let done =
        fixture.store.gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert_eq!(done.packs_before, 2);
    fixture.assert_unharmed(&whole, "after the next consolidation").await;
}

#[tokio::test]
async fn law_6_of_two_consolidations_one_publishes() {
    let fixture = Fixture::with_history().await;
    let other = open(fixture.folder.path(), 0).await;
    let whole = fixture.fetch().await;
    let first = fixture
        .store
        .plan_gc(&fixture.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let second =
        other.plan_gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert_eq!(
        first.report.phase.plan_digest, second.report.phase.plan_digest,
        "a plan is a value"
    );
    let done = fixture.store.apply_gc(first, &Progress::silent()).await.unwrap();
    let error = other.apply_gc(second, &Progress::silent()).await.expect_err("both published");
    assert_eq!(error.class(), Class::Conflict, "{error}");
    let again = other.gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert!(again.skipped);
    assert_eq!(again.consolidated_key, done.consolidated_key);
    fixture.assert_unharmed(&whole, "after two consolidations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pushes_of_a_process_to_one_repo_go_through_however_many_come_at_once() {
    let fixture = Fixture::new().await;
    let push = |number: usize| {
        let mut pack = PackBuilder::new();
        pack.object(format!("object {number}").as_bytes());
        let file = fixture.file(&format!("{number}.mpack"), &pack.finish());
        let (store, repo) = (fixture.store.clone(), fixture.repo.clone());
        tokio::spawn(async move {
            store.push(&repo, &[file], PushOptions::default(), &Progress::silent()).await
        })
    };
    let pushes: Vec<_> = (0..40).map(push).collect();
    for push in pushes {
        push.await.unwrap().unwrap();
    }
    assert_eq!(fixture.report().await.packs, 40);
}

#[tokio::test]
async fn law_6_publishing_changes_rows_by_packs_not_by_objects() {
    let mut rows = Vec::new();
    for objects in [4, 400] {
        let fixture = Fixture::new().await;
        let options = HistoryOptions {
            seed: 2,
            pushes: 5,
            objects_per_commit: objects,
            ..HistoryOptions::default()
        };
        for (i, pack) in history(&options).into_iter().enumerate() {
            fixture.push(&format!("{i}.mpack"), &pack).await;
        }
        let done = fixture
            .store
            .gc(&fixture.repo, GcOptions::default(), &Progress::silent())
            .await
            .unwrap();
        assert_eq!(done.packs_before, 5);
        rows.push(done.rows_changed);
    }
    assert_eq!(rows[0], rows[1], "a hundred times the objects, the same rows");
    // A row for the new pack, one for each shelf, one for each retired pack, one for the repo's
    // sums, one for the change, and one because the new pack is complete.
    assert_eq!(rows[0], 1 + 5 + 5 + 1 + 1 + 1);
}

#[tokio::test]
async fn two_pushers_of_one_branch_both_land_or_one_conflicts() {
    let fixture = Fixture::new().await;
    let packs = history(&HistoryOptions { seed: 8, pushes: 2, ..HistoryOptions::default() });
    let other = open(fixture.folder.path(), 0).await;
    let (first, second) =
        ([fixture.file("a.mpack", &packs[0])], [fixture.file("b.mpack", &packs[1])]);
    let (silent, repo) = (Progress::silent(), fixture.repo.clone());
    let (a, b) = tokio::join!(
        fixture.store.push(&repo, &first, PushOptions::default(), &silent),
        other.push(&repo, &second, PushOptions::default(), &silent),
    );
    // The second follows the first in history: in either order both land, and the head is the
    // newer.
    let heads = [a.unwrap(), b.unwrap()].map(|mut r| r.remove(0).branch_heads);
    let report = fixture.report().await;
    assert_eq!(report.packs, 2);
    assert!(heads.contains(&report.branch_heads), "{heads:?}");
}

#[tokio::test]
async fn cancelled_work_changes_nothing() {
    let fixture = Fixture::with_history().await;
    let before = fixture.fetch().await;
    let progress = Progress::silent();
    progress.cancel();
    let error = fixture
        .store
        .gc(&fixture.repo, GcOptions::default(), &progress)
        .await
        .expect_err("it went on");
    assert!(matches!(error, Error::Cancelled), "{error}");
    let report = fixture.report().await;
    assert_eq!((report.packs, report.last_gc), (4, None));
    fixture.assert_unharmed(&before, "after a cancelled consolidation").await;
}
