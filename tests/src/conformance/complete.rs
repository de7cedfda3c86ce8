//! What was found out about packs that are complete.

use std::sync::Arc;

use packhouse_host::catalog::{
    Catalog, CompletePack, CompletePackRow, Consolidation, LockMode, PublishOutcome, PushedPack,
    RepoRow,
};

use super::desk::{Desk, at, complete, key, moved, pack};

async fn recorded(desk: &Desk) -> Option<CompletePackRow> {
    desk.snapshot().await.complete_pack().await.unwrap()
}

/// A repo whose first push was the complete pack 1, of ten objects.
async fn with_complete_pack(catalog: &Arc<dyn Catalog>) -> Desk {
    let desk = Desk::new(catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..10)]).await;
    push.complete = Some(complete(10));
    desk.done(&push).await;
    desk
}

/// Consolidates into a pack of a number.
async fn consolidate(desk: &Desk, number: u64, complete: Option<CompletePack>) {
    let plan = Consolidation { complete, ..desk.plan(number).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
}

/// Records what was found out about a pack of a number.
async fn note(desk: &Desk, row: &RepoRow, number: u64, found: CompletePack) -> PublishOutcome {
    desk.catalog.note_complete_pack(row, &key(number), &found).await.unwrap()
}

pub async fn a_push_and_a_consolidation_record_a_complete_pack(catalog: Arc<dyn Catalog>) {
    let desk = with_complete_pack(&catalog).await;
    let found = recorded(&desk).await.unwrap();
    assert_eq!((found.mapped, found.complete), (10, complete(10)));
    assert_eq!((found.pack.key, found.pack.records), (key(1), 10));
    assert_eq!((found.pack.bytes, found.pack.stored_at), (1001, at(1)));

    desk.push(vec![pack(2, 10..12)]).await;
    let none_missing = CompletePack { missing: vec![], ..complete(12) };
    consolidate(&desk, 9, Some(none_missing.clone())).await;
    let found = recorded(&desk).await.unwrap();
    assert_eq!((found.pack.key, found.mapped, found.complete), (key(9), 12, none_missing));

    let other = Desk::named(&catalog, "c/d").await;
    assert_eq!(recorded(&other).await, None, "each repo has its own");
}

pub async fn a_consolidation_without_one_forgets_it_and_a_push_does_not(catalog: Arc<dyn Catalog>) {
    let desk = with_complete_pack(&catalog).await;
    desk.push(vec![pack(2, 10..12)]).await;
    assert_eq!(recorded(&desk).await.unwrap().mapped, 10, "it is still a pack of the repo");
    consolidate(&desk, 9, None).await;
    assert_eq!(recorded(&desk).await, None);
}

pub async fn a_consolidation_of_other_packs_keeps_it(catalog: Arc<dyn Catalog>) {
    let desk = with_complete_pack(&catalog).await;
    desk.push(vec![pack(2, 10..12)]).await;
    desk.push(vec![pack(3, 12..14)]).await;
    let some = |plan: Consolidation, shelves: std::ops::Range<usize>| Consolidation {
        planned: plan.planned[shelves].to_vec(),
        ..plan
    };
    let others = some(desk.plan(9).await, 1..3);
    assert!(matches!(desk.apply(&others).await, PublishOutcome::Done { .. }));
    let found = recorded(&desk).await.unwrap();
    assert_eq!((found.pack.key, found.mapped, found.complete), (key(1), 10, complete(10)));
    let first = some(desk.plan(10).await, 0..2);
    assert!(matches!(desk.apply(&first).await, PublishOutcome::Done { .. }));
    assert_eq!(recorded(&desk).await, None, "it was replaced");
}

pub async fn what_is_mapped_to_other_packs_by_now_is_not_counted(catalog: Arc<dyn Catalog>) {
    let desk = with_complete_pack(&catalog).await;
    let first = desk.shelf(0).await;
    // Longer encodings of three of its objects, and the same bytes again on another shelf.
    desk.push(vec![PushedPack { moved: moved(0..3, first), ..pack(2, 0..0) }]).await;
    desk.push(vec![pack(1, 20..21)]).await;
    let other = Desk::named(&catalog, "c/d").await;
    other.push(vec![pack(1, 0..10)]).await;
    assert_eq!(recorded(&desk).await.unwrap().mapped, 8, "seven on one shelf, one on another");
}

pub async fn a_pack_that_was_only_checked_is_recorded_if_nothing_has_changed(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let row = desk.row().await;
    assert_eq!(
        note(&desk, &row, 7, complete(2)).await,
        PublishOutcome::Changed,
        "no pack of the repo"
    );
    assert_eq!(recorded(&desk).await, None);
    assert!(matches!(note(&desk, &row, 1, complete(2)).await, PublishOutcome::Done { rows: 1 }));
    assert_eq!(recorded(&desk).await.unwrap().complete, complete(2));
    assert!(matches!(note(&desk, &row, 1, complete(3)).await, PublishOutcome::Done { rows: 1 }));

    desk.push(vec![pack(2, 2..4)]).await;
    assert_eq!(note(&desk, &row, 1, complete(4)).await, PublishOutcome::Changed, "a push came");
    let row = desk.row().await;
    consolidate(&desk, 9, None).await;
    assert_eq!(note(&desk, &row, 1, complete(4)).await, PublishOutcome::Changed, "it was retired");
    assert_eq!(recorded(&desk).await, None);
    let row = desk.row().await;
    catalog.delete_repo(desk.repo, at(9)).await.unwrap().unwrap();
    assert_eq!(
        note(&desk, &row, 9, complete(4)).await,
        PublishOutcome::Changed,
        "the repo is gone"
    );
}

pub async fn it_goes_with_its_pack(catalog: Arc<dyn Catalog>) {
    let desk = with_complete_pack(&catalog).await;
    // The pack is damaged: all that it had is mapped to another one, and its shelf is removed.
    let first = desk.shelf(0).await;
    let mut push =
        desk.prepare(vec![PushedPack { moved: moved(0..10, first), ..pack(2, 0..0) }]).await;
    push.broken = vec![first];
    desk.done(&push).await;
    let found = recorded(&desk).await.unwrap();
    assert_eq!((found.pack.key, found.mapped), (key(1), 0), "nothing is mapped to it");
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert_eq!(catalog.forget_packs(&[key(1)], at(9), &lock).await.unwrap(), [key(1)]);
    assert_eq!(recorded(&desk).await, None);
}
