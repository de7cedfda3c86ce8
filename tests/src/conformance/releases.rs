//! Releases, and the commits that they pin.

use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, Consolidation, PublishOutcome, PutRelease, ReleaseRow};

use super::desk::{Desk, at, edges, fresh, id, pack};

/// A limit that no test reaches.
const MOST: u64 = 1 << 20;

/// A release of a commit.
fn release(tag: &str, commit: u64) -> ReleaseRow {
    ReleaseRow {
        tag: tag.to_owned(),
        release_id: format!("id of {tag}"),
        channel: "stable".to_owned(),
        is_draft: false,
        commit: id(commit),
        body: format!("{{\"tag\":  \"{tag}\"}}"),
    }
}

/// A repo of the commits 0 to 3, each without a parent.
async fn with_commits(catalog: &Arc<dyn Catalog>, name: &str) -> Desk {
    let desk = Desk::named(catalog, name).await;
    let mut one = pack(0, 0..4);
    one.fresh = [fresh(Kind::Commit, 0..4), one.fresh].concat();
    let mut push = desk.prepare(vec![one]).await;
    push.edges = (0..4).map(|commit| edges(commit, &[])).collect();
    desk.done(&push).await;
    desk
}

pub async fn a_release_is_kept_as_it_was_sent_and_the_newest_comes_first(
    catalog: Arc<dyn Catalog>,
) {
    let desk = with_commits(&catalog, "a/b").await;
    let repo = desk.row().await.id;
    assert!(catalog.releases(repo).await.unwrap().is_empty());
    let odd = ReleaseRow {
        release_id: "Ü/\u{1f511}".into(),
        channel: String::new(),
        is_draft: true,
        body: "{ \"b\" : 1e400,\n\"a\":\"it's 100%\", \"a\":null}".into(),
        ..release("v/1.0-rc.1", 2)
    };
    for one in [&release("v2", 1), &odd, &release("v1", 1)] {
        assert_eq!(catalog.put_release(repo, one, MOST).await.unwrap(), PutRelease::Published);
    }
    assert_eq!(catalog.releases(repo).await.unwrap(), [release("v1", 1), odd, release("v2", 1)]);
    let mut pinned = desk.snapshot().await.released().await.unwrap();
    pinned.sort_unstable();
    pinned.dedup();
    assert_eq!(pinned, [id(1), id(2)]);
    assert!(catalog.delete_release(repo, "v1").await.unwrap());
    assert!(!catalog.delete_release(repo, "v1").await.unwrap());
    assert!(!catalog.delete_release(repo, "V2").await.unwrap());
    assert_eq!(catalog.releases(repo).await.unwrap().len(), 2);
    assert_eq!(
        catalog.put_release(repo, &release("v1", 3), MOST).await.unwrap(),
        PutRelease::Published,
        "the tag is free again"
    );
}

pub async fn in_a_repo_a_tag_and_a_release_id_are_given_once(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (with_commits(&catalog, "a/b").await, with_commits(&catalog, "c/d").await);
    let (repo, there) = (desk.row().await.id, other.row().await.id);
    let first = release("v1", 0);
    assert_eq!(catalog.put_release(repo, &first, MOST).await.unwrap(), PutRelease::Published);
    let of_tag = ReleaseRow { release_id: "another".into(), ..release("v1", 1) };
    let of_id = ReleaseRow { release_id: first.release_id.clone(), ..release("v2", 1) };
    let revision = desk.row().await.revision;
    for taken in [&first, &of_tag, &of_id] {
        let answer = catalog.put_release(repo, taken, MOST).await.unwrap();
        assert_eq!(answer, PutRelease::Taken(Box::new(first.clone())));
    }
    assert_eq!(desk.row().await.revision, revision);
    assert_eq!(
        catalog.put_release(there, &first, MOST).await.unwrap(),
        PutRelease::Published,
        "another repo"
    );
    assert!(catalog.delete_release(repo, "v1").await.unwrap());
    assert_eq!(catalog.releases(there).await.unwrap(), [first]);
}

pub async fn a_release_of_an_unknown_commit_or_beyond_the_limit_is_none(catalog: Arc<dyn Catalog>) {
    let desk = with_commits(&catalog, "a/b").await;
    let repo = desk.row().await.id;
    let two = [release("v1", 0), release("v2", 0)];
    let bytes: u64 = two.iter().map(|release| release.body.len() as u64).sum();
    assert_eq!(
        catalog.put_release(repo, &release("v1", 9), MOST).await.unwrap(),
        PutRelease::UnknownCommit
    );
    assert_eq!(catalog.put_release(repo, &two[0], bytes).await.unwrap(), PutRelease::Published);
    assert_eq!(catalog.put_release(repo, &two[1], bytes - 1).await.unwrap(), PutRelease::TooMuch);
    assert_eq!(catalog.put_release(repo, &two[1], bytes).await.unwrap(), PutRelease::Published);
    assert_eq!(catalog.releases(repo).await.unwrap().len(), 2);
}

pub async fn a_consolidation_that_was_planned_before_a_release_drops_nothing(
    catalog: Arc<dyn Catalog>,
) {
    let desk = with_commits(&catalog, "a/b").await;
    let repo = desk.row().await.id;
    let plan =
        Consolidation { dropped: desk.drops(Kind::Commit, 3..4).await, ..desk.plan(9).await };
    assert_eq!(
        catalog.put_release(repo, &release("v1", 3), MOST).await.unwrap(),
        PutRelease::Published
    );
    assert_eq!(desk.apply(&plan).await, PublishOutcome::Changed);
    // One that drops nothing may go on.
    let plan = Consolidation { dropped: vec![], ..plan };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    // And one that came first leaves nothing to release.
    let plan =
        Consolidation { dropped: desk.drops(Kind::Commit, 2..3).await, ..desk.plan(10).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(
        catalog.put_release(repo, &release("v2", 2), MOST).await.unwrap(),
        PutRelease::UnknownCommit
    );
}

pub async fn a_deleted_repo_has_no_releases(catalog: Arc<dyn Catalog>) {
    let desk = with_commits(&catalog, "a/b").await;
    let repo = desk.row().await.id;
    assert_eq!(
        catalog.put_release(repo, &release("v1", 0), MOST).await.unwrap(),
        PutRelease::Published
    );
    catalog.delete_repo(repo, at(9)).await.unwrap().unwrap();
    let again = with_commits(&catalog, "a/b").await.row().await.id;
    assert!(catalog.releases(again).await.unwrap().is_empty());
    assert_eq!(
        catalog.put_release(repo, &release("v2", 0), MOST).await.unwrap(),
        PutRelease::NoRepo
    );
}
