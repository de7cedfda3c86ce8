//! Consolidations that drop what nothing reaches.

use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, Consolidation, PublishOutcome};

use super::desk::{Desk, LENGTH, edges, edges_of, fresh, head, id, key, pack, row};

/// A repo of two packs: commits 0 to 3 in a row, a snapshot and two objects for each.
async fn with_history(catalog: &Arc<dyn Catalog>) -> Desk {
    let desk = Desk::new(catalog).await;
    for number in 0..2 {
        let commits = 2 * number..2 * number + 2;
        let mut one = pack(number, 2 * commits.start..2 * commits.end);
        one.fresh = [
            fresh(Kind::Commit, commits.clone()),
            fresh(Kind::Snapshot, commits.clone()),
            one.fresh,
        ]
        .concat();
        let mut push = desk.prepare(vec![one]).await;
        push.edges = commits
            .clone()
            .map(|commit| edges(commit, &commit.checked_sub(1).into_iter().collect::<Vec<_>>()))
            .collect();
        push.heads = vec![head("main", commits.end - 1)];
        desk.done(&push).await;
    }
    desk
}

/// A plan that drops the last commit with its snapshot, and an object of the first pack.
async fn plan(desk: &Desk) -> Consolidation {
    let mut dropped = desk.drops(Kind::Commit, 3..4).await;
    dropped.extend(desk.drops(Kind::Snapshot, 3..4).await);
    dropped.extend(desk.drops(Kind::Object, 1..2).await);
    Consolidation { dropped, ..desk.plan(9).await }
}

pub async fn what_is_dropped_is_gone_from_index_edges_and_counts(catalog: Arc<dyn Catalog>) {
    let desk = with_history(&catalog).await;
    let before = desk.index().await;
    let plan = plan(&desk).await;
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    let gone =
        [row(Kind::Commit, 3), row(Kind::Snapshot, 3), row(Kind::Object, 1)].map(|row| row.entity);
    let kept: Vec<_> = before.into_iter().filter(|(row, _)| !gone.contains(&row.entity)).collect();
    assert_eq!(desk.index().await, kept);
    let mut snapshot = desk.snapshot().await;
    assert_eq!(snapshot.lookup(&gone).await.unwrap(), [None; 3]);
    assert_eq!(snapshot.edge_count().await.unwrap(), 3);
    let history = snapshot.history(&[id(3), id(2)], 9).await.unwrap();
    assert_eq!(edges_of(&history), [edges(2, &[1]), edges(1, &[0]), edges(0, &[])]);
    let shelves = snapshot.shelves().await.unwrap();
    let counts = |at: usize| {
        (shelves[at].mapped.commits, shelves[at].mapped.snapshots, shelves[at].mapped.objects)
    };
    assert_eq!((counts(0), counts(1)), ((2, 2, 3), (1, 1, 4)));
    assert_eq!(snapshot.repo().sums.needed_bytes, Some(13 * LENGTH));
}

pub async fn what_a_push_may_reach_by_now_is_not_dropped(catalog: Arc<dyn Catalog>) {
    let desk = with_history(&catalog).await;
    let plan = plan(&desk).await;
    desk.push(vec![pack(5, 100..101)]).await;
    let before = desk.index().await;
    assert_eq!(desk.apply(&plan).await, PublishOutcome::Changed);
    assert_eq!(
        (desk.index().await, desk.snapshot().await.edge_count().await.unwrap()),
        (before, 4)
    );
    assert_eq!(catalog.knows_packs(&[key(9)]).await.unwrap(), [false]);
    // One that drops nothing may leave the newer shelf alone.
    let plan = Consolidation { dropped: vec![], ..plan };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
}

pub async fn a_pack_of_whose_content_something_was_dropped_is_new_when_it_comes_again(
    catalog: Arc<dyn Catalog>,
) {
    let desk = with_history(&catalog).await;
    let packs = [key(0), key(1)];
    let whole = Consolidation { dropped: vec![], ..plan(&desk).await };
    assert!(matches!(desk.apply(&whole).await, PublishOutcome::Done { .. }));
    assert_eq!(
        desk.snapshot().await.holds(&packs).await.unwrap(),
        [true; 2],
        "all that it holds is in the index"
    );
    let plan =
        Consolidation { dropped: desk.drops(Kind::Object, 1..2).await, ..desk.plan(10).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(desk.snapshot().await.holds(&packs).await.unwrap(), [false; 2]);
    assert_eq!(desk.snapshot().await.retired().await.unwrap().len(), 3);
    let push = desk.prepare(vec![pack(0, 1..2)]).await;
    desk.done(&push).await;
    assert_eq!(desk.snapshot().await.holds(&packs).await.unwrap(), [true, false]);
}

pub async fn a_push_that_counts_on_what_was_dropped_is_prepared_again(catalog: Arc<dyn Catalog>) {
    let desk = with_history(&catalog).await;
    let push = desk.prepare(vec![pack(5, 100..101)]).await;
    let plan = plan(&desk).await;
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(desk.publish(&push).await, PublishOutcome::Changed);
}

pub async fn a_shelf_may_lose_all_that_was_mapped_to_it_and_what_is_dropped_may_come_again(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.push(vec![pack(2, 2..4)]).await;
    let plan =
        Consolidation { dropped: desk.drops(Kind::Object, 0..2).await, ..desk.plan(9).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!((desk.shelves().await[0].mapped.total(), desk.row().await.sums.packs), (0, 1));
    let dropped = desk.drops(Kind::Object, 2..4).await;
    let plan = Consolidation { dropped, ..desk.plan(10).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(
        (desk.row().await.sums.packs, desk.row().await.sums.bytes),
        (0, 0),
        "on shelves, and nothing is mapped to it"
    );
    desk.push(vec![pack(3, 1..3)]).await;
    assert_eq!(desk.index().await.len(), 2);
}

pub async fn only_the_repos_own_entities_are_dropped(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (with_history(&catalog).await, Desk::named(&catalog, "c/d").await);
    let mut push = other.prepare(vec![pack(0, 0..4)]).await;
    push.edges = vec![edges(3, &[])];
    other.done(&push).await;
    let before = other.index().await;
    let plan = plan(&desk).await;
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(
        (other.index().await, other.snapshot().await.edge_count().await.unwrap()),
        (before, 1)
    );
    other.adds_up().await;
}
