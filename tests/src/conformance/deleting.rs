//! Deleting a repo.

use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, Leftovers, NewJob, Published};
use packhouse_host::{JobStatus, Policy, Task};

use super::desk::{Desk, at, edges, head, id, key, pack, row};

pub async fn a_deleted_repo_leaves_packs_that_wait_and_a_free_name(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.consolidate(2).await;
    desk.push(vec![pack(3, 2..4)]).await;
    let mut open = desk.snapshot().await;
    catalog.set_policy(desk.repo, Some(&Policy::OFF)).await.unwrap();
    let job = catalog.add_job(&NewJob { repo: Some(desk.repo), task: Task::Verify {}, now: at(5) }).await.unwrap();
    let left = catalog.delete_repo(desk.repo, at(6)).await.unwrap();
    assert_eq!(left, Some(Leftovers { packs: 3, bytes: 1001 + 1002 + 1003, jobs: 1 }));
    assert_eq!(open.shelves().await.unwrap().len(), 2, "who reads goes on reading");
    drop(open);

    assert!(catalog.snapshot(desk.repo).await.is_err());
    assert!(catalog.repo(&desk.name).await.unwrap().is_none() && catalog.summary(&desk.name).await.unwrap().is_none());
    assert!(catalog.repos(None, 9).await.unwrap().is_empty() && catalog.summaries(None, 9).await.unwrap().is_empty());
    assert!(catalog.policies().await.unwrap().is_empty() && catalog.pressures(None).await.unwrap().is_empty());
    assert!(catalog.held_packs().await.unwrap().is_empty());
    let job = catalog.job(job.id).await.unwrap().unwrap();
    assert_eq!((job.status, job.repo, job.finished_at), (JobStatus::Cancelled, None, Some(at(6))));
    let unneeded = catalog.unneeded_packs().await.unwrap();
    let expected = [(key(1), at(2)), (key(2), at(6)), (key(3), at(6))];
    assert_eq!(unneeded.iter().map(|retired| (retired.pack.key, retired.at)).collect::<Vec<_>>(), expected);
    assert_eq!(catalog.knows_packs(&[key(1), key(2), key(3)]).await.unwrap(), [true; 3]);
    assert_eq!(catalog.delete_repo(desk.repo, at(7)).await.unwrap(), None, "it is gone already");

    let again = Desk::new(&catalog).await;
    assert_ne!(again.repo, desk.repo);
    let mut snapshot = again.snapshot().await;
    assert!(snapshot.shelves().await.unwrap().is_empty() && snapshot.retired().await.unwrap().is_empty());
    assert_eq!(snapshot.holds(&[key(1), key(3)]).await.unwrap(), [false, false]);
    drop(snapshot);
    again.push(vec![pack(3, 0..4)]).await;
    assert_eq!(catalog.unneeded_packs().await.unwrap().len(), 2, "what is pushed again is needed");
}

pub async fn nothing_of_its_index_and_branches_comes_back_with_its_name(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..2)]).await;
    push.packs[0].tag_ids = vec![(id(1), "a tag".into())];
    (push.edges, push.heads, push.forced) = (vec![edges(1, &[])], vec![head("main", 1)], true);
    desk.done(&push).await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let again = Desk::new(&catalog).await;
    let mut snapshot = again.snapshot().await;
    assert_eq!(snapshot.lookup(&[row(Kind::Object, 1).entity]).await.unwrap(), [None]);
    assert_eq!((snapshot.edge_count().await.unwrap(), snapshot.tag_id(id(1)).await.unwrap()), (0, None));
    assert!(snapshot.heads().await.unwrap().is_empty() && snapshot.left_heads(at(-9)).await.unwrap().is_empty());
    assert_eq!((snapshot.repo().default_branch.as_deref(), snapshot.repo().revision), (None, 0));
}

pub async fn what_was_prepared_for_it_is_told_that_it_has_changed(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let (push, plan) = (desk.prepare(vec![pack(3, 5..6)]).await, desk.plan(4).await);
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert_eq!(desk.publish(&push).await, Published::Changed);
    let published = catalog.publish_consolidation(&plan, &desk.publishing().await).await.unwrap();
    assert_eq!(published, Published::Changed);
    assert_eq!(catalog.knows_packs(&[key(3), key(4)]).await.unwrap(), [false, false]);
}

pub async fn packs_that_other_repos_hold_stay_needed(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..2), pack(2, 2..3)]).await;
    other.push(vec![pack(1, 0..2)]).await;
    let left = catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert_eq!((left.packs, left.bytes), (2, 1001 + 1002));
    let unneeded = catalog.unneeded_packs().await.unwrap();
    assert_eq!(unneeded.iter().map(|retired| retired.pack.key).collect::<Vec<_>>(), [key(2)]);
    assert_eq!(other.on_shelves().await, [key(1)]);
    other.adds_up().await;
}

pub async fn an_empty_repo_leaves_nothing(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    assert_eq!(catalog.delete_repo(desk.repo, at(6)).await.unwrap(), Some(Leftovers::default()));
    assert!(catalog.unneeded_packs().await.unwrap().is_empty());
}
