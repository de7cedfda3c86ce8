//! What a push publishes.

use std::sync::Arc;

use packhouse_core::{Counts, Kind};
use packhouse_host::Cause;
use packhouse_host::catalog::{Catalog, PackChange, PublishOutcome, PushedPack, Sums, TagRow};

use super::desk::{Desk, LENGTH, at, edges, edges_of, fresh, head, id, key, moved, pack, row, tag};

pub async fn a_push_is_all_there_when_it_returns(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let kinds =
        [(Kind::Commit, 0..2), (Kind::Snapshot, 0..3), (Kind::Object, 0..4), (Kind::Tag, 0..1)];
    let fresh: Vec<_> =
        kinds.into_iter().flat_map(|(kind, numbers)| fresh(kind, numbers)).collect();
    let tags = vec![TagRow { text: "emotion: süß".to_owned(), ..tag(0, 1) }];
    let mut push =
        desk.prepare(vec![PushedPack { fresh, tags, records: 12, ..pack(1, 0..0) }]).await;
    (push.edges, push.heads) =
        (vec![edges(0, &[]), edges(1, &[0])], vec![head("main", 1), head("ärger/τ", 0)]);
    desk.done(&push).await;

    let mut snapshot = desk.snapshot().await;
    let repo = snapshot.repo().clone();
    assert_eq!((repo.revision, repo.default_branch.as_deref()), (1, Some("main")));
    let mapped = Counts { commits: 2, snapshots: 3, objects: 4, tags: 1 };
    assert_eq!(
        repo.sums,
        Sums { packs: 1, mapped, bytes: 1001, needed_bytes: Some(10 * LENGTH), stored_bytes: 1001 }
    );
    let shelves = snapshot.shelves().await.unwrap();
    let [shelf] = shelves.as_slice() else { panic!("{shelves:?}") };
    assert_eq!(
        (shelf.generation, shelf.mapped, shelf.mapped_bytes),
        (0, mapped, Some(10 * LENGTH))
    );
    assert_eq!(shelf.made_at, Some(at(1)));
    let stored = &shelf.pack;
    assert_eq!((stored.key, stored.bytes, stored.records), (key(1), 1001, 12));
    assert_eq!((stored.consolidated, stored.stored_at), (false, at(1)));
    assert_eq!(snapshot.heads().await.unwrap(), [head("main", 1), head("ärger/τ", 0)]);
    assert_eq!(
        (snapshot.edge_count().await.unwrap(), snapshot.retired().await.unwrap()),
        (2, vec![])
    );
    let history = snapshot.history(&[id(1)], 9).await.unwrap();
    assert_eq!(edges_of(&history), [edges(1, &[0]), edges(0, &[])]);
    assert_eq!(snapshot.tag_id(id(0)).await.unwrap().as_deref(), Some("emotion: süß"));
    assert_eq!(snapshot.tag_id(id(1)).await.unwrap(), None);
    let place = snapshot.lookup(&[row(Kind::Snapshot, 1).entity]).await.unwrap();
    assert_eq!(place, [Some((shelf.id, row(Kind::Snapshot, 1).fingerprint))]);
    let change = PackChange { at: at(1), cause: Cause::Push, packs: 1, bytes: 1001 };
    assert_eq!(snapshot.changes(9).await.unwrap(), [change]);
    drop(snapshot);
    assert_eq!(desk.index().await.len(), 10);
}

pub async fn a_push_on_another_revision_publishes_nothing(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..3)]).await;
    let mut late = desk.prepare(vec![pack(3, 8..9)]).await;
    (late.edges, late.heads) = (vec![edges(5, &[])], vec![head("late", 5)]);
    desk.push(vec![pack(2, 3..5)]).await;
    let before = (desk.row().await.revision, desk.index().await);
    assert_eq!(desk.publish(&late).await, PublishOutcome::Changed);
    assert_eq!((desk.row().await.revision, desk.index().await), before);
    desk.adds_up().await;
    let mut snapshot = desk.snapshot().await;
    assert_eq!(
        (snapshot.edge_count().await.unwrap(), snapshot.heads().await.unwrap()),
        (0, vec![])
    );
    assert_eq!(catalog.knows_packs(&[key(2), key(3)]).await.unwrap(), [true, false]);
    late.repo = snapshot.repo().clone();
    desk.done(&late).await;
}

pub async fn entities_move_from_shelf_to_shelf_and_all_counts_go_with_them(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..3)]).await;
    desk.push(vec![pack(2, 3..5)]).await;
    let (first, second) = (desk.shelf(0).await, desk.shelf(1).await);
    let some = [moved(0..1, first), moved(3..4, second)].concat();
    desk.push(vec![PushedPack { moved: some, ..pack(3, 5..6) }]).await;
    let counts = |shelves: &[packhouse_host::catalog::Shelf]| -> Vec<_> {
        shelves.iter().map(|shelf| (shelf.mapped.objects, shelf.mapped_bytes.unwrap())).collect()
    };
    let shelves = desk.shelves().await;
    assert_eq!(counts(&shelves), [(2, 2 * LENGTH), (1, LENGTH), (3, 3 * LENGTH + 2)]);
    let place = desk.snapshot().await.lookup(&[row(Kind::Object, 3).entity]).await.unwrap();
    assert_eq!(place, [Some((shelves[2].id, [7; 16]))], "in its new encoding");

    // A pack that loses its last entity stays, and is not mapped any more.
    desk.push(vec![PushedPack { moved: moved(4..5, second), ..pack(4, 0..0) }]).await;
    assert_eq!(counts(&desk.shelves().await)[1..], [(0, 0), (3, 3 * LENGTH + 2), (1, LENGTH + 1)]);
    let sums = desk.row().await.sums;
    assert_eq!(
        (sums.packs, sums.bytes, sums.stored_bytes),
        (3, 1001 + 1003 + 1004, 1001 + 1002 + 1003 + 1004)
    );
    let last = desk.snapshot().await.changes(1).await.unwrap();
    assert_eq!((last[0].packs, last[0].bytes), (0, 1004 - 1002));
    assert_eq!(desk.retired().await, [], "what a shelf holds is not retired");
}

pub async fn packs_of_one_push_have_a_shelf_each_in_their_order(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(9, 0..2), pack(5, 2..3), pack(7, 0..0)]).await;
    desk.push(vec![pack(1, 4..5)]).await;
    assert_eq!(desk.on_shelves().await, [key(9), key(5), key(7), key(1)]);
    let shelves = desk.shelves().await;
    assert!(shelves.is_sorted_by_key(|shelf| shelf.id), "later shelves have greater numbers");
    assert_eq!(desk.row().await.sums.packs, 3, "nothing is mapped to one");
    assert_eq!(desk.row().await.revision, 2, "pushes are counted, not packs");
}

pub async fn a_push_may_bring_heads_alone(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![]).await;
    push.heads = vec![head("x", 1)];
    desk.done(&push).await;
    let mut snapshot = desk.snapshot().await;
    assert_eq!(
        (snapshot.repo().revision, snapshot.heads().await.unwrap()),
        (1, vec![head("x", 1)])
    );
}

pub async fn the_first_branch_ever_pushed_is_the_default_and_main_before_others(
    catalog: Arc<dyn Catalog>,
) {
    let first_of = [(vec!["a", "main", "z"], "main"), (vec!["b", "z"], "b")];
    for (number, (branches, expected)) in first_of.into_iter().enumerate() {
        let desk = Desk::named(&catalog, &format!("a/{number}")).await;
        for branches in [branches, vec!["main"]] {
            let mut push = desk.prepare(vec![]).await;
            push.heads = branches.iter().map(|branch| head(branch, 1)).collect();
            desk.done(&push).await;
            assert_eq!(
                desk.row().await.default_branch.as_deref(),
                Some(expected),
                "it stays the default"
            );
        }
    }
}

pub async fn heads_that_branches_left_by_force_are_remembered_since_when(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    let moves = [(1, false), (2, false), (3, true), (3, true), (4, true), (3, true)];
    for (second, (commit, forced)) in (0..).zip(moves) {
        let mut push = desk.prepare(vec![]).await;
        (push.heads, push.forced, push.now) =
            (vec![head("main", commit), head("other", 9)], forced, at(second));
        desk.done(&push).await;
    }
    let mut snapshot = desk.snapshot().await;
    assert_eq!(snapshot.heads().await.unwrap(), [head("main", 3), head("other", 9)], "by name");
    // 1 led to 2, as far as is known; an unchanged head leaves nothing.
    assert_eq!(snapshot.left_heads(at(-1)).await.unwrap(), [id(2), id(3), id(4)]);
    assert_eq!(snapshot.left_heads(at(2)).await.unwrap(), [id(3), id(4)], "later than a time");
    assert_eq!(snapshot.left_heads(at(5)).await.unwrap(), []);
}

pub async fn times_with_fractions_are_compared_as_times(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    // As texts, `09:00:02.5Z` is before `09:00:02Z`.
    let half = jiff::SignedDuration::from_millis(500);
    for (commit, now) in [(1, at(1)), (2, at(2)), (3, at(2) + half)] {
        let mut push = desk.prepare(vec![]).await;
        (push.heads, push.forced, push.now) = (vec![head("main", commit)], true, now);
        desk.done(&push).await;
    }
    let mut snapshot = desk.snapshot().await;
    assert_eq!(snapshot.left_heads(at(2)).await.unwrap(), [id(2)]);
    let moments: Vec<_> =
        snapshot.changes(9).await.unwrap().iter().map(|change| change.at).collect();
    assert_eq!(moments, [at(2) + half, at(2), at(1)], "as exact as they were given");
}

pub async fn a_pack_of_two_repos_is_one_pack(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..3)]).await;
    let mut later = other.prepare(vec![pack(1, 0..3)]).await;
    later.now = at(5);
    other.done(&later).await;
    let (here, there) = (desk.shelves().await, other.shelves().await);
    assert_eq!(here[0].pack, there[0].pack, "stored when a repo first stored it");
    assert_ne!(here[0].id, there[0].id);
    other.consolidate(2).await;
    assert_eq!(
        (desk.on_shelves().await, desk.retired().await),
        (vec![key(1)], vec![]),
        "what another repo does is its own"
    );
    assert_eq!((other.on_shelves().await, other.retired().await), (vec![key(2)], vec![key(1)]));
    desk.adds_up().await;
}
