//! Repos by their names.

use std::sync::Arc;

use packhouse_host::catalog::{Catalog, Sums};
use packhouse_host::{GcRecord, RepoSettings, RepoSummary, Visibility};

use super::desk::{Desk, at, name, pack, unused_id};

pub async fn a_new_repo_is_what_was_asked_for(catalog: Arc<dyn Catalog>) {
    let id = unused_id();
    let made = catalog
        .create_repo(&name("a/b"), id.clone(), Visibility::Private, at(3))
        .await
        .unwrap()
        .unwrap();
    let found = catalog.repo(&name("a/b")).await.unwrap().unwrap();
    for row in [&made, &found] {
        assert_eq!(
            (&row.repo_id, &row.name, row.visibility),
            (&id, &name("a/b"), Visibility::Private)
        );
        assert_eq!((row.created_at, row.revision, row.default_branch.as_deref()), (at(3), 0, None));
        assert_eq!(row.sums, Sums::of(&[], &[]));
    }
    assert_eq!(made.id, found.id);
    let mut snapshot = catalog.snapshot(made.id).await.unwrap();
    assert_eq!((snapshot.repo().id, snapshot.repo().name.clone()), (made.id, name("a/b")));
    assert!(
        snapshot.shelves().await.unwrap().is_empty() && snapshot.heads().await.unwrap().is_empty()
    );
    assert!(
        snapshot.retired().await.unwrap().is_empty()
            && snapshot.changes(9).await.unwrap().is_empty()
    );
    assert!(
        snapshot.index_page(None, 9).await.unwrap().is_empty()
            && snapshot.edge_count().await.unwrap() == 0
    );
    assert!(
        catalog.repo(&name("a/c")).await.unwrap().is_none()
            && catalog.summary(&name("a/c")).await.unwrap().is_none()
    );
}

pub async fn settings_change_that_are_given(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let before = desk.row().await;
    assert_eq!((before.visibility, before.accepts_shallow), (Visibility::Public, false));
    let private = Some(Visibility::Private);
    let set = |visibility, accepts_shallow| {
        let settings = RepoSettings { visibility, accepts_shallow };
        let catalog = &catalog;
        async move { catalog.set_repo(desk.repo, &settings).await.unwrap() }
    };
    for (visibility, accepts_shallow, expected) in [
        (None, Some(true), (Visibility::Public, true)),
        (private, None, (Visibility::Private, true)),
        (None, None, (Visibility::Private, true)),
        (Some(Visibility::Public), Some(false), (Visibility::Public, false)),
    ] {
        let changed = set(visibility, accepts_shallow).await.unwrap();
        assert_eq!((changed.visibility, changed.accepts_shallow), expected);
        let (now, others) = (desk.row().await, other.row().await);
        assert_eq!((now.visibility, now.accepts_shallow), expected);
        assert_eq!((now.revision, now.sums), (before.revision, before.sums), "and nothing else");
        assert_eq!((others.visibility, others.accepts_shallow), (Visibility::Public, false));
    }
    catalog.delete_repo(desk.repo, at(9)).await.unwrap().unwrap();
    assert!(set(private, Some(true)).await.is_none(), "it was deleted");
}

pub async fn a_name_is_given_once(catalog: Arc<dyn Catalog>) {
    let first = Desk::new(&catalog).await;
    assert!(
        catalog
            .create_repo(&first.name, unused_id(), Visibility::Private, at(1))
            .await
            .unwrap()
            .is_none()
    );
    let there = catalog.repo(&first.name).await.unwrap().unwrap();
    assert_eq!(
        (there.id, there.visibility),
        (first.repo, Visibility::Public),
        "the first is as it was"
    );
    // Another case is another name.
    let other = Desk::named(&catalog, "a/B").await;
    assert!(other.repo != first.repo && other.repo > 0 && first.repo > 0, "0 stands for all");
}

pub async fn repos_are_listed_by_the_bytes_of_owner_and_slug_page_by_page(
    catalog: Arc<dyn Catalog>,
) {
    // In the order of bytes, which is that of no language; an owner before longer ones with that
    // prefix.
    let names = [
        "0/a", "A/b", "A/z", "Z/a", "a/0", "a/B", "a/a", "a/a-b", "a/a.b", "a/a0", "a/a_b", "a/ab",
        "a-b/a", "a.b/a", "a0/a", "aB/a", "a_b/a", "ab/a", "b/A",
    ]
    .map(name);
    for at in 0..names.len() {
        Desk::named(&catalog, &names[at * 7 % names.len()].to_string()).await;
    }
    for limit in [1, 3, 100] {
        let (mut rows, mut lines) = (Vec::new(), Vec::new());
        loop {
            let page = catalog.repos(rows.last(), limit).await.unwrap();
            let summaries = catalog.summaries(rows.last(), limit).await.unwrap();
            let listed = catalog.listed(rows.last(), limit).await.unwrap();
            assert!(listed.iter().map(|repo| &repo.row.name).eq(page.iter().map(|row| &row.name)));
            assert!(page.len() <= limit as usize);
            rows.extend(page.iter().map(|row| row.name.clone()));
            lines.extend(summaries.into_iter().map(|summary| summary.repo));
            if page.is_empty() {
                break;
            }
        }
        assert_eq!((&rows, &lines), (&names.to_vec(), &names.to_vec()), "pages of {limit}");
    }
    // A page begins after a name that need not exist.
    assert_eq!(catalog.repos(Some(&name("a/a-c")), 1).await.unwrap()[0].name, name("a/a.b"));
    assert!(catalog.repos(None, 0).await.unwrap().is_empty());
}

pub async fn a_summary_tells_what_a_snapshot_shows(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let empty = catalog.summary(&desk.name).await.unwrap().unwrap();
    assert_eq!(
        (empty.packs, empty.bytes, empty.stored_bytes, empty.duplicate_bytes, empty.last_gc),
        (0, 0, 0, 0, None)
    );
    desk.push(vec![pack(1, 0..3)]).await;
    desk.push(vec![pack(2, 3..5)]).await;
    let two = told(&desk).await;
    assert_eq!((two.packs, two.objects, two.bytes), (2, 5, 2003));
    assert_eq!(two.duplicate_bytes, 2003 - 5 * super::desk::LENGTH);
    desk.consolidate(3).await;
    let record = GcRecord {
        finished_at: at(9),
        outcome: "consolidated".into(),
        packs_before: 2,
        packs_after: 1,
        consolidated_key: None,
        bytes_before: 2003,
        bytes_after: 1003,
        elapsed_ms: 5,
        component: "c".into(),
        error: None,
        error_code: None,
    };
    catalog.record_gc(desk.repo, &record, None).await.unwrap();
    let one = told(&desk).await;
    assert_eq!(
        (one.packs, one.bytes, one.stored_bytes, one.superseded_bytes),
        (1, 1003, 3006, 2003)
    );
    assert_eq!((one.duplicate_bytes, one.last_gc), (0, Some(record)), "one pack repeats nothing");
}

/// The summary of a repo: alone, in the list, and by what its snapshot shows.
async fn told(desk: &Desk) -> RepoSummary {
    let summary = desk.catalog.summary(&desk.name).await.unwrap().unwrap();
    assert_eq!(desk.catalog.summaries(None, 9).await.unwrap(), std::slice::from_ref(&summary));
    let sums = desk.row().await.sums;
    assert_eq!(
        (summary.packs, summary.bytes, summary.stored_bytes),
        (sums.packs, sums.bytes, sums.stored_bytes)
    );
    let counts = (summary.commits, summary.snapshots, summary.objects, summary.tags);
    assert_eq!(
        counts,
        (sums.mapped.commits, sums.mapped.snapshots, sums.mapped.objects, sums.mapped.tags)
    );
    assert_eq!((&summary.repo, summary.created_at), (&desk.name, at(0)));
    desk.is_listed_as_it_is().await;
    summary
}

pub async fn a_catalog_says_where_and_which_it_is(catalog: Arc<dyn Catalog>) {
    assert!(!catalog.place().is_empty() && !catalog.identity().is_empty());
    assert_eq!(catalog.identity(), catalog.identity());
}
