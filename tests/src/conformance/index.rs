//! The index after many publications: of each entity, the newest that was said.

use std::collections::BTreeMap;
use std::sync::Arc;

use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Form, Kind};
use packhouse_host::ShelfId;
use packhouse_host::catalog::{
    Catalog, Consolidation, DroppedEntity, EntityKey, IndexRow, IndexedEntity, MovedEntity,
    NewEntity, PublishOutcome, PushedPack, RebuiltIndex, entity_key,
};

use super::desk::{Desk, LENGTH, at, fresh, id, pack, row};

/// Where the index should map each entity.
pub(super) type Expected = BTreeMap<EntityKey, (ShelfId, Fingerprint)>;

/// More pushes than are ever kept apart.
const PUSHES: u64 = 40;

/// The key of an object with a number. Their order is another one than that of their numbers.
pub(super) fn key(number: u64) -> EntityKey {
    row(Kind::Object, number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).entity
}

/// An encoding. Some are not written down.
fn encoding(number: u64) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint[..8].copy_from_slice(&(number % 3).to_be_bytes());
    fingerprint
}

/// Pushes new entities, and some that were there, which move.
pub(super) async fn push(desk: &Desk, number: u64, keys: &[EntityKey], expected: &mut Expected) {
    let (mut fresh, mut moved) = (Vec::new(), Vec::new());
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    for entity in &keys {
        let row = IndexRow { entity: *entity, fingerprint: encoding(number) };
        match expected.get(entity) {
            None => fresh.push(NewEntity { row, bytes: LENGTH }),
            Some((from, _)) => {
                let (bytes, bytes_there) = (LENGTH, LENGTH);
                moved.push(MovedEntity { row, bytes, from: *from, bytes_there });
            }
        }
    }
    desk.push(vec![PushedPack { fresh, moved, ..pack(number, 0..0) }]).await;
    let shelf = desk.shelves().await.last().unwrap().id;
    expected.extend(keys.into_iter().map(|key| (key, (shelf, encoding(number)))));
}

/// Drops entities.
pub(super) async fn drop_some(
    desk: &Desk,
    number: u64,
    keys: &[EntityKey],
    expected: &mut Expected,
) {
    let dropped = keys.iter().map(|key| {
        let (shelf, _) = expected.remove(key).unwrap();
        DroppedEntity { entity: *key, shelf, bytes: LENGTH }
    });
    let plan = Consolidation { dropped: dropped.collect(), ..desk.plan(1000 + number).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
}

/// The index is what is expected: page by page, and looked up.
pub(super) async fn check(desk: &Desk, expected: &Expected) {
    let index: Vec<_> = desk.index().await;
    let whole: Vec<_> = expected
        .iter()
        .map(|(entity, (shelf, fingerprint))| {
            (IndexRow { entity: *entity, fingerprint: *fingerprint }, *shelf)
        })
        .collect();
    assert!(index == whole, "{} rows, and {} expected", index.len(), whole.len());
    let keys: Vec<EntityKey> = (0..6000).map(key).collect();
    let found = desk.snapshot().await.lookup(&keys).await.unwrap();
    for (key, found) in keys.iter().zip(found) {
        assert_eq!(found, expected.get(key).copied());
    }
}

pub async fn the_newest_row_of_an_entity_counts(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..PUSHES {
        // Of all sizes; about half of what is pushed was there.
        let count = 1 + number * 37 % 400;
        let from = number * 50;
        let keys: Vec<EntityKey> = (from..from + count).map(key).collect();
        push(&desk, number, &keys, &mut expected).await;
        if number % 8 == 7 {
            check(&desk, &expected).await;
        }
    }
}

pub async fn what_was_dropped_and_pushed_again_is_there(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..PUSHES {
        let keys: Vec<EntityKey> = (number * 10..number * 10 + 60).map(key).collect();
        push(&desk, number, &keys, &mut expected).await;
        if number % 3 == 2 {
            drop_some(&desk, number, &keys[..30], &mut expected).await;
        }
        if number % 10 == 9 {
            check(&desk, &expected).await;
        }
    }
    let all: Vec<EntityKey> = expected.keys().copied().collect();
    drop_some(&desk, PUSHES, &all, &mut expected).await;
    check(&desk, &expected).await;
    push(&desk, PUSHES, &all, &mut expected).await;
    check(&desk, &expected).await;
}

pub async fn pages_are_in_order_whatever_came_in_which_push(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..9 {
        let keys: Vec<EntityKey> = (0..200).map(|n| key(n * 9 + number)).collect();
        push(&desk, number, &keys, &mut expected).await;
    }
    let whole: Vec<EntityKey> = expected.keys().copied().collect();
    for limit in [1, 7, 100, 1799, 1800, 1801] {
        let (mut snapshot, mut paged) = (desk.snapshot().await, Vec::new());
        while let page = snapshot.index_page(paged.last(), limit).await.unwrap()
            && !page.is_empty()
        {
            assert!(page.len() <= limit as usize);
            paged.extend(page.iter().map(|(row, _)| row.entity));
        }
        assert!(paged == whole, "{} rows by {limit}", paged.len());
        // And from anywhere, whatever page was read before.
        for at in [1700, 3, 900, 900, 0] {
            let page = snapshot.index_page(Some(&whole[at]), 5).await.unwrap();
            assert!(page.iter().map(|(row, _)| &row.entity).eq(&whole[at + 1..at + 6]));
        }
    }
}

pub async fn a_snapshot_keeps_its_runs_while_others_merge(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..11 {
        let keys: Vec<EntityKey> = (number * 200..number * 200 + 200).map(key).collect();
        push(&desk, number, &keys, &mut expected).await;
    }
    let (mut begun, mut unread) = (desk.snapshot().await, desk.snapshot().await);
    let first = begun.index_page(None, 100).await.unwrap();
    let before = expected.clone();
    for number in 11..30 {
        let keys: Vec<EntityKey> = (number * 50..number * 50 + 300).map(key).collect();
        push(&desk, number, &keys, &mut expected).await;
    }
    let keys: Vec<EntityKey> = (0..3000).map(key).collect();
    for snapshot in [&mut begun, &mut unread] {
        let found = snapshot.lookup(&keys).await.unwrap();
        assert!(
            found.iter().eq(keys
                .iter()
                .map(|key| before.get(key).copied())
                .collect::<Vec<_>>()
                .iter())
        );
    }
    let mut paged: Vec<EntityKey> = first.iter().map(|(row, _)| row.entity).collect();
    while let page = begun.index_page(paged.last(), 999).await.unwrap()
        && !page.is_empty()
    {
        paged.extend(page.iter().map(|(row, _)| row.entity));
    }
    assert!(paged.iter().eq(before.keys()), "{} rows", paged.len());
    check(&desk, &expected).await;
}

pub async fn kinds_and_forms_with_one_digest_are_apart(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let digest: [u8; 32] = id(7).to_bytes()[1..].try_into().unwrap();
    let forms = [Form::Bare, Form::Prefixed, Form::Text];
    let mut rows = Vec::new();
    for kind in [Kind::Commit, Kind::Snapshot, Kind::Object, Kind::Tag] {
        for form in forms {
            let entity = entity_key(kind, EntityId::new(form, digest));
            rows.push(IndexRow { entity, fingerprint: [rows.len() as u8; 16] });
        }
    }
    // Each second one, and enough of others for leaves of their own.
    let half = |which| {
        rows.iter().skip(which).step_by(2).map(|row| NewEntity { row: *row, bytes: LENGTH })
    };
    let mut first = fresh(Kind::Object, 1000..1400);
    first.extend(half(0));
    first.sort_unstable_by_key(|new| new.row.entity);
    desk.push(vec![PushedPack { fresh: first, ..pack(1, 0..0) }]).await;
    let at = desk.shelf(0).await;
    let keys: Vec<EntityKey> = rows.iter().map(|row| row.entity).collect();
    let found = desk.snapshot().await.lookup(&keys).await.unwrap();
    for (number, (row, found)) in rows.iter().zip(found).enumerate() {
        assert_eq!(found, (number % 2 == 0).then_some((at, row.fingerprint)));
    }
    desk.push(vec![PushedPack { fresh: half(1).collect(), ..pack(2, 0..0) }]).await;
    let found = desk.snapshot().await.lookup(&keys).await.unwrap();
    assert!(rows.iter().zip(found).all(|(row, found)| found.unwrap().1 == row.fingerprint));
}

/// All entities of the repo on its first shelf, in an encoding of their own.
pub(super) async fn rebuilt(desk: &Desk, expected: &mut Expected) -> RebuiltIndex {
    let shelves = desk.shelves().await;
    let place = (shelves[0].id, [9; 16]);
    expected.values_mut().for_each(|at| *at = place);
    let entity = |entity: &EntityKey| IndexedEntity {
        row: IndexRow { entity: *entity, fingerprint: place.1 },
        shelf: place.0,
        bytes: 3 * LENGTH,
    };
    RebuiltIndex {
        repo: desk.row().await,
        shelves: shelves.iter().map(|shelf| (shelf.id, shelf.generation)).collect(),
        entities: expected.keys().map(entity).collect(),
        fence: None,
        now: at(3),
    }
}

pub async fn a_rebuilt_index_replaces_all_of_it_and_shelves_are_counted_again(
    catalog: Arc<dyn Catalog>,
) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..5 {
        let keys: Vec<EntityKey> = (number * 100..number * 100 + 300).map(key).collect();
        push(&desk, number, &keys, &mut expected).await;
    }
    let index = rebuilt(&desk, &mut expected).await;
    let done = catalog.rebuild_index(&index, &desk.publishing().await).await.unwrap();
    assert!(matches!(done, PublishOutcome::Done { rows } if rows > 0), "{done:?}");
    check(&desk, &expected).await;
    desk.adds_up().await;
    let (shelves, count) = (desk.shelves().await, expected.len() as u64);
    assert_eq!((shelves[0].mapped.objects, shelves[1].mapped.total()), (count, 0));
    assert_eq!(shelves[0].mapped_bytes, Some(3 * LENGTH * count));
    assert_eq!(desk.row().await.sums.packs, 1);
    // Again: it is of an older repo by now.
    let again = catalog.rebuild_index(&index, &desk.publishing().await).await.unwrap();
    assert_eq!(again, PublishOutcome::Changed);
    let more: Vec<EntityKey> = (5000..5010).map(key).collect();
    push(&desk, 7, &more, &mut expected).await;
    check(&desk, &expected).await;
}

pub async fn an_index_is_not_rebuilt_over_what_was_published_since(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    push(&desk, 1, &(0..9).map(key).collect::<Vec<_>>(), &mut expected).await;
    push(&desk, 2, &(9..20).map(key).collect::<Vec<_>>(), &mut expected).await;
    let before_push = rebuilt(&desk, &mut expected.clone()).await;
    push(&desk, 3, &(20..30).map(key).collect::<Vec<_>>(), &mut expected).await;
    // A consolidation changes shelves and no revision.
    let before_gc = rebuilt(&desk, &mut expected.clone()).await;
    desk.consolidate(9).await;
    let before_deletion = rebuilt(&desk, &mut expected.clone()).await;
    for index in [&before_push, &before_gc] {
        let done = catalog.rebuild_index(index, &desk.publishing().await).await.unwrap();
        assert_eq!(done, PublishOutcome::Changed);
    }
    check(&desk, &expected).await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let done = catalog.rebuild_index(&before_deletion, &desk.publishing().await).await.unwrap();
    assert_eq!(done, PublishOutcome::Changed);
}
