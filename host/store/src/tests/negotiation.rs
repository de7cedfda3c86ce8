//! What clients were told to be in a repo is kept.

use std::time::Duration;

use packhouse_model::client::FetchRequest;
use packhouse_model::operation::{GcOptions, VerifyOptions};
use packhouse_model::progress::Progress;
use packhouse_model::report::GcDropped;
use packhouse_sample::{HeadStyle, HistoryOptions, history};

use super::{Fixture, open};
use crate::Store;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn after(fixture: &Fixture, days: i64) -> Store {
    open(fixture.folder.path(), days).await
}

/// A repo with a branch, and two packs beside it that no branch reaches; ids of the commits of the
/// first one, and of the objects of both.
async fn with_loose_packs() -> (Fixture, Vec<String>, Vec<String>) {
    let fixture = Fixture::new().await;
    let named = HistoryOptions {
        pushes: 1,
        tags: false,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    fixture.push("named.mpack", &history(&named)[0]).await;
    let loose = HistoryOptions {
        seed: 77,
        pushes: 2,
        tags: false,
        heads: HeadStyle::Absent,
        overlap: false,
        ..HistoryOptions::default()
    };
    let dropped = async |kind: &str| -> Vec<String> {
        let plan = expire(&after(&fixture, 400).await, &fixture, true).await;
        let all = plan.entities;
        all.iter().filter_map(|text| text.strip_prefix(kind)).map(str::to_owned).collect()
    };
    let packs = history(&loose);
    fixture.push("0.mpack", &packs[0]).await;
    // None of these reaches what the second pack holds.
    let commits = dropped("commit ").await;
    fixture.push("1.mpack", &packs[1]).await;
    let objects = dropped("object ").await;
    assert!(commits.len() > 1 && objects.len() > 3);
    (fixture, commits, objects)
}

/// What a consolidation drops, or would drop.
async fn expire(store: &Store, fixture: &Fixture, dry_run: bool) -> GcDropped {
    let options = GcOptions { expire_unreachable: Some(90 * DAY), ..GcOptions::default() };
    let (repo, silent) = (&fixture.repo, Progress::silent());
    let dropped = match dry_run {
        true => store.plan_gc(repo, options, &silent).await.unwrap().report.dropped,
        false => store.gc(repo, options, &silent).await.unwrap().dropped,
    };
    dropped.unwrap()
}

#[tokio::test]
async fn an_object_that_is_not_missing_and_a_commit_that_is_acknowledged_are_kept() {
    let (fixture, commits, objects) = with_loose_packs().await;
    let store = after(&fixture, 300).await;
    // A client that only reads gets the same, and changes nothing.
    for may_push in [false, true] {
        let asked = vec![objects[0].clone(), "0".repeat(64), objects[1].clone()];
        let missing = store.missing_objects(&fixture.repo, asked, may_push).await.unwrap();
        assert_eq!(missing, ["0".repeat(64)]);
        let (ack, _) = store
            .common(&fixture.repo, &[], vec![commits[0].clone(), "1".repeat(64)], may_push)
            .await
            .unwrap();
        assert_eq!(ack, [commits[0].clone()]);
        let planned = expire(&after(&fixture, 320).await, &fixture, true).await;
        let is_dropped = |id: &String| planned.entities.iter().any(|entity| entity.ends_with(id));
        let reported = [&objects[0], &objects[1], &commits[0]];
        assert!(
            reported.iter().all(|id| is_dropped(id) != may_push),
            "{may_push}: {:?}",
            planned.entities
        );
    }
    let done = expire(&after(&fixture, 320).await, &fixture, false).await;
    assert!(done.objects > 0, "what nobody was told of is dropped");
    let missing = store
        .missing_objects(&fixture.repo, vec![objects[0].clone(), objects[1].clone()], false)
        .await
        .unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    let verified = fixture
        .store
        .verify(&fixture.repo, VerifyOptions::default(), &Progress::silent())
        .await
        .unwrap();
    assert!(verified.ok, "{:?}", verified.problems);
    // With all that the commit reaches: its pack can be fetched.
    let request = FetchRequest { want: vec![commits[0].clone()], ..Default::default() };
    let fetched = fixture.store.fetch(&fixture.repo, &request, &Progress::silent()).await.unwrap();
    assert_eq!(fetched.missing, 0);
}

#[tokio::test]
async fn with_an_age_of_nothing_nothing_is_recent() {
    let (fixture, _, objects) = with_loose_packs().await;
    let store = after(&fixture, 300).await;
    store.missing_objects(&fixture.repo, objects.clone(), true).await.unwrap();
    let done = store
        .gc(
            &fixture.repo,
            GcOptions { expire_unreachable: Some(Duration::ZERO), ..GcOptions::default() },
            &Progress::silent(),
        )
        .await
        .unwrap();
    assert_eq!(done.dropped.unwrap().objects, objects.len() as u64);
    assert_eq!(store.missing_objects(&fixture.repo, objects.clone(), true).await.unwrap(), objects);
}
