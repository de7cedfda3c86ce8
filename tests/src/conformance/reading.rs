//! What a snapshot answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use packhouse_core::{EntityId, Kind};
use packhouse_host::catalog::{Catalog, EntityKey, Snapshot};
use packhouse_host::{GcRecord, ShelfId};

use super::desk::{
    Desk, at, complete, edges, edges_of, fresh, head, id, key, moved, pack, row, tag,
};

/// All that a snapshot shows, as text.
async fn told(snapshot: &mut dyn Snapshot) -> String {
    let shelves = snapshot.shelves().await.unwrap();
    let ids: Vec<ShelfId> = shelves.iter().map(|shelf| shelf.id).collect();
    let asked: Vec<EntityKey> = (0..9).map(|number| row(Kind::Object, number).entity).collect();
    format!(
        "{:?}\n{shelves:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        snapshot.repo().clone(),
        snapshot.packs_on(&ids).await.unwrap(),
        snapshot.holds(&[key(1), key(2), key(3), key(4)]).await.unwrap(),
        snapshot.retired().await.unwrap(),
        snapshot.changes(9).await.unwrap(),
        snapshot.heads().await.unwrap(),
        snapshot.left_heads(at(-9)).await.unwrap(),
        snapshot.history(&[id(2)], 9).await.unwrap(),
        snapshot.lookup(&asked).await.unwrap(),
        snapshot.index_page(None, 99).await.unwrap(),
        (
            snapshot.tag_id(id(1)).await.unwrap(),
            snapshot.edge_count().await.unwrap(),
            snapshot.tags_of(&[id(2)]).await.unwrap(),
            snapshot.walk_floor().await.unwrap(),
            snapshot.commits(None, 9).await.unwrap(),
            snapshot.complete_pack().await.unwrap(),
        ),
    )
}

pub async fn a_snapshot_sees_one_state_whatever_is_published_meanwhile(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    // Not one question was asked of it yet: it is what it was when it was taken.
    let mut early = desk.snapshot().await;
    let mut same = desk.snapshot().await;
    let before = told(same.as_mut()).await;
    drop(same);

    let mut push = desk.prepare(vec![pack(2, 2..4)]).await;
    push.packs[0].moved = moved(0..1, desk.shelf(0).await);
    push.packs[0].tags = vec![tag(1, 2)];
    push.complete = Some(complete(2));
    // The cycle sets the walk floor.
    (push.edges, push.heads, push.forced) = (vec![edges(2, &[2])], vec![head("main", 2)], true);
    desk.done(&push).await;
    let mut pushed = desk.snapshot().await;
    let after_push = told(pushed.as_mut()).await;
    desk.consolidate(3).await;
    let mut consolidated = desk.snapshot().await;
    let after_gc = told(consolidated.as_mut()).await;
    catalog.delete_repo(desk.repo, at(9)).await.unwrap().unwrap();

    assert_eq!(told(early.as_mut()).await, before);
    assert_eq!(told(pushed.as_mut()).await, after_push);
    assert_eq!(told(consolidated.as_mut()).await, after_gc);
    assert!(before != after_push && after_push != after_gc);
}

/// A history with merges: 1 ─ 2 ─ 4 ─ 6 ─ 7 with 3 beside 2, 5 beside 4, and 9 unknown.
async fn with_merges(catalog: &Arc<dyn Catalog>) -> Desk {
    let desk = Desk::new(catalog).await;
    let mut push = desk.prepare(vec![]).await;
    let all: [(u64, &[u64]); 7] =
        [(1, &[]), (2, &[1]), (3, &[1, 9]), (4, &[2, 3]), (5, &[3]), (6, &[4, 5]), (7, &[6])];
    push.edges = all.into_iter().map(|(commit, parents)| edges(commit, parents)).collect();
    desk.done(&push).await;
    desk
}

/// The numbers of the commits of a history.
async fn walk(desk: &Desk, from: &[u64], limit: u32) -> Vec<u64> {
    let from: Vec<EntityId> = from.iter().copied().map(id).collect();
    let found = desk.snapshot().await.history(&from, limit).await.unwrap();
    found
        .iter()
        .map(|found| u64::from_be_bytes(found.edges.commit.digest()[..8].try_into().unwrap()))
        .collect()
}

pub async fn a_history_is_breadth_first_and_goes_no_further_than_asked(catalog: Arc<dyn Catalog>) {
    let desk = with_merges(&catalog).await;
    let levels: BTreeMap<u64, usize> =
        [(7, 0), (6, 1), (4, 2), (5, 2), (2, 3), (3, 3), (1, 4)].into();
    let whole = walk(&desk, &[7], 99).await;
    assert_eq!(whole.len(), 7, "each once: {whole:?}");
    assert!(whole.is_sorted_by_key(|commit| levels[commit]), "{whole:?}");
    for limit in 0..7 {
        assert_eq!(
            walk(&desk, &[7], limit).await,
            whole[..limit as usize],
            "the same, and no further"
        );
    }
    let all = desk.snapshot().await.history(&[id(4)], 1).await.unwrap();
    assert_eq!(edges_of(&all), [edges(4, &[2, 3])], "with both parents and the snapshot");
}

pub async fn a_history_of_many_begins_with_them_in_their_order(catalog: Arc<dyn Catalog>) {
    let desk = with_merges(&catalog).await;
    assert_eq!(walk(&desk, &[2, 5, 3], 99).await, [2, 5, 3, 1]);
    assert_eq!(walk(&desk, &[3, 2, 7], 3).await, [3, 2, 7]);
    assert_eq!(
        walk(&desk, &[8, 1, 9, 5, 5], 99).await,
        [1, 5, 3],
        "what is not known is left out, what is asked twice comes once"
    );
    assert!(walk(&desk, &[], 9).await.is_empty() && walk(&desk, &[8], 9).await.is_empty());
}

pub async fn a_long_history_is_walked_to_its_end(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![]).await;
    push.edges =
        (1..=3000).map(|n| if n == 1 { edges(n, &[]) } else { edges(n, &[n - 1]) }).collect();
    desk.done(&push).await;
    assert_eq!(walk(&desk, &[3000], u32::MAX).await, (1..=3000).rev().collect::<Vec<_>>());
    assert_eq!(walk(&desk, &[3000, 2000], 7).await, [3000, 2000, 2999, 1999, 2998, 1998, 2997]);
}

pub async fn edges_that_are_told_again_are_as_they_were(catalog: Arc<dyn Catalog>) {
    let desk = with_merges(&catalog).await;
    let mut push = desk.prepare(vec![]).await;
    push.edges = vec![edges(7, &[6]), edges(8, &[7])];
    desk.done(&push).await;
    assert_eq!(walk(&desk, &[8], 3).await, [8, 7, 6]);
    assert_eq!(desk.snapshot().await.edge_count().await.unwrap(), 8);
}

pub async fn lookups_answer_in_the_order_asked(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..3)]).await;
    desk.push(vec![pack(2, 3..5)]).await;
    let (first, second) = (desk.shelf(0).await, desk.shelf(1).await);
    let asked = [4, 0, 99, 4, 1].map(|number| row(Kind::Object, number).entity);
    let found = desk.snapshot().await.lookup(&asked).await.unwrap();
    let fingerprint = |number| row(Kind::Object, number).fingerprint;
    let expected = [
        Some((second, fingerprint(4))),
        Some((first, fingerprint(0))),
        None,
        Some((second, fingerprint(4))),
        Some((first, fingerprint(1))),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        desk.snapshot().await.lookup(&[row(Kind::Tag, 0).entity]).await.unwrap(),
        [None],
        "another kind is another entity"
    );
    assert!(desk.snapshot().await.lookup(&[]).await.unwrap().is_empty());
}

pub async fn the_index_is_paged_by_kind_and_id(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut one = pack(1, 5..8);
    one.fresh = [fresh(Kind::Commit, 3..5), one.fresh, fresh(Kind::Tag, 0..1)].concat();
    desk.push(vec![one]).await;
    desk.push(vec![pack(2, 2..5)]).await;
    let objects = [2, 3, 4, 5, 6, 7].map(|number| row(Kind::Object, number));
    let expected =
        [&[row(Kind::Commit, 3), row(Kind::Commit, 4)], &objects[..], &[row(Kind::Tag, 0)]]
            .concat();
    for limit in [1, 2, 100] {
        let (mut snapshot, mut rows) = (desk.snapshot().await, Vec::new());
        loop {
            let after = rows.last().map(|row: &packhouse_host::catalog::IndexRow| row.entity);
            let page = snapshot.index_page(after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            rows.extend(page.iter().map(|(row, _)| *row));
            if page.is_empty() {
                break;
            }
        }
        assert_eq!(rows, expected);
    }
    let between = row(Kind::Snapshot, 0).entity;
    let next = desk.snapshot().await.index_page(Some(&between), 1).await.unwrap();
    assert_eq!(next[0].0, objects[0], "after an entity that there is not");
}

pub async fn a_repo_shows_its_own_and_nothing_of_others(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let mut push = other.prepare(vec![pack(1, 0..3)]).await;
    push.packs[0].tags = vec![tag(1, 2)];
    (push.edges, push.heads) = (vec![edges(2, &[])], vec![head("main", 2)]);
    other.done(&push).await;
    let shelf = other.shelf(0).await;
    let mut snapshot = desk.snapshot().await;
    assert!(snapshot.packs_on(&[shelf]).await.unwrap().is_empty());
    assert_eq!(snapshot.holds(&[key(1)]).await.unwrap(), [false]);
    assert_eq!(snapshot.lookup(&[row(Kind::Object, 1).entity]).await.unwrap(), [None]);
    assert_eq!(snapshot.tag_id(id(1)).await.unwrap(), None);
    assert!(
        snapshot.history(&[id(2)], 9).await.unwrap().is_empty()
            && snapshot.heads().await.unwrap().is_empty()
    );
    assert!(
        snapshot.index_page(None, 9).await.unwrap().is_empty()
            && snapshot.changes(9).await.unwrap().is_empty()
    );
    desk.push(vec![pack(2, 0..3)]).await;
    assert_eq!(
        (desk.index().await.len(), other.index().await.len()),
        (3, 3),
        "entities of one name in two repos are two"
    );
}

pub async fn packs_are_found_by_shelf_and_by_key(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    let shelves: Vec<ShelfId> = desk.shelves().await.iter().map(|shelf| shelf.id).collect();
    let found =
        desk.snapshot().await.packs_on(&[shelves[1], ShelfId(1 << 40), shelves[1]]).await.unwrap();
    assert_eq!(
        found.iter().map(|(shelf, pack)| (*shelf, pack.key)).collect::<Vec<_>>(),
        [(shelves[1], key(2))]
    );
    assert!(desk.snapshot().await.packs_on(&[]).await.unwrap().is_empty());
    desk.consolidate(3).await;
    let held = desk.snapshot().await.holds(&[key(3), key(9), key(1), key(3)]).await.unwrap();
    assert_eq!(held, [true, false, true, true], "on a shelf, or once");
}

pub async fn the_change_stamp_is_another_one_after_each_change(catalog: Arc<dyn Catalog>) {
    let mut stamps = vec![catalog.change_stamp().await.unwrap()];
    let desk = Desk::new(&catalog).await;
    stamps.push(catalog.change_stamp().await.unwrap());
    for number in 1..3 {
        let push = desk.prepare(vec![pack(number, number..number + 1)]).await;
        desk.done(&push).await;
        stamps.push(catalog.change_stamp().await.unwrap());
    }
    desk.consolidate(9).await;
    stamps.push(catalog.change_stamp().await.unwrap());
    let record = GcRecord {
        finished_at: at(9),
        outcome: "failed".into(),
        packs_before: 0,
        packs_after: 0,
        consolidated_key: None,
        bytes_before: 0,
        bytes_after: 0,
        elapsed_ms: 0,
        component: String::new(),
        error: Some("e".into()),
        error_code: Some("refused".into()),
    };
    catalog.record_gc(desk.repo, &record, None).await.unwrap();
    stamps.push(catalog.change_stamp().await.unwrap());
    catalog.delete_repo(desk.repo, at(9)).await.unwrap();
    stamps.push(catalog.change_stamp().await.unwrap());
    for pair in stamps.windows(2) {
        assert_ne!(pair[0], pair[1], "{stamps:?}");
    }
}
