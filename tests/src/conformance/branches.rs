//! Deleting a branch.

use std::sync::Arc;

use packhouse_host::catalog::{BranchDeletion, Catalog, PublishOutcome};

use super::desk::{Desk, at, head, id, pack};

/// A repo with branches at commits 1, 2 and 3.
async fn with_branches(catalog: &Arc<dyn Catalog>) -> Desk {
    let desk = Desk::new(catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..3)]).await;
    push.heads = vec![head("main", 1), head("x", 2), head("../y\u{202e}", 3)];
    desk.done(&push).await;
    desk
}

/// The deletion of a branch of the repo as it is now.
async fn deletion(desk: &Desk, branch: &str, default: Option<&str>) -> BranchDeletion {
    BranchDeletion {
        repo: desk.row().await,
        branch: branch.to_owned(),
        default_branch: default.map(str::to_owned),
        now: at(7),
    }
}

pub async fn a_deleted_branch_is_gone_and_where_it_stood_is_remembered(catalog: Arc<dyn Catalog>) {
    let desk = with_branches(&catalog).await;
    let before = (desk.index().await, desk.row().await);
    let gone = deletion(&desk, "../y\u{202e}", Some("main")).await;
    assert!(
        matches!(catalog.delete_branch(&gone).await.unwrap(), PublishOutcome::Done { rows } if rows > 0)
    );
    let mut snapshot = desk.snapshot().await;
    assert_eq!(snapshot.heads().await.unwrap(), [head("main", 1), head("x", 2)]);
    assert_eq!(snapshot.left_heads(at(6)).await.unwrap(), [id(3)], "since then");
    assert_eq!(snapshot.left_heads(at(7)).await.unwrap(), []);
    let row = snapshot.repo().clone();
    assert_eq!(
        (row.default_branch.as_deref(), row.revision, row.sums),
        (Some("main"), before.1.revision + 1, before.1.sums)
    );
    assert_eq!(desk.index().await, before.0, "and nothing else");
    desk.adds_up().await;
}

pub async fn the_default_branch_moves_in_the_same_moment(catalog: Arc<dyn Catalog>) {
    let desk = with_branches(&catalog).await;
    for (branch, default) in [("main", Some("x")), ("../y\u{202e}", Some("x")), ("x", None)] {
        let gone = deletion(&desk, branch, default).await;
        assert!(matches!(catalog.delete_branch(&gone).await.unwrap(), PublishOutcome::Done { .. }));
        assert_eq!(desk.row().await.default_branch.as_deref(), default);
    }
    let mut push = desk.prepare(vec![]).await;
    push.heads = vec![head("new", 4)];
    desk.done(&push).await;
    assert_eq!(
        desk.row().await.default_branch.as_deref(),
        Some("new"),
        "the first that is pushed then"
    );
}

pub async fn a_deletion_that_was_decided_on_another_state_changes_nothing(
    catalog: Arc<dyn Catalog>,
) {
    let desk = with_branches(&catalog).await;
    let other = Desk::named(&catalog, "c/d").await;
    let (old, unknown) =
        (deletion(&desk, "x", Some("main")).await, deletion(&desk, "y", Some("main")).await);
    let elsewhere = deletion(&other, "x", None).await;
    for refused in [unknown, elsewhere] {
        assert_eq!(catalog.delete_branch(&refused).await.unwrap(), PublishOutcome::Changed);
    }
    desk.push(vec![pack(2, 3..4)]).await;
    assert_eq!(catalog.delete_branch(&old).await.unwrap(), PublishOutcome::Changed);
    let mut snapshot = desk.snapshot().await;
    assert_eq!((snapshot.heads().await.unwrap().len(), snapshot.repo().revision), (3, 2));
    assert!(snapshot.left_heads(at(-9)).await.unwrap().is_empty());
    drop(snapshot);
    let late = deletion(&desk, "x", Some("main")).await;
    catalog.delete_repo(desk.repo, at(8)).await.unwrap().unwrap();
    assert_eq!(catalog.delete_branch(&late).await.unwrap(), PublishOutcome::Changed);
}

pub async fn a_push_that_was_prepared_before_it_begins_anew(catalog: Arc<dyn Catalog>) {
    let desk = with_branches(&catalog).await;
    let mut push = desk.prepare(vec![pack(2, 3..4)]).await;
    push.heads = vec![head("x", 5)];
    let gone = deletion(&desk, "x", Some("main")).await;
    assert!(matches!(catalog.delete_branch(&gone).await.unwrap(), PublishOutcome::Done { .. }));
    assert_eq!(desk.publish(&push).await, PublishOutcome::Changed);
    assert_eq!(desk.snapshot().await.heads().await.unwrap().len(), 2);
}
