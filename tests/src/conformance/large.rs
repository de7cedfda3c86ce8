//! More at once than a statement or a page takes.

use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, Consolidation, EntityKey, PublishOutcome, PushedPack};

use super::desk::{Desk, edges, edges_of, id, moved, pack, row};
use super::freshening::{objects, since, tell};

/// More than two statements unpack.
const MANY: u64 = 70_000;

pub async fn a_publication_of_many_entities_is_all_there_and_may_be_dropped_again(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..MANY)]).await;
    push.edges =
        (0..MANY / 4).map(|n| if n == 0 { edges(n, &[]) } else { edges(n, &[n - 1]) }).collect();
    desk.done(&push).await;
    let first = desk.shelf(0).await;
    let index = desk.index().await;
    let expected: Vec<_> = (0..MANY).map(|number| (row(Kind::Object, number), first)).collect();
    assert!(index == expected, "{} rows", index.len());
    assert_eq!(desk.snapshot().await.edge_count().await.unwrap(), MANY / 4);
    let last = desk.snapshot().await.history(&[id(MANY / 4 - 1)], 2).await.unwrap();
    assert_eq!(last[0].generation, MANY / 4, "each is one above the one before");
    assert_eq!(
        edges_of(&last),
        [edges(MANY / 4 - 1, &[MANY / 4 - 2]), edges(MANY / 4 - 2, &[MANY / 4 - 3])]
    );

    // Backwards, and each third one is not there.
    let asked: Vec<u64> = (0..MANY).rev().map(|n| if n % 3 == 0 { n + MANY } else { n }).collect();
    let keys: Vec<EntityKey> =
        asked.iter().map(|number| row(Kind::Object, *number).entity).collect();
    let found = desk.snapshot().await.lookup(&keys).await.unwrap();
    for (number, found) in asked.iter().zip(&found) {
        assert_eq!(
            *found,
            (*number < MANY).then(|| (first, row(Kind::Object, *number).fingerprint))
        );
    }

    desk.push(vec![PushedPack { moved: moved(1000..50_000, first), ..pack(2, MANY..MANY + 1) }])
        .await;
    let shelves = desk.shelves().await;
    assert_eq!((shelves[0].mapped.objects, shelves[1].mapped.objects), (MANY - 49_000, 49_001));

    let dropped =
        [desk.drops(Kind::Object, 0..1000).await, desk.drops(Kind::Object, 50_000..MANY).await]
            .concat();
    let mut rest: Vec<_> = desk.drops(Kind::Object, 1000..50_000).await;
    rest.iter_mut().for_each(|dropped| dropped.bytes += 1);
    let plan = Consolidation { dropped: [dropped, rest].concat(), ..desk.plan(3).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    assert_eq!(desk.index().await, [(row(Kind::Object, MANY), shelves[1].id)]);
}

pub async fn a_push_of_many_packs_and_branches_is_all_there(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut push =
        desk.prepare((0..200).map(|number| pack(number, number..number + 1)).collect()).await;
    push.heads =
        (0..200).map(|number| super::desk::head(&format!("b{number:03}"), number)).collect();
    desk.done(&push).await;
    let mut snapshot = desk.snapshot().await;
    assert_eq!(snapshot.heads().await.unwrap(), push.heads);
    let shelves: Vec<_> = snapshot.shelves().await.unwrap().iter().map(|shelf| shelf.id).collect();
    assert_eq!(snapshot.packs_on(&shelves).await.unwrap().len(), 200);
    drop(snapshot);
    desk.consolidate(999).await;
    assert_eq!(desk.retired().await.len(), 200);
}

pub async fn many_are_made_recent_at_once(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    assert!(tell(&desk, 0..40_000, 10).await && tell(&desk, 0..40_001, 11).await);
    assert_eq!(since(&desk, 9).await, objects(0..40_001));
    assert_eq!(since(&desk, 10).await, objects([40_000]));
}
