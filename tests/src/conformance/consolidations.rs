//! What a consolidation publishes, and what it leaves alone.

use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, Consolidation, PackChange, PublishOutcome};
use packhouse_host::{Cause, MpackKey, ShelfId};

use super::desk::{Desk, at, fresh, key, pack, row};

/// What is done to the shelves of a plan.
type Spoil = fn(&mut Vec<(ShelfId, i64)>);

pub async fn all_planned_shelves_hold_the_new_pack_and_what_they_held_is_retired(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    for number in 0..3 {
        desk.push(vec![pack(number, 10 * number..10 * number + 2)]).await;
    }
    let index = desk.index().await;
    desk.consolidate(9).await;
    assert_eq!(desk.index().await, index, "entities stay where they are");
    let mut snapshot = desk.snapshot().await;
    let shelves = snapshot.shelves().await.unwrap();
    assert_eq!(shelves.len(), 3);
    for shelf in &shelves {
        assert_eq!((shelf.generation, shelf.mapped.objects, shelf.made_at), (1, 2, Some(at(1))));
        let made = &shelf.pack;
        assert_eq!(
            (made.key, made.bytes, made.records, made.consolidated, made.stored_at),
            (key(9), 1009, 6, true, at(2))
        );
    }
    let retired = snapshot.retired().await.unwrap();
    assert_eq!(
        retired.iter().map(|r| (r.pack.key, r.at)).collect::<Vec<_>>(),
        [0, 1, 2].map(|n| (key(n), at(2)))
    );
    let sums = snapshot.repo().sums;
    assert_eq!((sums.packs, sums.bytes, sums.stored_bytes), (1, 1009, 1000 + 1001 + 1002 + 1009));
    let change =
        PackChange { at: at(2), cause: Cause::Consolidation, packs: -2, bytes: 1009 - 3003 };
    assert_eq!(snapshot.changes(1).await.unwrap(), [change]);
    assert_eq!(snapshot.repo().revision, 3, "it is no push");
}

pub async fn law_6_publishing_changes_as_many_rows_however_many_entities_there_are(
    catalog: Arc<dyn Catalog>,
) {
    let mut rows = Vec::new();
    for entities in [1, 3000] {
        let desk = Desk::named(&catalog, &format!("law/{entities}")).await;
        for number in 0..4 {
            // Keys of their own: what another repo has stored would be no new row.
            desk.push(vec![pack(
                entities * 10 + number,
                number * entities..(number + 1) * entities,
            )])
            .await;
        }
        rows.push(desk.consolidate(entities * 10 + 9).await);
    }
    assert_eq!(rows[0], rows[1]);
}

pub async fn of_two_plans_from_the_same_shelves_one_is_published(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.push(vec![pack(2, 2..4)]).await;
    let (first, second) = (desk.plan(3).await, desk.plan(4).await);
    assert!(matches!(desk.apply(&first).await, PublishOutcome::Done { .. }));
    let before = seen(&desk).await;
    assert_eq!(desk.apply(&second).await, PublishOutcome::Changed);
    assert_eq!(desk.apply(&first).await, PublishOutcome::Changed, "not even the same again");
    assert_eq!(seen(&desk).await, before);
    assert_eq!(catalog.knows_packs(&[key(3), key(4)]).await.unwrap(), [true, false]);
}

/// What shelves hold, and what is retired.
async fn seen(desk: &Desk) -> (Vec<(ShelfId, i64, MpackKey)>, Vec<MpackKey>) {
    let shelves = desk.shelves().await;
    (
        shelves.iter().map(|shelf| (shelf.id, shelf.generation, shelf.pack.key)).collect(),
        desk.retired().await,
    )
}

pub async fn a_plan_whose_shelves_have_changed_is_refused(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for number in 0..3 {
        desk.push(vec![pack(number, number..number + 1)]).await;
    }
    let before = seen(&desk).await;
    let planned = desk.plan(9).await.planned;
    let spoiled: [Spoil; 4] = [
        |planned| planned[0].1 += 1,
        |planned| planned[2].1 -= 1,
        |planned| planned[2].0 = ShelfId(planned[2].0.0 + 1),
        |planned| {
            planned.remove(0);
            planned[0].1 += 1;
        },
    ];
    for spoil in spoiled {
        let mut plan = desk.plan(9).await;
        spoil(&mut plan.planned);
        assert_eq!(
            desk.apply(&plan).await,
            PublishOutcome::Changed,
            "{:?} of {planned:?}",
            plan.planned
        );
    }
    let other = Desk::named(&catalog, "c/d").await;
    let of_another = Consolidation { repo: other.row().await, ..desk.plan(9).await };
    assert_eq!(desk.apply(&of_another).await, PublishOutcome::Changed);
    assert_eq!(seen(&desk).await, before);
    assert_eq!(catalog.knows_packs(&[key(9)]).await.unwrap(), [false]);
}

pub async fn a_plan_from_some_shelves_leaves_the_others_alone(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for number in 0..5 {
        desk.push(vec![pack(number, number..number + 1)]).await;
    }
    // The same bytes again: on a shelf that is not planned.
    desk.push(vec![pack(3, 0..0)]).await;
    let index = desk.index().await;
    let mut plan = desk.plan(9).await;
    let some = |at: usize| plan.planned[at];
    plan.planned = vec![some(1), some(3)];
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(desk.on_shelves().await, [0, 9, 2, 9, 4, 3].map(key));
    let generations: Vec<_> = desk.shelves().await.iter().map(|shelf| shelf.generation).collect();
    assert_eq!(generations, [0, 1, 0, 1, 0, 0]);
    assert_eq!(desk.retired().await, [key(1)], "pack 3 is still on a shelf");
    assert_eq!(desk.index().await, index);

    assert_eq!(desk.apply(&plan).await, PublishOutcome::Changed);
    desk.consolidate(10).await;
    assert_eq!(desk.on_shelves().await, vec![key(10); 6]);
}

pub async fn law_6_pushes_that_land_meanwhile_keep_their_shelves(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let plan = desk.plan(9).await;
    desk.push(vec![pack(2, 2..4)]).await;
    // And the same bytes as a planned shelf holds: they are needed on.
    desk.push(vec![pack(1, 0..0)]).await;
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(desk.on_shelves().await, [key(9), key(2), key(1)]);
    assert_eq!(
        desk.shelves().await.iter().map(|shelf| shelf.generation).collect::<Vec<_>>(),
        [1, 0, 0]
    );
    assert_eq!(desk.retired().await, []);
    desk.consolidate(10).await;
    assert_eq!(
        (desk.on_shelves().await, desk.retired().await),
        (vec![key(10); 3], vec![key(1), key(2), key(9)])
    );
}

pub async fn a_push_that_was_prepared_before_a_consolidation_is_published_after_it(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.push(vec![pack(2, 2..4)]).await;
    let push = desk.prepare(vec![pack(3, 4..5)]).await;
    desk.consolidate(9).await;
    desk.done(&push).await;
    assert_eq!(desk.on_shelves().await, [key(9), key(9), key(3)]);
}

pub async fn the_same_bytes_again_are_not_retired(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.push(vec![pack(2, 2..4)]).await;
    // One of the packs has all there is, byte for byte as it should be.
    let plan = Consolidation { bytes: 1002, ..desk.plan(2).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!((desk.on_shelves().await, desk.retired().await), (vec![key(2); 2], vec![key(1)]));
    assert!(desk.shelves().await[0].pack.consolidated, "whoever pushed it first");
    desk.push(vec![pack(2, 0..0)]).await;
    assert!(desk.shelves().await[2].pack.consolidated, "nor does a push unmake it");
    assert_eq!(desk.shelves().await[2].pack.stored_at, at(1), "it is stored since it was first");
}

pub async fn what_was_retired_and_comes_again_is_needed_again(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.push(vec![pack(2, 2..4)]).await;
    desk.consolidate(9).await;
    desk.push(vec![pack(1, 0..0)]).await;
    assert_eq!(desk.retired().await, [key(2)]);
    // To a retired pack, as well.
    let plan = Consolidation { now: at(7), ..desk.plan(2).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    let retired = desk.snapshot().await.retired().await.unwrap();
    assert_eq!(
        retired.iter().map(|r| (r.pack.key, r.at)).collect::<Vec<_>>(),
        [(key(1), at(7)), (key(9), at(7))]
    );
}

pub async fn entities_of_all_kinds_and_encodings_outlive_it(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut one = pack(1, 0..4);
    one.fresh = [Kind::Commit, Kind::Snapshot, Kind::Object, Kind::Tag]
        .map(|kind| fresh(kind, 0..4))
        .concat();
    desk.push(vec![one]).await;
    desk.consolidate(2).await;
    let shelf = desk.shelf(0).await;
    let asked = [row(Kind::Tag, 3), row(Kind::Commit, 2), row(Kind::Snapshot, 1)];
    let found = desk.snapshot().await.lookup(&asked.map(|row| row.entity)).await.unwrap();
    assert_eq!(found, asked.map(|row| Some((shelf, row.fingerprint))));
}
